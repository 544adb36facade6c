package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// Measured is a stored message of what a watcher measured.
type Measured struct {
	releasepb.Measured
	Seq uint64    // stream sequence in SLUICE_EVIDENCE
	At  time.Time // broker's timestamp
}

// LastMeasured is the last message of what was measured of a release, as the leader of the stream has it. ErrNone when there is
// none.
func (j *Journal) LastMeasured(ctx context.Context, id string) (Measured, error) {
	subject := topology.Measured(id)
	if subject == "" {
		return Measured{}, fmt.Errorf("measurements of release %q: an unsafe name: %w", id, ErrNone)
	}
	last, err := j.leaderLast(ctx, topology.StreamEvidence, subject)
	if err != nil {
		return Measured{}, err
	}
	m, err := releasepb.DecodeMeasured(last.Data)
	if err != nil {
		err = fmt.Errorf("%s sequence %d: %w", subject, last.Seq, err)
	}
	return Measured{Measured: m, Seq: last.Seq, At: last.At}, err
}

// Measured returns all that was measured of a release and stored at or after from, in the order of the stream. The list is
// complete up to the last message that the stream's leader had when it was asked, or there is an error. unread is how many of
// the messages can not be read. It costs one read of the leader and one for every 10,000 messages.
func (j *Journal) Measured(ctx context.Context, id string, from time.Time) (all []Measured, unread int, err error) {
	subject := topology.Measured(id)
	if subject == "" {
		return nil, 0, fmt.Errorf("measurements of release %q: an unsafe name: %w", id, ErrNone)
	}
	last, err := j.leaderLast(ctx, topology.StreamEvidence, subject)
	if errors.Is(err, ErrNone) || err == nil && last.At.Before(from) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("measurements of %s: %w", id, err)
	}
	msgs, err := j.between(ctx, topology.StreamEvidence, subject, 0, &from, last.Seq)
	if err != nil {
		return nil, 0, fmt.Errorf("measurements of %s: %w", id, err)
	}
	for _, m := range msgs {
		one, err := releasepb.DecodeMeasured(m.Data)
		if err != nil {
			unread++
			continue
		}
		all = append(all, Measured{Measured: one, Seq: m.Seq, At: m.At})
	}
	return all, unread, nil
}
