package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/check"
	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/outside"
)

// read completes the history of an arena by what the streams and the targets hold.
func (a *arena) read(ctx context.Context) (*check.History, error) {
	h := &a.book.history
	err := a.scan(ctx, topology.StreamSluice, jetstream.OrderedConsumerConfig{}, func(m jetstream.Msg, meta *jetstream.MsgMetadata) {
		h.Add(check.Message{Seq: meta.Sequence.Stream, At: meta.Timestamp, Subject: m.Subject(), Data: m.Data()})
	})
	if err != nil {
		return nil, err
	}
	beats := jetstream.OrderedConsumerConfig{FilterSubjects: []string{"sluice.heartbeat.*"}, HeadersOnly: true}
	err = a.scan(ctx, topology.StreamEvidence, beats, func(m jetstream.Msg, meta *jetstream.MsgMetadata) {
		if s, err := topology.ParseSubject(m.Subject()); err == nil {
			h.Beat(s.Release, meta.Timestamp)
		}
	})
	if err != nil {
		return nil, err
	}
	if h.Effects, err = outside.Read(a.effects()); err != nil {
		return nil, err
	}
	if len(h.Merged) > 0 {
		h.Channels, err = a.channels()
	}
	return h, err
}

// scan reads all of a stream that is there now, in order.
func (a *arena) scan(
	ctx context.Context, name string, config jetstream.OrderedConsumerConfig, each func(jetstream.Msg, *jetstream.MsgMetadata),
) error {
	stream, err := a.admin.Stream(ctx, name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	consumer, err := stream.OrderedConsumer(ctx, config)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	info, err := consumer.Info(ctx)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if info.NumPending == 0 {
		return nil
	}
	it, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	defer it.Stop()
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return errors.Join(fmt.Errorf("read %s", name), err)
		}
		each(m, meta)
		if meta.NumPending == 0 {
			return nil
		}
	}
}

// readWithin bounds the reading of a stream.
const readWithin = 5 * time.Minute
