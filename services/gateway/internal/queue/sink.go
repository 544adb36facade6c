package queue

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// mostMessage is what SNS and SQS take of one message with its attributes, less some room, in bytes:
// https://docs.aws.amazon.com/sns/latest/dg/large-message-payloads.html.
const mostMessage = 250 << 10

// Told is one record of a journal, as sinks are told.
type Told struct {
	Project  string          `json:"project"`
	Release  string          `json:"release"`
	Event    string          `json:"event"`
	Sequence uint64          `json:"sequence"` // of the record in the stream SLUICE
	At       time.Time       `json:"at"`       // the broker's
	Record   json.RawMessage `json:"record,omitempty"`
	// Omitted is set when the record is too large for a message: it is in the journal.
	Omitted bool `json:"omitted,omitempty"`
}

const (
	within      = 10 * time.Second // one sink is told of one record
	mostWaiting = 4000             // records that wait for sinks here: a consumer hands out ten thousand, and then nothing until one is done
	forgetAfter = 10 * time.Minute // a record that has not come again: another gateway has it
)

// Bury keeps a record that is not told to a sink, a dead letter with the reason.
type Bury func(ctx context.Context, release string, letter []byte) error

// Sinks tells all sinks, each on its own: one that is silent or gone delays and stops no other. A record comes again for those that do
// not have it yet, up to the configured number of attempts; it is kept as a dead letter for a sink that has not taken it by then, and at
// once for a sink that too many wait for.
type Sinks struct {
	sinks []*sink
	bury  Bury

	mu    sync.Mutex
	lacks map[uint64]lack // of the records that were not told to all
}

// lack is who does not have a record, as of a time.
type lack struct {
	sinks []*sink
	at    time.Time
}

type sink struct {
	config.AWSSink
	line *amazon.Line

	mu   sync.Mutex
	send func(ctx context.Context, told Told, body string) error
}

// NewSinks makes the sinks. It touches nothing outside. An error is a mistake in the settings.
func NewSinks(settings []config.AWSSink, bury Bury, options ...amazon.Option) (*Sinks, error) {
	s := &Sinks{bury: bury, lacks: map[uint64]lack{}}
	for _, one := range settings {
		line, err := amazon.New(one.AWS, options...)
		if err != nil {
			return nil, fmt.Errorf("sink %s: %w", one.Name(), err)
		}
		s.sinks = append(s.sinks, &sink{AWSSink: one, line: line})
	}
	return s, nil
}

// Handle tells every sink that a record is for. It is a [react.Handler]: after an error the record comes again, for those that do not
// have it yet.
func (s *Sinks) Handle(ctx context.Context, h react.Hint) error {
	told, err := tell(h)
	if err != nil {
		return react.Refuse(err) // no record of ours, and nothing that a later try would make one of
	}
	body, err := json.Marshal(told)
	if err != nil {
		return react.Refuse(fmt.Errorf("a record can not be told: %w", err))
	}
	sinks := s.without(told)
	errs := make([]error, len(sinks))
	var all sync.WaitGroup
	for i, one := range sinks {
		all.Go(func() {
			bounded, cancel := context.WithTimeout(ctx, within)
			defer cancel()
			errs[i] = one.tell(bounded, told, string(body))
		})
	}
	all.Wait()
	var lacking []*sink
	var failed, buried []error
	for i, one := range sinks {
		if errs[i] == nil {
			continue
		}
		err := fmt.Errorf("sink %s: %w", one.Name(), errs[i])
		if ctx.Err() == nil && (h.Delivered >= one.Attempts || s.waiting(told.Sequence, one) >= mostWaiting/len(s.sinks)) {
			why := fmt.Errorf("the record is not told, attempt %d: %w", h.Delivered, err)
			if err = s.keep(ctx, h, why); err == nil {
				buried = append(buried, why)
				continue
			}
		}
		failed, lacking = append(failed, err), append(lacking, one)
	}
	s.remember(told.Sequence, lacking)
	switch {
	case len(failed) > 0:
		return errors.Join(failed...)
	case len(buried) > 0:
		return react.Refuse(errors.Join(buried...))
	}
	return nil
}

// keep makes a record that is not told a dead letter.
func (s *Sinks) keep(ctx context.Context, h react.Hint, why error) error {
	letter, err := releasepb.EncodeDeadLetter(releasepb.DeadLetter{Reason: why.Error(), Subject: h.Raw, Seq: h.Seq, Body: h.Data})
	if err == nil {
		err = s.bury(ctx, h.Subject.Release, letter)
	}
	if err != nil {
		return fmt.Errorf("%w; and it can not be kept: %w", why, err)
	}
	return nil
}

