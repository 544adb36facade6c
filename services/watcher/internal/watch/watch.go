package watch

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/judge"
)

// recheck is when to look again after something was heard: it may not have been stored yet.
func recheck(n int) (time.Duration, bool) {
	waits := [...]time.Duration{5 * time.Millisecond, 25 * time.Millisecond, 125 * time.Millisecond, 625 * time.Millisecond}
	if n >= len(waits) {
		return 0, false
	}
	return waits[n], true
}

// never is more rechecks than there are.
const never = 1 << 30

// How soon a step that failed is done again: doubled each time, but within a quarter of the heartbeats' interval.
const (
	againFirst = 100 * time.Millisecond
	againLeast = time.Second
)

// watch is one release's. Its loop is one goroutine, and each of its probes is one; everything that is not a channel or
// atomic belongs to the loop.
type watch struct {
	*Watcher
	id    string
	log   *zap.Logger
	wake  chan struct{} // of one
	heard atomic.Bool   // what woke it may not be stored yet
	asked atomic.Bool   // the durable consumer gave the release to this instance

	entry    journal.Entry
	looks    int            // how many rechecks are done
	failures int            // steps that failed, in a row
	stretch  judge.Stretch  // that the release is in, or was in last
	verdict  *judge.Verdict // of the check that failed first in it
	told     bool           // what the verdict asks for is stored, by whomever
	blind    bool           // it was said that there are no checks to be had
	on       *duty          // nil: standing by
	probes   sync.WaitGroup
}

func newWatch(w *Watcher, id string) *watch {
	return &watch{
		Watcher: w, id: id, log: w.env.Log.With(zap.String("release", id)),
		wake: make(chan struct{}, 1), looks: never,
	}
}

