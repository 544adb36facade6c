package exhaustive

import (
	"slices"

	"github.com/sluice-gate/sluice/pkg/release"
)

// I13: from every world that can be reached, with everybody well from there on, the release gets to its end, or to a hold
// which a person's resume ends. It is checked for one fair order of things, which follows from the world.

// patienceOfTheTest bounds how many steps that may take.
const patienceOfTheTest = 400

// calm goes on from a world without faults, until the release ended or another world is met from which it is known to.
func (m *model) calm(w world) error {
	var way []print
	for range patienceOfTheTest {
		p := printOf(m.seeds, w)
		if _, ok := m.ends[p]; ok {
			break
		}
		way = append(way, p)
		after, err := m.wellStep(w)
		if err != nil {
			return err
		}
		if after != w {
			w = after
			continue
		}
		if m.phase(w) != release.Held {
			if err := m.end(w); err != nil {
				return err
			}
			break
		}
		resume := slices.IndexFunc(asks(), func(a ask) bool { return a.verb == release.Resume })
		w = w.stored(m.ask(w.stream, resume, w.now))
	}
	if len(way) == patienceOfTheTest {
		return broke("I13", "everybody is well, and after %d steps the release is still %s", patienceOfTheTest, m.phase(w))
	}
	for _, p := range way {
		m.ends[p] = struct{}{}
	}
	return nil
}

// wellStep is what happens next when nothing goes wrong; the same world if nothing is left.
func (m *model) wellStep(w world) (after world, broke error) {
	for who := range w.promoters { // what was begun is finished
		if w.promoters[who].doing != idle {
			return m.first(w, uint8(who), m.promoter)
		}
	}
	if w.hinted || w.rang != never {
		for who := range w.promoters {
			if after, broke = m.first(w, uint8(who), m.idle); after != w || broke != nil {
				return after, broke
			}
		}
		w.now++ // another's attempt is waited for
		return w, nil
	}
	switch {
	case w.alarm == never:
		return w, nil
	case w.alarm > w.now:
		w.now = w.alarm
		return w, nil
	}
	return w.ring(), nil
}

// first is the first of a promoter's possible steps.
func (m *model) first(w world, who uint8, steps func(world, uint8, func(world, act, error))) (after world, broke error) {
	taken := false
	steps(w, who, func(next world, _ act, err error) {
		if taken {
			return
		}
		if taken = true; err == nil {
			err = m.check(w, next)
		}
		after, broke = next, err
	})
	return after, broke
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
		if w.refusals == 0 && record.at.time().Before(before.Attempts[release.Promote].Deadline()) {
			return broke("I13", "failed, and there was time, and nobody refused")
		}
	case release.Superseded:
		return broke("I13", "superseded, and there is no other release")
	}
	return nil
}
