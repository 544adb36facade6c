package exhaustive

import (
	"cmp"

	"github.com/sluice-gate/sluice/pkg/release"
)

// A and B are alike: a world and the one in which they are exchanged have the same future. So it is enough to visit one of the
// two: that in which A is the first whom the journal names.

// mirrored is w, or the world in which A and B are exchanged.
func (m *model) mirrored(w world) world {
	switch first := m.all[w.stream].first; {
	case first == promoters()[0]:
		return w
	case first == "" && compare(w.promoters[0], w.promoters[1]) >= 0:
		return w
	}
	w.stream = m.mirror(w.stream)
	w.promoters[0], w.promoters[1] = w.promoters[1], w.promoters[0]
	for i := range w.promoters {
		if p := &w.promoters[i]; p.doing == claiming {
			p.event = m.number(exchange(m.events[p.event]))
		}
	}
	return w
}

func compare(p, q promoter) int {
	return cmp.Or(cmp.Compare(p.doing, q.doing), cmp.Compare(p.base, q.base), cmp.Compare(p.event, q.event), cmp.Compare(p.until, q.until),
		cmp.Compare(p.hint, q.hint))
}

// mirror is the stream in which A and B are exchanged.
func (m *model) mirror(n uint32) uint32 {
	msg := m.all[n]
	if msg.first == "" {
		return n
	}
	before := m.mirror(msg.before)
	if msg.event == nil {
		return m.ask(before, int(msg.key.what), msg.at)
	}
	return m.append(before, msg.key.base, m.number(exchange(msg.event)), msg.at)
}

// exchange names B where an event names A, and A where B.
func exchange(e release.Event) release.Event {
	switch e := e.(type) {
	case release.WasBegun:
		e.Attempt.Instance = other(e.Attempt.Instance)
		return e
	case release.WasHeld:
		e.Holding.By = other(e.Holding.By)
		return e
	case release.WasFailed:
		e.Said.By = other(e.Said.By)
		return e
	case release.WasNotRolledBack:
		e.Said.By = other(e.Said.By)
		return e
	}
	return e
}

func other(name string) string {
	switch both := promoters(); name {
	case both[0]:
		return both[1]
	case both[1]:
		return both[0]
	}
	return name
}

// names is the promoter that an event names, if any.
func names(e release.Event) string {
	name := ""
	switch e := e.(type) {
	case release.WasBegun:
		name = e.Attempt.Instance
	case release.WasHeld:
		name = e.Holding.By
	case release.WasFailed:
		name = e.Said.By
	case release.WasNotRolledBack:
		name = e.Said.By
	}
	if other(name) == name {
		return ""
	}
	return name
}
