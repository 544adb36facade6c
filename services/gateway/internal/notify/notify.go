package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/notice"
)

const (
	// sendWithin bounds one attempt to send a message, from before it is claimed.
	sendWithin = 10 * time.Second
	// lease is how long a batch is its sender's alone. The rest of it is room for clocks that differ.
	lease = 30 * time.Second
	// orphanAfter is how long after its time a batch is taken for one that nobody drives.
	orphanAfter = 15 * time.Minute

	firstPause = time.Second
	lastPause  = 5 * time.Minute
	longest    = time.Hour // that a hint is put off: its outbox may have changed by then

	lateAfter = 15 * time.Minute
	lateGroup = 10 * time.Second

	mostLooks = 20 // at a project file that this version can not read

	slotsEach = 4 // messages on their way to one target at the same time
)

// sender sends a message. Its error wraps tell.ErrFinal when the target will never take it, and is a react.LaterError when the target
// said when; it never has a secret in it.
type sender interface {
	Send(ctx context.Context, to project.Notify, m notice.Message) error
}

// notifier tells those whom projects name.
type notifier struct {
	env   service.Env
	cfg   config.NotifyOut
	send  sender
	store *store
	slots sync.Map // subject → chan struct{}
	sent  sync.Map // subject and id of a batch that was sent, and of which that could not be stored yet
}

// Run notifies until ctx ends.
func Run(ctx context.Context, env service.Env, cfg config.NotifyOut) error {
	return run(ctx, env, cfg, newOutside(cfg, env.Log))
}

func run(ctx context.Context, env service.Env, cfg config.NotifyOut, send sender) error {
	n := &notifier{env: env, cfg: cfg, send: send, store: &store{keeper: env.Journal}}
	env.Log.Info("notifying", zap.String("consumer", topology.ConsumerGatewayNotify))
	return env.Await(ctx, topology.StreamSluice, topology.ConsumerGatewayNotify, n.look)
}

// look tells of a journal record.
func (n *notifier) look(ctx context.Context, h react.Hint) error {
	if n.cfg.MaxAge > 0 && h.Delivered == 1 && time.Since(h.At) > n.cfg.MaxAge {
		return nil
	}
	r, err := releasepb.DecodeRecord(h.Data)
	if err != nil {
		return react.Refuse(err) // no reader of the journal takes it either
	}
	r.State = r.State.Stamp(h.Seq, h.At)
	attention := releasepb.Line(h.Header.Get(journal.HeaderAttention), releasepb.MaxReason)
	what, ok := notice.Of(notice.Record{Record: r, At: h.At, Attention: attention}, n.cfg.Dashboard)
	if !ok {
		return nil
	}
	p, _, err := n.env.Catalog.Current(ctx, r.State.Project)
	var wrong project.Errors
	switch {
	case errors.Is(err, catalog.ErrUnknownProject):
		return nil // nobody says whom to tell
	case errors.As(err, &wrong) && h.Delivered >= mostLooks: // an upgrade under way would be over by now
		why := fmt.Errorf("the project file is of another version of Sluice: %w", err)
		return n.bury(ctx, h.Subject.Release, h.Seq, what, why, react.Refuse(err))
	case err != nil:
		return err
	}
	return n.tell(ctx, h, p, what)
}

// tell puts the notice into the outbox of everybody who is to be told, and drives what the record has to drive there.
func (n *notifier) tell(ctx context.Context, h react.Hint, p *project.Project, what project.Notice) error {
	var mu sync.Mutex
	var errs []error
	var next time.Duration // until the first one is due again
	var waiting []string   // subjects
	var all sync.WaitGroup
	known, owns, err := n.known(ctx, h, p)
	if err != nil {
		return err
	}
	for _, to := range p.Notify {
		subject := subjectOf(p.Name, to.Name)
		wanted := project.Wants(to.On, what)
		if !wanted && !owns[subject] { // a target that does not want it any more may have others in the batch that it drives
			continue
		}
		all.Go(func() {
			wait, err := n.one(ctx, h, to, subject, what, wanted && !known)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("notify %s of %s: %w", to.Name, p.Name, err))
			}
			if wait > 0 {
				waiting = append(waiting, subject)
				if next == 0 || wait < next {
					next = wait
				}
			}
		})
	}
	all.Wait()
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if next == 0 {
		return nil
	}
	for _, subject := range waiting { // it is in all outboxes by now
		_, err := n.store.change(ctx, subject, func(o *outbox) (bool, error) { return o.spread(h.Seq), nil })
		if err != nil {
			return err
		}
	}
	return react.Later(min(next, longest), strings.Join(waiting, " ")+" waits")
}