func (r *watch) poke(heard bool) {
	if heard {
		r.heard.Store(true)
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run watches until the release is not to be watched any more, or ctx ends.
func (r *watch) run(ctx context.Context) {
	defer r.probes.Wait()
	defer r.rest()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var results <-chan measured
		if r.on != nil {
			results = r.on.measured
		}
		select {
		case <-ctx.Done():
			r.storeLast(ctx)
			return
		case <-r.wake:
		case <-timer.C:
		case m := <-results:
			if !r.take(m) {
				continue
			}
		}
		if r.heard.Swap(false) {
			r.looks = 0
		}
		wait, over := r.step(ctx)
		if over && r.leave(r) {
			return
		}
		timer.Reset(wait)
	}
}

// step does what is due and returns how long to wait for more.
func (r *watch) step(ctx context.Context) (wait time.Duration, over bool) {
	select {
	case r.steps <- struct{}{}:
		defer func() { <-r.steps }()
	case <-ctx.Done():
		return 0, false
	}
	if !r.env.JS.Conn().IsConnected() {
		return r.interval(), false // it is woken when the broker is back
	}
	wait, over, err := r.next(ctx)
	if err == nil {
		r.failures = 0
		return wait, over
	}
	if r.failures == 0 && ctx.Err() == nil {
		r.log.Warn("can not watch for now", zap.Error(err))
	}
	wait = min(againFirst<<min(r.failures, 16), max(againLeast, r.interval()/4))
	r.failures++
	return wait, false
}

// next looks at the release and does what is due.
func (r *watch) next(ctx context.Context) (wait time.Duration, over bool, err error) {
	e, err := r.env.Journal.Load(ctx, r.id)
	if err != nil && !errors.Is(err, journal.ErrNone) {
		return 0, false, err
	}
	if e.Seq >= r.entry.Seq { // a replica may lag behind
		r.entry = e
	}
	if r.on != nil && r.on.goesOn(r.entry.State) && r.on.human() && (r.verdict == nil || r.verdict.Human) {
		r.rest() // a person let it go on: from now on it is judged anew, also by who found a verdict while it was held
		r.verdict, r.told = nil, false
	}
	if r.verdict != nil && !r.told && r.verdict.Asks(r.entry.State) {
		if err := r.condemn(ctx); err != nil {
			return 0, false, err
		}
	}
	if over = !r.enter(ctx); !over {
		if wait, err = r.watching(ctx); err != nil {
			return 0, false, err
		}
	}
	if soon, ok := recheck(r.looks); ok && (over || soon < wait) {
		r.looks++
		return soon, false, nil
	}
	return wait, over, nil
}

// enter follows the release into the stretch that it is in, and tells whether it is in one. What was seen in the one before
// is done with, also if nobody saw the phases between: a verdict that is still to be stored was stored before this.
func (r *watch) enter(ctx context.Context) bool {
	stretch, watchable := judge.StretchOf(r.entry.State)
	if r.on != nil && !(watchable && stretch.Same(r.on.stretch)) {
		r.finish(ctx)
	}
	if watchable && !stretch.Same(r.stretch) {
		r.stretch, r.verdict, r.told, r.blind = stretch, nil, false, false
	}
	return watchable
}

// watching watches, if it is this instance's turn.
func (r *watch) watching(ctx context.Context) (wait time.Duration, err error) {
	if r.on == nil {
		mine, again, err := r.mine(ctx)
		if err != nil || !mine {
			return again, err
		}
		if err := r.begin(ctx); err != nil {
			return 0, err
		}
	}
	if r.told {
		return r.interval(), nil // for its end
	}
	r.on.expedite(r.entry.State)
	if all, err := r.readAlerts(ctx); err != nil || r.verdict == nil && !all { // whether the source is silent is asked below
		return time.Millisecond, err
	}
	r.collect()
	due := r.untilBeat() == 0 && r.looking(ctx)
	if due {
		if mine, again, err := r.mine(ctx); err != nil {
			return 0, err
		} else if !mine {
			r.log.Info("another instance watches it: standing by")
			r.asked.Store(false)
			r.rest()
			return again, nil
		}
	}
	if due {
		if err := r.stillThere(ctx); err != nil {
			return 0, err
		}
	}
	all, err := r.readSignals(ctx)
	if all && err == nil {
		all, err = r.readAlerts(ctx)
	}
	news := r.collect()
	r.warn(ctx)
	if due && r.on.hears.behind(r.on.notes.stored, false) {
		r.on.notes.named = false // one message, if only to say that
	}
	if err == nil && r.verdict == nil && r.on.notes.due(due, r.interval()) {
		err = r.store(ctx)
	}
	switch {
	case err != nil:
		return 0, err
	case r.verdict != nil:
		return r.interval(), r.condemn(ctx)
	}
	if err := r.answerGap(ctx); err != nil {
		return 0, err
	}
	switch {
	case !all:
		return time.Millisecond, nil
	case !due && news:
		return 0, nil
	case !due || !r.looking(ctx):
		return r.untilAlert(cmp.Or(min(r.untilBeat(), r.interval()), r.interval())), nil // a probe that comes back wakes it
	}
	r.keepTemplates(ctx, false)
	return r.untilAlert(r.interval()), r.beat(ctx)
}

func (r *watch) interval() time.Duration { return r.entry.State.BeatEvery() }

// mine asks whether it is this instance that watches, and if not, when to ask again.
func (r *watch) mine(ctx context.Context) (mine bool, again time.Duration, err error) {
	now, ok := r.clock.now()
	if !ok {
		return false, 0, errors.New("the broker's time is not known yet")
	}
	d := judge.Duty{
		Me: r.env.Instance, Active: r.on != nil, Asked: r.asked.Load(),
		From: r.stretch.From, Now: now, Between: r.interval(),
	}
	last, err := r.env.Journal.LastBeat(ctx, r.id)
	if err != nil && !errors.Is(err, journal.ErrNone) {
		return false, 0, err
	}
	d.Last, d.LastAt = last.Instance, last.At
	return d.Mine(), d.Again(), nil
}
