package dash

import (
	"cmp"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/story"
)

// Card is a release as a page shows it.
type Card struct {
	ID      string // of the element
	Release string
	Project string
	Version string
	Beta    string
	Phase   string
	Tone    Tone
	Clock   story.Clock
	Note    Text // what it waits for, or why it ended
	Warn    bool // somebody should look
	By      string
	Ref     string
	Commit  string
	When    time.Time // it was merged, or it ended
	Ended   bool
	Verbs   []release.Verb // that may be asked now
}

// card says of a release what matters at the broker's time now.
func (m *Model) card(r Row, now time.Time) Card {
	s := r.State
	at := story.Of(s, r.Around, m.waitsFor(s), now)
	c := Card{
		ID: "r-" + s.Release, Release: s.Release, Project: s.Project, Version: cmp.Or(s.Version, "no version yet"), Beta: s.Beta,
		Phase: story.Phase(s), Tone: toneOf(s.Phase), Clock: at.Clock, Note: at.Why, Warn: at.Warn, By: at.By, Ref: s.Merge.Ref,
		Commit: story.Commit(s.Merge.Commit), When: s.MergedAt, Ended: s.Phase.Ended(), Verbs: verbs(s),
	}
	switch {
	case c.Ended:
		c.When = s.End.At
		return c
	case at.Waits:
		c.Note = say(at.Next, ": ", at.Why)
	case s.Phase == release.Baking && len(c.Note) == 0:
		c.Note = say("everybody has it; a check that fails rolls it back")
	}
	if s.Held != nil {
		if len(c.Note) > 0 {
			c.Note = say("; ", c.Note)
		}
		c.Note, c.Warn = say(story.Holding(s), c.Note), true
	}
	return c
}

// waitsFor says what a release waits for while it is queued.
func (m *Model) waitsFor(s release.State) Text {
	if s.Phase != release.Queued {
		return nil
	}
	place, occupant := m.place(s)
	return story.Behind(s, place, occupant)
}

// verbs are what may be asked of a release as it stands, the most likely first. It is a help to people: what counts is the promoter's
// word.
func verbs(s release.State) []release.Verb {
	switch s.Phase {
	case release.Merged, release.Publishing, release.Published, release.Passed, release.Queued, release.Staging, release.Staged,
		release.Soaking, release.Held:
	case release.Promoting:
		return []release.Verb{release.Cancel, release.Hold}
	case release.Baking, release.Promoted:
		return []release.Verb{release.Recall}
	case release.Failed:
		if s.Reached {
			return []release.Verb{release.Retry, release.Recall}
		}
		return []release.Verb{release.Retry}
	case release.None, release.RollingBack, release.Cancelled, release.Superseded, release.RolledBack:
		return nil
	}
	out := []release.Verb{release.Cancel}
	if s.Approvals().Missing() > 0 {
		out = append(out, release.Approve)
	}
	if s.Held != nil {
		out = append(out, release.Resume)
	} else {
		out = append(out, release.Hold)
	}
	if s.Expedited == nil && (s.Held == nil || s.Held.System) {
		out = append(out, release.Expedite)
	}
	return append(out, release.Extend)
}
