package exhaustive

import "github.com/sluice-gate/sluice/pkg/release"

// The promoter: look, do the next thing that is missing, look again, and acknowledge the hint when nothing is left. Between
// two steps anything may happen, its own death included. Of the steps that are possible the first is what happens when
// nothing goes wrong.

// promoter is what the promoter who may do now.
func (m *model) promoter(w world, who uint8, emit func(world, act, error)) {
	p := w.promoters[who]
	switch p.doing {
	case idle:
		m.idle(w, who, emit)
		return
	case claiming:
		m.appends(w, who, p.hint, p.base, p.event, act{what: appends, who: who}, emit)
	case acting:
		m.acts(w, who, p, emit)
	case reporting:
		m.reports(w, who, true, act{what: reports, who: who}, emit)
	case arming:
		m.armed(w, who, p.hint, p.until, m.record(w.stream).seq, act{what: arms, who: who}, emit)
	case verifying:
		// Its hint comes again, however the next look ends, if that does not acknowledge it.
		if p.hint == anOlder {
			w.older = true
		} else {
			w.rang, p.hint = true, anAlarm
		}
		m.verifies(w, who, p, emit)
	}
	if int(w.crashes) < m.crashes {
		after := w.with(who, promoter{})
		after.crashes++
		emit(after, act{what: crashes, who: who}, nil)
	}
}

// with is the world in which a promoter's memory is p.
func (w world) with(who uint8, p promoter) world {
	w.promoters[who] = p
	return w
}

// idle takes a hint, or looks without one: hints come late, and again.
func (m *model) idle(w world, who uint8, emit func(world, act, error)) {
	if w.hinted {
		m.looks(w, who, aMessage, m.record(w.stream).seq == m.lastOfRelease(w.stream), 0, emit)
	}
	if w.rang {
		m.looks(w, who, anAlarm, false, 0, emit)
	}
	if w.older {
		m.looks(w, who, anOlder, !m.armsForTheLastOnly, 0, emit)
	}
	if w.told {
		m.hears(w, who, emit)
	}
	m.looks(w, who, noHint, false, 0, emit)
	m.looks(w, who, anOlder, true, 0, emit)
}

// lastOfRelease is the sequence of the last message about the release.
func (m *model) lastOfRelease(n uint32) uint8 {
	for m.all[n].word != noWord {
		n = m.all[n].before
	}
	return m.all[n].seq
}

// hears is told of a pause, or of its end, and asks for an alarm if the release waits. It reads no less than what it was told.
func (m *model) hears(w world, who uint8, emit func(world, act, error)) {
	for view := w.stream; ; view = m.all[view].before {
		did := act{what: looks, who: who, hint: aWord, seen: m.all[view].seq}
		if s := m.record(view).state; s.Postponed == nil || s.Phase != release.Soaking || m.ignoresWords {
			emit(w.acknowledge(aWord), did, nil)
		} else {
			m.armed(w, who, aWord, w.now, m.record(w.stream).seq, did, emit)
		}
		if m.all[view].word != noWord || int(m.all[w.stream].seq-m.all[view].seq) >= m.lag {
			return
		}
	}
}

// firstSeq is the sequence of the record with which the model begins.
const firstSeq = 6

// looks reads, from any replica that may answer, and does what it comes to. It has seen the record after the sequence of least.
func (m *model) looks(w world, who uint8, h hint, arms bool, least uint8, emit func(world, act, error)) {
	last, told, fresh := w.stream, w.now, false
	if h == aMessage {
		told, fresh = m.all[last].at, !m.hintsBelieveReplicas
	}
	for view := last; m.all[view].seq >= firstSeq && (least == 0 || m.record(view).seq > least); view = m.all[view].before {
		if m.all[view].word != noWord && view != last { // it tells nothing of the release
			continue
		}
		g := glance{
			view: view, answer: view, who: who, told: told, now: w.now,
			alarm: h == anAlarm || h == noHint, arms: arms, unwatched: w.unwatched,
		}
		m.gates(w, h, g, emit)
		late := int(m.all[last].seq - m.all[view].seq)
		// What was read a while ago is as good as what a replica has that lags behind, until somebody appends.
		if fresh || late >= m.lag && m.all[view].record != m.all[last].record {
			break
		}
	}
}

// gates reads, for a look, whether the project is paused: as the stream's leader has it.
func (m *model) gates(w world, h hint, g glance, emit func(world, act, error)) {
	g.gate, g.opened = m.all[w.stream].paused, m.all[w.stream].opened
	m.look(w, h, g, emit)
	if !m.gateBelievesReplicas { // a hint that says nothing of the project may be the only one that comes
		return
	}
	least := m.record(g.view).seq
	for n := w.stream; m.all[n].seq > least && int(m.all[w.stream].seq-m.all[n].seq) < m.lag; {
		word := m.all[n].word
		if n = m.all[n].before; word != noWord {
			g.gate, g.opened = m.all[n].paused, m.all[n].opened
			m.look(w, h, g, emit)
		}
	}
}

