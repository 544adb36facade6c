package release_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

const patience = 30 * time.Second // of one attempt

// agent is a service instance. It reads, decides, and writes, and anything may happen between.
type agent struct {
	name  string
	world *world
	flaw  flaw
	look  func(*agent, message, int)
	next  func()   // what it is about to do; nil: look
	run   *running // the outside action that it is at
	naps  bool     // it does not get to do anything for now
}

// running is an attempt, as the instance that began it remembers it.
type running struct {
	attempt release.Attempt
	work    release.Work
	claim   uint64
	record  message
	settled bool // promote: the claim was found effective
	done    bool // done outside, not yet journaled
	failed  bool
}

// step does the next thing.
func (a *agent) step() {
	if a.naps {
		return
	}
	if f := a.next; f != nil {
		a.next = nil
		f()
		return
	}
	n := a.world.view()
	e, _ := a.world.journal(n)
	if a.run != nil && a.run.done {
		a.finish(e)
		return
	}
	a.look(a, e, n)
}

// decide decides now and appends later, by compare-and-set against what was read.
func (a *agent) decide(e message, c release.Command) error {
	events, err := release.Decide(a.flaw.seen(e.state), c)
	if err != nil || len(events) == 0 {
		return err
	}
	a.next = func() { a.append(e, c, events) }
	return nil
}

func (a *agent) append(e message, c release.Command, events []release.Event) {
	w := a.world
	for _, ev := range events {
		if last, _ := w.journal(len(w.msgs)); last.seq != e.seq && !a.flaw.blindAppend {
			return
		}
		e = w.store(message{event: ev, state: release.Evolve(e.state, ev)})
		if begun, ok := ev.(release.WasBegun); ok {
			a.run = &running{attempt: e.state.Attempts[begun.Work], work: begun.Work, claim: e.state.Claim, record: e}
		}
	}
	if _, begin := c.(release.Begin); begin {
		return
	}
	if again, _ := release.Decide(e.state, c); len(again) > 0 {
		w.slip("I6", "%T %+v, repeated, caused %s", c, c, again[0].Name())
	}
}

// finish journals the outcome of what was done outside.
func (a *agent) finish(e message) {
	var c release.Command = release.Finish{Work: a.run.work, Instance: a.name, Value: "v"}
	if a.run.failed {
		c = release.Fail{By: a.name, Instance: a.name, Reason: "refused"}
	}
	err := a.decide(e, c)
	if e.seq >= a.run.record.seq && (err != nil || a.next == nil) { // ended, taken over, or done by somebody else
		a.run = nil
		return
	}
	if next, run := a.next, a.run; next != nil {
		a.next = func() {
			before := len(a.world.msgs)
			next()
			if a.run == run && len(a.world.msgs) > before {
				a.run = nil
			}
		}
	}
}

// act does the outside action of the attempt that it is at, if it still may.
func (a *agent) act() {
	w, r := a.world, a.run
	if !w.now.Before(r.attempt.Deadline()) && !a.flaw.actsLate {
		a.run = nil
		return
	}
	r.failed = w.failing && w.dice.roll("outcome", 5) == 4
	if !r.failed {
		w.effects = append(w.effects, effect{r.work, a.name, r.claim, w.now, len(w.msgs)})
	}
	r.done = true
}

func (a *agent) begin(work release.Work) release.Begin {
	w := a.world
	w.plans++
	at := w.now
	if a.flaw.takesOverEarly {
		at = at.Add(patience)
	}
	return release.Begin{Work: work, Instance: a.name, Timeout: patience, At: at, Plan: release.Plan{
		Version: "1.4.0", Beta: fmt.Sprintf("1.4.0-beta.%d", w.plans), Digest: fmt.Sprintf("sha256:%d", w.plans), Before: fmt.Sprint(w.plans),
	}}
}

// worker is publisher and stager.
func (a *agent) worker(e message, _ int) {
	w, s := a.world, e.state
	switch {
	case a.run != nil:
		a.act()
	case s.Phase == release.None:
		_ = a.decide(e, release.Admit{Release: "r", Project: "p", Merge: release.Merge{Seq: 1, Delay: w.delay}, Policy: w.policy, At: w.now})
	case s.Phase == release.Merged || s.Phase == release.Publishing:
		_ = a.decide(e, a.begin(release.Publish))
	case s.Phase == release.Published && w.dice.roll("queue", 4) == 3:
		_ = a.decide(e, release.Wait{Behind: "other", At: w.now})
	case s.Phase == release.Queued && w.dice.roll("newer", 20) == 19:
		_ = a.decide(e, release.Displace{Newer: "newer", At: w.now})
	case s.Phase == release.Queued && s.Soaked:
		_ = a.decide(e, release.StartSoak{At: w.now})
	case s.Phase == release.Published || s.Phase == release.Passed || s.Phase == release.Queued || s.Phase == release.Staging:
		_ = a.decide(e, a.begin(release.Stage))
	case s.Needs(release.RestoreStaging):
		_ = a.decide(e, a.begin(release.RestoreStaging))
	case s.Needs(release.RestoreBeta):
		_ = a.decide(e, a.begin(release.RestoreBeta))
	}
}

