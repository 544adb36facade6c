package show

import (
	"time"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/story"
)

// Line is a release in one line.
type Line struct {
	Left string // of the soak, or of the bake
	When string // what happens next, or happened last, and when
	By   string
	Why  string
	Warn bool // somebody should look
}

// LineOf tells of a release what matters at the broker's time now, which is in the reader's zone.
func LineOf(row board.Row, now time.Time) Line {
	s := row.State
	at := story.Of(s, row.Around, waitsFor(row), now)
	l := Line{Left: "-", When: at.Next.Brief(clockAt(now)), By: at.By, Why: at.Why.Brief(clockAt(now)), Warn: at.Warn}
	switch {
	case at.Clock.Runs():
		l.Left = story.Left(at.Clock.To.Sub(now))
	case at.Clock.Word != "":
		l.Left = story.Left(at.Clock.Left)
	case s.Phase == release.Soaking || s.Phase == release.Promoting:
		l.Left = "0s"
	}
	if next := again(s); next != "" {
		l.Why += " (" + next + ")"
	}
	if l.Why == "" && (s.Phase == release.Promoted || !s.Phase.Ended()) {
		l.Why = s.Merge.Ref
	}
	if s.Held != nil && !s.Phase.Ended() {
		waits := ""
		if s.Phase == release.Queued {
			waits = l.Why + "; "
		}
		l.By, l.Why, l.Warn = s.Held.By, s.Held.Reason, true
		if s.Phase != release.Held {
			l.Why = waits + story.Because("will be held", l.Why).String()
		}
	}
	return l
}

// again is the command that takes a failed release up again, if it can be.
func again(s release.State) string {
	if s.Phase != release.Failed {
		return ""
	}
	events, err := release.Decide(s, release.Request{Verb: release.Retry, Seq: s.Folded + 1})
	if err != nil || len(events) == 0 {
		return ""
	}
	if _, ok := events[0].(release.WasRetried); !ok {
		return ""
	}
	return "sluice retry " + First(s.Release)
}

// Outcome is a release's end, or where it stands, in a sentence.
func Outcome(s release.State, now time.Time) string { return story.Outcome(s, now).In(clockAt(now)) }
