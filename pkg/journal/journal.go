package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

var (
	// ErrNone: there is no journal for that release (or no record on that subject).
	ErrNone = errors.New("no such release")
	// ErrConflict: somebody else appended first. Load again and decide again. On a replicated stream it may also mean that the
	// record before, even one's own and acknowledged, is still being applied; then the next load shows nothing new.
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
	// HeaderAttention says, in one line, why somebody should look at the release; most records have none.
	HeaderAttention = "Sluice-Attention"
)

// Journal reads and appends journals over one connection. It remembers nothing of them and is safe for concurrent use.
type Journal struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	api     string // the prefix of the broker's API subjects, with the dot
	inbox   *inbox
	stream  jetstream.Stream
	service string
	flaw    flaw // nothing, but in the builds that the race must catch
}

// Entry is a release as the last record of its journal tells it.
type Entry struct {
	State release.State // stamped with what the broker knows
	Seq   uint64        // stream sequence of the record
	At    time.Time     // broker's timestamp of the record
	Type  string        // the record's event word

	unknown []byte     // fields of the state that a newer version wrote; they are carried on
	hash    audit.Hash // of the record; the next one carries it
}

// Open binds to the stream, for as long as the connection lasts. service names the instance in every record that it appends.
func Open(ctx context.Context, js jetstream.JetStream, service string) (*Journal, error) {
	s, err := js.Stream(ctx, topology.StreamSluice)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", topology.StreamSluice, err)
	}
	in, err := openInbox(js.Conn())
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", topology.StreamSluice, err)
	}
	return &Journal{nc: js.Conn(), js: js, api: apiPrefix(js.Options()), inbox: in, stream: s, service: service}, nil
}

// Load reads the release. ErrNone when it has no journal. On a replicated stream the answer may be a little behind; what is
// decided on it is guarded by the append.
func (j *Journal) Load(ctx context.Context, id string) (Entry, error) { return j.LoadAt(ctx, id, 0) }

// LoadAt is Load, not from before a sequence of the stream: whoever was told of a message at that sequence sees its effect.
func (j *Journal) LoadAt(ctx context.Context, id string, least uint64) (Entry, error) {
	subject := topology.Release(id)
	m, err := j.last(ctx, subject)
	if err == nil && m.Seq < least {
		var all []stored
		if all, err = j.multiLast(ctx, []string{subject}, 0, least); err != nil {
			return Entry{}, fmt.Errorf("read %s: %w", subject, err)
		}
		if len(all) == 1 {
			m = all[0]
		} else {
			err = ErrNone
		}
	}
	if errors.Is(err, ErrNone) && subject != "" {
		m, err = j.leaderLast(ctx, topology.StreamSluice, subject) // ErrNone is final, so the leader has the word
	}
	if err != nil {
		return Entry{}, err
	}
	return entry(m)
}

// LoadSure is Load from the leader of the stream, which is never behind: for what is concluded without an append to the journal.
func (j *Journal) LoadSure(ctx context.Context, id string) (Entry, error) {
	subject := topology.Release(id)
	if subject == "" {
		return Entry{}, fmt.Errorf("release %q: an unsafe name: %w", id, ErrNone)
	}
	m, err := j.leaderLast(ctx, topology.StreamSluice, subject)
	if err != nil {
		return Entry{}, err
	}
	return entry(m)
}

// LastSeq is the sequence of the last record of the release's journal, as the leader of the stream has it: never behind. It is
// 0 when there is none.
func (j *Journal) LastSeq(ctx context.Context, id string) (uint64, error) {
	m, err := j.leaderLast(ctx, topology.StreamSluice, topology.Release(id))
	if errors.Is(err, ErrNone) {
		return 0, nil
	}
	return m.Seq, err
}

// Snapshot reads the release together with its requests that are not folded yet, in the order of the stream. Both come
// from one consistent answer. ErrNone when there is no journal, whatever requests there are.
func (j *Journal) Snapshot(ctx context.Context, id string) (Entry, []release.Request, error) {
	return j.SnapshotAt(ctx, id, 0)
}

// SnapshotAt is Snapshot, not from before a sequence of the stream: whoever was told of a message at that sequence sees it.
func (j *Journal) SnapshotAt(ctx context.Context, id string, least uint64) (Entry, []release.Request, error) {
	filters := journalAndRequests(id)
	if filters == nil {
		return Entry{}, nil, fmt.Errorf("release %q: an unsafe name: %w", id, ErrNone)
	}
	var n again
	for {
		e, requests, err := j.snapshot(ctx, id, filters, 0, least)
		if err == nil && e.Seq == 0 {
			// ErrNone is final, so the leader has the word.
			if _, err = j.leaderLast(ctx, topology.StreamSluice, filters[0]); err == nil {
				if err = n.pause(ctx); err == nil {
					continue
				}
				err = stale(err)
			}
		}
		if errors.Is(err, errTooMany) || errors.Is(err, errHidden) {
			e, requests, err = j.walkRelease(ctx, id, filters, 0)
		}
		if err != nil {
			return Entry{}, nil, fmt.Errorf("read %s: %w", id, err)
		}
		if unsettled && e.State.Phase == release.Promoting {
			requests = nil // this answer has the claim: it would settle it rightly
		}
		return e, requests, nil
	}
}

