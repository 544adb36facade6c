//go:build !flaw_stale && !flaw_wildcard

package journal

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/release"
)

// The protocol has two protections that are easily mistaken for fuss: a settling answer counts only if it contains the
// claim, and a claim is settled instead of guarded by a wildcard. The builds flaw_stale and flaw_wildcard leave one of them out,
// and the race must catch what follows (services/promoter, TestRaceCatches). In every other build flawed is false, and the
// compiler drops all of this.
const flawed = false

type flaw struct{}

func (flaw) settle(Entry) release.Against                             { return release.Against{} }
func (flaw) guard(*nats.Msg, Entry, release.Event) uint64             { return 0 }
func (flaw) claimed(context.Context, *Journal, release.State, uint64) {}
