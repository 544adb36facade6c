package queue

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// Sinks tells all sinks.
type Sinks struct {
	sinks []*sink

	mu   sync.Mutex
	done map[uint64]map[*sink]bool // who has which record that is not told to all yet
}

type sink struct {
	config.AWSSink
	line *amazon.Line

	mu   sync.Mutex
	send func(ctx context.Context, told Told, body string) error
}

// NewSinks makes the sinks. It touches nothing outside. An error is a mistake in the settings.
func NewSinks(settings []config.AWSSink, options ...amazon.Option) (*Sinks, error) {
	s := &Sinks{done: map[uint64]map[*sink]bool{}}
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
	var failed []error
	for _, one := range s.sinks {
		if !one.wants(told) || s.has(told.Sequence, one) {
			continue
		}
		if err := one.tell(ctx, told, string(body)); err != nil {
			failed = append(failed, fmt.Errorf("sink %s: %w", one.Name(), err))
			continue
		}
		s.mark(told.Sequence, one)
	}
	if len(failed) > 0 {
		return errors.Join(failed...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.done, told.Sequence)
	return nil
}

func (s *Sinks) has(seq uint64, one *sink) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done[seq][one]
}

func (s *Sinks) mark(seq uint64, one *sink) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done[seq] == nil {
		s.done[seq] = map[*sink]bool{}
	}
	s.done[seq][one] = true
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