// promoter is the promoter, in the order of its look: settle, answer, claim, promote.
func (a *agent) promoter(e message, n int) {
	w, s := a.world, e.state
	if a.flaw.believesAnyAnswer && a.run != nil && a.run.work == release.Promote && !a.run.settled {
		a.settle(a.run.record, nil)
		return
	}
	if e.seq == 0 || a.run != nil && e.seq < a.run.record.seq {
		return // an old answer: it knows better
	}
	open := w.requests(n, a.flaw.folded(s), before+uint64(n))
	if a.flaw.readsLastOnly {
		open = lastOnly(open)
	}
	if len(open) > 0 && a.flaw.answersNewest {
		open = open[len(open)-1:]
	}
	stale := a.run != nil && a.run.work == release.Promote && (s.Phase != release.Promoting || s.Claim != a.run.claim)
	stale = stale || a.run != nil && a.run.work == release.Rollback && s.Phase != release.RollingBack
	switch {
	case stale && a.flaw.actsOnOldClaim:
		a.act()
	case stale:
		a.run = nil
	case a.run != nil && (a.run.settled || a.run.work == release.Rollback):
		a.act()
	case s.Phase == release.Promoting && a.flaw.neverSettles:
		a.promote(e)
	case s.Phase == release.Promoting && a.flaw.answersUnsettled && len(open) > 0:
		a.answer(e, lastOnly(open)[0])
	case s.Phase == release.Promoting:
		a.settle(e, open)
	case len(open) > 0:
		a.answer(e, open[0])
	default:
		a.live(e, n)
	}
}

// live is what the promoter does when nobody asks for anything.
func (a *agent) live(e message, n int) {
	w, s := a.world, e.state
	if at, limited := s.Deadline(); limited && !w.now.Before(at) || a.flaw.expiresEarly {
		if _ = a.decide(e, release.Expire{At: later(w.now, at)}); a.next != nil {
			return
		}
	}
	switch {
	case s.Phase == release.Staged:
		_ = a.decide(e, release.StartSoak{At: e.at})
	case s.SoaksOn():
		_ = a.decide(e, release.Prolong{Instance: a.name, At: e.at})
	case s.Phase == release.RollingBack:
		_ = a.decide(e, a.begin(release.Rollback))
	case s.Phase == release.Baking && a.flaw.cutsBakes:
		_ = a.decide(e, release.Alarm{At: w.now.Add(time.Hour)})
	case s.Phase == release.Baking:
		_ = a.decide(e, release.Alarm{At: w.now, Watched: s.Watched(w.beats), Instance: a.name})
	case s.Phase == release.Promoted && a.flaw.rollsBackUnasked:
		w.effects = append(w.effects, effect{release.Rollback, a.name, s.Claim, w.now, len(w.msgs)})
	case s.Phase == release.Soaking, a.flaw.ignoresHolds && s.Phase == release.Held:
		_ = a.decide(e, a.alarm(s, n))
		if a.next != nil {
			w.interrupt()
		}
	}
}

// alarm is a look at the time, at the heartbeats, and, among the first n messages, at what is in the way.
func (a *agent) alarm(s release.State, n int) release.Alarm {
	w := a.world
	w.plans++
	c := release.Alarm{At: w.now, Instance: a.name, Timeout: patience, Before: fmt.Sprint(w.plans)}
	if len(w.beats) > 0 {
		c.Clean = w.beats[len(w.beats)-1]
	}
	if a.flaw.ignoresChecks {
		c.Clean = w.now
	}
	c.Gate = release.Gate{Stops: w.stopsAt(before + uint64(n)), Record: w.record(before + uint64(n))}
	if a.flaw.ignoresRecord {
		c.Gate.Record = release.Record{}
	}
	if a.flaw.clockIsFast {
		c.At = c.At.Add(time.Minute)
	}
	switch {
	case c.At.Before(s.Due): // nobody reads heartbeats for an early alarm
	case a.flaw.countsHeldTime:
		c.Watched = release.Watched(w.beats, s.SoakFrom, s.Due, release.BeatInterval(s.Delay()))
	case a.flaw.ignoresWatch:
		c.Watched = s.Delay()
	default:
		c.Watched = s.Watched(w.beats)
	}
	if w.dice.roll("too new", 20) == 19 {
		c.TooNew = "2.0.0"
	}
	return c
}

// answer answers one request; while promoting, the claim is settled.
func (a *agent) answer(e message, r release.Request) {
	r.Settled = e.state.Claim
	if err := a.decide(e, r); err != nil {
		a.world.slip("I7", "%s of %d: %v", r.Verb, r.Seq, err)
	}
}

// settle reads up to the claim, from some replica, and goes on according to the answer.
func (a *agent) settle(e message, open []release.Request) {
	a.next = func() {
		w, claim := a.world, e.state.Claim
		n := w.view()
		at := w.msgs[claim-before]
		if n <= int(claim-before) && !a.flaw.believesAnyAnswer {
			a.settle(e, open) // the answer does not contain the claim: ask again
			return
		}
		if a.flaw.settlesFromNow {
			at = e
		}
		stops := w.stopsAt(claim)
		if a.flaw.ignoresStops {
			stops = nil
		}
		against := at.state.Settle(lastOnly(w.requests(n, 0, claim)), stops, at.at)
		postpone := len(against.Requests) == 0 && against.Stop != nil
		switch {
		case postpone && (len(open) == 0 || !a.flaw.answersBeforePostponing):
			_ = a.decide(e, release.Postpone{Claim: claim, Obstacle: *against.Stop, At: w.now})
		case len(open) > 0:
			a.answer(e, open[0])
		case against.Effective():
			a.promote(e)
		}
	}
}

// promote goes on with an effective claim: with the attempt that it is at, or with the next.
func (a *agent) promote(e message) {
	if a.run != nil {
		a.run.settled = true
		return
	}
	var busy *release.BusyError
	if err := a.decide(e, a.begin(release.Promote)); err != nil && !errors.As(err, &busy) {
		a.world.slip("I10", "a further attempt: %v", err)
		return
	}
	if next := a.next; next != nil {
		a.next = func() {
			if next(); a.run != nil {
				a.run.settled = true
			}
		}
	}
}
