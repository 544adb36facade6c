// Package watch watches releases while they soak and bake: it runs their checks, says by heartbeats that it does, and asks to
// stop a release that errs. [Watcher] knows whom to watch; each release has a [watch] of its own.
//
// # Whom to watch
//
// A release is to be watched in the soak of each of its stages (staged, soaking or held), also while it is postponed and waits
// for days, and in its bake. Each of these is a stretch ([judge.Stretch]) with checks of its own, those of the stage or of the
// bake; measurements, heartbeats and verdicts of one mean nothing in the next. A watch that lives from one to the next, also
// one that was cut off and never saw the phases between, finishes the old one and begins the new one.
//
// What tells of a release is a hint, and is acknowledged at once: keeping it in hand for as long as the soak would fill the
// consumer with 10,000 releases (its MaxAckPending), would lose its AckWait when an instance dies, which is much of a short
// soak, and would hold up the release's next hints. What is authoritative is stored elsewhere already: whatever soaks or
// bakes occupies a lane. So an instance learns of releases in three ways:
//
//   - a hint of the durable consumer, which goes to one instance, and is certain;
//   - what it hears on the journals, as all instances do, which is quick, and may be missed;
//   - the roll call of the lanes' owners, at the start, after each reconnect and every minute. It costs one request and two
//     reads for every 512 lanes; the number of releases that ever were does not matter.
//
// # Who watches
//
// One instance, and the others stand by: they look for its heartbeats and step in when there are none for one and a half
// intervals ([judge.Duty]). So the death of an instance, or a probe that it can not run, costs no coverage as long as another
// can, and its first look takes no longer than half an interval. An instance that starts watches at once what it watched
// before under the same name, and what nobody watches. Who watched one stage has no claim to the next.
//
// # What a heartbeat vouches for
//
// That when it was sent the release was still to be watched, the stream of signals was read to its end, and every probe
// came back in time and could look, at least once since the instance began with the stretch: also a check whose failures do
// not count yet has been looked at. A watcher that can not look sends none, and the release is held instead of promoted.
//
// A heartbeat is failing when the last look of some probe saw that staging, or production, is not well, be it in the check's
// grace or not often enough to count as failed, or when an alert fires that did not before. Signals that are no more than the
// project allows are not failing. So between the first failure of a check and its verdict, all heartbeats are failing; after the
// verdict there are none.
//
// Signals are counted from what is stored, since the beginning of the stretch: those that came while no watcher ran count too.
// What is heard of them is a hint to read, so that a request follows within milliseconds: on one node that syncs every message,
// 0.7 ms at the 99th percentile from the signal's timestamp to the tombstone's, on an idle machine of two cores, and 13 ms from before the
// signal is published until all is acknowledged. So does whoever takes over, from the beginning of the stretch.
//
// # What is measured
//
// Every look is stored, in one message for each heartbeat and before it (notes), and so is every signal that counts. So whoever takes
// over continues: failures in a row, what a comparison has weighed. That nobody looked in between does not end a row; a look that
// passed does, and is stored at once if the row is. It costs as many messages again as heartbeats: in a soak of two hours 121, of
// 350 bytes each with two probes every ten seconds, which is 43 KB (services/e2e, TestCostOfWhatIsMeasured). A release that has
// only signal checks stores one, and one for each heartbeat that has signals.
//
// The stream keeps so many signals and no more, and applications may lose some on the way, which they say. What was lost
// before it was read may have been what a check waits for. So that is a gap, and so is the end of the stream that a broker lost in a crash
// (lost.go). The watcher holds the release, once for each, saying why: a person looks, and resumes or cancels it. In a bake, where nothing
// can be held, no heartbeat is sent after it. Who takes over reads the signals of the stretch again, or, where they are not kept any more,
// counts on from what was measured. What is kept of a subject is two seconds of 50,000 messages a second, so reading must not rest for
// longer; a step reads at most 5,000 messages, a MiB at a time, whatever comes. A signal costs 7 µs of one core, of all that publish,
// store and read it: two cores take 50,000 a second that come one by one, in 100 MiB, and 200,000 in batches, as `sluice tail` sends them
// (make watch-bench).
//
// # What is known
//
// The templates of the errors of a stretch (package template) are stored on sluice.templates.<release>, again and again, ever more
// rarely, and at its end; one without errors costs nothing. A check for what is new reads those of the five releases that were
// promoted last. Nothing else is decided by them, and what can not be read there is not known.
//
// # Alerts
//
// What somebody else's monitoring tells the gateway is stored as evidence, and read like signals: from what is stored, those of the day
// before the stretch too, because they say what fired already ([judge.Rule]). An alert that goes on firing is one that nobody
// tells of, so the checks of alerts are also told how late it is: when one would fail by that, and before every heartbeat. A
// source that is to be heard of and was not (heartbeat) is a check that can not look. A check that is inconclusive is no
// failure and no pass: there are heartbeats, which say why, and so does the evidence, once when it comes up and at the end.
//
// # A release that was expedited
//
// It does not wait for its soak, but for a heartbeat since the expedite that is not failing, unless it is forced. So every probe
// looks at once, and the heartbeat goes out as soon as all of them came back from looks that began since; a look that was
// under way does not do. While a check fails the heartbeats go on and are failing; the first look with which all are well is
// reported at once. It can not be quicker than the slowest probe.
//
// # What a failed check asks for
//
// In a soak, to cancel the release (the tombstone), as long as the promotion is not out. In a bake, to roll it back, until the
// bake is over; what failed within it and could not be told earlier, also after that. What failed in one stage is
// still told when the release went on to the next.
//
// # What if it dies here?
//
//   - Before the request is stored: the next instance continues from what is stored, reads the signals that came since, and sees
//     the probes fail again. Between a verdict and its request no heartbeat is sent, so that a release that has failed is not
//     promoted in between.
//   - Between a gap and its hold: no heartbeat is sent; the next instance finds the gap again, and the request if it was stored.
//   - After the request: it is stored once, by compare-and-set on its own subject. Whoever comes later finds it and keeps
//     quiet; what becomes of it is the promoter's business. The evidence beside it may be missing; the request carries it too.
//   - Between an expedite and its heartbeat: whoever steps in looks at every check before its first heartbeat anyway.
package watch

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/watcher/internal/probe"
)

