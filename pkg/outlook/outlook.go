// Package outlook says when a release leaves its stage if nobody says anything more, and what it waits for until then. It is
// pure: what the broker knows comes in, and it asks no clock.
//
// It looks ahead over the same things that the promoter looks at when the soak is over, and decides nothing: a stop that
// somebody begins or ends tomorrow is not in sight.
package outlook

import (
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/window"
)

// Around is what outside of its journal is known of a release, as it was read.
type Around struct {
	Beat    time.Time       // the watcher's last heartbeat; zero for none
	Doubts  []string        // checks that were inconclusive at the last heartbeat, each with why
	Read    bool            // the rest was read
	Stops   []release.Stop  // of its project, and of all
	Unmet   string          // what it needs and is not promoted, one line
	Windows window.Schedule // of the project file that it pinned
}

// Outlook is what is ahead of a soaking release. The zero Outlook is that of all others.
type Outlook struct {
	// At is when it leaves its stage, at the earliest; zero when not even that is known.
	At time.Time
	// Waits is what it waits for, or will wait for when its soak is over, in the order in which it is met.
	Waits []release.Obstacle
	// Open is set when one of them has no end that is known, so that At may pass.
	Open bool
}

// most bounds how many stops and windows are looked at, one after the other.
const most = 32

// Of looks ahead from the broker's time now.
func Of(s release.State, a Around, now time.Time) Outlook {
	if s.Phase != release.Soaking {
		return Outlook{}
	}
	o := Outlook{At: Later(s.Due, now)}
	if s.Expedited != nil {
		o.At = now
	}
	if !a.Read {
		if p, waits := Postponed(s); waits {
			o.meet(p)
		}
		return o
	}
	if approvals := s.Approvals(); approvals.Missing() > 0 {
		o.meet(release.Obstacle{Kind: release.ByApproval, Why: approvals.String()})
	}
	if !s.LastStage() {
		return o
	}
	if a.Unmet != "" {
		o.meet(release.Obstacle{Kind: release.ByNeed, Why: a.Unmet})
	}
	for range most {
		next, closed := a.closed(s, o.At)
		if !closed {
			return o
		}
		if o.meet(next); next.Until.IsZero() {
			return o
		}
	}
	o.Open = true
	return o
}

// Postponed is what a release waits for by the journal's own word. That word is of when the soak was over: what was said since
// of the release itself counts.
func Postponed(s release.State) (release.Obstacle, bool) {
	if s.Postponed == nil {
		return release.Obstacle{}, false
	}
	o := s.Postponed.Obstacle
	switch o.Kind {
	case release.ByWindow, release.ByFreeze:
		return o, !s.Forced
	case release.ByApproval:
		o.Why = s.Approvals().String()
		return o, s.Approvals().Missing() > 0
	case release.ByPause, release.ByRollback, release.ByNeed:
	}
	return o, true
}

// closed is what stops the promotion at a time, if anything does.
func (a Around) closed(s release.State, at time.Time) (release.Obstacle, bool) {
	if o, stopped := release.Stopped(s, a.Stops, at); stopped {
		return o, true
	}
	if v := a.Windows.At(at); !v.Open && !s.Forced {
		return release.Obstacle{Kind: release.ByWindow, Why: v.Why, Until: v.Until}, true
	}
	return release.Obstacle{}, false
}

// meet waits for the obstacle's end, if it has one.
func (o *Outlook) meet(next release.Obstacle) {
	o.Waits = append(o.Waits, next)
	if next.Until.IsZero() {
		o.Open = true
	} else {
		o.At = Later(o.At, next.Until)
	}
}

// Later is the later of two times.
func Later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
