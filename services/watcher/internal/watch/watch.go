package watch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/work"
	"github.com/sluice-gate/sluice/services/watcher/internal/judge"
	"github.com/sluice-gate/sluice/services/watcher/internal/probe"
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
	verdict  *judge.Verdict // of the check that failed first
	told     bool           // the tombstone is stored, by whomever
	blind    bool           // it was said that there is no project file
	on       *duty          // nil: standing by
	probes   sync.WaitGroup
}

// duty is what a watch has while it watches.
type duty struct {
	checks   []*check
	signals  reading
	measured chan measured
	stop     context.CancelFunc
	nextBeat time.Time // by the local clock
}

// check is one check of the project file.
type check struct {
	project.Check
	rule   judge.Rule
	tally  judge.Tally
	looked time.Time // when its probe came back last, by the local clock
	err    error     // why it could not look, the last time
	blind  bool      // and that was said
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
	if r.verdict != nil && !r.told && !r.entry.State.Phase.Ended() {
		if err := r.condemn(ctx); err != nil {
			return 0, false, err
		}
	}
	if !judge.Watchable(r.entry.State) {
		r.finish(ctx)
		over = true
	} else if wait, err = r.watching(ctx); err != nil {
		return 0, false, err
	}
	if soon, ok := recheck(r.looks); ok && (over || soon < wait) {
		r.looks++
		return soon, false, nil
	}
	return wait, over, nil
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
	all, err := r.readSignals(ctx)
	switch {
	case err != nil:
		return 0, err
	case r.verdict != nil:
		return r.interval(), r.condemn(ctx)
	case !all:
		return time.Millisecond, nil
	}
	return r.beat(ctx)
}

func (r *watch) interval() time.Duration { return release.BeatInterval(r.entry.State.Delay()) }

// mine asks whether it is this instance that watches, and if not, when to ask again.
func (r *watch) mine(ctx context.Context) (mine bool, again time.Duration, err error) {
	now, ok := r.clock.now()
	if !ok {
		return false, 0, errors.New("the broker's time is not known yet")
	}
	d := judge.Duty{
		Me: r.env.Instance, Active: r.on != nil, Asked: r.asked.Load(),
		SoakAt: r.entry.State.StagedAt, Now: now, Between: r.interval(),
	}
	last, err := r.env.Journal.LastBeat(ctx, r.id)
	if err != nil && !errors.Is(err, journal.ErrNone) {
		return false, 0, err
	}
	d.Last, d.LastAt = last.Instance, last.At
	return d.Mine(), d.Again(), nil
}

// begin starts to watch.
func (r *watch) begin(ctx context.Context) error {
	s := r.entry.State
	told, err := r.env.Journal.Asked(ctx, topology.Request(topology.VerbCancel, r.id, actor))
	if err != nil {
		return err
	}
	p, err := r.env.Catalog.At(ctx, s.Project, s.Policy.Revision)
	if err != nil {
		if errors.Is(err, catalog.ErrUnknownProject) && !r.blind {
			r.blind = true
			r.judgement(ctx, topology.Evidence(r.id), "", false, probe.Line("can not look: "+err.Error()), 0, s.StagedAt)
		}
		return err
	}
	probing, stop := context.WithCancel(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, stop)
	d := &duty{measured: make(chan measured), stop: func() { unhook(); stop() }}
	r.on, r.told = d, r.told || told
	r.attend(s.Project, r, true)
	r.log.Info("watching", zap.String("project", s.Project), zap.Int("checks", len(p.Stages[0].Watch)), zap.Bool("tombstone", r.told))
	facts := work.Facts(r.env.Catalog, s, release.Stage)
	for i, c := range p.Stages[0].Watch {
		d.checks = append(d.checks, &check{Check: c, rule: judge.RuleOf(c, s.StagedAt), looked: time.Now()})
		if !r.told {
			r.probe(probing, i, c, facts)
		}
	}
	return nil
}

// probe starts the probe of a check, if it has one.
func (r *watch) probe(ctx context.Context, i int, c project.Check, facts driver.Facts) {
	look := r.tools.Open(c, facts)
	if look == nil {
		return
	}
	slots := r.http
	if c.Exec != nil {
		slots = r.exec
	}
	out := r.on.measured
	r.probes.Go(func() { probing(ctx, r.Watcher, slots, i, c, look, out) })
}

// rest stops watching. What the probes have under way is broken off.
func (r *watch) rest() {
	if r.on == nil {
		return
	}
	r.attend(r.entry.State.Project, r, false)
	r.on.stop()
	r.on = nil
}

// finish says what the checks came to, when the release is not to be watched any more.
func (r *watch) finish(ctx context.Context) {
	if r.on == nil {
		return
	}
	if !r.told {
		for _, c := range r.on.checks {
			r.evidence(ctx, judge.Verdict{Check: c.Name, Rule: c.rule, Tally: c.tally})
		}
	}
	r.log.Info("watched", zap.String("phase", string(r.entry.State.Phase)))
	r.rest()
}