func (j *Journal) snapshot(ctx context.Context, id string, filters []string, upTo, least uint64) (Entry, []release.Request, error) {
	msgs, err := j.multiLast(ctx, filters, upTo, least)
	if err != nil {
		return Entry{}, nil, err
	}
	e, last, err := split(msgs, id)
	if err != nil || e.Seq == 0 || upTo != 0 && e.Seq != upTo {
		return e, nil, err
	}
	requests, err := j.unfolded(ctx, e, last)
	return e, requests, err
}

// Settle decides the claim of a promoting release: it returns what makes it ineffective, or nothing when it is effective. It
// asks until the answers contain the claim. When ctx ends before, or no answer had it for ten seconds, the error wraps
// ErrStale.
func (j *Journal) Settle(ctx context.Context, e Entry) (release.Against, error) {
	id, claim := e.State.Release, e.State.Claim
	filters := journalAndRequests(id)
	if unsettled {
		return j.flaw.settle(e), nil
	}
	if e.State.Phase != release.Promoting || claim == 0 || filters == nil {
		return release.Against{}, fmt.Errorf("settle %q: it is %s: %w", id, e.State.Phase, release.ErrPhase)
	}
	for n := again(0); ; {
		at, requests, err := j.snapshot(ctx, id, filters, claim, 0)
		if errors.Is(err, errTooMany) || errors.Is(err, errHidden) {
			at, requests, err = j.walkRelease(ctx, id, filters, claim)
		}
		var gate release.Gate
		var has uint64
		if err == nil && at.Seq == claim {
			gate, has, err = j.gate(ctx, at, claim, 0)
		}
		if err != nil && n > 0 && ctx.Err() != nil {
			err = stale(err)
		}
		if err != nil {
			return release.Against{}, fmt.Errorf("settle %s: %w", id, err)
		}
		if has == claim {
			return at.State.Settle(requests, gate.Stops, at.At), nil
		}
		if err := n.pause(ctx); err != nil {
			return release.Against{}, fmt.Errorf("settle %s: %w", id, stale(err))
		}
	}
}

// Append stores the event after the entry it was decided on, and returns the release after it. ErrConflict when the entry
// is not the last any more. cause is the message that led to it.
func (j *Journal) Append(ctx context.Context, e Entry, ev release.Event, cause string) (Entry, error) {
	state := release.Evolve(e.State, ev)
	subject := topology.Release(state.Release)
	if subject == "" {
		return Entry{}, fmt.Errorf("append %s: release %q: an unsafe name: %w", ev.Name(), state.Release, ErrNone)
	}
	data, err := releasepb.EncodeRecord(releasepb.Record{
		Event: ev, State: state, Service: j.service, Cause: cause, Prev: e.chained(subject), Unknown: e.unknown,
	})
	if err != nil {
		return Entry{}, fmt.Errorf("journal of %s: %w", state.Release, err)
	}
	m := nats.NewMsg(subject)
	m.Data = data
	m.Header.Set(HeaderEvent, ev.Name())
	m.Header.Set(HeaderProject, state.Project)
	m.Header.Set(HeaderCause, cause)
	m.Header.Set(HeaderFolded, fmt.Sprint(state.Folded))
	if why := release.Attention(ev); why != "" {
		m.Header.Set(HeaderAttention, releasepb.Line(why, releasepb.MaxReason))
	}
	last := e.Seq
	if flawed {
		last = j.flaw.guard(ctx, j, m, e, ev)
	}
	seq, err := j.compareAndSet(ctx, m, last)
	if err != nil {
		return Entry{}, fmt.Errorf("append %s to the journal of %s: %w", ev.Name(), state.Release, err)
	}
	if flawed {
		j.flaw.claimed(ctx, j, state, seq)
	}
	return j.own(ctx, seq)
}

// own reads back a record that was just stored: only the broker knows its timestamp.
func (j *Journal) own(ctx context.Context, seq uint64) (Entry, error) {
	for n := again(0); ; {
		var m *jetstream.RawStreamMsg
		err := soon(ctx, func(ctx context.Context) (err error) {
			m, err = j.stream.GetMsg(ctx, seq)
			return err
		})
		if err == nil {
			return entry(stored{Subject: m.Subject, Seq: m.Sequence, At: m.Time, Data: m.Data})
		}
		if !errors.Is(err, jetstream.ErrMsgNotFound) {
			return Entry{}, fmt.Errorf("read back sequence %d: %w", seq, err)
		}
		if err := n.pause(ctx); err != nil { // a lagging replica
			return Entry{}, fmt.Errorf("read back sequence %d: %w", seq, stale(err))
		}
	}
}
