package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/react"
)

// awaitEvery is how often a consumer that is not there is looked for again.
const awaitEvery = 5 * time.Second

// Await is [Env.React] with turns of its own for a service that has more to do than that: while the consumer is not there, on a broker
// that was prepared by an older version for one, or can not be read, it says so once, and in /healthz, and tries again. It is for those
// who only tell others of releases, each of whom may be slow: what it consumes does not wait for what else is done about the same release.
func (e Env) Await(ctx context.Context, stream, durable string, handle react.Handler) error {
	e.turns = react.NewTurns()
	defer e.Metrics.waits(durable, "")
	said := ""
	for {
		began := time.Now()
		err := e.React(ctx, stream, durable, handle)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, nats.ErrConnectionClosed) {
			return err
		}
		why := err.Error()
		if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrConsumerDeleted) {
			why = fmt.Sprintf("the broker has no consumer %s: run `sluice init` of this version there", durable)
		}
		if why != said || time.Since(began) > awaitEvery { // or it was there meanwhile
			said = why
			e.Log.Error("can not consume, and goes on with everything else", zap.String("consumer", durable), zap.String("why", why))
		}
		e.Metrics.waits(durable, why)
		again := time.NewTimer(awaitEvery)
		select {
		case <-ctx.Done():
		case <-again.C:
		}
		again.Stop()
	}
}
