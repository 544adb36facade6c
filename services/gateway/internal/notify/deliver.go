package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/notice"
	"github.com/sluice-gate/sluice/services/gateway/internal/tell"
)

// recordWithin bounds storing what became of a message, also while the service stops.
const recordWithin = 8 * time.Second

// deliver sends a batch that is claimed, until bounded ends, and stores what became of it. It returns the outbox as it is then, and fails
// when that can not be stored.
func (n *notifier) deliver(bounded, ctx context.Context, to project.Notify, subject string, b batch) (*outbox, error) {
	key := fmt.Sprintf("%s %d %d", subject, b.ID, b.all())
	var err error
	if _, sent := n.sent.Load(key); !sent {
		if err = n.send.Send(bounded, to, message(to, b)); err == nil {
			n.sent.Store(key, true)
		}
	}
	kept, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()
	lost := b.spent(n.cfg.Attempts)
	if errors.Is(err, tell.ErrFinal) {
		lost = b.Items
	}
	if err != nil && ctx.Err() == nil {
		n.env.Log.Warn("a notification is not taken", zap.String("target", to.Name), zap.String("project", b.Items[0].Notice.Project),
			zap.Int("attempt", b.Attempts), zap.Int("given up", len(lost)), zap.Int("of", len(b.Items)), zap.Error(err))
	}
	switch {
	case err == nil:
	case ctx.Err() != nil: // the service stops: whoever is left goes on at once
		return n.retry(kept, subject, b, nil, time.Now())
	default:
		for _, i := range lost {
			why := fmt.Errorf("%s is not told, attempt %d: %w", to.Name, b.Attempts-i.Before, err)
			if err := n.bury(kept, i.Notice.Release, i.Seq, i.Notice, why, nil); err != nil {
				return nil, err
			}
		}
		if len(lost) == len(b.Items) {
			break
		}
		wait := pause(b.Attempts)
		if later := new(react.LaterError); errors.As(err, &later) {
			wait = later.In
		}
		return n.retry(kept, subject, b, lost, time.Now().Add(wait))
	}
	o, err := n.store.change(kept, subject, func(o *outbox) (bool, error) { o.taken(b.ID); return true, nil })
	if err != nil {
		return nil, fmt.Errorf("what became of a message can not be stored: %w", err)
	}
	n.sent.Delete(key)
	return o, nil
}

// all is how many notices were ever in the batch: what is sent is another message when it has changed.
func (b *batch) all() int { return len(b.Items) + b.More + b.Gone }

// retry lets the batch be sent again, without what was given up.
func (n *notifier) retry(ctx context.Context, subject string, b batch, lost []item, due time.Time) (*outbox, error) {
	return n.store.change(ctx, subject, func(o *outbox) (bool, error) {
		o.without(b.ID, lost)
		o.again(b.ID, n.env.Instance, due)
		return true, nil
	})
}

// message is what a batch is sent as. Its key is the same as long as it is the same message.
func message(to project.Notify, b batch) notice.Message {
	m := notice.Message{To: to.Name, More: b.More, Zone: to.Zone, Own: to.Template}
	for _, i := range b.Items {
		m.Notices = append(m.Notices, i.Notice)
	}
	m.Key = fmt.Sprintf("%s.%d.%d.%s", b.Items[0].Notice.Release, b.ID, b.all(), to.Name)
	return m
}

// bury keeps a notice that nobody was told of, with the reason, and returns then.
func (n *notifier) bury(ctx context.Context, release string, seq uint64, what project.Notice, why, then error) error {
	body, err := json.Marshal(what)
	if err != nil {
		return err
	}
	data, err := releasepb.EncodeDeadLetter(releasepb.DeadLetter{
		Reason: why.Error(), Subject: topology.Release(release), Seq: seq, Body: body,
	})
	if err != nil {
		return err
	}
	subject := topology.Dead("notify", release)
	if _, err := n.env.JS.Publish(ctx, subject, data, jetstream.WithExpectStream(topology.StreamSluice)); err != nil {
		return fmt.Errorf("keep what is not told: %w", err)
	}
	return then
}
