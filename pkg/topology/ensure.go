package topology

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// How long one request to the broker may take before it is made again, and the pause before that.
const (
	askAgain = 10 * time.Second
	askPause = 200 * time.Millisecond
)

// Ensure creates the streams, buckets and durable consumers that are missing and corrects those that differ. Only
// `sluice init` and `sluice up` call it. It never deletes or purges anything, and it leaves alone what a deployment may
// choose: placement, compression, metadata, and replicas and ages that the options do not name. Where the broker can
// not change a setting in place the error says which stream and why; nothing of that stream has changed then.
//
// It is safe to run again, and from two places at once. It asks until ctx ends while the broker does not answer: give ctx
// a deadline.
func Ensure(ctx context.Context, js jetstream.JetStream, o Options) error {
	for _, want := range Streams(o) {
		err := insist(ctx, func(ctx context.Context) error { return ensureStream(ctx, js, o, want) })
		if err != nil {
			return fmt.Errorf("stream %s: %w", want.Name, err)
		}
	}
	for _, c := range Consumers() {
		err := insist(ctx, func(ctx context.Context) error {
			_, err := js.CreateOrUpdateConsumer(ctx, c.Stream, c.Config)
			return err
		})
		if err != nil {
			return fmt.Errorf("consumer %s of stream %s: %w", c.Config.Durable, c.Stream, err)
		}
	}
	return nil
}

// insist asks again while the broker does not answer or is not ready, until ctx ends: a cluster that has just started, or
// changes its leader, drops requests. What is asked must be safe to do twice.
func insist(ctx context.Context, ask func(context.Context) error) error {
	for {
		try, cancel := context.WithTimeout(ctx, askAgain)
		err := ask(try)
		cancel()
		if err == nil || ctx.Err() != nil || !passing(err) {
			return err
		}
		wait := time.NewTimer(askPause)
		select {
		case <-ctx.Done():
			wait.Stop()
			return err
		case <-wait.C:
		}
	}
}

// passing tells errors that go away by themselves.
func passing(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrNoResponders) {
		return true
	}
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	const noPeers = 10005 // fewer nodes have joined than there are to be replicas
	return api.ErrorCode == noPeers || api.Code == 503 && api.ErrorCode != jetstream.JSErrCodeJetStreamNotEnabledForAccount &&
		api.ErrorCode != jetstream.JSErrCodeJetStreamNotEnabled
}

func ensureStream(ctx context.Context, js jetstream.JetStream, o Options, want jetstream.StreamConfig) error {
	stream, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = js.CreateStream(ctx, want)
		if !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return err
		}
		stream, err = js.Stream(ctx, want.Name) // somebody else made it just now
	}
	if err != nil {
		return err
	}
	have := stream.CachedInfo().Config
	next := corrected(have, want, o)
	if reflect.DeepEqual(have, next) {
		return nil
	}
	if have.PersistMode == jetstream.AsyncPersistMode && next.Replicas > 1 {
		return fmt.Errorf("it was made for one replica and the broker can not change how it persists: "+
			"delete it (`nats stream rm %s`; this loses its messages) and run this again", want.Name)
	}
	_, err = js.UpdateStream(ctx, next)
	return err
}

// corrected is what exists with everything that Sluice depends on set as it must be.
func corrected(have, want jetstream.StreamConfig, o Options) jetstream.StreamConfig {
	next := have
	next.Description = want.Description
	if !sameSet(have.Subjects, want.Subjects) {
		next.Subjects = want.Subjects
	}
	if o.Replicas != 0 {
		next.Replicas = want.Replicas
	}
	if !keepsAge(want.Name) || o.ageOf(want.Name) != 0 {
		next.MaxAge = want.MaxAge
	}
	next.Storage, next.Retention, next.Discard = want.Storage, want.Retention, want.Discard
	next.DiscardNewPerSubject, next.NoAck, next.Sealed = want.DiscardNewPerSubject, want.NoAck, want.Sealed
	next.MaxMsgs, next.MaxBytes, next.MaxMsgsPerSubject = want.MaxMsgs, want.MaxBytes, want.MaxMsgsPerSubject
	next.MaxMsgSize, next.MaxConsumers, next.Duplicates = want.MaxMsgSize, want.MaxConsumers, want.Duplicates
	next.AllowDirect, next.AllowRollup, next.AllowMsgTTL = want.AllowDirect, want.AllowRollup, want.AllowMsgTTL
	next.AllowMsgSchedules, next.AllowMsgCounter = want.AllowMsgSchedules, want.AllowMsgCounter
	next.AllowAtomicPublish, next.AllowBatchPublish = want.AllowAtomicPublish, want.AllowBatchPublish
	next.DenyDelete, next.DenyPurge = want.DenyDelete, want.DenyPurge
	next.SubjectDeleteMarkerTTL = want.SubjectDeleteMarkerTTL
	next.Mirror, next.Sources = want.Mirror, want.Sources
	next.SubjectTransform, next.RePublish = want.SubjectTransform, want.RePublish
	return next
}

// keepsAge says whether a stream's age is the deployment's choice.
func keepsAge(stream string) bool {
	return stream == StreamSignals || stream == StreamEvidence
}

func (o Options) ageOf(stream string) (age int64) {
	switch stream {
	case StreamSignals:
		return int64(o.SignalAge)
	case StreamEvidence:
		return int64(o.EvidenceAge)
	}
	return 0
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}
