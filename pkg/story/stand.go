package story

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/outlook"
	"github.com/sluice-gate/sluice/pkg/release"
)

// Clock is what is left of a soak or a bake.
type Clock struct {
	Word     string    // due, bakes until, …; empty: there is none
	From, To time.Time // it runs; zero: it stands still
	Left     time.Duration
}

// Runs tells whether it counts down.
func (c Clock) Runs() bool { return !c.To.IsZero() }

// Standing is what matters of a release at a moment.
type Standing struct {
	Clock Clock
	Next  Text   // what happens next, or happened last, and when
	By    string // who made it so: who merged it, unless somebody said something since
	Why   Text   // what it waits for, or why it ended; empty when there is nothing to say
	Waits bool   // for what Why says, and Next is when that is over
	Warn  bool   // somebody should look
}

// slack is what an alarm and a claim may take; missedTenths is how many tenths of an interval without a heartbeat mean that nobody
// watches, as the promoter counts.
const (
	slack        = 5 * time.Second
	missedTenths = 25
)

// Of tells where a release stands at the broker's time now. waits is what it waits for while it is queued (see [Behind]).
func Of(s release.State, around outlook.Around, waits Text, now time.Time) Standing {
	st := Standing{By: s.Merge.Actor, Next: Say("merged ", s.MergedAt)}
	switch s.Phase {
	case release.None, release.Merged, release.Published:
	case release.Passed:
		st.Next = Say("passed ", s.PhaseAt)
	case release.Publishing:
		st.attempt(s, release.Publish)
	case release.Queued:
		st.Why = waits
	case release.Staging:
		st.attempt(s, release.Stage)
	case release.Staged:
		st.Next = Say("staged ", s.StagedAt)
	case release.Soaking:
		st.soaking(s, around, now)
	case release.Held:
		st.Clock = Clock{Word: "left of the soak", Left: s.Remaining}
		if s.Held != nil {
			st.Next = Say("held ", s.Held.At)
		}
	case release.Promoting:
		st.attempt(s, release.Promote)
	case release.Baking:
		st.baking(s, around, now)
	case release.RollingBack:
		st.recalled(s)
		st.Next = Say("recalled ", s.PhaseAt)
		st.attempt(s, release.Rollback)
	case release.Promoted, release.Cancelled, release.Failed, release.Superseded, release.RolledBack:
		st.ended(s)
	}
	return st
}

func (st *Standing) ended(s release.State) {
	st.Next = Say(s.End.At)
	if s.Phase == release.Promoted {
		if s.Expedited != nil {
			st.By, st.Why = s.Expedited.By, Because(expedited(s), s.Expedited.Reason)
		}
		if s.Recalled != nil { // in vain
			st.recalled(s)
		}
		return
	}
	st.By, st.Why = s.End.By, Say(release.Brief(s.End.Reason))
	if left := parts(s.Needs); left != "" {
		st.Why = Say(st.Why, " ("+left+" not put back yet)")
	}
	if left := parts(func(w release.Work) bool { _, failed := s.NotPutBack(w); return failed }); left != "" {
		st.Why, st.Warn = Say(st.Why, " ("+left+" could not be put back)"), true
	}
}

// parts names what of an ended release, staging and the beta channel, is so.
func parts(is func(release.Work) bool) string {
	var out []string
	if is(release.RestoreStaging) {
		out = append(out, "staging")
	}
	if is(release.RestoreBeta) {
		out = append(out, "beta")
	}
	return strings.Join(out, " and ")
}

// recalled tells of a rollback that is under way, or that could not be made.
func (st *Standing) recalled(s release.State) {
	if s.Recalled == nil {
		return
	}
	st.By, st.Why = s.Recalled.By, Say(s.Recalled.Reason)
	if s.Phase != release.RollingBack {
		st.Why, st.Warn = Because("not rolled back", release.Brief(s.Latest.Note)), true
	}
}