// Bounds of what an instance does at once. Whatever waits for its turn too long counts as not looked at.
const (
	stepsAtOnce = 128 // watches that talk to the broker
	httpAtOnce  = 512
	execAtOnce  = 32
)

// How often the owners of lanes are looked through, and how soon again when that failed.
const (
	rollCallEvery = time.Minute
	rollCallAgain = time.Second
)

// Watcher knows which releases are to be watched.
type Watcher struct {
	env   service.Env
	tools probe.Tools
	spawn func(func(context.Context))
	clock *clock
	steps chan struct{}
	http  chan struct{}
	exec  chan struct{}

	mu       sync.Mutex
	closed   bool
	live     map[string]*watch            // by release
	projects map[string]map[string]*watch // by project and release: those that read signals
}

// New makes a watcher. spawn runs a watch in a goroutine of its own, with a context that ends with the service.
func New(env service.Env, tools probe.Tools, spawn func(func(context.Context))) *Watcher {
	return &Watcher{
		env: env, tools: tools, spawn: spawn, clock: &clock{},
		steps: make(chan struct{}, stepsAtOnce), http: make(chan struct{}, httpAtOnce), exec: make(chan struct{}, execAtOnce),
		live: map[string]*watch{}, projects: map[string]map[string]*watch{},
	}
}

