package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// pauseBetween is the wait before a replica that lags behind is asked again.
const pauseBetween = 5 * time.Millisecond

// last reads the last message of a subject to which only services may publish. ErrNone if there is none.
func (j *Journal) last(ctx context.Context, subject string) (stored, error) {
	if subject == "" {
		return stored{}, fmt.Errorf("an unsafe name: %w", ErrNone)
	}
	var m *jetstream.RawStreamMsg
	err := soon(ctx, func(ctx context.Context) (err error) {
		m, err = j.stream.GetLastMsgForSubject(ctx, subject)
		return err
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return stored{}, fmt.Errorf("%s: %w", subject, ErrNone)
	}
	if err != nil {
		return stored{}, fmt.Errorf("read %s: %w", subject, err)
	}
	return stored{Subject: m.Subject, Seq: m.Sequence, At: m.Time, Data: m.Data}, nil
}

// journalAndRequests are the subjects of a release: its journal first, then what matches its requests. nil for an unsafe id.
func journalAndRequests(id string) []string {
	subject := topology.Release(id)
	if subject == "" {
		return nil
	}
	return append([]string{subject}, topology.RequestFilters(id)...)
}

// multiLast reads the last message of every subject that the filters match, in the order of the stream. With upTo it looks at
// the stream as it was at that sequence. Otherwise the answer is from a replica that has at least the sequence least; one
// that has not is asked again. An answer without messages may come from a replica that lags behind all the same.
func (j *Journal) multiLast(ctx context.Context, filters []string, upTo, least uint64) ([]stored, error) {
	g := get{MultiLast: filters, UpTo: upTo}
	var out []stored
	var total int
	var n again
	for {
		a, err := j.ask(ctx, topology.StreamSluice, g)
		if err != nil {
			return nil, err
		}
		if g.UpTo == 0 && len(a.msgs) > 0 && a.upTo < least {
			if err := n.pause(ctx); err != nil {
				return nil, stale(err)
			}
			continue
		}
		if len(out) == 0 {
			total, g.UpTo = len(a.msgs)+a.pending, a.upTo // all parts as of the same sequence
		}
		out = append(out, a.msgs...)
		switch {
		case len(out) == total:
			return out, nil
		case len(out) > total:
			return nil, fmt.Errorf("%d messages, and %d were announced", len(out), total)
		case len(a.msgs) == 0:
			if err := n.pause(ctx); err != nil {
				return nil, stale(err)
			}
			continue
		}
		g.Seq = out[len(out)-1].Seq + 1
	}
}

// batch is how many messages one request asks for. A heartbeat's answer is about 300 bytes.
const batch = 10_000

// between reads all messages on one subject from one sequence to another, both included. There must be one at to: an answer
// without it comes from a replica that lags behind, and is asked for again. It begins at the time start instead, if that is
// set.
func (j *Journal) between(ctx context.Context, stream, subject string, from uint64, start *time.Time, to uint64) ([]stored, error) {
	return j.betweenBy(ctx, batch, stream, subject, from, start, to)
}

// betweenBy is between with a number of messages for one request.
func (j *Journal) betweenBy(
	ctx context.Context, batch int, stream, subject string, from uint64, start *time.Time, to uint64,
) ([]stored, error) {
	g := get{Batch: batch, Next: subject, Seq: from, StartTime: start}
	var out []stored
	var n again
	for {
		a, err := j.ask(ctx, stream, g)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", subject, err)
		}
		for _, m := range a.msgs {
			if m.Seq <= to && m.Subject == subject {
				out = append(out, m)
			}
			if m.Seq >= to {
				return out, nil
			}
		}
		if len(a.msgs) > 0 {
			g.Seq, g.StartTime = a.msgs[len(a.msgs)-1].Seq+1, nil
		}
		if a.pending > 0 {
			continue
		}
		if err := n.pause(ctx); err != nil {
			return nil, fmt.Errorf("read %s: %w", subject, stale(err))
		}
	}
}

// asked is a request and the subject that it was stored on.
type asked struct {
	release.Request
	subject string
}

// split tells the journal's record from the requests. e is zero if there is no record.
func split(msgs []stored, id string) (e Entry, requests []asked, err error) {
	journal := topology.Release(id)
	for _, m := range msgs {
		if m.Subject == journal {
			if e, err = entry(m); err != nil {
				return Entry{}, nil, err
			}
		} else if r, ok := request(m, id); ok {
			requests = append(requests, asked{r, m.Subject})
		}
	}
	slices.SortFunc(requests, func(a, b asked) int { return cmp.Compare(a.Seq, b.Seq) })
	return e, requests, nil
}

// maxActor bounds the name that a sender gave itself, in bytes.
const maxActor = 64

// request reads a message on one of the request subjects of a release.
func request(m stored, id string) (release.Request, bool) {
	s, err := topology.ParseStored(m.Subject)
	if err != nil || s.Kind != topology.KindRequest || s.Release != id {
		return release.Request{}, false
	}
	return releasepb.DecodeRequest(release.Verb(s.Verb), releasepb.Line(s.Actor, maxActor), m.Seq, m.At, m.Data), true
}

func entry(m stored) (Entry, error) {
	rec, err := releasepb.DecodeRecord(m.Data)
	if err != nil {
		return Entry{}, fmt.Errorf("%s sequence %d: %w", m.Subject, m.Seq, err)
	}
	at := m.At
	if flawed {
		at = flaw{}.now(at)
	}
	return Entry{
		State: rec.State.Stamp(m.Seq, m.At), Seq: m.Seq, At: at, Type: rec.Type,
		unknown: rec.Unknown, hash: audit.Of(message(m)),
	}, nil
}

// unfolded keeps the requests that the entry has not answered, and adds those that a later one on the same subject hides
// from a read of last messages.
func (j *Journal) unfolded(ctx context.Context, e Entry, last []asked) ([]release.Request, error) {
	var out []release.Request
	for _, r := range last {
		if r.Seq <= e.State.Folded {
			continue
		}
		if !utf8.ValidString(r.subject) { // JSON can not ask for it
			return nil, errHidden
		}
		all, err := j.between(ctx, topology.StreamSluice, r.subject, e.State.Folded+1, nil, r.Seq)
		if err != nil {
			return nil, err
		}
		for _, m := range all {
			if r, ok := request(m, e.State.Release); ok {
				out = append(out, r)
			}
		}
	}
	slices.SortFunc(out, func(a, b release.Request) int { return cmp.Compare(a.Seq, b.Seq) })
	return out, nil
}

// stale says that only replicas that lag behind answered, until time or patience ran out.
func stale(err error) error { return fmt.Errorf("%w: %w", ErrStale, err) }

// again counts how often was asked in vain: of a replica that lags behind for one.
type again int

// mostAgain bounds it: ten seconds of pauses. A caller that has more time than that can come back.
const mostAgain = 2000

// pause waits before the next time.
func (n *again) pause(ctx context.Context) error {
	if *n++; *n > mostAgain {
		return fmt.Errorf("asked %d times", mostAgain)
	}
	t := time.NewTimer(pauseBetween)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
