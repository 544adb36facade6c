package watch

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/watcher/internal/probe"
)

// patience is how much longer than its interval and its timeout a probe may take to come back: for its turn, and for a
// command to be stopped with its children.
const patience = 10 * time.Second

// measured is what one look of a probe came to.
type measured struct {
	check int
	at    time.Time // when it began, by the broker's clock
	began time.Time // the same by the local clock
	seen  probe.Seen
	err   error
	pause time.Duration // until the next look, from began
}

// probing is the probe of one check at work.
type probing struct {
	*Watcher
	slots   chan struct{} // it looks when it has one
	release string
	check   int
	every   time.Duration
	look    probe.Probe
	again   <-chan struct{} // look at once
	out     chan<- measured
}

// run looks every interval, the first time at once, until ctx ends. A look that takes longer delays the next, and so does a source that
// has no number, or wants to be left alone.
func (p probing) run(ctx context.Context) {
	missed := 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-p.again:
		}
		select {
		case <-ctx.Done():
			return
		case p.slots <- struct{}{}:
		}
		at, _ := p.clock.now() // it is set before anybody watches
		began := time.Now()
		seen, err := p.look(ctx)
		<-p.slots
		if ctx.Err() != nil {
			return
		}
		p.env.Metrics.Action("probe", outcome(seen, err), time.Since(began))
		if missed++; !seen.None {
			missed = 0
		}
		pause := max(backoff(p.every, missed, share(p.release, p.check, missed)), time.Since(began)+asked(err))
		select {
		case <-ctx.Done():
			return
		case p.out <- measured{check: p.check, at: at, began: began, seen: seen, err: err, pause: pause}:
		}
		timer.Reset(max(0, pause-time.Since(began)))
	}
}

// asked is how long a source wants to be left alone.
func asked(err error) time.Duration {
	if wait := new(probe.PauseError); errors.As(err, &wait) {
		return wait.For
	}
	return 0
}

func outcome(seen probe.Seen, err error) string {
	switch {
	case err != nil || seen.None:
		return "refused"
	case seen.OK:
		return "done"
	}
	return "failed"
}

// collect takes what the probes have in hand, so that nothing newer is known than what is acted on. Like take it tells
// whether there is something to do about it at once.
func (r *watch) collect() (news bool) {
	for {
		select {
		case m := <-r.on.measured:
			news = r.take(m) || news
		default:
			return news
		}
	}
}

// take judges what a probe saw. It tells whether there is something to do about it at once.
func (r *watch) take(m measured) bool {
	c := r.on.checks[m.check]
	look := c.past.Beside(m.seen.Look(m.at, m.err), r.on.stretch.From, c.Interval)
	word, said := c.rule.Weigh(look)
	var err error
	if word == judge.Inconclusive && !c.rule.Excuses(c.tally, look) {
		err = errors.New(said)
	}
	r.count(c, look, true)
	if err == nil && c.tally.Lacking != "" {
		err = errors.New(c.tally.Lacking)
	}
	recovered := err == nil && c.err != nil
	c.began, c.looked, c.err, c.pause = m.began, time.Now(), err, m.pause
	if err != nil {
		return !c.blind
	}
	c.blind = false
	if word != judge.Inconclusive {
		c.failing = word == judge.Fail
	}
	return !r.told && (recovered || r.verdict != nil || r.on.notes.urgent || r.untilBeat() == 0)
}

// count adds a measurement to a check, and remembers the first check that failed. note: it is to be stored.
func (r *watch) count(c *check, m judge.Measurement, note bool) {
	before := c.tally
	m = m.Normal()
	c.tally = c.rule.Add(c.tally, m)
	if note && !r.told {
		notes := &r.on.notes
		notes.add(c, m)
		notes.urgent = notes.urgent || notes.open && before.Count > 0 && c.tally.Count == 0
	}
	if c.tally.Failed && r.verdict == nil && !c.Warns {
		v := r.on.verdict(c)
		r.verdict = &v
		r.log.Info("a check failed", zap.String("check", c.Name), zap.String("reason", v.Reason()))
	}
}

// looking tells whether every check really runs, and looked since it mattered. It says once of each that can not why not.
func (r *watch) looking(ctx context.Context) bool {
	all := true
	for _, c := range r.on.checks {
		if c.Alert != nil {
			if c.err = r.silent(c); c.err == nil {
				c.blind = false
			}
		}
		switch {
		case c.err != nil:
			all = all && c.Warns
			if !c.blind {
				c.blind = true
				r.log.Warn("a check can not look", zap.Bool("no_heartbeats", !c.Warns), zap.String("check", c.Name), zap.Error(c.err))
				why := probe.Line("can not look: " + c.err.Error())
				r.judgement(ctx, topology.Evidence(r.id), c.Name, judge.Inconclusive, why, 0, time.Time{})
			}
		case c.Signal != nil, c.Alert != nil: // they are read, not looked at
		case c.Warns: // nothing waits for it
		case time.Since(c.looked) > max(c.Interval, c.pause)+c.Timeout+patience:
			all = false
			r.log.Warn("a probe does not come back, so there is no heartbeat", zap.String("check", c.Name))
		case c.began.Before(r.on.since):
			all = false
		}
	}
	return all
}
