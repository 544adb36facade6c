package exhaustive

import (
	"errors"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// glance is all that a promoter's decision depends on.
type glance struct {
	view, answer uint32 // what it read, and what the settling was answered
	who          uint8
	told, now    moment // the hint's time, and the broker's
	claimed      uint8
	alarm        bool   // it looks for an alarm
	arms         bool   // it looks for the record itself that it sees, or its alarm was overtaken
	gate         uint8  // the sequence of the pause that it saw, 0 for none
	opened       moment // when that which it saw end ended
	unwatched    bool
}

// plan is a decision.
type plan struct {
	do    intent
	base  uint8
	event uint16
	until moment
	alarm bool // the event is what an alarm led to
	broke error
}

type intent uint8

const (
	nothing   intent = iota // is left to do
	comeBack                // later: another is at it
	lookAgain               // at once
	doAppend
	doArm
	doVerify // that there is nothing to do
	doAct
)

// plan follows services/promoter/internal/promote, with the domain's own decisions.
func (m *model) plan(g glance) plan {
	record := m.record(g.view)
	s := m.seen(*record.state)
	open := m.streams.requests(g.view, s.Folded)
	switch {
	case m.readsLastOnly:
		open = lastOnly(open)
	case m.answersNewest && len(open) > 0:
		open = open[len(open)-1:]
	}
	if s.Phase == release.Promoting {
		against := m.settles(g, uint8(record.state.Claim))
		postpone := release.Postpone{Claim: record.state.Claim, At: record.at.time()}
		if against.Stop != nil {
			postpone.Obstacle = *against.Stop
		}
		switch {
		case m.answersUnsettled && len(open) > 0:
			open = lastOnly(open)[:1]
		case m.neverSettles, m.believesAnyAnswer, m.settlesCancelsOnly, m.guardsByWildcard, m.settlesOnce && s.Reached:
			open = nil // this answer has the claim: it would settle it rightly
		case len(against.Requests) == 0 && against.Stop != nil && !m.answersBeforePostponing:
			return m.decide(record, s, postpone, g.now)
		}
		if len(open) == 0 {
			open = against.Requests
		}
		switch {
		case len(open) > 0:
		case against.Stop != nil:
			return m.decide(record, s, postpone, g.now)
		default:
			return m.promotes(g, record, s)
		}
	}
	reached := max(record.at, g.told)
	deadline, limited := s.Deadline()
	switch {
	case len(open) > 0:
		r := open[0]
		r.Settled = s.Claim
		return m.decide(record, s, r, g.now)
	case limited && !reached.time().Before(deadline):
		return m.decide(record, s, release.Expire{At: reached.time()}, g.now)
	case s.Phase == release.Staged:
		return m.decide(record, s, release.StartSoak{At: record.at.time()}, g.now)
	case s.Phase == release.Soaking && (s.Ready(reached.time()) || m.obeysEarlyAlarms),
		s.Phase == release.Baking && !reached.time().Before(s.PhaseAt.Add(m.bake.ticks())):
		return m.due(g, record, s)
	case s.Phase == release.RollingBack && !g.alarm:
		if m.rollsBackUnannounced {
			return plan{do: doAct, base: record.seq}
		}
		begin := release.Begin{Work: release.Rollback, Instance: promoters()[g.who], Timeout: patience * tick, At: g.now.time()}
		return m.decide(record, s, begin, g.now)
	}
	return m.sleeps(g, record, s, reached)
}

// sleeps sees to it that somebody looks again in time.
func (m *model) sleeps(g glance, record *message, s release.State, now moment) plan {
	mine := g.alarm || g.arms && m.armsIn(s.Phase)
	if _, retried := record.event.(release.WasRetried); retried {
		mine = mine || g.arms
	}
	at, awake := s.Wake(now.time())
	switch {
	case g.alarm && m.forgetsEarlyAlarms:
		return plan{do: nothing}
	case mine && awake:
		until := momentOf(at)
		if until < now { // what is over was just looked at, and something else is in the way
			until = now + 1
		}
		return plan{do: doArm, base: record.seq, until: until}
	case g.alarm && !m.alarmsBelieveReplicas:
		return plan{do: doVerify, base: record.seq}
	}
	return plan{do: nothing}
}

// armsIn tells whether the hint of a record arms in a phase.
func (m *model) armsIn(p release.Phase) bool {
	return p == release.Soaking || p == release.Baking || p == release.RollingBack || p == release.Held && !m.armsForNoHold
}

// settles decides the claim from an answer that contains it.
func (m *model) settles(g glance, claim uint8) release.Against {
	at := *m.all[m.upTo(g.view, claim)].state
	if m.neverSettles || m.guardsByWildcard || m.settlesOnce && at.Reached {
		return release.Against{}
	}
	answer := m.upTo(g.answer, claim)
	against := settle(at, m.streams.requests(answer, 0), pause(m.all[answer].paused))
	if m.settlesCancelsOnly {
		against.Requests = slices.DeleteFunc(against.Requests, func(r release.Request) bool { return r.Verb != release.Cancel })
	}
	if m.settlesWithoutStops {
		against.Stop = nil
	}
	return against
}

// promotes goes on with an effective claim.
func (m *model) promotes(g glance, record *message, s release.State) plan {
	if g.claimed != 0 && uint8(record.state.Claim) == g.claimed {
		return plan{do: doAct, base: g.claimed}
	}
	begin := release.Begin{Work: release.Promote, Instance: promoters()[g.who], Timeout: patience * tick, At: g.now.time()}
	if m.takesOverEarly {
		begin.At = begin.At.Add(patience * tick)
	}
	return m.decide(record, s, begin, g.now)
}

// due decides on what is over, or was expedited.
func (m *model) due(g glance, record *message, s release.State) plan {
	c := release.Alarm{At: g.now.time(), Clean: g.now.time(), Instance: promoters()[g.who], Timeout: patience * tick, Before: "1.3.0"}
	if m.obeysEarlyAlarms && s.Due.After(c.At) {
		c.At = s.Due
	}
	if s.Expedited == nil && (!g.unwatched || m.ignoresWatch) {
		c.Watched = s.Delay()
	}
	if !m.ignoresStops {
		c.Gate.Stops = pause(g.gate)
	}
	if g.opened != never {
		c.Gate.Opened = g.opened.time()
	}
	pl := m.decide(record, s, c, g.now)
	if pl.do != doAppend {
		return m.sleeps(g, record, s, g.now)
	}
	pl.alarm = true
	if pl.broke == nil && m.claims(pl) && record.state.Expedited == nil && !record.state.Reached {
		pl.broke = watchedInTime(*record.state, g)
	}
	return pl
}

// claims tells whether a claim was decided.
func (m *model) claims(pl plan) bool {
	if pl.do != doAppend {
		return false
	}
	_, begins := m.events[pl.event].(release.WasBegun)
	return begins
}

// watchedInTime judges the decision to claim what was not expedited, at the time when it was made: what happens before it
// is stored is not the decision's (I4, I12).
func watchedInTime(s release.State, g glance) error {
	if g.unwatched {
		return broke("I4", "claimed what nobody watched")
	}
	since := s.Due
	if g.opened != never && s.Postponed != nil && g.opened.time().After(since) {
		since = g.opened.time()
	}
	for _, a := range s.Approved {
		if s.Postponed != nil && a.At.After(since) {
			since = a.At
		}
	}
	if late := g.now.time().Sub(since); late > overdue*tick {
		return broke("I12", "claimed %s after nothing was in its way", late)
	}
	return nil
}

// decide asks the domain. I6 is judged here: a command that was obeyed, and is repeated, causes nothing.
func (m *model) decide(record *message, seen release.State, c release.Command, now moment) plan {
	events, err := release.Decide(seen, c)
	var busy *release.BusyError
	switch {
	case errors.As(err, &busy):
		return plan{do: comeBack}
	case err != nil || len(events) == 0:
		return plan{do: lookAgain}
	}
	event := events[0]
	if begun, ok := event.(release.WasBegun); ok { // the record's own time is what counts
		begun.At = time.Time{}
		event = begun
	}
	pl := plan{do: doAppend, base: record.seq, event: m.number(event)}
	if _, begin := c.(release.Begin); begin {
		return pl
	}
	after := release.Evolve(*record.state, event).Stamp(lastSeq, now.time())
	if again, _ := release.Decide(m.seen(after), c); len(events) > 1 || len(again) > 0 {
		pl.broke = broke("I6", "%T caused %d events, and repeated %d", c, len(events), len(again))
	}
	return pl
}

// lastSeq comes after every sequence of the model.
const lastSeq = 253
