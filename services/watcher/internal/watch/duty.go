package watch

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/work"
	"github.com/sluice-gate/sluice/services/watcher/internal/probe"
)

// duty is what a watch has while it watches a stretch of its release.
type duty struct {
	stretch  judge.Stretch
	stage    string // its name, if there are several
	checks   []*check
	hears    *hearing // nil: no check is about signals
	alerts   uint64   // sequence of the last alert that was heard; 0: none since long enough before the stretch began
	notes    notes    // what was measured and is not stored yet
	measured chan measured
	stop     context.CancelFunc

	running   time.Time     // by the broker, when the clock of the soak was started last; zero: it did not run when this was looked at last
	held      bool          // the release was held then
	prolonged time.Duration // and Sluice itself had let it soak on for so long

	// By the local clock.
	since  time.Time // a look that began before this vouches for nothing
	beaten time.Time // when the last heartbeat was sent; zero: none was

	expedited time.Time // by the broker, the expedite that since is about; zero: there is none
	owed      bool      // the release waits for a heartbeat from after that with no check failing
}

// check is one check of the project file.
type check struct {
	project.Check
	rule    judge.Rule
	source  string       // what it measures, as a hash
	filter  judge.Filter // of a check of signals
	tally   judge.Tally
	past    *judge.Past // of one that compares with the release before: what that had; nil: there is none
	links   judge.Links
	again   chan struct{} // of one: look at once
	began   time.Time     // when the last look that came back began, by the local clock; zero: none came back
	looked  time.Time     // when it came back; until one did, when the watch began
	pause   time.Duration // how long after its beginning the next begins
	failing bool          // staging was not well then, whether or not that counts
	err     error         // why it could not look then; of signals: what is missing, for good
	blind   bool          // and that was said
	doubted string        // why it is inconclusive, as it was said last
	warned  bool          // of one that only warns: that it failed was said
}

// begin starts to watch.
func (r *watch) begin(ctx context.Context) error {
	s := r.entry.State
	told, _, err := r.env.Journal.Asked(ctx, topology.Request(string(r.stretch.Verb()), r.id, actor))
	if err != nil {
		return err
	}
	checks, err := r.checks(ctx)
	if err != nil {
		return err
	}
	came, decided, err := r.history(ctx, checks)
	if err != nil {
		return err
	}
	d := &duty{stretch: r.stretch, measured: make(chan measured), since: time.Now()}
	d.goesOn(s)
	if len(s.Policy.Stages) > 1 {
		d.stage = s.StageName()
	}
	d.expedite(s)
	for _, c := range checks {
		from, came := r.stretch.From, came
		if c.RequireHuman && decided.After(from) { // what was seen before a person let it go on is decided
			from, came = decided, decided
		}
		c := &check{
			Check: c, rule: judge.RuleOf(c, from).Within(r.stretch.Lasts(s), s.Policy.MinCoverage()), source: judge.Source(c),
			again: make(chan struct{}, 1), looked: time.Now(),
		}
		c.rule.Came, c.links = came, judge.LinksOf(c.Check, s)
		if c.Signal != nil {
			if c.filter, err = judge.FilterOf(*c.Signal); err != nil {
				return err
			}
		}
		d.checks = append(d.checks, c)
	}
	if err := r.listen(ctx, d); err != nil {
		return err
	}
	if err := r.before(ctx, d); err != nil {
		return err
	}
	probing, stop := context.WithCancel(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, stop)
	d.stop = func() { unhook(); stop() }
	r.on, r.told = d, r.told || told != 0
	r.attend(s.Project, r, true)
	r.log.Info("watching", zap.String("project", s.Project), zap.String("stage", s.StageName()), zap.Bool("bake", d.stretch.Bake),
		zap.Int("checks", len(checks)), zap.Bool("told", r.told))
	facts := work.Facts(r.env.Catalog, s, r.work())
	if r.told {
		return nil
	}
	if err := r.resume(ctx); err != nil {
		r.rest()
		return err
	}
	for i, c := range d.checks {
		r.probe(probing, i, c, facts)
	}
	return nil
}