func (st *Standing) attempt(s release.State, w release.Work) {
	a, ok := s.Attempts[w]
	if !ok {
		return
	}
	st.Next = Say("began ", a.Started)
	if a.Number > 1 {
		st.Why, st.Warn = Say(fmt.Sprintf("attempt %d", a.Number)), true
	}
}

func (st *Standing) soaking(s release.State, around outlook.Around, now time.Time) {
	st.Clock, st.Next = Clock{Word: "due", From: s.SoakFrom, To: s.Due}, Say("due ", s.Due)
	if s.SoakFrom.IsZero() || !s.SoakFrom.Before(s.Due) {
		st.Clock.From = s.StagedAt
	}
	if s.Expedited != nil {
		st.Clock, st.By, st.Why = Clock{}, s.Expedited.By, Because(expedited(s), s.Expedited.Reason)
	} else if s.Extra > 0 {
		st.Why = Say("extended by " + Left(s.Extra))
	}
	o := outlook.Of(s, around, now)
	if len(o.Waits) > 0 {
		st.Next, st.Why, st.Waits = leaves(s, o, now), Say(Waits(s, o.Waits)), true
		st.Warn = s.Ready(now) && o.Open
		return
	}
	over := overdue(s, now)
	if over > slack {
		st.overdue(over)
	} else if s.Expedited == nil && now.Before(s.Due) {
		st.watched(s, outlook.Later(around.Beat, s.SoakFrom), now)
	}
}

func (st *Standing) overdue(by time.Duration) {
	st.Warn, st.Why = true, Say(fmt.Sprintf("overdue by %s: is the promoter running?", Left(by)))
}