// without are the sinks that a record is for, and that do not have it as far as is known here.
func (s *Sinks) without(t Told) []*sink {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.lacks[t.Sequence]; ok {
		return known.sinks
	}
	var out []*sink
	for _, one := range s.sinks {
		if one.wants(t) {
			out = append(out, one)
		}
	}
	return out
}

// waiting is how many other records wait for a sink.
func (s *Sinks) waiting(seq uint64, one *sink) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for other, l := range s.lacks {
		if other != seq && slices.Contains(l.sinks, one) {
			n++
		}
	}
	return n
}

// remember keeps who lacks a record, and forgets what another gateway has taken over.
func (s *Sinks) remember(seq uint64, sinks []*sink) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.lacks, seq)
	if len(sinks) == 0 {
		return
	}
	maps.DeleteFunc(s.lacks, func(_ uint64, l lack) bool { return time.Since(l.at) > forgetAfter })
	s.lacks[seq] = lack{sinks, time.Now()}
}

// tell reads a record.
func tell(h react.Hint) (Told, error) {
	record, err := releasepb.DecodeRecord(h.Data)
	if err != nil {
		return Told{}, fmt.Errorf("a record can not be read: %w", err)
	}
	told := Told{
		Project: record.State.Project, Release: h.Subject.Release, Event: cmp.Or(h.Event, record.Type), Sequence: h.Seq, At: h.At.UTC(),
		Record: h.Data,
	}
	if len(h.Data) > mostMessage || !json.Valid(h.Data) {
		told.Record, told.Omitted = nil, true
	}
	return told, nil
}

func (s *sink) wants(t Told) bool {
	if s.MaxAge > 0 && time.Since(t.At) > s.MaxAge {
		return false
	}
	return (len(s.Projects) == 0 || slices.Contains(s.Projects, t.Project)) && (len(s.Events) == 0 || slices.Contains(s.Events, t.Event))
}

// attributes are what subscriptions filter by (https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering.html).
func (t Told) attributes() map[string]string {
	return map[string]string{"project": t.Project, "release": t.Release, "event": t.Event, "sequence": strconv.FormatUint(t.Sequence, 10)}
}

func (s *sink) tell(ctx context.Context, t Told, body string) error {
	send, err := s.open(ctx)
	if err != nil {
		return err
	}
	return send(ctx, t, body)
}

// open makes the SDK's client when it is first needed.
func (s *sink) open(ctx context.Context) (func(context.Context, Told, string) error, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.send != nil {
		return s.send, nil
	}
	cfg, err := s.line.Config(ctx)
	if err != nil {
		return nil, err
	}
	if s.Topic != "" {
		s.send = s.publish(sns.NewFromConfig(cfg))
	} else {
		s.send = s.enqueue(sqs.NewFromConfig(cfg))
	}
	return s.send, nil
}

func (s *sink) publish(api *sns.Client) func(context.Context, Told, string) error {
	return func(ctx context.Context, t Told, body string) error {
		in := &sns.PublishInput{TopicArn: &s.Topic, Message: &body, MessageAttributes: map[string]snstypes.MessageAttributeValue{}}
		for name, value := range t.attributes() {
			if value != "" {
				in.MessageAttributes[name] = snstypes.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
			}
		}
		in.MessageGroupId, in.MessageDeduplicationId = s.order(t)
		_, err := api.Publish(ctx, in)
		return s.line.Error(ctx, "Publish", err)
	}
}

func (s *sink) enqueue(api *sqs.Client) func(context.Context, Told, string) error {
	return func(ctx context.Context, t Told, body string) error {
		in := &sqs.SendMessageInput{QueueUrl: &s.Queue, MessageBody: &body, MessageAttributes: map[string]sqstypes.MessageAttributeValue{}}
		for name, value := range t.attributes() {
			if value != "" {
				in.MessageAttributes[name] = sqstypes.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
			}
		}
		in.MessageGroupId, in.MessageDeduplicationId = s.order(t)
		_, err := api.SendMessage(ctx, in)
		return s.line.Error(ctx, "SendMessage", err)
	}
}

// order is the message group and the deduplication id in a FIFO topic or queue; nil for none elsewhere.
func (s *sink) order(t Told) (group, once *string) {
	if !s.FIFO() {
		return nil, nil
	}
	return aws.String(t.Release), aws.String(t.Release + "-" + strconv.FormatUint(t.Sequence, 10))
}
