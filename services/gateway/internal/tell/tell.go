// Package tell tells of releases as CDEvents: every journal record, on the broker and to an HTTP sink, at least once.
//
// What is told is package cdevents' business and pure. Here is how: each way out has a durable consumer and turns of its own, so
// that a sink that is away, or silent, holds nothing else up, and a record is acknowledged when all of its events are taken. A
// gateway that dies in the middle leaves the record to whoever reads next, which tells all of it again, with the same ids. So
// receivers see every event, maybe twice, and maybe not in order: an event has its time.
//
// A sink that refuses an event for what it is (400, 410, 413, 415, 422), or has not taken it after the configured number of attempts,
// gets it no more: the record is kept on sluice.dead.cdevents.<release> with the reason. Everything else is tried again, with growing
// pauses or when Retry-After says; a wrong token, too, because it is the operator who mends that.
package tell

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-gate/sluice/pkg/cdevents"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// within bounds one delivery of one event.
const within = 10 * time.Second

// ErrFinal is wrapped by the error of an event that will never be taken.
var ErrFinal = errors.New("refused for what it is")

// Run tells until ctx ends.
func Run(ctx context.Context, env service.Env, cfg config.CDEventsOut) error {
	group, ctx := errgroup.WithContext(ctx)
	start := func(durable string, t teller) {
		env.Log.Info("telling of releases as CDEvents", zap.String("consumer", durable), zap.String("to", t.to))
		group.Go(func() error { return env.Await(ctx, topology.StreamSluice, durable, t.look) })
	}
	if cfg.NATS {
		start(topology.ConsumerGatewayCDEvents, teller{env: env, cfg: cfg, to: "sluice.cdevents.*", send: onBroker(env.JS)})
	}
	if cfg.Sink != nil {
		start(topology.ConsumerGatewaySink, teller{
			env: env, cfg: cfg, to: shown(cfg.Sink.URL), attempts: cfg.Sink.Attempts, send: overHTTP(*cfg.Sink),
		})
	}
	return group.Wait()
}

// teller is one way out.
type teller struct {
	env      service.Env
	cfg      config.CDEventsOut
	to       string
	attempts uint64 // 0: without end
	// send returns when the event was taken; its error wraps ErrFinal when it never will be.
	send func(ctx context.Context, release string, e event.Event) error
}

// look tells of a journal record.
func (t teller) look(ctx context.Context, h react.Hint) error {
	if h.At.Before(t.cfg.Since) {
		return nil
	}
	r, err := releasepb.DecodeRecord(h.Data)
	if err != nil {
		return react.Refuse(err) // no reader of the journal takes it either
	}
	r.State = r.State.Stamp(h.Seq, h.At)
	events, err := cdevents.Of(t.cfg.Source, cdevents.Record{Record: r, Seq: h.Seq, At: h.At})
	if err != nil {
		return t.bury(ctx, h, err)
	}
	for _, e := range events {
		bounded, cancel := context.WithTimeout(ctx, within)
		err := t.send(bounded, r.State.Release, e)
		cancel()
		switch {
		case err == nil:
		case ctx.Err() != nil: // the service stops
			return err
		case errors.Is(err, ErrFinal), t.attempts > 0 && h.Delivered >= t.attempts:
			return t.bury(ctx, h, fmt.Errorf("%s is not told to %s, attempt %d: %s", e.Type(), t.to, h.Delivered, err.Error())) // for good
		default:
			return err
		}
	}
	return nil
}

// bury keeps a record that is not told of, with the reason, and ends its delivery.
func (t teller) bury(ctx context.Context, h react.Hint, why error) error {
	data, err := releasepb.EncodeDeadLetter(releasepb.DeadLetter{Reason: why.Error(), Subject: h.Raw, Seq: h.Seq, Body: h.Data})
	if err != nil {
		return err
	}
	subject := topology.Dead("cdevents", h.Subject.Release)
	if _, err := t.env.JS.Publish(ctx, subject, data, jetstream.WithExpectStream(topology.StreamSluice)); err != nil {
		return fmt.Errorf("keep what is not told: %w", err)
	}
	return react.Refuse(why)
}
