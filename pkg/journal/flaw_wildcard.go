//go:build flaw_wildcard

package journal

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/release"
)

const flawed, unsettled = true, true

// flaw does not settle. It guards the claim with a wildcard over the journal and all requests without a name, which the broker
// does not check against what is in flight on a replicated stream.
type flaw struct{ sound }

func (*flaw) guard(_ context.Context, _ *Journal, m *nats.Msg, e Entry, ev release.Event) uint64 {
	if begun, ok := ev.(release.WasBegun); !ok || begun.Work != release.Promote || e.State.Phase == release.Promoting {
		return e.Seq // no claim, or a further attempt of what is claimed
	}
	m.Header.Set("Nats-Expected-Last-Subject-Sequence-Subject", "sluice.*."+e.State.Release)
	return max(e.Seq, e.State.Folded)
}
