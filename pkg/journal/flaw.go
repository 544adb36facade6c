package journal

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/release"
)

// The protocol has protections that are easily mistaken for fuss. Each build with a tag flaw_… leaves one of them out, and a
// test must catch what follows (services/promoter, TestRaceCatches; services/e2e/chaos, TestChaosCatches):
//
//	flaw_stale     a settling answer counts only if it contains the claim
//	flaw_wildcard  a claim is settled instead of guarded by a wildcard
//	flaw_settle    a claim is settled at all
//	flaw_append    an append is a compare-and-set against what was decided on
//	flaw_clock     the time is the broker's
//
// In every other build flawed is false, and the compiler drops all of this. A flaw embeds sound and overrides what it does
// without.
type sound struct{}

func (sound) settle(Entry) release.Against { return release.Against{} }

func (sound) guard(_ context.Context, _ *Journal, _ *nats.Msg, e Entry, _ release.Event) uint64 {
	return e.Seq
}

func (sound) claimed(context.Context, *Journal, release.State, uint64) {}

func (sound) now(broker time.Time) time.Time { return broker }