// history is what of the release's journal says how its checks are judged: since when it may have been running, and when a person last
// let it go on. It costs a read, where a check asks for it.
func (r *watch) history(ctx context.Context, checks []project.Check) (came, decided time.Time, err error) {
	came = r.stretch.From
	if !slices.ContainsFunc(checks, func(c project.Check) bool { return c.Alert != nil || c.RequireHuman }) {
		return came, decided, nil
	}
	records, err := r.env.Journal.Records(ctx, r.id, 0)
	if err != nil {
		return came, decided, err
	}
	states := make([]release.State, len(records))
	for i, record := range records {
		states[i] = record.State
	}
	return r.stretch.Came(states), r.stretch.Decided(states), nil
}

// goesOn tells whether a person let the release go on that was held when it was looked at last, or has been since.
func (d *duty) goesOn(s release.State) bool {
	was, held, prolonged := d.running, d.held, d.prolonged
	d.running, d.held, d.prolonged = time.Time{}, s.Phase == release.Held, s.Prolonged
	if s.Phase == release.Soaking {
		d.running = s.PhaseAt
		return s.Prolonged == prolonged && (held || !was.IsZero() && !was.Equal(d.running))
	}
	return false
}

// human tells whether there is a check that asks for a person.
func (d *duty) human() bool {
	return slices.ContainsFunc(d.checks, func(c *check) bool { return c.RequireHuman })
}

// work is what is watched: what was deployed, or what was promoted.
func (r *watch) work() release.Work {
	if r.stretch.Bake {
		return release.Promote
	}
	return release.Stage
}

// checks are those of the stretch, from the project file that the release pinned. That there are none to be had is said once.
func (r *watch) checks(ctx context.Context) ([]project.Check, error) {
	s := r.entry.State
	p, err := r.env.Catalog.At(ctx, s.Project, s.Policy.Revision)
	lost := errors.Is(err, catalog.ErrUnknownProject)
	var checks []project.Check
	if err == nil {
		checks, err = r.stretch.Checks(p)
		lost = err != nil
	}
	if lost && !r.blind {
		r.blind = true
		r.judgement(ctx, topology.Evidence(r.id), "", judge.Inconclusive, probe.Line("can not look: "+err.Error()), 0, r.stretch.From)
	}
	return checks, err
}

// probe starts the probe of a check, if it has one.
func (r *watch) probe(ctx context.Context, i int, c *check, facts driver.Facts) {
	look := r.tools.Open(c.Check, facts, r.on.stretch.From)
	if look == nil {
		return
	}
	p := probing{
		Watcher: r.Watcher, slots: r.http, release: r.id, check: i, every: c.Interval, look: look, again: c.again, out: r.on.measured,
	}
	if c.Command() != nil {
		p.slots = r.exec
	}
	r.probes.Go(func() { p.run(ctx) })
}

// expedite sees whether somebody expedited the release, which then waits for a look at its checks: every probe looks anew.
// Nothing waits for it when the look is to be skipped, nor in a bake.
func (d *duty) expedite(s release.State) {
	switch {
	case d.stretch.Bake || s.Expedited == nil || s.Forced:
		d.expedited, d.owed = time.Time{}, false
		return
	case s.Expedited.At.Equal(d.expedited):
		return
	}
	d.expedited, d.owed, d.since = s.Expedited.At, true, time.Now()
	for _, c := range d.checks {
		select {
		case c.again <- struct{}{}:
		default:
		}
	}
}

// failing tells whether the last look of any probe saw that staging is not well. Signals that are fewer than what fails their
// check are no failure: the project allows them.
func (d *duty) failing() bool {
	return slices.ContainsFunc(d.checks, func(c *check) bool { return c.failing && !c.Warns })
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

// finish says what the checks came to, when the stretch is over.
func (r *watch) finish(ctx context.Context) {
	d := r.on
	if !r.told {
		r.storeLast(ctx)
		for _, c := range d.checks {
			r.evidence(ctx, d.verdict(c))
		}
		r.keepTemplates(ctx, true)
	}
	r.log.Info("watched", zap.Int("stage", d.stretch.Stage), zap.Bool("bake", d.stretch.Bake),
		zap.String("phase", string(r.entry.State.Phase)))
	r.rest()
}

func (d *duty) verdict(c *check) judge.Verdict {
	previous := ""
	if c.past != nil {
		previous = c.past.Release
	}
	return judge.Verdict{
		Check: c.Name, Stage: d.stage, Stretch: d.stretch, Rule: c.rule, Tally: c.tally, Human: c.RequireHuman,
		Links: c.links, Baseline: judge.BaselineOf(c.Check, previous),
	}
}
