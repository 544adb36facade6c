package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// Output is a stored message of what a driver printed.
type Output struct {
	releasepb.Output
	Seq uint64    // stream sequence in SLUICE_EVIDENCE
	At  time.Time // broker's timestamp
}

// outputsAtOnce is how many messages one request asks for: together less than a client lets pile up.
const outputsAtOnce = 64

// Outputs returns what drivers printed for a release, the attempt first that began first. unread is how many of the messages can not be
// read. What is older than evidence is kept is not there any more.
func (j *Journal) Outputs(ctx context.Context, id string) (all []Output, unread int, err error) {
	subject := topology.Output(id)
	if subject == "" {
		return nil, 0, fmt.Errorf("output of release %q: an unsafe name: %w", id, ErrNone)
	}
	last, err := j.leaderLast(ctx, topology.StreamEvidence, subject)
	if errors.Is(err, ErrNone) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("output of %s: %w", id, err)
	}
	msgs, err := j.betweenBy(ctx, outputsAtOnce, topology.StreamEvidence, subject, 0, nil, last.Seq)
	if err != nil {
		return nil, 0, fmt.Errorf("output of %s: %w", id, err)
	}
	for _, m := range msgs {
		one, err := releasepb.DecodeOutput(m.Data)
		if err != nil {
			unread++
			continue
		}
		all = append(all, Output{Output: one, Seq: m.Seq, At: m.At})
	}
	slices.SortStableFunc(all, func(a, b Output) int { return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.Seq, b.Seq)) })
	return all, unread, nil
}
