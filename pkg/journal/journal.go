package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

var (
	// ErrNone: there is no journal for that release (or no record on that subject).
	ErrNone = errors.New("no such release")
	// ErrConflict: somebody else appended first. Load again and decide again.
	ErrConflict = errors.New("somebody else appended first")
	// ErrStale: a replica that lags behind answered. Ask again.
	ErrStale = errors.New("the answer is from before what it was asked for")
)

// The headers of a journal record; they repeat what a subscriber wants to filter by without reading the body.
const (
	HeaderEvent   = "Sluice-Event"
	HeaderProject = "Sluice-Project"
	HeaderCause   = "Sluice-Cause"
	HeaderFolded  = "Sluice-Folded"
)

// Journal reads and appends journals over one connection. It keeps nothing in memory and is safe for concurrent use.
type Journal struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	api     string // the prefix of the broker's API subjects, with the dot
	stream  jetstream.Stream
	service string
}

// Entry is a release as the last record of its journal tells it.
type Entry struct {
	State release.State // stamped with what the broker knows
	Seq   uint64        // stream sequence of the record
	At    time.Time     // broker's timestamp of the record
	Type  string        // the record's event word
}

// Open binds to the stream. service names the instance in every record that it appends.
func Open(ctx context.Context, js jetstream.JetStream, service string) (*Journal, error) {
	s, err := js.Stream(ctx, topology.StreamSluice)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", topology.StreamSluice, err)
	}
	return &Journal{nc: js.Conn(), js: js, api: apiPrefix(js.Options()), stream: s, service: service}, nil
}

// Load reads the release. ErrNone when it has no journal.
func (j *Journal) Load(ctx context.Context, id string) (Entry, error) {
	m, err := j.last(ctx, topology.Release(id))
	if err != nil {
		return Entry{}, err
	}
	return entry(m)
}

// Snapshot reads the release together with its requests that are not folded yet, in the order of the stream. Both come
// from one consistent answer. ErrNone when there is no journal, whatever requests there are.
func (j *Journal) Snapshot(ctx context.Context, id string) (Entry, []release.Request, error) {
	msgs, err := j.multiLast(ctx, id, 0)
	if err != nil {
		return Entry{}, nil, err
	}
	e, requests, err := split(msgs, id)
	if err != nil {
		return Entry{}, nil, err
	}
	requests, err = j.unfolded(ctx, e, requests)
	return e, requests, err
}

// Settle decides the claim of a promoting release: it returns the requests that make it ineffective, or none when it is
// effective. It asks until the answer contains the claim.
func (j *Journal) Settle(ctx context.Context, e Entry) ([]release.Request, error) {
	if e.State.Phase != release.Promoting || e.State.Claim == 0 {
		return nil, fmt.Errorf("settle %s: it is %s: %w", e.State.Release, e.State.Phase, release.ErrPhase)
	}
	for {
		msgs, err := j.multiLast(ctx, e.State.Release, e.State.Claim)
		if err != nil {
			return nil, fmt.Errorf("settle %s: %w", e.State.Release, err)
		}
		at, requests, err := split(msgs, e.State.Release)
		if err == nil && at.Seq == e.State.Claim {
			return at.State.Settle(requests), nil
		}
		if err != nil && !errors.Is(err, ErrNone) {
			return nil, fmt.Errorf("settle %s: %w", e.State.Release, err)
		}
		if err := pause(ctx); err != nil {
			return nil, fmt.Errorf("settle %s: %w: %w", e.State.Release, ErrStale, err)
		}
	}
}

// Append stores the event after the entry it was decided on, and returns the release after it. ErrConflict when the entry
// is not the last any more. cause is the message that led to it.
func (j *Journal) Append(ctx context.Context, e Entry, ev release.Event, cause string) (Entry, error) {
	state := release.Evolve(e.State, ev)
	data, err := releasepb.EncodeRecord(releasepb.Record{Event: ev, State: state, Service: j.service, Cause: cause})
	if err != nil {
		return Entry{}, fmt.Errorf("journal of %s: %w", state.Release, err)
	}
	m := nats.NewMsg(topology.Release(state.Release))
	m.Data = data
	m.Header.Set(HeaderEvent, ev.Name())
	m.Header.Set(HeaderProject, state.Project)
	m.Header.Set(HeaderCause, cause)
	m.Header.Set(HeaderFolded, fmt.Sprint(state.Folded))
	seq, err := j.compareAndSet(ctx, m, e.Seq)
	if err != nil {
		return Entry{}, fmt.Errorf("append %s to the journal of %s: %w", ev.Name(), state.Release, err)
	}
	return j.own(ctx, seq)
}

// own reads back a record that was just stored: only the broker knows its timestamp.
func (j *Journal) own(ctx context.Context, seq uint64) (Entry, error) {
	for {
		m, err := j.stream.GetMsg(ctx, seq)
		if err == nil {
			return entry(stored{Subject: m.Subject, Seq: m.Sequence, At: m.Time, Data: m.Data})
		}
		if !errors.Is(err, jetstream.ErrMsgNotFound) {
			return Entry{}, fmt.Errorf("read back sequence %d: %w", seq, err)
		}
		if err := pause(ctx); err != nil { // a lagging replica
			return Entry{}, fmt.Errorf("read back sequence %d: %w: %w", seq, ErrStale, err)
		}
	}
}

// unfolded keeps the requests that the entry has not answered, and adds those that a later one on the same subject
// hides from a read of last messages.
func (j *Journal) unfolded(ctx context.Context, e Entry, last []release.Request) ([]release.Request, error) {
	var out []release.Request
	for _, r := range last {
		if r.Seq <= e.State.Folded {
			continue
		}
		subject := topology.Request(string(r.Verb), e.State.Release, r.Actor)
		all, err := j.between(ctx, topology.StreamSluice, subject, e.State.Folded+1, nil, r.Seq)
		if err != nil {
			return nil, fmt.Errorf("requests of %s: %w", e.State.Release, err)
		}
		for _, m := range all {
			out = append(out, request(m, r.Verb, r.Actor))
		}
	}
	return inOrder(out), nil
}

func entry(m stored) (Entry, error) {
	rec, err := releasepb.DecodeRecord(m.Data)
	if err != nil {
		return Entry{}, fmt.Errorf("%s sequence %d: %w", m.Subject, m.Seq, err)
	}
	return Entry{State: rec.State.Stamp(m.Seq, m.At), Seq: m.Seq, At: m.At, Type: rec.Type}, nil
}
