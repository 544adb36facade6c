// Package service is what all services share: how they start, connect, consume, tell how they are, and stop.
package service

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// DrainGrace is how long a stopping service lets its handlers finish. A handler that runs longer, such as a deployment, is
// interrupted; its attempt is journaled, and goes on when the instance is back or the attempt's deadline has passed.
const DrainGrace = 10 * time.Second

// Env is what a service's Run gets: connections, opened and verified. It holds no state of its own.
type Env struct {
	Name     string // of the service: "promoter"
	Instance string // of this process; no two running processes may share it (see DESIGN: attempts)
	JS       jetstream.JetStream
	Journal  *journal.Journal
	Catalog  *catalog.Catalog
	Log      *zap.Logger
	Metrics  *Metrics
	turns    *react.Turns
	asides   *asides
}

// Open verifies the topology and opens what a service needs. It refuses a wrong topology with every difference.
func Open(ctx context.Context, name, instance string, js jetstream.JetStream, log *zap.Logger, metrics *Metrics) (Env, error) {
	if err := topology.Verify(ctx, js); err != nil {
		return Env{}, err
	}
	return OpenOutside(ctx, name, instance, js, log, metrics)
}

// OpenOutside is [Open] for a service that consumes nothing and has the rights of people, who do not see every stream: it opens
// what it can use, and leaves verifying the topology to the services that depend on all of it.
func OpenOutside(ctx context.Context, name, instance string, js jetstream.JetStream, log *zap.Logger, metrics *Metrics) (Env, error) {
	j, err := journal.Open(ctx, js, name+"@"+instance)
	if err != nil {
		return Env{}, err
	}
	c, err := catalog.Open(ctx, js)
	if err != nil {
		return Env{}, err
	}
	return Env{
		Name: name, Instance: instance, JS: js, Journal: j, Catalog: c,
		Log: log.With(zap.String("service", name)), Metrics: metrics, turns: react.NewTurns(),
		asides: &asides{},
	}, nil
}

// React consumes a durable consumer until ctx ends (see [react.Run]), and what was begun aside is over.
func (e Env) React(ctx context.Context, stream, durable string, handle react.Handler) error {
	consumer, err := e.JS.Consumer(ctx, stream, durable)
	if err != nil {
		return fmt.Errorf("consumer %s on %s: %w", durable, stream, err)
	}
	e.Metrics.waits(durable, "")
	defer e.asides.wait()
	return react.Run(ctx, react.Config{
		Consumer: consumer, Handle: handle, Turns: e.turns, Log: e.Log.With(zap.String("consumer", durable)), Grace: DrainGrace,
		Stray:   e.stray,
		Observe: func(_ react.Hint, took time.Duration, err error) { e.Metrics.hint(e.Name, durable, took, err) },
	})
}
