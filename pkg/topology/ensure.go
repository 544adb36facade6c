package topology

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// Ensure creates the streams, buckets and durable consumers that are missing and corrects those that differ. Only
// `sluice init` and `sluice up` call it. It never deletes or purges anything, and it leaves alone what a deployment may
// choose: placement, compression, metadata, and replicas and ages that the options do not name. Where the broker can
// not change a setting in place the error says which stream and why; nothing of that stream has changed then.
//
// It is safe to run again, and from two places at once.
func Ensure(ctx context.Context, js jetstream.JetStream, o Options) error {
	for _, want := range Streams(o) {
		if err := ensureStream(ctx, js, o, want); err != nil {
			return fmt.Errorf("stream %s: %w", want.Name, err)
		}
	}
	for _, c := range Consumers() {
		if _, err := js.CreateOrUpdateConsumer(ctx, c.Stream, c.Config); err != nil {
			return fmt.Errorf("consumer %s of stream %s: %w", c.Config.Durable, c.Stream, err)
		}
	}
	return nil
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