// glance reads what was decided before on the same grounds.
func (m *model) glance(g glance) plan {
	pl, ok := m.plans[g]
	if !ok {
		pl = m.plan(g)
		m.plans[g] = pl
	}
	return pl
}

// look is one of them.
func (m *model) look(w world, h hint, g glance, emit func(world, act, error)) {
	pl := m.glance(g)
	did := act{what: looks, who: g.who, hint: h, seen: m.all[g.view].seq}
	stay := w.with(g.who, promoter{})
	switch pl.do {
	case nothing:
		emit(stay.acknowledge(h), did, pl.broke)
	case comeBack:
		if m.acksWhenBusy {
			stay = stay.acknowledge(h)
		}
		emit(stay, did, pl.broke)
	case lookAgain:
		emit(stay, did, pl.broke)
	case doAppend:
		m.begins(w, h, g.who, pl, did, emit)
	case doArm:
		if m.acksBeforeArming {
			emit(stay.acknowledge(h).with(g.who, promoter{doing: arming, until: pl.until}), did, nil)
			return
		}
		m.armed(w, g.who, h, pl.until, pl.base, did, emit)
	case doVerify:
		emit(m.slept(stay, g.who, h, pl.base), did, pl.broke)
	case doAct:
		emit(w.with(g.who, promoter{doing: acting, base: pl.base}), did, pl.broke)
	}
}

// begins appends what a look came to, or prepares to: between the decision to claim and the claim time may pass.
func (m *model) begins(w world, h hint, who uint8, pl plan, did act, emit func(world, act, error)) {
	if m.acksFirst {
		emit(w.acknowledge(h).with(who, promoter{doing: claiming, base: pl.base, event: pl.event}), did, pl.broke)
		return
	}
	if !pl.alarm {
		m.appends(w, who, h, pl.base, pl.event, did, func(after world, did act, err error) {
			if pl.broke != nil {
				err = pl.broke
			}
			emit(after, did, err)
		})
		return
	}
	p := promoter{doing: claiming, base: pl.base, event: pl.event}
	if m.givesUpAfterConflict {
		p.hint = h
	}
	if pl.base != m.record(w.stream).seq && !m.keepsStale() { // it will be refused
		p = promoter{}
	}
	emit(w.with(who, p), did, pl.broke)
}

// appends appends by compare-and-set. After its own claim a promoter settles; that is part of the step, because it comes to
// the same whenever it is done.
func (m *model) appends(w world, who uint8, h hint, base uint8, event uint16, did act, emit func(world, act, error)) {
	begun, begins := m.events[event].(release.WasBegun)
	begins = begins && (begun.Work == release.Promote || begun.Work == release.Rollback)
	claims := begins && begun.Work == release.Promote && m.all[m.upTo(w.stream, base)].state.Phase != release.Promoting
	stay := w.with(who, promoter{})
	if m.repeatsAfterConflict {
		base = m.record(w.stream).seq
	}
	if !m.accepts(w, base, claims) {
		if m.givesUpAfterConflict {
			stay = stay.acknowledge(h)
		}
		emit(stay, did, nil)
		return
	}
	after := m.store(stay, base, event)
	seq := m.all[after.stream].seq
	doing := after.with(who, promoter{doing: acting, base: seq})
	if !claims || m.actsUnsettled || m.guardsByWildcard {
		if !begins {
			doing = after
		}
		emit(doing, did, nil)
	} else {
		m.settlesOwn(after, doing, who, did, emit)
	}
	if int(w.losses) < m.losses {
		after.losses++
		did.untold = true
		emit(after, did, nil)
	}
}

// settlesOwn goes on with a claim that was just stored, as acting if it is effective. The answer must contain the claim.
func (m *model) settlesOwn(w, acting world, who uint8, did act, emit func(world, act, error)) {
	for answer := w.stream; m.all[answer].seq >= firstSeq; answer = m.all[answer].before {
		pl := m.glance(glance{view: w.stream, answer: answer, who: who, told: w.now, now: w.now, claimed: m.all[w.stream].seq, unwatched: w.unwatched})
		if pl.do == doAct {
			emit(acting, did, pl.broke)
		} else {
			emit(w, did, pl.broke)
		}
		if !m.believesAnyAnswer || int(m.all[w.stream].seq-m.all[answer].seq) >= m.lag {
			return
		}
	}
}

