// Package lane decides who occupies staging. A lane is a way through staging that one release at a time occupies; the
// record of it is kept by compare-and-set on one subject, so two stagers can not both let a release in.
//
// The package is pure: [Record] in, Record out. Whether a release has ended is for the caller to find out, from its journal.
package lane

import (
	"cmp"
	"maps"
	"slices"

	"github.com/sluice-gate/sluice/pkg/release"
)

// Record is who occupies a lane and who waits for it. The zero Record is a free lane.
type Record struct {
	Owner   string // the release that occupies the lane; empty: free
	Project string // the owner's
	Waiting []Waiting
	// Promoted is, by project, the release that was promoted last: what staging and the beta are put back to.
	Promoted map[string]string
}

// Waiting is a release in the queue.
type Waiting struct {
	Release   string
	Project   string
	Order     uint64 // stream sequence of its merge: the order of the queue
	Expedited bool   // goes to the head
}

// MaxWaiting bounds the queue of a lane, so that its record can be stored: at most 180 bytes each.
const MaxWaiting = 1000

// Entry is what Enter came to.
type Entry struct {
	Record Record
	Owns   bool   // the release occupies the lane
	Behind string // otherwise: the occupant
	// Displace is who of those that waited lost their place to the newcomer. They are told before the record is stored: it
	// forgets them, and who enters again after a crash between the two is not told of them a second time.
	Displace []string
	Newer    string // the newcomer came late: this release of its project waits already, and keeps the place
	Cancel   string // the occupant, if the newcomer's project wants it out of the way
	Refused  bool   // the newcomer may not even wait
	Full     bool   // it is refused because MaxWaiting others wait
}

// Enter lets a release into the lane, or into its queue by its project's collision policy. Entering again changes nothing,
// but that a release may have been expedited since.
func Enter(r Record, w Waiting, policy release.Collision) Entry {
	if r.Owner == w.Release {
		return Entry{Record: r, Owns: true}
	}
	if r.Owner == "" && !slices.ContainsFunc(r.Waiting, func(o Waiting) bool { return o.Release != w.Release && before(o, w) }) {
		r.Owner, r.Project = w.Release, w.Project
		r.Waiting = without(r.Waiting, w.Release)
		return Entry{Record: r, Owns: true}
	}
	e := Entry{Behind: r.Owner}
	if newer, ok := Displaced(r, w, policy); ok {
		e.Newer, e.Record = newer, Leave(r, w.Release)
		return e
	}
	switch policy {
	case release.Reject:
		e.Refused = true
		e.Record = Leave(r, w.Release)
		return e
	case release.Newest, release.Supersede:
		for _, o := range r.Waiting {
			if o.Project == w.Project && o.Release != w.Release && o.Order < w.Order {
				e.Displace = append(e.Displace, o.Release)
			}
		}
		if policy == release.Supersede && r.Project == w.Project {
			e.Cancel = r.Owner
		}
	case release.Queue:
	}
	r.Waiting = slices.DeleteFunc(without(r.Waiting, w.Release), func(o Waiting) bool { return slices.Contains(e.Displace, o.Release) })
	if len(r.Waiting) >= MaxWaiting {
		return Entry{Record: r, Behind: r.Owner, Refused: true, Full: true}
	}
	r.Waiting = append(r.Waiting, w)
	slices.SortFunc(r.Waiting, compare)
	e.Record = r
	return e
}

// Displaced tells whether a waiting release has lost its place: a newer one of its project waits, and the policy keeps
// only the newest. It catches the release that enters late, after its successor.
func Displaced(r Record, w Waiting, policy release.Collision) (newer string, ok bool) {
	if policy != release.Newest && policy != release.Supersede {
		return "", false
	}
	newest := w.Order
	for _, o := range r.Waiting {
		if o.Project == w.Project && o.Order > newest {
			newer, newest = o.Release, o.Order
		}
	}
	return newer, newer != ""
}

// Leave takes a release out of the lane and out of its queue. When it occupied the lane, the head of the queue follows.
func Leave(r Record, id string) Record {
	r.Waiting = without(r.Waiting, id)
	if r.Owner != id {
		return r
	}
	r.Owner, r.Project = "", ""
	if len(r.Waiting) > 0 {
		next := r.Waiting[0]
		r.Owner, r.Project = next.Release, next.Project
		r.Waiting = slices.Clone(r.Waiting[1:])
	}
	return r
}

// Promote remembers the release as its project's last promoted one.
func Promote(r Record, project, id string) Record {
	r.Promoted = maps.Clone(r.Promoted)
	if r.Promoted == nil {
		r.Promoted = map[string]string{}
	}
	r.Promoted[project] = id
	return r
}

// Equal tells whether two records say the same, so that nothing is written for nothing.
func Equal(a, b Record) bool {
	return a.Owner == b.Owner && a.Project == b.Project && slices.Equal(a.Waiting, b.Waiting) && maps.Equal(a.Promoted, b.Promoted)
}

func without(ws []Waiting, id string) []Waiting {
	return slices.DeleteFunc(slices.Clone(ws), func(w Waiting) bool { return w.Release == id })
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
	return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Release, b.Release))
}
