// Package lane decides who occupies staging. A lane is a way through staging that one release at a time occupies; the
// record of it is kept by compare-and-set on one subject, so two stagers can not both let a release in.
//
// The package is pure: [Record] in, Record out. Whether a release has ended is for the caller to find out, from its journal.
// It knows no clock either: what depends on time depends on the broker's times of the merges, so whoever decides, and however
// late, decides the same.
//
// # Places
//
// Expedited releases go first, the others in the order of their merges. Where only the newest of a project waits, it takes the
// place of the oldest that it displaces: else a project that merges often would never get through a lane that it shares. What
// somebody expedited is not displaced by a later merge that nobody expedited: both wait.
//
// # Supersede, and its bound
//
// Under [release.Supersede] a merge has the occupant cancelled, if that is an older release of its project. Merges that come
// faster than staging can soak them would so keep all of them from everybody. Therefore the record counts, by project, how many
// occupants in a row were asked to give way, and remembers when the first of them was merged. An occupant is let finish, and the
// newcomer waits as under [release.Newest], when
//
//   - supersede_limit occupants in a row were superseded already, or
//   - the first of them was merged max_wait or longer before the newcomer, or
//   - a person holds the occupant: a hold keeps the lane until somebody resumes or cancels the release, or
//   - somebody expedited the occupant and nobody the newcomer.
//
// The row is over as soon as a release of the project that was in staging leaves the lane in its own way: promoted, failed, or
// cancelled without having been asked to give way.
//
// So whatever is merged, and when: of supersede_limit+1 occupants in a row one is let finish, and no merge that comes max_wait or
// longer after that of the first superseded one supersedes any more until then.
package lane

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// Record is who occupies a lane and who waits for it. The zero Record is a free lane.
type Record struct {
	Owner    string // the release that occupies the lane; empty: free
	Project  string // the owner's
	GivesWay bool   // the owner is asked to give way to a newer release of its project
	Left     string // the release of its project that has ended, and whose beta staging runs until the owner is deployed over it
	Waiting  []Waiting
	// Promoted is, by project, the release that was promoted last: what staging and the beta are put back to.
	Promoted map[string]string
	// Superseded is, by project, the row of superseded occupants that is not over yet.
	Superseded map[string]Row
}

// Waiting is a release in the queue.
type Waiting struct {
	Release   string
	Project   string
	Order     uint64 // stream sequence of its merge
	Place     uint64 // the order of the oldest release whose place it took; 0: its own
	Expedited bool   // goes to the head
}

// Row is occupants of one project, one after the other, that had to give way.
type Row struct {
	Count int
	Since time.Time // broker's time of the merge of the first of them
}

// MaxWaiting bounds the queue of a lane, so that its record can be stored: at most 210 bytes each.
const MaxWaiting = 1000

// Leave takes a release that has ended, as its journal tells it, out of the lane and out of its queue. When it occupied the lane,
// the head of the queue follows, and how it ended decides what is remembered: that it was promoted, and whether the row of
// superseded ones is over. What it left in staging is for the caller to put back before, or to write down ([Record.Left]). Leaving
// again changes nothing.
func Leave(r Record, ended release.State) Record {
	r.Waiting = without(r.Waiting, ended.Release)
	if r.Owner != ended.Release {
		return r
	}
	if ended.Phase == release.Promoted {
		r.Promoted = with(r.Promoted, r.Project, r.Owner)
	}
	if _, row := r.Superseded[r.Project]; row && endsRow(ended, r.GivesWay) {
		r.Superseded = maps.Clone(r.Superseded)
		delete(r.Superseded, r.Project)
	}
	r.Owner, r.Project, r.GivesWay, r.Left = "", "", false, ""
	if len(r.Waiting) > 0 {
		next := r.Waiting[0]
		r.Owner, r.Project = next.Release, next.Project
		r.Waiting = slices.Clone(r.Waiting[1:])
	}
	return r
}

// endsRow tells whether an occupant has left in its own way. One that ended while it waited, and so was never deployed, says
// nothing about the row, although it may stand in the record as the owner for a moment.
func endsRow(s release.State, gaveWay bool) bool {
	switch s.Phase { //nolint:exhaustive // the others are no ends
	case release.Promoted:
		return true
	case release.Failed:
		return s.Staging.Touched
	case release.Cancelled:
		return s.Staging.Touched && !gaveWay
	}
	return false
}

// Equal tells whether two records say the same, so that nothing is written for nothing.
func Equal(a, b Record) bool {
	return a.Owner == b.Owner && a.Project == b.Project && a.GivesWay == b.GivesWay && a.Left == b.Left &&
		slices.Equal(a.Waiting, b.Waiting) && maps.Equal(a.Promoted, b.Promoted) && maps.EqualFunc(a.Superseded, b.Superseded, Row.equal)
}

func (w Row) equal(o Row) bool { return w.Count == o.Count && w.Since.Equal(o.Since) }

// place is where it stands in the order of merges.
func (w Waiting) place() uint64 { return cmp.Or(w.Place, w.Order) }

func without(ws []Waiting, id string) []Waiting {
	return slices.DeleteFunc(slices.Clone(ws), func(w Waiting) bool { return w.Release == id })
}

func with[V any](m map[string]V, key string, value V) map[string]V {
	m = maps.Clone(m)
	if m == nil {
		m = map[string]V{}
	}
	m[key] = value
	return m
}

func before(a, b Waiting) bool { return compare(a, b) < 0 }

// compare orders the queue: expedited ones first, then by merge.
func compare(a, b Waiting) int {
	if a.Expedited != b.Expedited {
		if a.Expedited {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(a.place(), b.place()), cmp.Compare(a.Order, b.Order), cmp.Compare(a.Release, b.Release))
}
