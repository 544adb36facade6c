package journal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/topology"
)

// backStep is how many sequences of the stream Back looks at with one request.
const backStep = 1000

// Back calls see for the records of all journals that were stored since then and before a sequence of the stream, or up to now for 0, the
// newest first, until it returns false, or at least most sequences were looked at. It returns the sequence before which it goes on, 0 when
// there is nothing more. What can not be read is told to odd, and left out. It costs two requests, and one for every 1,000 sequences.
func (j *Journal) Back(
	ctx context.Context, since time.Time, before, most uint64, see func(Transition) bool, odd func(seq uint64, err error),
) (uint64, error) {
	g := From{At: since}.get(topology.AllJournals)
	g.Batch = 1
	a, err := j.ask(ctx, topology.StreamSluice, g)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", g.Next, err)
	}
	if len(a.msgs) == 0 {
		return 0, nil
	}
	first := a.msgs[0].Seq
	_, last, err := j.Latest(ctx)
	if err != nil {
		return 0, err
	}
	if before == 0 || before > last {
		before = last + 1
	}
	for looked := uint64(0); before > first; looked += backStep {
		if looked >= most {
			return before, nil
		}
		from := max(first, before-min(backStep, before))
		msgs, err := j.window(ctx, from, before)
		if err != nil {
			return 0, err
		}
		for _, m := range slices.Backward(msgs) {
			t, err := transition(m)
			if err != nil {
				odd(m.Seq, err)
			} else if !see(t) && m.Seq > first {
				return m.Seq, nil
			} else if m.Seq == first {
				return 0, nil
			}
		}
		before = from
	}
	return 0, nil
}

// window reads the records of all journals from a sequence on, before another.
func (j *Journal) window(ctx context.Context, from, before uint64) ([]stored, error) {
	var out []stored
	for g := (get{Next: topology.AllJournals, Seq: from, Batch: int(before - from)}); ; { //nolint:gosec // it is backStep at most
		a, err := j.ask(ctx, topology.StreamSluice, g)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", g.Next, err)
		}
		for _, m := range a.msgs {
			if m.Seq >= before {
				return out, nil
			}
			out = append(out, m)
		}
		if a.pending == 0 || len(a.msgs) == 0 {
			return out, nil
		}
		g.Seq = a.msgs[len(a.msgs)-1].Seq + 1
		if g.Seq >= before {
			return out, nil
		}
	}
}
