// Package watcher is the service that watches staging while a release soaks, stage by stage, and production while it bakes:
// it runs the project's checks, says by heartbeats that somebody watches and whether a check fails, and stops a release whose
// staging errs, or asks to roll back one whose production does. It appends nothing to a journal; what it publishes is a request
// like anybody's.
//
// Whom it watches, who of several instances does, and what happens when one dies, is told in internal/watch; how a check is
// judged in internal/judge; what a probe does in internal/probe.
package watcher

import (
	"context"
	"net/http"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/watcher/internal/probe"
	"github.com/sluice-gate/sluice/services/watcher/internal/watch"
)

// Config is what a watcher is made with. Its zero value is for production.
type Config struct {
	Transport http.RoundTripper // how http probes reach staging; nil: a new connection for every request
}

// Run works until ctx ends.
func Run(ctx context.Context, env service.Env, cfg Config) error {
	group, ctx := errgroup.WithContext(ctx)
	var watches sync.WaitGroup
	w := watch.New(env, probe.Tools{Transport: cfg.Transport, Amazon: &amazon.Lines{}}, func(f func(context.Context)) {
		watches.Go(func() { f(ctx) })
	})
	group.Go(func() error { return w.Listen(ctx) })
	group.Go(func() error { return env.React(ctx, topology.StreamSluice, topology.ConsumerWatcher, w.Look) })
	err := group.Wait()
	w.Close() // what is heard now comes too late
	watches.Wait()
	return err
}
