package dash

import (
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/story"
)

// Text is a sentence, whose times a page shows in its reader's zone.
type Text = story.Text

// say puts a sentence together.
func say(parts ...any) Text { return story.Say(parts...) }

// Moment is one record of a journal for people.
type Moment struct {
	story.Told

	ID      string // of the element
	Seq     uint64
	At      time.Time
	Tone    Tone
	Service string // that stored it
	After   string // what led to it
}

// moment says what a record says.
func moment(r journal.Record) Moment {
	m := Moment{
		Told: story.Tell(r.Record), ID: fmt.Sprintf("m-%d", r.Seq), Seq: r.Seq, At: r.At, Tone: Calm, Service: story.Service(r.Record),
		After: story.Cause(r.Record),
	}
	if release.Phase(r.Type) == r.State.Phase {
		m.Tone = toneOf(r.State.Phase)
	}
	switch e := r.Event.(type) { //nolint:gochecksumtype // the others are as their phase
	case release.WasDone:
		if e.Failed {
			m.Tone = Bad
		}
	case release.WasNotRolledBack:
		m.Tone = Bad
	case release.WasRefused:
		m.Tone = Wait
	}
	return m
}

// outcome is where a release stands, in a sentence.
func outcome(s release.State) Text { return story.Outcome(s, time.Time{}).Sentence() }

// Step is one station on a release's way.
type Step struct {
	Name  string
	State string // done, now, bad, or empty: not yet
}

// steps is the way of a release, as far as it came.
func steps(s release.State) []Step {
	names := []string{"merged", "beta", "staging", "soak", "promoted"}
	if s.Policy.Bake > 0 {
		names = append(names, "baked")
	}
	at, state := station(s), "now"
	switch s.Phase {
	case release.Cancelled, release.Failed, release.RolledBack, release.Superseded:
		state = "bad"
	case release.Promoted:
		at, state = len(names)-1, "done"
	case release.None, release.Merged, release.Publishing, release.Published, release.Passed, release.Queued, release.Staging,
		release.Staged, release.Soaking, release.Held, release.Promoting, release.Baking, release.RollingBack:
	}
	var out []Step
	for i, name := range names {
		step := Step{Name: name}
		switch {
		case i < at:
			step.State = "done"
		case i == at:
			step.State = state
		}
		out = append(out, step)
	}
	return out
}

// station is how far a release came.
func station(s release.State) int {
	switch {
	case s.Phase == release.Baking || s.Phase == release.RollingBack && s.RecalledIn == release.Baking:
		return 5
	case s.Phase == release.Promoting || s.Phase.Out() || s.Reached || s.Claim != 0:
		return 4
	case !s.SoakFrom.IsZero():
		return 3
	case s.Staging.Touched || s.Phase == release.Staging:
		return 2
	case s.Beta != "" || s.Phase == release.Publishing:
		return 1
	}
	return 0
}