// known tells whether the record comes again because a batch of it waits, and has been put into all outboxes before. What was told since
// then has been forgotten in some of them, maybe. owns are the outboxes in which it has a batch to drive.
func (n *notifier) known(ctx context.Context, h react.Hint, p *project.Project) (known bool, owns map[string]bool, err error) {
	if h.Delivered == 1 {
		return false, nil, nil
	}
	owns = map[string]bool{}
	for _, to := range p.Notify {
		subject := subjectOf(p.Name, to.Name)
		_, err := n.store.change(ctx, subject, func(o *outbox) (bool, error) {
			b := o.owned(h.Seq)
			owns[subject] = b != nil
			known = known || b != nil && b.Spread
			return false, nil
		})
		if err != nil {
			return false, nil, err
		}
	}
	return known, owns, nil
}

// one puts the notice into one outbox, and drives what it owns there. It returns how long that has to wait; 0: nothing is left.
func (n *notifier) one(
	ctx context.Context, h react.Hint, to project.Notify, subject string, what project.Notice, put bool,
) (wait time.Duration, err error) {
	for left := true; left && wait == 0 && err == nil; {
		wait, left, err = n.turn(ctx, h, to, subject, what, put)
	}
	return wait, err
}

// turn is a step, with one of the target's slots if there is a free one. A panic is an error: one target must not take the others down.
func (n *notifier) turn(
	ctx context.Context, h react.Hint, to project.Notify, subject string, what project.Notice, put bool,
) (wait time.Duration, left bool, err error) {
	slots, _ := n.slots.LoadOrStore(subject, make(chan struct{}, slotsEach))
	slot := slots.(chan struct{}) //nolint:forcetypeassert // nothing else is stored
	free := false
	select {
	case slot <- struct{}{}:
		free = true
	default: // it is put there all the same
	}
	defer func() {
		if free {
			<-slot
		}
		if p := recover(); p != nil {
			n.env.Log.Error("a notification panicked", zap.String("cause", h.Cause()), zap.Any("panic", p), zap.Stack("stack"))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return n.step(ctx, h, to, subject, what, put, free)
}

// step puts the notice into the outbox, unless it is there, and sends the next batch that the record drives, if its time has come. left
// tells whether the record may have more to drive.
func (n *notifier) step(
	ctx context.Context, h react.Hint, to project.Notify, subject string, what project.Notice, put, free bool,
) (wait time.Duration, left bool, err error) {
	var claimed batch
	began := time.Now()
	_, err = n.store.change(ctx, subject, func(o *outbox) (bool, error) {
		now := time.Now()
		claimed, wait, left = batch{}, 0, false
		news := false
		o.Target = to.Name
		if put {
			var err error
			i := item{Seq: h.Seq, Notice: what}
			var when time.Time
			when, i.quiet = due(to, what, now)
			if news, err = o.put(i, when, now); err != nil {
				return false, err
			}
			o.adopt(h.Seq, now)
		}
		b := o.owned(h.Seq)
		if b == nil {
			return news, nil
		}
		left = true
		if wait = b.wait(n.env.Instance, now); wait > 0 {
			return news, nil
		}
		if !free {
			wait = firstPause
			return news, nil
		}
		if until := calm(to, b.Items, now); until.After(now) { // its target did not answer, or nobody was there, until they began
			b.Due, wait = until, until.Sub(now)
			return true, nil
		}
		b.claim(n.env.Instance, now)
		claimed = *b
		return true, nil
	})
	if errors.Is(err, errFull) {
		return firstPause, true, nil
	}
	if err != nil || claimed.ID == 0 {
		return wait, left, err
	}
	bounded, cancel := context.WithDeadline(ctx, began.Add(sendWithin))
	defer cancel()
	o, err := n.deliver(bounded, ctx, to, subject, claimed)
	return 0, err == nil && o.owned(h.Seq) != nil, err
}
