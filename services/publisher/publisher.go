// Package publisher is the service that lets merges in and puts their betas where staging and testers get them.
//
// A merge event is admitted once (internal/admit): it becomes a release with a journal, or a dead letter with a reason. The
// journal then leads the rest (internal/publish): fix version, beta and digest, publish, and after an end without promotion
// put the beta channel back.
package publisher

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/work"
	"github.com/sluice-gate/sluice/services/publisher/internal/admit"
	"github.com/sluice-gate/sluice/services/publisher/internal/publish"
)

// Config is what a publisher is made with.
type Config struct {
	Open work.Opener // opens a project's publish and promote actions
}

// Run works until ctx ends.
func Run(ctx context.Context, env service.Env, cfg Config) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return env.React(ctx, topology.StreamSluice, topology.ConsumerPublisher, admit.New(env).Merge)
	})
	group.Go(func() error {
		return env.React(ctx, topology.StreamSluice, topology.ConsumerPublisherJournal, publish.New(env, cfg.Open).Look)
	})
	return group.Wait()
}