// watched tells when nothing was heard of the watcher for too long.
func (st *Standing) watched(s release.State, since, now time.Time) {
	if now.Sub(since) > s.BeatEvery()*missedTenths/10+slack {
		st.Warn, st.Why = true, Say("not watched since ", since, ": is the watcher running?")
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
	return now.Sub(outlook.Later(s.Due, s.Postponed.Until))
}

// Leaving is the word for what a release does when nothing keeps it in its stage any more.
func Leaving(s release.State) string {
	if s.LastStage() {
		return "promotes"
	}
	return "goes on"
}

// leaves says when a release leaves its stage that waits for something.
func leaves(s release.State, o outlook.Outlook, now time.Time) Text {
	switch {
	case !o.Open:
		return Say(Leaving(s)+" ", o.At)
	case o.At.After(now):
		return Say("not before ", o.At)
	case s.Postponed != nil:
		return Say("waits since ", s.Postponed.Since)
	}
	return Say("waits")
}

// Waits says what a release waits for.
func Waits(s release.State, obstacles []release.Obstacle) string {
	var out []string
	for _, w := range obstacles {
		why := w.Why
		if w.Kind == release.ByApproval && len(s.Approved) > 0 {
			why += ", by " + Names(s.Approved)
		}
		out = append(out, why)
	}
	return strings.Join(out, "; ")
}

func expedited(s release.State) string {
	if s.Forced {
		return "expedited with force"
	}
	return "expedited"
}

func (st *Standing) baking(s release.State, around outlook.Around, now time.Time) {
	until := s.PhaseAt.Add(s.Policy.Bake)
	st.Clock, st.Next = Clock{Word: "bakes until", From: s.PhaseAt, To: until}, Say("bakes until ", until)
	if over := now.Sub(until); over > slack {
		st.overdue(over)
	} else if now.Before(until) {
		st.watched(s, outlook.Later(around.Beat, s.PhaseAt), now)
	}
}

// Behind says what a queued release waits for: its turn, or the occupant of its lane and whoever is ahead of it in the queue, in which it
// has that place, 1 for the next. The zero State: nobody knows the occupant.
func Behind(s release.State, place int, occupant release.State) Text {
	if occupant.Release == "" { // it is about to leave the queue, or its lane did not know it yet
		return behind(s.Behind)
	}
	text := "behind "
	if place > 1 {
		text += fmt.Sprintf("%d waiting and ", place-1)
	}
	out := Say(text + cmp.Or(Title(occupant), Short(occupant.Release)))
	if occupant.Held != nil {
		out = Say(out, ", which ", Holding(occupant))
	}
	return out
}

func behind(id string) Text {
	if id == "" {
		return Say("its turn is next")
	}
	return Say("behind ", idOf(id))
}

// Holding says that a release is held, or will be as soon as it soaks: "is held by ana since 14:03:00: wait for QA".
func Holding(s release.State) Text {
	if s.Phase != release.Held {
		return Because("will be held by "+Who(s.Held.By), s.Held.Reason)
	}
	what := Say("is held by " + Who(s.Held.By))
	if !s.Held.At.IsZero() {
		what = Say(what, " since ", s.Held.At)
	}
	return Because(what, s.Held.Reason)
}

// Outcome is a release's end, or where it stands, in words that follow its name. With a time it tells how much of a soak is left then,
// which one who reads it later has no use for.
func Outcome(s release.State, now time.Time) Text {
	switch s.Phase {
	case release.Promoted:
		return Say("promoted at ", s.End.At)
	case release.Cancelled:
		return Because(Say("cancelled by "+Who(s.End.By)+" at ", s.End.At), s.End.Reason)
	case release.Failed:
		return Because(Say("failed at ", s.End.At), s.End.Reason)
	case release.Superseded:
		return Say(s.End.Reason, " at ", s.End.At)
	case release.RolledBack:
		return Because(Say("rolled back by "+Who(s.End.By)+" at ", s.End.At), s.End.Reason)
	case release.RollingBack:
		if s.Recalled != nil {
			return Because("being rolled back by "+Who(s.Recalled.By), s.Recalled.Reason)
		}
	case release.Baking:
		return Say("everybody has it, baking until ", s.PhaseAt.Add(s.Policy.Bake))
	case release.Soaking:
		return soaking(s, now)
	case release.Held:
		if s.Held != nil {
			return Say(fmt.Sprintf("held by %s, %s of the soak left", Who(s.Held.By), Left(s.Remaining)))
		}
	case release.None:
		return Say("not admitted yet")
	case release.Merged, release.Publishing, release.Published, release.Passed, release.Queued, release.Staging, release.Staged,
		release.Promoting:
	}
	return Say(Phase(s))
}

func soaking(s release.State, now time.Time) Text {
	o, postponed := outlook.Postponed(s)
	switch {
	case postponed && o.Until.IsZero():
		return Say("its soak is over, it waits: ", Waits(s, []release.Obstacle{o}))
	case postponed:
		return Say("its soak is over, it waits: ", Waits(s, []release.Obstacle{o}), " (until ", o.Until, ")")
	case s.Expedited != nil:
		return Say(expedited(s) + ", about to be promoted")
	case s.Postponed != nil && s.LastStage():
		return Say("its soak is over, about to be promoted")
	case s.Postponed != nil:
		return Say("its soak is over, about to go on to the next stage")
	case now.IsZero():
		return Say(Phase(s)+", due ", s.Due)
	}
	return Say(fmt.Sprintf("%s, %s left, due ", Phase(s), Left(s.Due.Sub(now))), s.Due)
}

// Stopped is a pause or a freeze of a project, or of all when it is empty, at a time. One that begins later says so.
func Stopped(project string, s release.Stop, now time.Time) Text {
	who, what := "all projects are ", "paused by "
	if project != "" {
		who = project + " is "
	}
	if s.Kind == release.Freeze {
		what = "frozen by "
	}
	since := Say(" since ", s.Said.At)
	switch {
	case s.From.After(now):
		who, since = cmp.Or(project, "all projects")+" will be ", Say(" from ", s.From)
	case !s.From.IsZero():
		since = Say(" since ", s.From)
	}
	if !s.Until.IsZero() {
		since = Say(since, " until ", s.Until)
	}
	return Because(Say(who+what+Who(s.Said.By), since), s.Said.Reason)
}
