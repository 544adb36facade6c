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
	alarm        bool // it looks for an alarm
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
		stop := m.settles(g, uint8(record.state.Claim))
		switch {
		case m.answersUnsettled && len(open) > 0:
			open = lastOnly(open)[:1]
		case m.neverSettles, m.believesAnyAnswer, m.settlesCancelsOnly, m.guardsByWildcard:
			open = nil // this answer has the claim: it would settle it rightly
		}
		if len(open) == 0 {
			open = stop
		}
		if len(open) == 0 {
			return m.promotes(g, record, s)
		}
	}
	switch {
	case len(open) > 0:
		r := open[0]
		r.Settled = s.Claim
		return m.decide(record, s, r, g.now)
	case s.Phase == release.Staged:
		return m.decide(record, s, release.StartSoak{At: record.at.time()}, g.now)
	case s.Phase == release.Soaking:
		return m.soaks(g, record, s)
	}
	return plan{do: nothing}
}

// settles decides the claim from an answer that contains it.
func (m *model) settles(g glance, claim uint8) []release.Request {
	if m.neverSettles || m.guardsByWildcard {
		return nil
	}
	at := *m.all[m.upTo(g.view, claim)].state
	stop := settle(at, m.streams.requests(m.upTo(g.answer, claim), 0))
	if m.settlesCancelsOnly {
		stop = slices.DeleteFunc(stop, func(r release.Request) bool { return r.Verb != release.Cancel })
	}
	return stop
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

// soaks claims when it is time, and otherwise arms.
func (m *model) soaks(g glance, record *message, s release.State) plan {
	ready := s.Ready(max(record.at, g.told).time())
	if ready || m.obeysEarlyAlarms {
		c := release.Alarm{At: g.now.time(), Clean: g.now.time(), Instance: promoters()[g.who], Timeout: patience * tick, Before: "1.3.0"}
		if m.obeysEarlyAlarms && s.Due.After(c.At) {
			c.At = s.Due
		}
		if s.Expedited == nil && (!g.unwatched || m.ignoresWatch) {
			c.Watched = s.Delay()
		}
		pl := m.decide(record, s, c, g.now)
		pl.alarm = true
		if pl.broke == nil && m.claims(pl) && record.state.Expedited == nil {
			pl.broke = watchedInTime(*record.state, g)
		}
		return pl
	}
	due, waits := s.Wake(g.now.time())
	if !waits || g.alarm && m.forgetsEarlyAlarms {
		return plan{do: nothing}
	}
	return plan{do: doArm, until: momentOf(due)}
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
	if late := g.now.time().Sub(s.Due); late > overdue*tick {
		return broke("I12", "claimed %s after it was due", late)
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
