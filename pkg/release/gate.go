package release

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
)

// What outside of a release decides whether it may be promoted: stops of its project or of all projects, the project's
// windows, what was promoted before, and the releases that it needs.

// Stop is something that closes the way to promotion for a whole project, or for all. A stop that was stored before a claim
// makes the claim ineffective, as a hold does; the release then waits, and goes on by itself when the stop is over.
type Stop struct {
	Kind    StopKind
	Said    Said
	From    time.Time // freeze: when it begins; zero: it has begun
	Until   time.Time // freeze: when it ends; zero: until somebody ends it
	All     bool      // it is for all projects
	Release string    // rollback: the release that is rolled back
	Seq     uint64    // stream sequence of the message that says so
}

// StopKind is the kind of a stop.
type StopKind string

// The kinds of stops.
const (
	Pause       StopKind = "pause"    // sluice pause: nothing of the project is promoted, not even by force
	Freeze      StopKind = "freeze"   // sluice freeze: for a time; force overrides it
	RollingStop StopKind = "rollback" // another release of the project is being rolled back
)

// closes tells whether the stop is in force for the release at a time.
func (t Stop) closes(s State, at time.Time) bool {
	switch t.Kind {
	case Freeze:
		return !s.Forced && !at.Before(t.From) && (t.Until.IsZero() || at.Before(t.Until))
	case RollingStop:
		return t.Release != s.Release
	case Pause:
	}
	return true
}

