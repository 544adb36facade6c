// Package react is how every service works: a message is a hint to look at a release. React delivers the hints of a durable
// consumer to a handler, one at a time for each release, and acknowledges a hint when its handler has done all that the
// release needed.
//
// A handler looks at what is stored, not at what the hint says, and does the next thing that is missing. So hints may come
// twice, late, in any order, and to several instances at once: compare-and-set on the journal decides, and the loser looks
// again. A handler that dies leaves its hint unacknowledged, and another instance gets it after the consumer's AckWait.
package react

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// Hint is a delivered message.
type Hint struct {
	Subject   topology.Subject
	Raw       string // the subject as it was delivered
	Stream    string
	Seq       uint64    // stream sequence
	At        time.Time // broker's timestamp: a time that has certainly been reached
	Event     string    // of a journal record: its event's word
	Header    nats.Header
	Data      []byte
	Delivered uint64 // 1 for the first delivery
}

// Cause names the message in the journal records that it leads to.
func (h Hint) Cause() string { return fmt.Sprintf("%s %d %s", h.Stream, h.Seq, h.Raw) }

// Least is the sequence that a reader of that stream must have seen: the hint's own, if it came from there. A replica that
// lags behind the one that delivered the hint would show the release as it was before, and the hint would be lost on it.
func (h Hint) Least(stream string) uint64 {
	if h.Stream != stream {
		return 0
	}
	return h.Seq
}

// sureAfter is how often a hint that shows by itself that its release has a journal is delivered before there being none is
// believed: half a minute and more, with the waits between.
const sureAfter = 10

// Orphan tells whether err says that the hint's release has no journal, and that this is to be believed. A request may come
// before its merge. But only services publish records, verdicts and alarms, after there is a journal: whoever says that there is
// none has a copy of the stream that lags behind. A leader of the stream was seen to, just after an election (nats-server 2.15.2,
// one release of 30,000 in services/promoter, TestRace), and to drop the first hint of a release then is to leave it without an
// alarm.
func (h Hint) Orphan(err error) bool {
	if !errors.Is(err, journal.ErrNone) {
		return false
	}
	switch h.Subject.Kind { //nolint:exhaustive // what else there is proves nothing
	case topology.KindRelease, topology.KindDue, topology.KindJudged:
		return h.Delivered > sureAfter
	}
	return true
}

// Handler does what a hint asks for. It returns nil when nothing is left to do, [Later] to be called again after a time,
// [Refuse] when the message can never be handled, and any other error to be called again soon.
type Handler func(ctx context.Context, h Hint) error

// LaterError asks for the hint again.
type LaterError struct {
	In     time.Duration
	Reason string
}

func (e *LaterError) Error() string { return fmt.Sprintf("again in %s: %s", e.In, e.Reason) }

// Later asks for the hint again after a time. It is not a failure.
func Later(in time.Duration, reason string) error { return &LaterError{In: in, Reason: reason} }

// RefusedError ends the delivery of a message.
type RefusedError struct{ err error }

func (e *RefusedError) Error() string { return e.err.Error() }
func (e *RefusedError) Unwrap() error { return e.err }

// Refuse ends the delivery of a message that can never be handled; whoever refuses has kept it and its reason elsewhere.
func Refuse(err error) error { return &RefusedError{err} }

// Config is what a Loop needs.
type Config struct {
	Consumer jetstream.Consumer
	Handle   Handler
	Log      *zap.Logger
	// Turns is shared by all loops of one service in one process, so that a release is handled once at a time whichever
	// consumer its hints come from.
	Turns *Turns
	// Grace is how long handlers may go on after the loop was told to stop, before their context ends.
	Grace time.Duration
	// Observe is called after every handled hint; nil: nobody counts.
	Observe func(h Hint, took time.Duration, err error)
	// Stray keeps a message whose subject is none of ours, with the reason, before its delivery ends: an acknowledged cancel of
	// something that is no release, for one. nil: it is only logged.
	Stray func(ctx context.Context, raw string, seq uint64, data []byte, why error) error
}

const (
	mostAtOnce = 1024 // handlers under way in one service; most wait for the broker
	firstAgain = 100 * time.Millisecond
	lastAgain  = 30 * time.Second
)

// Run delivers hints until ctx ends, then drains: it takes no more, lets handlers finish within the grace, gives back what
// was not begun, and returns nil. It returns an error when the consumer can not be read.
func Run(ctx context.Context, cfg Config) error {
	it, err := cfg.Consumer.Messages(jetstream.PullMaxMessages(mostAtOnce / 2))
	if err != nil {
		return fmt.Errorf("consumer %s: %w", cfg.Consumer.CachedInfo().Name, err)
	}
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	l := &loop{cfg: cfg, held: map[jetstream.Msg]struct{}{}}

	stop := context.AfterFunc(ctx, it.Stop)
	defer func() { stop() }()
	ticking, tickingDone := context.WithCancel(work)
	var tick sync.WaitGroup
	tick.Go(func() { l.keepAlive(ticking) })

	for {
		m, err := it.Next()
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			break
		}
		if err != nil {
			if ctx.Err() == nil {
				cfg.Log.Warn("no messages for now", zap.Error(err))
			}
			if errors.Is(err, jetstream.ErrConsumerDeleted) && exists(ctx, cfg.Consumer) {
				stop()
				it.Stop()
				if it, err = cfg.Consumer.Messages(jetstream.PullMaxMessages(mostAtOnce / 2)); err == nil {
					stop = context.AfterFunc(ctx, it.Stop)
					continue
				}
			}
			if it == nil || errors.Is(err, jetstream.ErrConsumerDeleted) || errors.Is(err, nats.ErrConnectionClosed) {
				cancel(err)
				l.all.Wait()
				tickingDone()
				tick.Wait()
				return fmt.Errorf("consumer %s: %w", cfg.Consumer.CachedInfo().Name, err)
			}
			continue
		}
		l.take(ctx, work, m)
	}
	grace := time.AfterFunc(cfg.Grace, func() { cancel(errors.New("the service stops")) })
	l.all.Wait()
	grace.Stop()
	tickingDone()
	tick.Wait()
	return nil
}

