package show

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/services/sluice/internal/board"
)

// Line is a release in one line.
type Line struct {
	Left string // of the soak
	When string // what happens next, or happened last, and when
	By   string
	Why  string
	Warn bool // somebody should look
}

// missed is how many intervals without a heartbeat mean that nobody watches, as the promoter counts.
const missedTenths = 25

// LineOf tells of a release what matters at the broker's time now, which is in the reader's zone.
func LineOf(row board.Row, now time.Time) Line {
	s := row.State
	l := Line{Left: "-", By: s.Merge.Actor, When: "merged " + Clock(s.MergedAt, now), Why: s.Merge.Ref}
	switch s.Phase {
	case release.None, release.Merged, release.Published:
	case release.Publishing:
		l.attempt(s, release.Publish, now)
	case release.Queued:
		l.Why = waitsFor(row, now)
	case release.Staging:
		l.attempt(s, release.Stage, now)
	case release.Staged, release.Soaking:
		l.soaking(s, row.Beat, now)
	case release.Held:
		l.Left, l.When = Left(s.Remaining), "held"
	case release.Promoting:
		l.Left = "0s"
		l.attempt(s, release.Promote, now)
	case release.Promoted:
		l.When = Clock(s.End.At, now)
		if s.Expedited != nil {
			l.By, l.Why = s.Expedited.By, reason("expedited", s.Expedited.Reason)
		}
		return l
	case release.Cancelled, release.Failed, release.Superseded:
		l.When, l.By, l.Why = Clock(s.End.At, now), s.End.By, s.End.Reason
		if left := toPutBack(s); left != "" {
			l.Why += " (" + left + " not put back yet)"
		}
		return l
	}
	if s.Held != nil {
		l.By, l.Why, l.Warn = s.Held.By, s.Held.Reason, true
		if s.Phase == release.Held {
			l.When += " " + Clock(s.Held.At, now)
		} else {
			l.Why = reason("will be held", l.Why)
		}
		if s.Phase == release.Queued {
			l.Why = waitsFor(row, now) + "; " + l.Why
		}
	}
	return l
}

func (l *Line) attempt(s release.State, w release.Work, now time.Time) {
	a, ok := s.Attempts[w]
	if !ok {
		return
	}
	l.When = "began " + Clock(a.Started, now)
	if a.Number > 1 {
		l.Why, l.Warn = fmt.Sprintf("attempt %d", a.Number), true
	}
}

func (l *Line) soaking(s release.State, beat, now time.Time) {
	if s.Phase == release.Soaking {
		l.Left, l.When = Left(s.Due.Sub(now)), "due "+Clock(s.Due, now)
	} else {
		l.When = "staged " + Clock(s.StagedAt, now)
	}
	const slack = 5 * time.Second // an alarm and a claim take a moment
	silent := release.BeatInterval(s.Delay()) * missedTenths / 10
	switch since := later(beat, s.SoakFrom); {
	case s.Expedited != nil:
		l.Left, l.By, l.Why = "0s", s.Expedited.By, reason("expedited", s.Expedited.Reason)
	case s.Phase == release.Soaking && now.After(s.Due.Add(slack)):
		l.Left, l.Warn = "0s", true
		l.Why = fmt.Sprintf("overdue by %s: is the promoter running?", Left(now.Sub(s.Due)))
	case s.Phase == release.Soaking && now.Before(s.Due) && now.Sub(since) > silent+slack:
		l.Warn = true
		l.Why = fmt.Sprintf("not watched since %s: is the watcher running?", Clock(since, now))
	case s.Extra > 0:
		l.Why = "extended by " + Left(s.Extra)
	}
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func reason(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + why
}

// toPutBack names what an ended release has still to put back.
func toPutBack(s release.State) string {
	var left []string
	if s.Needs(release.RestoreStaging) {
		left = append(left, "staging")
	}
	if s.Needs(release.RestoreBeta) {
		left = append(left, "beta")
	}
	return strings.Join(left, " and ")
}

// Outcome is a release's end, or where it stands, in a sentence.
func Outcome(s release.State, now time.Time) string {
	who := cmp.Or(s.End.By, "somebody")
	switch s.Phase {
	case release.Promoted:
		return fmt.Sprintf("promoted at %s", Clock(s.End.At, now))
	case release.Cancelled:
		return reason(fmt.Sprintf("cancelled by %s at %s", who, Clock(s.End.At, now)), s.End.Reason)
	case release.Failed:
		return reason(fmt.Sprintf("failed at %s", Clock(s.End.At, now)), s.End.Reason)
	case release.Superseded:
		return fmt.Sprintf("%s at %s", s.End.Reason, Clock(s.End.At, now))
	case release.Soaking:
		if s.Expedited != nil {
			return "expedited, about to be promoted"
		}
		return fmt.Sprintf("soaking, %s left, due %s", Left(s.Due.Sub(now)), Clock(s.Due, now))
	case release.Held:
		return fmt.Sprintf("held by %s, %s of the soak left", cmp.Or(s.Held.By, "somebody"), Left(s.Remaining))
	case release.None:
		return "not admitted yet"
	case release.Merged, release.Publishing, release.Published, release.Queued, release.Staging, release.Staged, release.Promoting:
	}
	return string(s.Phase)
}

// Title is what people call a release: "tracer 1.4.0".
func Title(s release.State) string {
	return strings.TrimSpace(s.Project + " " + s.Version)
}