// accepts is the broker's guard.
func (m *model) accepts(w world, base uint8, claims bool) bool {
	if m.appendsBlindly {
		return true
	}
	if m.record(w.stream).seq != base {
		return false
	}
	if claims && m.guardsByWildcard { // no requests either, but for what the broker has not applied yet
		applied := m.upTo(w.stream, m.all[w.stream].seq-uint8(m.inFlight))
		return len(m.streams.requests(applied, m.all[m.upTo(w.stream, base)].state.Folded)) == 0
	}
	return true
}

// armed is the alarm published, which replaces the one before. After that it is looked whether the record that it was armed by is
// the last, and then the hint is acknowledged. That the acknowledgement does not happen is what looking without a hint comes to.
func (m *model) armed(w world, who uint8, h hint, until moment, base uint8, did act, emit func(world, act, error)) {
	after := w.with(who, promoter{})
	after.alarm = until
	emit(m.slept(after, who, h, base), did, nil)
	if w.alarm != never && w.alarm <= w.now { // it rings now, and the purge that follows takes the replacement
		after = w.with(who, promoter{}).ring()
		if h == anAlarm { // another
			h = noHint
		}
		did.race = true
		emit(m.slept(after, who, h, base), did, nil)
	}
}

// slept acknowledges the hint if the record that a promoter went by is the last. As long as it is, to look for that comes to the
// same whenever it is done: who appends another is told of it, and arms after that.
func (m *model) slept(w world, who uint8, h hint, base uint8) world {
	if m.record(w.stream).seq == base || m.armsBlindly {
		return w.acknowledge(h)
	}
	return w.with(who, promoter{doing: verifying, hint: h, base: base})
}

// verifies looks whether the record that it armed by is the last, and if not, looks at a later one.
func (m *model) verifies(w world, who uint8, p promoter, emit func(world, act, error)) {
	m.looks(w.with(who, promoter{}), who, p.hint, true, p.base, emit)
}

// work is what an attempt is at.
func work(s *release.State) release.Work {
	if s.Phase == release.RollingBack {
		return release.Rollback
	}
	return release.Promote
}

// acts writes outside, if there is time. The look at the clock and the write are one step: that is what a driver owes. When
// time is over, or the driver refuses, that is reported.
func (m *model) acts(w world, who uint8, p promoter, emit func(world, act, error)) {
	record := m.all[m.upTo(w.stream, p.base)]
	a, announced := record.state.Attempts[work(record.state)]
	deadline := w.now + patience
	if announced {
		deadline = momentOf(a.Deadline())
	}
	if w.now >= deadline && !m.actsLate {
		m.reports(w, who, false, act{what: givesUp, who: who}, emit)
		return
	}
	after := w.with(who, promoter{doing: reporting, base: p.base})
	after.wrote = work(record.state) == release.Promote
	emit(after, act{what: acts, who: who}, m.mayWrite(w, who, record.state, deadline))
	if int(w.refusals) < m.refusals {
		w.refusals++
		m.reports(w, who, false, act{what: isRefused, who: who}, emit)
	}
}

// mayWrite judges a write outside.
func (m *model) mayWrite(w world, who uint8, at *release.State, deadline moment) error {
	me := promoters()[who]
	if w.now >= deadline {
		return broke("I11", "%s wrote after its deadline", me)
	}
	s := m.record(w.stream).state
	if a, ok := s.Attempts[work(at)]; ok && a.Instance != me {
		return broke("I11", "%s wrote in the time of %s", me, a.Instance)
	}
	if work(at) == release.Promote {
		return m.unstopped(w.stream, uint8(at.Claim))
	}
	if _, announced := at.Attempts[release.Rollback]; !announced {
		return broke("I11", "%s rolled back, and no attempt says so", me)
	}
	return nil
}

// reports appends the outcome. It is repeated until it is stored or has nothing to say, each time from what the leader has,
// so it counts as one step.
func (m *model) reports(w world, who uint8, done bool, did act, emit func(world, act, error)) {
	me := promoters()[who]
	at := m.all[m.upTo(w.stream, w.promoters[who].base)].state
	finish := release.Finish{Work: work(at), Value: "1.4.0", Instance: me}
	if m.finishesWhatIsNotItsOwn {
		finish.Instance = ""
	}
	var c release.Command = finish
	if !done {
		fail := release.Fail{By: me, Instance: me, Reason: "gave up"}
		if m.failsWhatIsNotItsOwn {
			fail.Instance = ""
		}
		c = fail
	}
	record := m.record(w.stream)
	pl := m.decide(record, *record.state, c, w.now)
	after := w.with(who, promoter{})
	if pl.do == doAppend { // otherwise it is done, or another is at it
		after = m.store(after, pl.base, pl.event)
	}
	emit(after, did, pl.broke)
	if pl.do == doAppend && int(w.losses) < m.losses {
		after = after.with(who, w.promoters[who])
		after.losses++
		did.untold = true
		emit(after, did, pl.broke)
	}
}
