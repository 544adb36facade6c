// Package promoter is the service that decides: it arms the delay, answers requests, claims, settles, and promotes.
//
// Everything it is told (a journal record, a request, an alarm, a verdict) is a hint to look at one release. What it then does is in
// internal/promote.
package promoter

import (
	"context"
	"flag"
	"os"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/work"
	"github.com/sluice-gate/sluice/services/promoter/internal/promote"
)

// Config is what a promoter is made with.
type Config struct {
	Open work.Opener // opens a project's promote action
	// AuditSeed is the file with the seed of the nkey that signs the audit chains; empty: nobody signs them.
	AuditSeed string
}

// Flags are the promoter's own.
func (c *Config) Flags(set *flag.FlagSet) {
	set.StringVar(&c.AuditSeed, "audit-seed", os.Getenv("SLUICE_AUDIT_SEED_FILE"),
		"`file` with the seed of the nkey that signs the audit chains; unsigned without (SLUICE_AUDIT_SEED_FILE)")
}

// Run works until ctx ends.
func Run(ctx context.Context, env service.Env, cfg Config) error {
	signer, err := audit.ReadSigner(cfg.AuditSeed)
	if err != nil {
		return err
	}
	if key := signer.Key(); key != "" {
		env.Log.Info("audit chains are signed", zap.String("key", key))
	}
	p := promote.New(env, cfg.Open, signer)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return env.React(ctx, topology.StreamSluice, topology.ConsumerPromoter, p.Look) })
	group.Go(func() error { return env.React(ctx, topology.StreamTimers, topology.ConsumerPromoterDue, p.Look) })
	group.Go(func() error {
		return env.React(ctx, topology.StreamEvidence, topology.ConsumerPromoterJudged, p.Look)
	})
	group.Go(func() error { return p.Sweep(ctx) })
	group.Go(func() error { return p.LinkEnded(ctx) })
	return group.Wait()
}
