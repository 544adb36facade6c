package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

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
	m, err := j.stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return stored{}, fmt.Errorf("%s: %w", subject, ErrNone)
	}
	if err != nil {
		return stored{}, fmt.Errorf("read %s: %w", subject, err)
	}
	return stored{Subject: m.Subject, Seq: m.Sequence, At: m.Time, Data: m.Data}, nil
}

// multiLast reads the last message of the journal and of every request subject of the release, up to a sequence (0: all).
// The answer is complete or an error.
func (j *Journal) multiLast(ctx context.Context, id string, upTo uint64) ([]stored, error) {
	subject := topology.Release(id)
	if subject == "" {
		return nil, fmt.Errorf("release %q: an unsafe name: %w", id, ErrNone)
	}
	g := get{MultiLast: append(topology.RequestFilters(id), subject), UpTo: upTo}
	var out []stored
	for {
		a, err := j.ask(ctx, topology.StreamSluice, g)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", id, err)
		}
		out = append(out, a.msgs...)
		if !a.more {
			return out, nil
		}
		g.Seq, g.UpTo = out[len(out)-1].Seq+1, a.upTo // all parts from before the same sequence
	}
}

// batch is how many messages one request asks for. A heartbeat's answer is about 300 bytes.
const batch = 10_000

// between reads all messages on one subject from one sequence to another, both included. There must be one at to: an answer
// without it comes from a replica that lags behind, and is asked for again. from is the start's time instead if it is set.
func (j *Journal) between(ctx context.Context, stream, subject string, from uint64, start *time.Time, to uint64) ([]stored, error) {
	g := get{Batch: batch, Next: subject, Seq: from, StartTime: start}
	var out []stored
	for {
		a, err := j.ask(ctx, stream, g)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", subject, err)
		}
		for _, m := range a.msgs {
			if m.Seq <= to {
				out = append(out, m)
			}
			if m.Seq >= to {
				return out, nil
			}
		}
		if len(out) > 0 {
			g.Seq, g.StartTime = out[len(out)-1].Seq+1, nil
		}
		if a.more {
			continue
		}
		if err := pause(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w: %w", subject, ErrStale, err)
		}
	}
}

// split tells the journal's record from the requests. Subjects that are neither are skipped: a newer version's.
func split(msgs []stored, id string) (Entry, []release.Request, error) {
	var e Entry
	var requests []release.Request
	for _, m := range msgs {
		subject, err := topology.ParseSubject(m.Subject)
		if err != nil || subject.Release != id {
			continue
		}
		switch subject.Kind { //nolint:exhaustive // the read asks for these two
		case topology.KindRelease:
			if e, err = entry(m); err != nil {
				return Entry{}, nil, err
			}
		case topology.KindRequest:
			requests = append(requests, request(m, release.Verb(subject.Verb), subject.Actor))
		}
	}
	if e.Seq == 0 {
		return Entry{}, nil, fmt.Errorf("%s: %w", id, ErrNone)
	}
	return e, inOrder(requests), nil
}

func request(m stored, verb release.Verb, actor string) release.Request {
	return releasepb.DecodeRequest(verb, actor, m.Seq, m.At, m.Data)
}

func inOrder(rs []release.Request) []release.Request {
	slices.SortFunc(rs, func(a, b release.Request) int {
		if a.Seq < b.Seq {
			return -1
		}
		return 1
	})
	return rs
}

func pause(ctx context.Context) error {
	t := time.NewTimer(pauseBetween)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
