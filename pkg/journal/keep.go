package journal

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// Records that are of no consequence for releases are kept beside the evidence, and no longer than that: what is on its way to whom a
// project notifies.

// Kept is the last message on a subject of the stream SLUICE_EVIDENCE, and its sequence, as the stream's leader has it: never behind.
// The sequence is 0 when there is none.
func (j *Journal) Kept(ctx context.Context, subject string) ([]byte, uint64, error) {
	if subject == "" {
		return nil, 0, errors.New("a record with an unsafe name")
	}
	m, err := j.leaderLast(ctx, topology.StreamEvidence, subject)
	if errors.Is(err, ErrNone) {
		return nil, 0, nil
	}
	return m.Data, m.Seq, err
}

// Keep stores the next message on a subject of the stream SLUICE_EVIDENCE, if the last one has that sequence, 0 for none. Otherwise
// somebody else was faster: ErrConflict.
func (j *Journal) Keep(ctx context.Context, subject string, data []byte, last uint64) error {
	if subject == "" {
		return errors.New("a record with an unsafe name")
	}
	if len(data) > releasepb.MaxBody {
		return fmt.Errorf("store %s: %d bytes, and at most %d can be stored", subject, len(data), releasepb.MaxBody)
	}
	m := nats.NewMsg(subject)
	m.Data = data
	if _, err := j.compareAndSetIn(ctx, topology.StreamEvidence, m, last); err != nil {
		return fmt.Errorf("store %s: %w", subject, err)
	}
	return nil
}
