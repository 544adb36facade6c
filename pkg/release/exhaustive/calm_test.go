package exhaustive

import (
	"slices"

	"github.com/sluice-gate/sluice/pkg/release"
)

// I13: from every world that can be reached, with everybody well from there on, the release gets to its end, or to a hold
// which a person's resume ends. It is checked for one fair order of things, which follows from the world.

// patienceOfTheTest bounds how many steps that may take.
const patienceOfTheTest = 100

// well is a step of a world without faults, and what it broke.
type well struct {
	step[world, act]
	broke error
}

// calm goes on from a world without faults, until the release ended or another world is met from which it is known to. It
// returns the way to where something is broken, nil if nothing is.
func (m *model) calm(w world) []well {
	var way []fingerprint
	var path []well
	for range patienceOfTheTest {
		p := fingerprintOf(m.seeds, w)
		if _, ok := m.ends[p]; ok {
			break
		}
		way = append(way, p)
		s := m.wellStep(w)
		wants, helps := m.wants(w)
		if s.after == w && !helps {
			if err := m.judged(w, w, m.end(w)); err != nil {
				return append(path, well{step[world, act]{act{what: nothingIsLeft}, w}, err})
			}
			break
		}
		if s.after == w {
			s = well{step: step[world, act]{act{what: somebodyAsks}, m.asked(w, slices.Index(asks(), wants))}}
		}
		path = append(path, s)
		if s.broke = m.judged(w, s.after, s.broke); s.broke != nil {
			path[len(path)-1] = s
			return path
		}
		w = s.after
	}
	if len(path) == patienceOfTheTest {
		err := broke("I13", "everybody is well, and after %d steps the release is still %s", patienceOfTheTest, m.phase(w))
		if err = m.judged(w, w, err); err != nil {
			return append(path, well{step[world, act]{act{what: nothingIsLeft}, w}, err})
		}
	}
	for _, p := range way {
		m.ends[p] = struct{}{}
	}
	return nil
}

// wants is what a person says, to whom a release is left.
func (m *model) wants(w world) (a ask, helps bool) {
	s := m.record(w.stream).state
	switch {
	case s.Phase == release.Held:
		return ask{verb: release.Resume}, true
	case s.Phase == release.Soaking && m.all[w.stream].paused > 0:
		return ask{word: unpauses}, true
	case s.Phase == release.Soaking && s.Approvals().Missing() > 0:
		return ask{verb: release.Approve}, true
	}
	return ask{}, false
}

// wellStep is what happens next when nothing goes wrong; the same world if nothing is left.
func (m *model) wellStep(w world) well {
	for who := range w.promoters { // what was begun is finished
		if w.promoters[who].doing != idle {
			return first(w, uint8(who), m.promoter)
		}
	}
	later := func(now moment) well {
		after := w
		after.now = now
		return well{step: step[world, act]{act{what: timePasses}, after}}
	}
	if after, ok := m.stages(w); ok {
		return well{step: step[world, act]{act{what: theStagerStages}, after}}
	}
	switch {
	case w.hinted || w.rang || w.told || w.older:
		for who := range w.promoters {
			if s := first(w, uint8(who), m.idle); s.after != w || s.broke != nil {
				return s
			}
		}
		return later(w.now + 1) // another's attempt is waited for
	case w.alarm == never:
		return well{step: step[world, act]{after: w}}
	case w.alarm > w.now:
		return later(w.alarm)
	}
	return well{step: step[world, act]{act{what: theAlarmRings}, w.ring()}}
}

// first is the first of a promoter's possible steps.
func first(w world, who uint8, steps func(world, uint8, func(world, act, error))) well {
	var s well
	taken := false
	steps(w, who, func(after world, did act, broke error) {
		if !taken {
			s, taken = well{step[world, act]{did, after}, broke}, true
		}
	})
	return s
}

// end judges a world in which nothing is left to do: the release ended, and as the requests say.
func (m *model) end(w world) error {
	record := m.record(w.stream)
	s := record.state
	if !s.Phase.Ended() {
		return broke("I13", "nothing is left to do, and the release is %s", s.Phase)
	}
	if n := len(m.streams.requests(w.stream, s.Folded)); n > 0 {
		return broke("I7", "nothing is left to do, and %d requests are not answered", n)
	}
	all := m.streams.requests(w.stream, 0)
	switch s.Phase {
	case release.Cancelled:
		if !slices.ContainsFunc(all, func(r release.Request) bool { return r.Verb == release.Cancel }) {
			return broke("I13", "cancelled, and nobody asked for it")
		}
	case release.Failed:
		before := m.record(record.before).state
		if s.End.By == bySluice { // it was its time
			break
		}
		if w.refusals == 0 && record.at.time().Before(before.Attempts[release.Promote].Deadline()) {
			return broke("I13", "failed, and there was time, and nobody refused")
		}
	case release.RolledBack:
		if !slices.ContainsFunc(all, func(r release.Request) bool { return r.Verb == release.Recall }) {
			return broke("I13", "rolled back, and nobody asked for it")
		}
	case release.Superseded:
		return broke("I13", "superseded, and there is no other release")
	}
	return nil
}
