package serve

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/alert"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/hook"
)

// Broker stores merges in the stream.
//
// A commit that is a release already is not handed in again: the publisher would find that too, and here the answer has the
// right release, also when `sluice merge` handed it in. Merge events carry no Nats-Msg-Id, on purpose: the broker would
// acknowledge a reused one without storing it, and anybody who may publish merges may use one first.
func Broker(env service.Env) func(ctx context.Context, m hook.Merge) (Stored, error) {
	return func(ctx context.Context, m hook.Merge) (Stored, error) {
		if _, _, err := env.Catalog.Current(ctx, m.Project); err != nil {
			return Stored{}, err
		}
		known, seq, err := env.Journal.Commit(ctx, m.Project, m.Event.Commit)
		if err != nil {
			return Stored{}, err
		}
		if seq != 0 && (!m.Event.Again || known.Release == m.Event.ID) {
			return Stored{Project: m.Project, Release: known.Release, Known: true}, nil
		}
		data, err := releasepb.EncodeMergeEvent(m.Event)
		if err != nil {
			return Stored{}, err
		}
		if err := publish(ctx, env, topology.StreamSluice, topology.Merge(m.Project), data); err != nil {
			return Stored{}, err
		}
		return Stored{Project: m.Project, Release: m.Event.ID}, nil
	}
}

// Alert stores alerts as evidence.
func Alert(env service.Env) func(ctx context.Context, a hook.Alert) error {
	return func(ctx context.Context, a hook.Alert) error {
		data, err := alert.Encode(a.Alert)
		if err != nil {
			return err
		}
		return publish(ctx, env, topology.StreamEvidence, topology.Alert(a.Project, a.Fingerprint), data)
	}
}

// Bury hands the broker, as a merge of a project, what the publisher refuses and keeps as a dead letter.
func Bury(env service.Env) func(ctx context.Context, project string, letter []byte) error {
	return func(ctx context.Context, project string, letter []byte) error {
		return publish(ctx, env, topology.StreamSluice, topology.Merge(project), letter)
	}
}

func publish(ctx context.Context, env service.Env, stream, subject string, data []byte) error {
	ack, err := env.JS.Publish(ctx, subject, data, jetstream.WithExpectStream(stream))
	if err != nil {
		return fmt.Errorf("no acknowledgement for %s: %w", subject, err)
	}
	if ack.Stream != stream || ack.Sequence == 0 || ack.Duplicate {
		return fmt.Errorf("%s is not stored: the acknowledgement is of stream %q, sequence %d, duplicate %t",
			subject, ack.Stream, ack.Sequence, ack.Duplicate)
	}
	return nil
}
