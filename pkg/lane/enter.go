package lane

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// The bound of supersede where a project sets none.
const (
	DefaultSupersedeLimit = 3
	DefaultMaxWait        = 24 * time.Hour
)

// Entry is what Enter came to.
type Entry struct {
	Record Record
	Owns   bool   // the release occupies the lane
	Behind string // otherwise: the occupant
	// Displace is who of those that waited lost their place to the newcomer. They are told before the record is stored: it
	// forgets them, and who enters again after a crash between the two is not told of them a second time.
	Displace []string
	Newer    string // the newcomer came late: this release of its project waits or is in already, and keeps the place
	// Cancel is the occupant, if it is to give way to the newcomer. It is asked after the record is stored, which counts it; who
	// enters again after a crash between the two is told to ask again.
	Cancel  string
	Spared  Spared // why the occupant need not give way, though the newcomer's project supersedes
	Refused bool   // the newcomer may not even wait
	Full    bool   // it is refused because MaxWaiting others wait
}

// Spared is why an occupant is let finish under [release.Supersede].
type Spared string

// The reasons, as they are logged.
const (
	SparedByLimit    Spared = "as many in a row as supersede_limit were superseded"
	SparedByWait     Spared = "the first that was superseded has waited for max_wait"
	SparedByHold     Spared = "a person holds it"
	SparedByExpedite Spared = "somebody expedited it"
)

// Enter lets a release into the lane, or into its queue by its project's collision policy. Entering again changes nothing,
// but that a release may have been expedited, or the occupant's hold may have ended, since.
//
// occupant is the release that occupies the lane, as its journal tells it, and has not ended; the zero State when there is none.
func Enter(r Record, occupant, me release.State) Entry {
	w := waiting(r, me)
	if r.Owner == w.Release {
		return Entry{Record: r, Owns: true}
	}
	if r.Owner == "" && !slices.ContainsFunc(r.Waiting, func(o Waiting) bool { return o.Release != w.Release && before(o, w) }) {
		r.Owner, r.Project = w.Release, w.Project
		r.Waiting = without(r.Waiting, w.Release)
		return Entry{Record: r, Owns: true}
	}
	e := Entry{Behind: r.Owner}
	if e.Newer = newer(r, occupant, w, me.Policy.Collision); e.Newer != "" {
		r.Waiting = without(r.Waiting, w.Release)
		e.Record = r
		return e
	}
	if me.Policy.Collision == release.Reject {
		r.Waiting = without(r.Waiting, w.Release)
		e.Refused, e.Record = true, r
		return e
	}
	rest := without(r.Waiting, w.Release)
	if keepsNewest(me.Policy.Collision) {
		rest = slices.DeleteFunc(rest, func(o Waiting) bool {
			gone := replaces(w, o)
			if gone {
				e.Displace = append(e.Displace, o.Release)
				w = w.inPlaceOf(o)
			}
			return gone
		})
	}
	if len(rest) >= MaxWaiting {
		r.Waiting = rest
		return Entry{Record: r, Behind: r.Owner, Refused: true, Full: true}
	}
	r.Waiting = append(rest, w)
	slices.SortFunc(r.Waiting, compare)
	if me.Policy.Collision == release.Supersede && r.Project == w.Project && occupant.Merge.Seq < w.Order {
		r, e.Spared = supersede(r, occupant, me)
		if e.Spared == "" {
			e.Cancel = r.Owner
		}
	}
	e.Record = r
	return e
}

// Recall puts back into the queue who left it since it was read, for a newcomer to take their places.
func Recall(r Record, gone []Waiting) Record {
	for _, w := range gone {
		if !slices.ContainsFunc(r.Waiting, func(o Waiting) bool { return o.Release == w.Release }) && r.Owner != w.Release {
			r.Waiting = append(slices.Clone(r.Waiting), w)
		}
	}
	slices.SortFunc(r.Waiting, compare)
	return r
}

// Rejection is why a project that lets nothing wait does not take a merge while the occupant is in the lane of that name.
func Rejection(name string, occupant release.State) string {
	text := fmt.Sprintf("lane %s is occupied by %s %s (%s)", name, occupant.Project, occupant.Version, occupant.Release)
	if h := occupant.Held; h != nil {
		text += ", which is held by " + cmp.Or(h.By, "somebody")
		if h.Reason != "" {
			text += ": " + h.Reason
		}
		text += ";"
	}
	return text + " and the project rejects merges meanwhile"
}

// waiting is the release's entry in the queue; one that waits already keeps its place.
func waiting(r Record, s release.State) Waiting {
	w := Waiting{Release: s.Release, Project: s.Project, Order: s.Merge.Seq, Expedited: s.Expedited != nil}
	for _, o := range r.Waiting {
		if o.Release == w.Release {
			w = w.inPlaceOf(o)
		}
	}
	return w
}

func (w Waiting) inPlaceOf(o Waiting) Waiting {
	if p := min(w.place(), o.place()); p != w.Order {
		w.Place = p
	}
	return w
}

func keepsNewest(c release.Collision) bool { return c == release.Newest || c == release.Supersede }

// replaces tells whether a takes the place of b where only the newest of a project waits.
func replaces(a, b Waiting) bool {
	return a.Project == b.Project && a.Release != b.Release && a.Order > b.Order && (a.Expedited || !b.Expedited)
}

// newer is the release that keeps its place against w: the newest that waits, or the occupant.
func newer(r Record, occupant release.State, w Waiting, policy release.Collision) string {
	if !keepsNewest(policy) {
		return ""
	}
	var best Waiting
	for _, o := range r.Waiting {
		if replaces(o, w) && o.Order > best.Order {
			best = o
		}
	}
	if best.Release == "" && replaces(waiting(Record{}, occupant), w) {
		return occupant.Release
	}
	return best.Release
}

// supersede asks the occupant to give way, unless it is spared.
func supersede(r Record, occupant, me release.State) (Record, Spared) {
	row := r.Superseded[me.Project]
	limit := cmp.Or(max(me.Policy.SupersedeLimit, 0), DefaultSupersedeLimit)
	wait := cmp.Or(max(me.Policy.MaxWait, 0), DefaultMaxWait)
	switch {
	case r.GivesWay: // to an earlier newcomer, or in an earlier call
		return r, ""
	case occupant.Held != nil && !occupant.Held.System:
		return r, SparedByHold
	case occupant.Expedited != nil && me.Expedited == nil:
		return r, SparedByExpedite
	case row.Count >= limit:
		return r, SparedByLimit
	case row.Count > 0 && me.MergedAt.Sub(row.Since) >= wait:
		return r, SparedByWait
	}
	if row.Count == 0 {
		row.Since = occupant.MergedAt
	}
	row.Count++
	r.GivesWay, r.Superseded = true, with(r.Superseded, me.Project, row)
	return r, ""
}
