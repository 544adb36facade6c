package show

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/outlook"
	"github.com/sluice-gate/sluice/pkg/release"
)

// Line is a release in one line.
type Line struct {
	Left string // of the soak, or of the bake
	When string // what happens next, or happened last, and when
	By   string
	Why  string
	Warn bool // somebody should look
}

// missed is how many intervals without a heartbeat mean that nobody watches, as the promoter counts.
const missedTenths = 25

// slack is what an alarm and a claim may take.
const slack = 5 * time.Second

// LineOf tells of a release what matters at the broker's time now, which is in the reader's zone.
func LineOf(row board.Row, now time.Time) Line {
	s, around := row.State, row.Around
	l := Line{Left: "-", By: s.Merge.Actor, When: "merged " + Clock(s.MergedAt, now), Why: s.Merge.Ref}
	switch s.Phase {
	case release.None, release.Merged, release.Published:
	case release.Passed:
		l.When = "passed " + Clock(s.PhaseAt, now)
	case release.Publishing:
		l.attempt(s, release.Publish, now)
	case release.Queued:
		l.Why = waitsFor(row, now)
	case release.Staging:
		l.attempt(s, release.Stage, now)
	case release.Staged:
		l.When = "staged " + Clock(s.StagedAt, now)
	case release.Soaking:
		l.soaking(s, around, now)
	case release.Held:
		l.Left, l.When = Left(s.Remaining), "held"
	case release.Promoting:
		l.Left = "0s"
		l.attempt(s, release.Promote, now)
	case release.Baking:
		l.baking(s, around, now)
	case release.RollingBack:
		l.recalled(s)
		l.When = "recalled " + Clock(s.PhaseAt, now)
		l.attempt(s, release.Rollback, now)
	case release.Promoted, release.Cancelled, release.Failed, release.Superseded, release.RolledBack:
		l.ended(s, now)
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

func (l *Line) ended(s release.State, now time.Time) {
	l.When = Clock(s.End.At, now)
	if s.Phase == release.Promoted {
		if s.Expedited != nil {
			l.By, l.Why = s.Expedited.By, reason(expedited(s), s.Expedited.Reason)
		}
		if s.Recalled != nil { // in vain
			l.recalled(s)
		}
		return
	}
	l.By, l.Why = s.End.By, s.End.Reason
	if left := toPutBack(s); left != "" {
		l.Why += " (" + left + " not put back yet)"
	}
	if left := notPutBack(s); left != "" {
		l.Why, l.Warn = l.Why+" ("+left+" could not be put back)", true
	}
	if next := again(s); next != "" {
		l.Why += " (" + next + ")"
	}
}

// recalled tells of a rollback that is under way, or that could not be made.
func (l *Line) recalled(s release.State) {
	if s.Recalled == nil {
		return
	}
	l.By, l.Why = s.Recalled.By, s.Recalled.Reason
	if s.Phase != release.RollingBack {
		l.Why, l.Warn = "not rolled back: "+s.Latest.Note, true
	}
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

func (l *Line) soaking(s release.State, around outlook.Around, now time.Time) {
	l.Left, l.When = Left(s.Due.Sub(now)), "due "+Clock(s.Due, now)
	if s.Expedited != nil {
		l.Left, l.By, l.Why = "0s", s.Expedited.By, reason(expedited(s), s.Expedited.Reason)
	} else if s.Extra > 0 {
		l.Why = "extended by " + Left(s.Extra)
	}
	o := outlook.Of(s, around, now)
	if len(o.Waits) > 0 {
		l.When, l.Why = leaves(s, o, now), waits(s, o)
		l.Warn = s.Ready(now) && o.Open
		return
	}
	since := later(around.Beat, s.SoakFrom)
	switch over := overdue(s, now); {
	case over > slack:
		l.Left, l.Warn = "0s", true
		l.Why = fmt.Sprintf("overdue by %s: is the promoter running?", Left(over))
	case s.Expedited == nil && now.Before(s.Due) && now.Sub(since) > silence(s):
		l.Warn = true
		l.Why = fmt.Sprintf("not watched since %s: is the watcher running?", Clock(since, now))
	}
}

// overdue is for how long the release could have left its stage, and has not.
func overdue(s release.State, now time.Time) time.Duration {
	switch {
	case s.Expedited != nil: // it waits for a look at its checks
		return 0
	case s.Postponed == nil:
		return now.Sub(s.Due)
	case s.Postponed.Until.IsZero(): // somebody just ended it
		return 0
	}
	return now.Sub(later(s.Due, s.Postponed.Until))
}

// silence is how long nothing may be heard of the watcher.
func silence(s release.State) time.Duration { return s.BeatEvery()*missedTenths/10 + slack }

// leaves says when a release leaves its stage that waits for something.
func leaves(s release.State, o outlook.Outlook, now time.Time) string {
	at := "promotes "
	if !s.LastStage() {
		at = "goes on "
	}
	switch {
	case !o.Open:
		return at + Clock(o.At, now)
	case o.At.After(now):
		return "not before " + Clock(o.At, now)
	case s.Postponed != nil:
		return "waits since " + Clock(s.Postponed.Since, now)
	}
	return "waits"
}

// waits says what a release waits for.
func waits(s release.State, o outlook.Outlook) string {
	var out []string
	for _, w := range o.Waits {
		why := w.Why
		if w.Kind == release.ByApproval && len(s.Approved) > 0 {
			why += ", by " + names(s.Approved)
		}
		out = append(out, why)
	}
	return strings.Join(out, "; ")
}

func names(said []release.Said) string {
	var out []string
	for _, s := range said {
		out = append(out, cmp.Or(s.By, "somebody"))
	}
	return strings.Join(out, ", ")
}

func expedited(s release.State) string {
	if s.Forced {
		return "expedited with force"
	}
	return "expedited"
}

func (l *Line) baking(s release.State, around outlook.Around, now time.Time) {
	until := s.PhaseAt.Add(s.Policy.Bake)
	l.Left, l.When = Left(until.Sub(now)), "bakes until "+Clock(until, now)
	since := later(around.Beat, s.PhaseAt)
	switch {
	case now.Sub(until) > slack:
		l.Warn, l.Why = true, fmt.Sprintf("overdue by %s: is the promoter running?", Left(now.Sub(until)))
	case now.Before(until) && now.Sub(since) > silence(s):
		l.Warn, l.Why = true, fmt.Sprintf("not watched since %s: is the watcher running?", Clock(since, now))
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

// notPutBack names what an ended release left that could not be put back.
func notPutBack(s release.State) string {
	var left []string
	if _, failed := s.NotPutBack(release.RestoreStaging); failed {
		left = append(left, "staging")
	}
	if _, failed := s.NotPutBack(release.RestoreBeta); failed {
		left = append(left, "beta")
	}
	return strings.Join(left, " and ")
}

// StageOf tells which of its project's stages a release is in, or goes to: "2/3 canary". It is empty when there is one.
func StageOf(s release.State) string {
	if len(s.Policy.Stages) < 2 {
		return ""
	}
	return fmt.Sprintf("%d/%d %s", s.Stage+1, len(s.Policy.Stages), s.StageName())
}

// PhaseOf is a release's phase, with the stage while it goes through several.
func PhaseOf(s release.State) string {
	switch s.Phase {
	case release.Passed, release.Queued, release.Staging, release.Staged, release.Soaking, release.Held:
		return strings.TrimSpace(string(s.Phase) + " " + StageOf(s))
	case release.None, release.Merged, release.Publishing, release.Published, release.Promoting, release.Baking, release.RollingBack,
		release.Promoted, release.Cancelled, release.Failed, release.Superseded, release.RolledBack:
	}
	return string(s.Phase)
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
	case release.RolledBack:
		return reason(fmt.Sprintf("rolled back by %s at %s", who, Clock(s.End.At, now)), s.End.Reason)
	case release.RollingBack:
		if s.Recalled != nil {
			return reason("being rolled back by "+cmp.Or(s.Recalled.By, "somebody"), s.Recalled.Reason)
		}
	case release.Baking:
		until := s.PhaseAt.Add(s.Policy.Bake)
		return fmt.Sprintf("everybody has it, baking until %s", Clock(until, now))
	case release.Soaking:
		return soaking(s, now)
	case release.Held:
		return fmt.Sprintf("held by %s, %s of the soak left", cmp.Or(s.Held.By, "somebody"), Left(s.Remaining))
	case release.None:
		return "not admitted yet"
	case release.Merged, release.Publishing, release.Published, release.Passed, release.Queued, release.Staging, release.Staged,
		release.Promoting:
	}
	return PhaseOf(s)
}

func soaking(s release.State, now time.Time) string {
	o, postponed := outlook.Postponed(s)
	switch {
	case postponed:
		text := "its soak is over, it waits: " + waits(s, outlook.Outlook{Waits: []release.Obstacle{o}})
		if !o.Until.IsZero() {
			text += fmt.Sprintf(" (until %s)", Clock(o.Until, now))
		}
		return text
	case s.Expedited != nil:
		return expedited(s) + ", about to be promoted"
	case s.Postponed != nil && s.LastStage():
		return "its soak is over, about to be promoted"
	case s.Postponed != nil:
		return "its soak is over, about to go on to the next stage"
	}
	return fmt.Sprintf("%s, %s left, due %s", PhaseOf(s), Left(s.Due.Sub(now)), Clock(s.Due, now))
}

// Title is what people call a release: "tracer 1.4.0".
func Title(s release.State) string {
	return strings.TrimSpace(s.Project + " " + s.Version)
}
