package dash

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/outlook"
	"github.com/sluice-gate/sluice/pkg/release"
)

// endedKept is how many ended releases of a project the model keeps, the newest.
const endedKept = 3

// Row is a release in the model.
type Row struct {
	State  release.State
	Seq    uint64 // of the journal record that it is from
	Around outlook.Around
}

// Model is what is known of all releases that matter now: every live one, and of each project what ended last. It is pure: it does no
// I/O and has no clock. It is not safe for concurrent use.
type Model struct {
	rows    map[string]Row // by release
	ended   map[string][]string
	names   []string // of projects, sorted
	gates   map[string]release.Gate
	stopped []board.Stopped
	unread  string // why what stops the projects can not be told
}

// NewModel is one that knows nothing.
func NewModel() *Model {
	return &Model{rows: map[string]Row{}, ended: map[string][]string{}, gates: map[string]release.Gate{}}
}

// Apply takes journal entries in, each at most once however often it comes, and returns the releases that changed. An entry that is
// older than what is known changes nothing.
func (m *Model) Apply(entries ...journal.Entry) (changed []string) {
	for _, e := range entries {
		s := e.State
		known, ok := m.rows[s.Release]
		if ok && known.Seq >= e.Seq || !ok && !m.matters(s) {
			continue
		}
		m.rows[s.Release] = Row{State: s, Seq: e.Seq, Around: known.Around}
		if _, there := slices.BinarySearch(m.names, s.Project); !there {
			m.names = append(m.names, s.Project)
			slices.Sort(m.names)
		}
		if s.Phase.Ended() != slices.Contains(m.ended[s.Project], s.Release) || s.Phase.Ended() {
			m.settle(s)
		}
		changed = append(changed, s.Release)
	}
	return changed
}

// matters tells whether a release that is not known is to be shown: not one that ended before those that are kept.
func (m *Model) matters(s release.State) bool {
	kept := m.ended[s.Project]
	if !s.Phase.Ended() || len(kept) < endedKept {
		return true
	}
	return s.End.At.After(m.rows[kept[len(kept)-1]].State.End.At)
}

// settle keeps the list of a project's ended releases, newest first and no longer than it may be. One that was retried is live again.
func (m *Model) settle(s release.State) {
	kept := slices.DeleteFunc(slices.Clone(m.ended[s.Project]), func(id string) bool { return id == s.Release })
	if s.Phase.Ended() {
		kept = append(kept, s.Release)
		slices.SortFunc(kept, func(a, b string) int {
			return cmp.Or(m.rows[b].State.End.At.Compare(m.rows[a].State.End.At), cmp.Compare(b, a))
		})
		for len(kept) > endedKept {
			delete(m.rows, kept[len(kept)-1])
			kept = kept[:len(kept)-1]
		}
	}
	m.ended[s.Project] = kept
}

// Projects says which projects there are, and what stops them, at the broker's time now. why is set when that could not be read.
func (m *Model) Projects(names []string, gates map[string]release.Gate, why string, now time.Time) {
	known := append(slices.Clone(names), m.names...) // one whose file was applied just now has releases already
	slices.Sort(known)
	m.names, m.unread = slices.Compact(known), why
	if why != "" {
		return
	}
	m.gates = gates
	m.stopped = board.Stops(gates, m.names, now)
}

// Surround says what is around releases that are known.
func (m *Model) Surround(rows []board.Row) {
	for _, r := range rows {
		if known, ok := m.rows[r.State.Release]; ok {
			known.Around = r.Around
			m.rows[r.State.Release] = known
		}
	}
}

// Row is a release that is known.
func (m *Model) Row(id string) (Row, bool) {
	r, ok := m.rows[id]
	return r, ok
}

// Live are the ids of the releases that are on their way.
func (m *Model) Live() []string {
	var out []string
	for id, r := range m.rows {
		if !r.State.Phase.Ended() {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// Size is how many releases the model has.
func (m *Model) Size() int { return len(m.rows) }

// ofProject are the known releases of a project, live ones first in the order of their merges, then what ended, newest first.
func (m *Model) ofProject(name string) []Row {
	var out []Row
	for _, r := range m.rows {
		if r.State.Project == name {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, inProject)
	return out
}

func inProject(a, b Row) int {
	x, y := a.State, b.State
	if x.Phase.Ended() != y.Phase.Ended() {
		return cmp.Compare(rank(x.Phase), rank(y.Phase))
	}
	if x.Phase.Ended() {
		return cmp.Or(y.End.At.Compare(x.End.At), cmp.Compare(y.Release, x.Release))
	}
	return cmp.Or(cmp.Compare(x.Merge.Seq, y.Merge.Seq), cmp.Compare(x.Release, y.Release))
}

func rank(p release.Phase) int {
	if p.Ended() {
		return 1
	}
	return 0
}

// place is a queued release's place in its lane, 1 for the next, and who occupies the lane. Those expedited go to the head.
func (m *Model) place(s release.State) (int, release.State) {
	n := 1
	for _, r := range m.rows {
		o := r.State
		if o.Phase != release.Queued || o.Policy.Lane != s.Policy.Lane || o.Release == s.Release {
			continue
		}
		if ahead := o.Expedited != nil; ahead != (s.Expedited != nil) {
			if ahead {
				n++
			}
			continue
		}
		if o.Merge.Seq < s.Merge.Seq {
			n++
		}
	}
	return n, m.rows[s.Behind].State
}

// all are the releases of the projects whose name has filter in it, by project, and of each in the order in which it shows them.
func (m *Model) all(filter string) []Row {
	var out []Row
	for _, r := range m.rows {
		if strings.Contains(r.State.Project, filter) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b Row) int { return cmp.Or(cmp.Compare(a.State.Project, b.State.Project), inProject(a, b)) })
	return out
}
