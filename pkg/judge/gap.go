package judge

import (
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// Gap is signals that were lost before anybody counted them. A check may have waited for one of them. Its zero value is none.
type Gap struct {
	At  time.Time // by the broker: what was lost came before this
	Why string
}

// Newer is the gap that ends later.
func (g Gap) Newer(o Gap) Gap {
	if o.At.After(g.At) {
		return o
	}
	return g
}

// Answer is what follows from a gap.
type Answer int

// The answers.
const (
	Ignore  Answer = iota // there is none, no check that stops anything asks for signals, or a person was told of it
	Wait                  // a person holds the release already: when it is resumed, that person has not been told
	HoldIt                // a person is to look
	NoSight               // nothing can be held in a bake: the checks of signals can not look any more
)

// Answer decides what follows from a gap for a release with these checks. asked is when the watcher asked to hold it last; zero: never.
func (g Gap) Answer(t Stretch, checks []project.Check, s release.State, asked time.Time) Answer {
	switch {
	case g.At.IsZero() || g.waits(checks) == "":
		return Ignore
	case t.Bake:
		return NoSight
	case !asked.IsZero() && !asked.Before(g.At):
		return Ignore
	case s.Held != nil && !s.Held.System:
		return Wait
	}
	return HoldIt
}

// waits is the first check that may have waited for what was lost; empty: none that stops anything. What only warns holds nothing.
func (g Gap) waits(checks []project.Check) string {
	for _, c := range checks {
		if c.Signal != nil && !c.Warns {
			return c.Name
		}
	}
	return ""
}

// Hold is the request, and the check that it is about.
func (g Gap) Hold(checks []project.Check) (r release.Request, check string) {
	check = g.waits(checks)
	reason := fmt.Sprintf("%s, before %s UTC: check %s may have waited for one of them; look at staging, then resume or cancel",
		g.Why, g.At.UTC().Format(time.TimeOnly), check)
	return release.Request{Verb: release.Hold, Reason: releasepb.Line(reason, maxSaid)}, check
}
