package topology

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// WrongError says how the broker's streams and consumers differ from what Sluice depends on. A service that gets it
// does not run: what it promises would not hold. Any other error of [Verify] is about reaching the broker and may pass.
type WrongError struct {
	Differences []string // one line each
}

func (e *WrongError) Error() string {
	return fmt.Sprintf("the broker's topology is wrong (run `sluice init`):\n  %s", strings.Join(e.Differences, "\n  "))
}

// Verify looks at every stream, bucket and consumer and changes nothing. It returns a [*WrongError] that lists all
// differences at once.
func Verify(ctx context.Context, js jetstream.JetStream) error {
	var wrong []string
	missing := map[string]bool{}
	for _, want := range Streams(Options{}) {
		stream, err := js.Stream(ctx, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			missing[want.Name] = true
			wrong = append(wrong, fmt.Sprintf("stream %s: missing", want.Name))
			continue
		}
		if err != nil {
			return fmt.Errorf("stream %s: %w", want.Name, err)
		}
		wrong = append(wrong, streamDifferences(stream.CachedInfo().Config, want)...)
	}
	for _, want := range Consumers() {
		if missing[want.Stream] {
			continue
		}
		have, err := js.Consumer(ctx, want.Stream, want.Config.Durable)
		switch {
		case errors.Is(err, jetstream.ErrConsumerNotFound):
			wrong = append(wrong, fmt.Sprintf("consumer %s of stream %s: missing", want.Config.Durable, want.Stream))
		case errors.Is(err, jetstream.ErrNotPullConsumer):
			wrong = append(wrong, fmt.Sprintf("consumer %s of stream %s: it pushes, want one that is pulled", want.Config.Durable, want.Stream))
		case err != nil:
			return fmt.Errorf("consumer %s of stream %s: %w", want.Config.Durable, want.Stream, err)
		default:
			wrong = append(wrong, consumerDifferences(want.Stream, have.CachedInfo().Config, want.Config)...)
		}
	}
	if len(wrong) > 0 {
		return &WrongError{Differences: wrong}
	}
	return nil
}

// streamDifferences compares what Sluice depends on. Replicas, placement, compression and metadata are the deployment's.
func streamDifferences(have, want jetstream.StreamConfig) []string {
	d := differences{what: "stream " + want.Name}
	for _, s := range want.Subjects {
		if !slices.Contains(have.Subjects, s) {
			d.add("subject %s is missing", s)
		}
	}
	for _, s := range have.Subjects {
		if !slices.Contains(want.Subjects, s) {
			d.add("subject %s does not belong there", s)
		}
	}
	compare(&d, "storage", have.Storage, want.Storage, "")
	compare(&d, "retention", have.Retention, want.Retention, "")
	compare(&d, "discard", have.Discard, want.Discard, "")
	if have.Replicas < 1 {
		d.add("replicas is %d, want at least 1", have.Replicas)
	}
	if !keepsAge(want.Name) {
		compare(&d, "max age", have.MaxAge, want.MaxAge, "messages would be lost")
	} else if want.Name == StreamSignals && have.MaxAge == 0 {
		d.add("max age is not set, so signals would be kept for ever")
	}
	compare(&d, "max messages", have.MaxMsgs, want.MaxMsgs, "messages would be lost or refused")
	compare(&d, "max bytes", have.MaxBytes, want.MaxBytes, "")
	if want.Name != StreamSignals || have.MaxMsgsPerSubject < LeastSignalsPerSubject {
		compare(&d, "max messages per subject", have.MaxMsgsPerSubject, want.MaxMsgsPerSubject, "")
	}
	if have.MaxMsgSize != -1 && (want.MaxMsgSize == -1 || have.MaxMsgSize < want.MaxMsgSize) {
		d.add("max message size is %d, want %d", have.MaxMsgSize, want.MaxMsgSize)
	}
	if have.Duplicates > want.Duplicates {
		d.add("duplicate window is %v, want %v: within it a reused Nats-Msg-Id is acknowledged and not stored",
			have.Duplicates, want.Duplicates)
	}
	compare(&d, "no ack", have.NoAck, want.NoAck, "nobody would know what is stored")
	compare(&d, "sealed", have.Sealed, want.Sealed, "")
	compare(&d, "discard new per subject", have.DiscardNewPerSubject, want.DiscardNewPerSubject, "")
	compare(&d, "allow direct", have.AllowDirect, want.AllowDirect, "")
	compare(&d, "allow roll-up", have.AllowRollup, want.AllowRollup, "a header could wipe the stream")
	compare(&d, "allow message TTL", have.AllowMsgTTL, want.AllowMsgTTL, "a header could let a message expire")
	compare(&d, "allow message schedules", have.AllowMsgSchedules, want.AllowMsgSchedules, "a header could forge messages")
	compare(&d, "allow counters", have.AllowMsgCounter, want.AllowMsgCounter, "")
	compare(&d, "subject delete marker TTL", have.SubjectDeleteMarkerTTL, want.SubjectDeleteMarkerTTL, "")
	compare(&d, "deny delete", have.DenyDelete, want.DenyDelete, "single messages could be taken out")
	compare(&d, "deny purge", have.DenyPurge, want.DenyPurge, "")
	if have.Mirror != nil || len(have.Sources) > 0 {
		d.add("it takes messages from other streams")
	}
	if have.SubjectTransform != nil {
		d.add("it renames subjects")
	}
	if have.RePublish != nil {
		d.add("it republishes messages")
	}
	return d.lines
}

func consumerDifferences(stream string, have, want jetstream.ConsumerConfig) []string {
	d := differences{what: fmt.Sprintf("consumer %s of stream %s", want.Durable, stream)}
	hf, wf := filters(have), filters(want)
	for _, f := range wf {
		if !slices.Contains(hf, f) {
			d.add("filter %s is missing", f)
		}
	}
	for _, f := range hf {
		if !slices.Contains(wf, f) {
			d.add("filter %s does not belong there", f)
		}
	}
	if len(hf) == 0 {
		d.add("it has no filter")
	}
	compare(&d, "deliver policy", have.DeliverPolicy, want.DeliverPolicy, "messages would be skipped")
	compare(&d, "ack policy", have.AckPolicy, want.AckPolicy, "messages would be lost")
	compare(&d, "ack wait", have.AckWait, want.AckWait, "")
	compare(&d, "max deliver", have.MaxDeliver, want.MaxDeliver, "messages would be given up in silence")
	compare(&d, "headers only", have.HeadersOnly, want.HeadersOnly, "")
	compare(&d, "inactive threshold", have.InactiveThreshold, time.Duration(0), "the broker would delete it while its service is down")
	if len(have.BackOff) > 0 {
		d.add("it has a back-off list, which overrides ack wait")
	}
	if have.MaxAckPending > 0 && have.MaxAckPending < 1000 {
		d.add("max ack pending is %d, want %d", have.MaxAckPending, want.MaxAckPending)
	}
	return d.lines
}

func filters(c jetstream.ConsumerConfig) []string {
	if c.FilterSubject != "" {
		return []string{c.FilterSubject}
	}
	return c.FilterSubjects
}

type differences struct {
	what  string
	lines []string
}

func (d *differences) add(format string, args ...any) {
	d.lines = append(d.lines, d.what+": "+fmt.Sprintf(format, args...))
}

func compare[T comparable](d *differences, name string, have, want T, why string) {
	if have == want {
		return
	}
	if why != "" {
		why = ": " + why
	}
	d.add("%s is %v, want %v%s", name, have, want, why)
}
