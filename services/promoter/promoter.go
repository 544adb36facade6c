// Package promoter is the service that decides: it arms the delay, answers requests, claims, settles, and promotes.
//
// Everything it is told (a journal record, a request, an alarm, a verdict) is a hint to look at one release. What it then does is in
// internal/promote.
package promoter

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/work"
	"github.com/sluice-gate/sluice/services/promoter/internal/promote"
)

// Config is what a promoter is made with.
type Config struct {
	Open work.Opener // opens a project's promote action
}

// Run works until ctx ends.
func Run(ctx context.Context, env service.Env, cfg Config) error {
	p := promote.New(env, cfg.Open)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return env.React(ctx, topology.StreamSluice, topology.ConsumerPromoter, p.Look) })
	group.Go(func() error { return env.React(ctx, topology.StreamTimers, topology.ConsumerPromoterDue, p.Look) })
	group.Go(func() error {
		return env.React(ctx, topology.StreamEvidence, topology.ConsumerPromoterJudged, p.Look)
	})
	group.Go(func() error { return p.Sweep(ctx) })
	return group.Wait()
}
