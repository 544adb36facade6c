package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// The consumers that the journal makes, and the only ones. Their names are fixed, so that a service may be permitted these and
// no others: $JS.API.CONSUMER.{CREATE,DELETE,MSG.NEXT}.SLUICE.journal-walk, and the same for journal-stops.
const (
	walkConsumer  = "journal-walk"  // a release and its requests
	stopsConsumer = "journal-stops" // a release and what stops its project
)

// walkBatch is how many messages of a walk are asked for at a time.
const walkBatch = 500

// errDisturbed: what came is not, or not all, of the walk that was begun.
var errDisturbed = errors.New("another walk came in between")

// path is what a walk reads.
type path struct {
	consumer string
	filters  []string                  // the first one is the release's journal
	mine     func(subject string) bool // tells whether one of the filters matches
}

// walk reads all that the path's filters match, one after the other, through a consumer. It is what a snapshot and a settling
// fall back to when a direct read can not be had: for messages on more subjects than one answer may have, or with one whose
// headers hide what the broker says of it (see [parse]). A consumer's deliveries name subject and sequence apart from the
// headers, and there is no limit to them.
//
// With upTo, the sequence of a claim, it ends there; otherwise at the end of the stream. A consumer delivers in the order
// of the stream, so when the record at which it must arrive has come, all before it has.
//
// There is one walk of a kind at a time in a deployment; whoever comes second waits. On a cluster a request may still reach
// the consumer of the walk before, whose name is the same. Then what comes has a gap, or is of another release, or lacks the
// journal, which two releases of one project do not share, and the walk begins again. What comes without a gap and of this
// release is right, whoever made the consumer: all begin at the stream's beginning.
func (j *Journal) walk(ctx context.Context, p path, upTo uint64) ([]stored, error) {
	goal, err := j.goal(ctx, p.filters, upTo)
	if err != nil {
		return nil, err
	}
	var msgs []stored
	for n := again(0); ; {
		msgs, err = j.walkOnce(ctx, p, goal, upTo != 0)
		if !errors.Is(err, errDisturbed) && !errors.Is(err, jetstream.ErrConsumerExists) {
			break
		}
		if perr := n.pause(ctx); perr != nil {
			return nil, fmt.Errorf("walk: %w: %w", err, perr)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("walk: %w", err)
	}
	return msgs, nil
}

// walkRelease is the walk for a release and its requests that are not folded yet.
func (j *Journal) walkRelease(ctx context.Context, id string, filters []string, upTo uint64) (Entry, []release.Request, error) {
	msgs, err := j.walk(ctx, path{consumer: walkConsumer, filters: filters, mine: func(subject string) bool {
		_, ok := request(stored{Subject: subject}, id)
		return ok || subject == topology.Release(id)
	}}, upTo)
	if err != nil {
		return Entry{}, nil, err
	}
	e, all, err := split(msgs, id)
	if err != nil {
		return Entry{}, nil, err
	}
	var requests []release.Request
	for _, r := range all {
		if r.Seq > e.State.Folded {
			requests = append(requests, r.Request)
		}
	}
	return e, requests, nil
}

func (j *Journal) walkOnce(ctx context.Context, p path, goal uint64, stop bool) ([]stored, error) {
	err := soon(ctx, func(ctx context.Context) error {
		_, err := j.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
			Name: p.consumer, FilterSubjects: p.filters, DeliverPolicy: jetstream.DeliverAllPolicy,
			AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: answerWithin,
			Metadata: map[string]string{"walk": nuid.Next()}, // so that it is nobody else's, who reads the same
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	defer func() { // one that can not be deleted goes away by itself
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
		defer cancel()
		_ = j.stream.DeleteConsumer(within, p.consumer)
	}()
	msgs, err := j.pull(ctx, p, goal, stop)
	if err == nil && !slices.ContainsFunc(msgs, func(m stored) bool { return m.Subject == p.filters[0] }) {
		err = fmt.Errorf("%w: nothing of %s", errDisturbed, p.filters[0])
	}
	return msgs, err
}

// goal is the sequence at which a walk must arrive: the claim, or the last of all that the stream's leader has of the release.
// The consumer's own node may lag behind.
func (j *Journal) goal(ctx context.Context, filters []string, upTo uint64) (goal uint64, err error) {
	if upTo != 0 {
		return upTo, nil
	}
	for i, filter := range filters {
		m, err := j.leaderLast(ctx, topology.StreamSluice, filter)
		if i > 0 && errors.Is(err, ErrNone) {
			continue
		}
		if err != nil {
			return 0, err
		}
		goal = max(goal, m.Seq)
	}
	return goal, nil
}

// pull takes messages from the consumer until it has the one at the sequence goal, and, unless it is to stop there, all that
// the consumer has.
func (j *Journal) pull(ctx context.Context, p path, goal uint64, stop bool) ([]stored, error) {
	sub, err := j.nc.SubscribeSync(j.nc.NewInbox())
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	body, err := json.Marshal(struct {
		Batch   int           `json:"batch"`
		Expires time.Duration `json:"expires"`
	}{walkBatch, answerWithin})
	if err != nil {
		return nil, err
	}
	var out []stored
	var n again
	for ordered := 0; ; {
		if ordered == 0 {
			ordered = walkBatch
			if err := j.nc.PublishRequest(j.api+"CONSUMER.MSG.NEXT."+topology.StreamSluice+"."+p.consumer, sub.Subject, body); err != nil {
				return nil, err
			}
		}
		m, err := next(ctx, sub.NextMsgWithContext)
		if errors.Is(err, nats.ErrNoResponders) { // the consumer is so new that this node does not know of it yet
			if err := n.pause(ctx); err != nil {
				return nil, err
			}
			ordered = 0
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("it broke off after %d messages: %w", len(out), err)
		}
		meta, err := m.Metadata()
		if err != nil && m.Header.Get("Status") == "" {
			return nil, err
		}
		if err != nil {
			return nil, fmt.Errorf("%w: the broker says %s %s", errDisturbed, m.Header.Get("Status"), m.Header.Get("Description"))
		}
		if meta.Sequence.Consumer != uint64(len(out)+1) {
			return nil, fmt.Errorf("%w: a gap before sequence %d", errDisturbed, meta.Sequence.Stream)
		}
		ordered--
		s := stored{Subject: m.Subject, Seq: meta.Sequence.Stream, At: meta.Timestamp.UTC(), Data: m.Data}
		if !p.mine(s.Subject) {
			return nil, fmt.Errorf("%w: %q", errDisturbed, clip(s.Subject))
		}
		out = append(out, s)
		if s.Seq >= goal && (stop || meta.NumPending == 0) {
			return out, nil
		}
	}
}

func clip(s string) string { return releasepb.Line(s, 100) }