// exists tells whether the consumer is still there after all. Whoever may publish a request can give it the headers with
// which the broker says that a consumer was deleted, and nats.go believes them.
func exists(ctx context.Context, c jetstream.Consumer) bool {
	_, err := c.Info(ctx)
	return err == nil
}

type loop struct {
	cfg Config
	all sync.WaitGroup

	mu   sync.Mutex
	held map[jetstream.Msg]struct{} // in our hands: not yet acknowledged
}

// take has the message handled when it is its release's turn.
func (l *loop) take(ctx, work context.Context, m jetstream.Msg) {
	subject, err := topology.ParseStored(m.Subject())
	if err != nil {
		l.all.Go(func() { l.stray(work, m, err) })
		return
	}
	key := subject.Release
	if key == "" {
		key = m.Subject()
	}
	l.mu.Lock()
	l.held[m] = struct{}{}
	l.mu.Unlock()
	l.all.Add(1)
	l.cfg.Turns.take(key, func() {
		defer l.all.Done()
		l.one(ctx, work, m)
	})
}

// stray ends the delivery of a message that no release is named by, once it is kept.
func (l *loop) stray(work context.Context, m jetstream.Msg, why error) {
	meta, err := m.Metadata()
	if err == nil && l.cfg.Stray != nil {
		err = l.cfg.Stray(work, m.Subject(), meta.Sequence.Stream, m.Data(), why)
	}
	if err != nil {
		l.cfg.Log.Warn("could not keep a message on a subject that is none of ours, trying again", zap.Error(err))
		_ = m.NakWithDelay(firstAgain)
		return
	}
	l.cfg.Log.Warn("refused a message on a subject that is none of ours", zap.Error(why))
	_ = m.TermWithReason("refused")
}

func (l *loop) one(ctx, work context.Context, m jetstream.Msg) {
	defer func() {
		l.mu.Lock()
		delete(l.held, m)
		l.mu.Unlock()
	}()
	if ctx.Err() != nil { // stopping: give it back
		_ = m.Nak()
		return
	}
	h, err := hint(m)
	if err != nil {
		l.cfg.Log.Warn("skipped a message without metadata", zap.Error(err))
		_ = m.Term()
		return
	}
	if acksFirst {
		_ = m.Ack()
	}
	began := time.Now()
	err = l.handle(work, h)
	if l.cfg.Observe != nil {
		l.cfg.Observe(h, time.Since(began), err)
	}
	l.answer(m, h, err)
}

// handle turns a panic into an error: one release must not take the others down with it.
func (l *loop) handle(ctx context.Context, h Hint) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
			l.cfg.Log.Error("a handler panicked", zap.String("cause", h.Cause()), zap.Any("panic", p), zap.Stack("stack"))
		}
	}()
	return l.cfg.Handle(ctx, h)
}

// answer tells the broker. When that is lost the hint comes again, which is harmless.
func (l *loop) answer(m jetstream.Msg, h Hint, err error) {
	var later *LaterError
	var refused *RefusedError
	switch {
	case err == nil:
		_ = m.Ack()
	case errors.As(err, &later):
		_ = m.NakWithDelay(later.In)
	case errors.As(err, &refused):
		l.cfg.Log.Warn("refused", zap.String("cause", h.Cause()), zap.Error(err))
		_ = m.TermWithReason("refused")
	default:
		wait := min(firstAgain<<min(h.Delivered-1, 10), lastAgain)
		if !errors.Is(err, context.Canceled) {
			l.cfg.Log.Warn("failed, trying again", zap.String("cause", h.Cause()), zap.Duration("in", wait), zap.Error(err))
		}
		_ = m.NakWithDelay(wait)
	}
}

// keepAlive tells the broker that the messages in our hands are being worked on, those that wait for their turn included.
func (l *loop) keepAlive(ctx context.Context) {
	t := time.NewTicker(topology.AckWait / 3)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		l.mu.Lock()
		for m := range l.held {
			_ = m.InProgress()
		}
		l.mu.Unlock()
	}
}

func hint(m jetstream.Msg) (Hint, error) {
	meta, err := m.Metadata()
	if err != nil {
		return Hint{}, err
	}
	subject, err := topology.ParseStored(m.Subject())
	return Hint{
		Subject: subject, Raw: m.Subject(), Stream: meta.Stream, Seq: meta.Sequence.Stream, At: meta.Timestamp,
		Event: m.Headers().Get(journal.HeaderEvent), Header: m.Headers(), Data: m.Data(), Delivered: meta.NumDelivered,
	}, err
}