// Look handles a hint of the durable consumer.
func (w *Watcher) Look(ctx context.Context, h react.Hint) error {
	e, err := w.env.Journal.LoadAt(ctx, h.Subject.Release, h.Seq)
	if h.Orphan(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if judge.Watchable(e.State) {
		w.watch(e.State.Release, true)
	} else {
		w.poke(e.State.Release, false)
	}
	return nil
}

// Listen hears what happens and calls the roll, until ctx ends.
func (w *Watcher) Listen(ctx context.Context) error {
	nc := w.env.JS.Conn()
	journals, err := nc.Subscribe(topology.AllJournals, w.heardJournal)
	if err != nil {
		return err
	}
	defer func() { _ = journals.Unsubscribe() }()
	signals, err := nc.Subscribe(topology.AllSignals, w.heardSignal)
	if err != nil {
		return err
	}
	defer func() { _ = signals.Unsubscribe() }()
	alerts, err := nc.Subscribe(topology.AllAlerts, w.heardSignal)
	if err != nil {
		return err
	}
	defer func() { _ = alerts.Unsubscribe() }()
	connected := nc.StatusChanged(nats.CONNECTED)
	defer nc.RemoveStatusListener(connected)
	for {
		wait := rollCallEvery
		if err := w.rollCall(ctx); err != nil && ctx.Err() == nil {
			w.env.Log.Warn("can not call the roll", zap.Error(err), zap.Duration("again_in", rollCallAgain))
			wait = rollCallAgain
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-connected:
			w.pokeAll()
		case <-timer.C:
		}
		timer.Stop()
	}
}

// rollCall finds the releases that are to be watched and are not known here. It also sets the clock.
func (w *Watcher) rollCall(ctx context.Context) error {
	now, err := w.env.Journal.Now(ctx)
	if err != nil {
		return err
	}
	w.clock.set(now)
	owners, err := w.env.Journal.Owners(ctx, "", 0)
	if err != nil {
		return err
	}
	var unknown []string
	w.mu.Lock()
	for _, id := range owners {
		if w.live[id] == nil {
			unknown = append(unknown, id)
		}
	}
	w.mu.Unlock()
	found, err := w.env.Journal.LoadAll(ctx, unknown)
	if err != nil {
		return err
	}
	for id, e := range found {
		if judge.Watchable(e.State) {
			w.watch(id, false)
		}
	}
	return nil
}

// heardJournal is told of a record that is about to be stored, or is not.
func (w *Watcher) heardJournal(m *nats.Msg) {
	s, err := topology.ParseSubject(m.Subject)
	if err != nil {
		return
	}
	switch m.Header.Get(journal.HeaderEvent) {
	case release.WasDone{Work: release.Stage}.Name(), release.WasSoaked{}.Name(), release.WasHeld{}.Name(),
		release.WasExtended{}.Name(), release.WasPostponed{}.Name(), release.WasBaking{}.Name():
		w.watch(s.Release, false)
	}
	w.poke(s.Release, true)
}

// heardSignal is told of a signal, or an alert, that is about to be stored.
func (w *Watcher) heardSignal(m *nats.Msg) {
	s, err := topology.ParseSubject(m.Subject)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, r := range w.projects[s.Project] {
		if s.Release == "" || s.Release == id {
			r.poke(true)
		}
	}
}

// watch sees to it that the release has a watch, and wakes it. asked: by the durable consumer.
func (w *Watcher) watch(id string, asked bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	r := w.live[id]
	if r == nil {
		r = newWatch(w, id)
		w.live[id] = r
		w.spawn(r.run)
	}
	if asked {
		r.asked.Store(true)
	}
	r.poke(false)
}

// Close lets no more watches begin.
func (w *Watcher) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
}

// poke wakes the watch of a release, if there is one. heard: what it is to find may not be stored yet.
func (w *Watcher) poke(id string, heard bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r := w.live[id]; r != nil {
		r.poke(heard)
	}
}

func (w *Watcher) pokeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.live {
		r.poke(false)
	}
}

// leave takes a watch off the list, unless it was woken meanwhile.
func (w *Watcher) leave(r *watch) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(r.wake) > 0 {
		return false
	}
	delete(w.live, r.id)
	return true
}

// attend says that the watch of a release wants to hear of its project's signals, or no more.
func (w *Watcher) attend(project string, r *watch, on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	of := w.projects[project]
	switch {
	case on && of == nil:
		w.projects[project] = map[string]*watch{r.id: r}
	case on:
		of[r.id] = r
	default:
		delete(of, r.id)
		if len(of) == 0 {
			delete(w.projects, project)
		}
	}
}

// clock is the broker's, as it was when it was set last, moved on by this host's.
type clock struct {
	mu            sync.Mutex
	broker, local time.Time
}

func (c *clock) set(broker time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broker, c.local = broker, time.Now()
}

// now is false until the clock was set.
func (c *clock) now() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broker.Add(time.Since(c.local)), !c.local.IsZero()
}
