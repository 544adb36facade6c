// Package stager is the service that decides who occupies staging: it lets published releases into their lane, deploys them,
// and after an end without promotion puts staging back. What it does with a release is in internal/stage.
package stager

import (
	"context"

	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/work"
	"github.com/sluice-gate/sluice/services/stager/internal/stage"
)

// Config is what a stager is made with.
type Config struct {
	Open work.Opener // opens a project's stage action
}

// Run works until ctx ends.
func Run(ctx context.Context, env service.Env, cfg Config) error {
	return env.React(ctx, topology.StreamSluice, topology.ConsumerStager, stage.New(env, cfg.Open).Look)
}
