//go:build flaw_append

package journal

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

const flawed, unsettled = true, false

// flaw appends after whatever is the last record by now, not after the one that was decided on.
type flaw struct{ sound }

func (*flaw) guard(ctx context.Context, j *Journal, _ *nats.Msg, e Entry, _ release.Event) uint64 {
	last, err := j.leaderLast(ctx, topology.StreamSluice, topology.Release(e.State.Release))
	if err != nil {
		return e.Seq
	}
	return last.Seq
}
