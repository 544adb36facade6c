// Package queue takes merges from queues of SQS, and tells topics of SNS and queues of SQS what the journals of releases record.
//
// # In
//
// A message is deleted only after the broker has acknowledged every merge in it, or, if it can be none, after it was kept as a dead
// letter. Whatever fails before is delivered again when the message's time of invisibility is over, by then it is the merge that it
// was (package hook): SQS delivers at least once, and so do we. The order of a FIFO queue is kept within a message group.
//
// A message that can never be a merge is handed to the broker as one that the publisher refuses: an object with the reason and the
// text. The publisher buries it as every other refused merge, and whoever follows merges hears of it (`sluice doctor` lists it). So
// the gateway needs no right of its own for this, and the queue no dead-letter queue, though one does no harm.
//
// # Out
//
// The gateway's durable consumer (topology.ConsumerGatewayAWS) reads the journals of all releases. A record is acknowledged when every
// sink that it is for has it; one that does not answer is tried again with growing pauses, and records wait in the stream meanwhile.
// So every record is told at least once, and more often after a crash: consumers tell by the attribute sequence, SNS and SQS themselves
// by the deduplication id where the topic or queue is a FIFO one, in which a release is a message group. Two gateways may tell of two
// records of one release in the other order; the sequence is the order.
package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/hook"
	"github.com/sluice-gate/sluice/services/gateway/internal/serve"
)

const (
	atOnce     = 10               // messages of one answer, the most there is
	waitFor    = 20 * time.Second // how long SQS holds a question without an answer, the most there is
	invisible  = 2 * time.Minute  // how long what was delivered is nobody else's
	storeFor   = 10 * time.Second // the bound of handing one message to the broker
	firstPause = time.Second      // between two tries when something does not answer
	lastPause  = time.Minute
	mostLetter = 3 << 10 // bytes of a refused message that are kept
)

// Source takes merges from one queue.
type Source struct {
	Queue config.Queue
	Log   *zap.Logger
	// Store hands a merge to the broker and returns when that has acknowledged it. [catalog.ErrUnknownProject] is final; any other error
	// may pass.
	Store func(ctx context.Context, m hook.Merge) (serve.Stored, error)
	// Bury hands the broker what is to be refused as a merge of that project, and returns when that has acknowledged it.
	Bury func(ctx context.Context, project string, letter []byte) error

	options []amazon.Option
}

// Run takes what comes until ctx ends. It returns only then, or when the settings are wrong.
func (s Source) Run(ctx context.Context) error {
	line, err := amazon.New(s.Queue.AWS, s.options...)
	if err != nil {
		return fmt.Errorf("queue %s: %w", s.Queue.Name(), err)
	}
	log := s.Log.With(zap.String("queue", s.Queue.Name()))
	log.Info("taking merges from a queue")
	cfg, err := line.Config(ctx)
	if err != nil {
		return fmt.Errorf("queue %s: %w", s.Queue.Name(), err)
	}
	t := taker{s, sqs.NewFromConfig(cfg), line, log}
	for pause := firstPause; ctx.Err() == nil; {
		worked, err := t.turn(ctx)
		if worked {
			pause = firstPause
		}
		if err != nil && ctx.Err() == nil {
			log.Warn("the queue is tried again later", zap.Duration("in", pause), zap.Error(err))
			rest(ctx, pause)
			pause = min(2*pause, lastPause)
		}
	}
	return nil
}

// rest waits, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// taker is a source at work.
type taker struct {
	Source
	api  *sqs.Client
	line *amazon.Line
	log  *zap.Logger
}

// turn asks once, and deals with what comes. It tells whether the queue answered. An error says that it is worth waiting.
func (t taker) turn(ctx context.Context) (bool, error) {
	out, err := t.api.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &t.Queue.URL, MaxNumberOfMessages: atOnce, WaitTimeSeconds: int32(waitFor.Seconds()),
		VisibilityTimeout: int32(invisible.Seconds()), MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameSentTimestamp, types.MessageSystemAttributeNameMessageGroupId,
		},
	})
	if err != nil {
		return false, t.line.Error(ctx, "ReceiveMessage", err)
	}
	var failed error
	blocked := map[string]bool{} // message groups whose order would be lost
	for _, m := range out.Messages {
		group := m.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)]
		if ctx.Err() != nil || blocked[group] && group != "" {
			continue // it comes again
		}
		if err := t.take(ctx, m); err != nil {
			failed, blocked[group] = errors.Join(failed, err), true
		}
	}
	return true, failed
}

// take deals with one message, and deletes it. An error leaves it in the queue.
func (t taker) take(ctx context.Context, m types.Message) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeFor) // what is on its way is waited for
	defer cancel()
	log := t.log.With(zap.String("message", releasepb.Line(aws.ToString(m.MessageId), releasepb.MaxReason)))
	out, err := hook.ReadMessage(ctx, t.Queue, message(m))
	for _, one := range out.Merges {
		var stored serve.Stored
		if stored, err = t.Store(ctx, one); err != nil {
			break
		}
		log.Info("merge taken", zap.String("project", one.Project), zap.String("commit", one.Event.Commit),
			zap.String("release", stored.Release), zap.Bool("known", stored.Known))
	}
	if len(out.Merges) > 0 && err != nil && !errors.Is(err, catalog.ErrUnknownProject) {
		return fmt.Errorf("a merge is not stored, it stays in the queue: %w", err)
	}
	if err != nil {
		log.Warn("message refused", zap.Error(err))
		if err := t.Bury(ctx, t.Queue.Projects[0], letter(t.Queue, m, err)); err != nil {
			return fmt.Errorf("a refused message is not kept, it stays in the queue: %w", err)
		}
	}
	if out.Ignored != "" {
		log.Info("message ignored", zap.String("why", out.Ignored))
	}
	_, err = t.api.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &t.Queue.URL, ReceiptHandle: m.ReceiptHandle})
	return t.line.Error(ctx, "DeleteMessage", err)
}

// message is a message as package hook reads it.
func message(m types.Message) hook.Message {
	out := hook.Message{ID: aws.ToString(m.MessageId), Body: []byte(aws.ToString(m.Body)), Attributes: map[string]string{}, At: time.Now()}
	for name, value := range m.MessageAttributes {
		if value.StringValue != nil {
			out.Attributes[name] = *value.StringValue
		}
	}
	// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html: milliseconds since 1970
	if ms, err := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64); err == nil {
		out.Sent = time.UnixMilli(ms).UTC()
	}
	return out
}

// letter is what the publisher refuses, and keeps: an object without a commit can not be a merge.
func letter(q config.Queue, m types.Message, why error) []byte {
	body := aws.ToString(m.Body)
	data, err := json.Marshal(map[string]string{
		"refused": releasepb.Line(why.Error(), releasepb.MaxReason), "queue": q.Name(), "message": aws.ToString(m.MessageId),
		"text": body[:min(len(body), mostLetter)],
	})
	if err != nil {
		return []byte(`{"refused":"it can not be told"}`)
	}
	return data
}