// obstacle is what a stop says to whoever waits.
func (t Stop) obstacle() Obstacle {
	o := Obstacle{Kind: Obstructing(t.Kind), Until: t.Until}
	scope := "the project is"
	if t.All {
		scope = "all projects are"
	}
	switch t.Kind {
	case Pause:
		o.Why = fmt.Sprintf("%s paused by %s%s", scope, t.Said.who(), because(t.Said.Reason))
	case Freeze:
		o.Why = fmt.Sprintf("%s frozen by %s%s", scope, t.Said.who(), because(t.Said.Reason))
	case RollingStop:
		o.Why = fmt.Sprintf("release %s of the project is being rolled back", t.Release)
	}
	return o
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// Obstacle is what a release whose delay is over waits for.
type Obstacle struct {
	Kind  Obstructing
	Why   string    // one line
	Until time.Time // when it is over by itself; zero: not known
}

// Obstructing is the kind of an obstacle.
type Obstructing string

// The kinds of obstacles.
const (
	ByPause                = Obstructing(Pause)
	ByFreeze               = Obstructing(Freeze)
	ByRollback             = Obstructing(RollingStop)
	ByWindow   Obstructing = "window"   // outside of the project's windows, or in one of its freezes
	ByApproval Obstructing = "approval" // not approved by enough people
	ByNeed     Obstructing = "need"     // a release of another project is not promoted yet
)

// same compares two obstacles; the same instant may come with different locations.
func (o Obstacle) same(p Obstacle) bool {
	return o.Kind == p.Kind && o.Why == p.Why && o.Until.Equal(p.Until)
}

// ByPeople tells whether only a person can end the obstacle.
func (o Obstacle) ByPeople() bool {
	return o.Kind == ByPause || o.Kind == ByApproval || o.Kind == ByFreeze && o.Until.IsZero()
}

// Postponement is an obstacle that was met when the delay was over.
type Postponement struct {
	Obstacle
	Since time.Time // broker's time when it, or another of its kind just before it, was met
}

// Gate is all of that as it was read, for one look at a release.
type Gate struct {
	Stops  []Stop
	Window Window
	Record Record
	Unmet  string    // what the release needs and is not promoted, one line; empty: nothing
	Opened time.Time // broker's time of the last word that ended a stop; zero: none did
	Free   time.Time // since when windows and freezes let through what was due at its Due: [Gate.FreeFrom]; zero: since Due
}

// mostClosings bounds how many closed times in a row FreeFrom looks through.
const mostClosings = 1000

// FreeFrom is the first moment from at on, but no later than now, at which neither the project's windows nor a freeze were in the way
// of the release. Nobody may have looked meanwhile: what was due while it was closed is overdue only from then on.
func (g Gate) FreeFrom(s State, at, now time.Time, windows func(time.Time) Window) time.Time {
	freezes := slices.DeleteFunc(slices.Clone(g.Stops), func(t Stop) bool { return t.Kind != Freeze })
	for range mostClosings {
		o, closed := Stopped(s, freezes, at)
		until := o.Until
		if w := windows(at); w.Closed && !s.Forced {
			until, closed = w.Until, true
		}
		if !closed {
			break
		}
		if !until.After(at) || until.After(now) { // it is not over
			return now
		}
		at = until
	}
	return at
}

// Window is what the project's windows say about a time.
type Window struct {
	Closed bool
	Until  time.Time // when it opens; zero: not in sight
	Why    string
}

// obstacle is the first thing in the release's way at a time, if any. On the way from one stage to the next there are only
// the approvals; all else concerns the promotion.
func (g Gate) obstacle(s State, at time.Time) (Obstacle, bool) {
	if s.Approvals().Missing() > 0 {
		return Obstacle{Kind: ByApproval, Why: s.Approvals().String()}, true
	}
	if !s.LastStage() {
		return Obstacle{}, false
	}
	if o, ok := Stopped(s, g.Stops, at); ok {
		return o, true
	}
	if g.Unmet != "" {
		return Obstacle{Kind: ByNeed, Why: g.Unmet}, true
	}
	if g.Window.Closed && !s.Forced {
		return Obstacle{Kind: ByWindow, Why: g.Window.Why, Until: g.Window.Until}, true
	}
	return Obstacle{}, false
}

// Stopped is the stop that is in force for the release at a time, if any: of several the one that lasts longest.
func Stopped(s State, stops []Stop, at time.Time) (Obstacle, bool) {
	var longest *Stop
	for _, t := range stops {
		if t.closes(s, at) && (longest == nil || !longest.Until.IsZero() && (t.Until.IsZero() || t.Until.After(longest.Until))) {
			longest = &t
		}
	}
	if longest == nil {
		return Obstacle{}, false
	}
	return longest.obstacle(), true
}

// Record is what became of a project's releases, newest last. It is kept beside the journals, by compare-and-set, so that a
// channel moves only forward whatever its driver can see.
type Record struct {
	Promotions []Promotion // at most [MaxPromotions]
	// Rolling is the release that is being rolled back: nothing of the project is promoted meanwhile.
	Rolling string
}

// MaxPromotions bounds what a record remembers.
const MaxPromotions = 50

// Promotion is one entry of a record.
type Promotion struct {
	Release    string
	Version    string
	Order      uint64 // stream sequence of its merge
	At         time.Time
	RolledBack *Said // nil: it was not
}

// Current is the newest promotion that was not rolled back.
func (r Record) Current() (Promotion, bool) {
	for _, p := range slices.Backward(r.Promotions) {
		if p.RolledBack == nil {
			return p, true
		}
	}
	return Promotion{}, false
}

// Promote remembers a promotion. Repeating it changes nothing.
func (r Record) Promote(p Promotion) Record {
	if slices.ContainsFunc(r.Promotions, func(o Promotion) bool { return o.Release == p.Release && o.RolledBack == nil }) {
		return r
	}
	r.Promotions = append(slices.Clone(r.Promotions), p)
	if over := len(r.Promotions) - MaxPromotions; over > 0 {
		r.Promotions = r.Promotions[over:]
	}
	return r
}

// RollBack remembers that a release was rolled back. Repeating it changes nothing.
func (r Record) RollBack(id string, by Said) Record {
	r.Promotions = slices.Clone(r.Promotions)
	for i := range r.Promotions {
		if p := &r.Promotions[i]; p.Release == id && p.RolledBack == nil {
			p.RolledBack = &by
		}
	}
	return r
}

// Equal tells whether two records say the same, so that nothing is written for nothing.
func (r Record) Equal(o Record) bool {
	return r.Rolling == o.Rolling && slices.EqualFunc(r.Promotions, o.Promotions, func(a, b Promotion) bool {
		sameEnd := a.RolledBack == nil && b.RolledBack == nil || a.RolledBack != nil && b.RolledBack != nil && *a.RolledBack == *b.RolledBack
		a.RolledBack, b.RolledBack = nil, nil
		return a == b && sameEnd
	})
}

// Newer is what was promoted, is not rolled back, and is newer than the release: its version; "" for nothing.
func (r Record) Newer(s State) string {
	for _, p := range slices.Backward(r.Promotions) {
		if p.Release == s.Release || p.RolledBack != nil {
			continue
		}
		byMerge := s.Policy.Order == ByMerge || alike(p.Version, s.Version)
		if byMerge && p.Order > s.Merge.Seq || !byMerge && newer(p.Version, s.Version) {
			return p.Version
		}
	}
	return ""
}

// WasRolledBack tells whether the release's version was promoted before and rolled back, and not promoted since.
func (r Record) WasRolledBack(s State) (Said, bool) {
	for _, p := range slices.Backward(r.Promotions) {
		if p.Version != s.Version {
			continue
		}
		if p.RolledBack == nil {
			return Said{}, false
		}
		return *p.RolledBack, true
	}
	return Said{}, false
}

// newer compares two versions as semver. What is none is neither newer nor older.
func newer(a, b string) bool {
	va, errA := semver.StrictNewVersion(a)
	vb, errB := semver.StrictNewVersion(b)
	return errA == nil && errB == nil && va.GreaterThan(vb)
}

// alike tells whether two versions are the same, or semver does not order them: of those the later merge is the newer one.
func alike(a, b string) bool {
	va, errA := semver.StrictNewVersion(a)
	vb, errB := semver.StrictNewVersion(b)
	return a == b || errA == nil && errB == nil && va.Equal(vb)
}

// MaxNeeds bounds what one release may need.
const MaxNeeds = 32

// Need is a release of another project that has to be promoted first.
type Need struct {
	Project string
	Version string // that version or a newer one
}

// ParseNeed reads "api@1.4.0". What names may be made of is for the caller to check.
func ParseNeed(text string) (Need, error) {
	project, version, ok := strings.Cut(text, "@")
	if !ok || project == "" || version == "" {
		return Need{}, fmt.Errorf("needs %.100q: want a project and a version, such as api@1.4.0", text)
	}
	return Need{Project: project, Version: version}, nil
}

// Met tells whether the record of the needed project has it.
func (n Need) Met(r Record) bool {
	now, ok := r.Current()
	return ok && (now.Version == n.Version || newer(now.Version, n.Version))
}

// AllNeeds is what must be promoted before the release is: what its project says and what its merge said.
func (s State) AllNeeds() []Need { return slices.Concat(s.Policy.Needs, s.Merge.Needs) }

func (n Need) String() string { return n.Project + "@" + n.Version }
