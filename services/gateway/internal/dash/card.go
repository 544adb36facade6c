package dash

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/outlook"
	"github.com/sluice-gate/sluice/pkg/release"
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
	Clock   Clock
	Note    Text // what it waits for, or why it ended
	Warn    bool // somebody should look
	By      string
	Ref     string
	Commit  string
	What    string // that happened at When: merged, ended
	When    time.Time
	Ended   bool
	Verbs   []release.Verb // that may be asked now
}

// Clock is what is left of a soak or a bake.
type Clock struct {
	Word     string    // due, bakes until, …; empty: there is none
	From, To time.Time // it runs; zero: it stands still
	Left     time.Duration
}

// Runs tells whether it counts down.
func (c Clock) Runs() bool { return !c.To.IsZero() }

// Share is how much is over, in thousandths, at a time.
func (c Clock) Share(now time.Time) int {
	all := c.To.Sub(c.From)
	if all <= 0 {
		return 1000
	}
	return int(min(1000, max(0, 1000*now.Sub(c.From)/all)))
}

// slack is what an alarm and a claim may take; missedTenths is how many tenths of an interval without a heartbeat mean that nobody
// watches, as the promoter counts.
const (
	slack        = 5 * time.Second
	missedTenths = 25
)

// card says of a release what matters at the broker's time now.
func (m *Model) card(r Row, now time.Time) Card {
	s := r.State
	c := Card{
		ID: "r-" + s.Release, Release: s.Release, Project: s.Project, Version: s.Version, Beta: s.Beta, Phase: phaseText(s),
		Tone: toneOf(s.Phase), By: s.Merge.Actor, Ref: s.Merge.Ref, Commit: short(s.Merge.Commit), What: "merged", When: s.MergedAt,
		Ended: s.Phase.Ended(), Verbs: verbs(s),
	}
	if c.Version == "" {
		c.Version = "no version yet"
	}
	switch s.Phase {
	case release.Queued:
		c.Note = m.waitsFor(s)
	case release.Publishing, release.Staging, release.Promoting:
		c.attempt(s)
	case release.Soaking:
		c.soaking(s, r.Around, now)
	case release.Held:
		c.Clock = Clock{Word: "left of the soak", Left: s.Remaining}
	case release.Baking:
		c.baking(s, r.Around, now)
	case release.RollingBack:
		if s.Recalled != nil {
			c.Note, c.Warn = said(*s.Recalled), true
		}
	case release.Promoted, release.Cancelled, release.Failed, release.Superseded, release.RolledBack:
		c.ended(s)
		return c
	case release.None, release.Merged, release.Published, release.Passed, release.Staged:
	}
	if s.Held != nil {
		c.Note, c.Warn = append(held(s), prefixed("; ", c.Note)...), true
	}
	return c
}

func prefixed(by string, t Text) Text {
	if len(t) == 0 {
		return nil
	}
	return say(by, t)
}

// held says who stopped the clock.
func held(s release.State) Text {
	word := "held by "
	if s.Phase != release.Held {
		word = "will be held by "
	}
	return because(word+who(s.Held.By), s.Held.Reason)
}

func (m *Model) waitsFor(s release.State) Text {
	if s.Behind == "" {
		return say("its turn is next")
	}
	place, occupant := m.place(s)
	name := short(s.Behind)
	if occupant.Release != "" {
		name = title(occupant)
	}
	if place > 1 {
		return say(fmt.Sprintf("behind %d waiting and %s", place-1, name))
	}
	if occupant.Held != nil {
		return say("behind "+name+", which is ", held(occupant))
	}
	return say("behind " + name)
}

func (c *Card) attempt(s release.State) {
	for w, a := range s.Attempts {
		if a.Number > 1 {
			c.Note, c.Warn = say(fmt.Sprintf("%s: attempt %d, begun ", w, a.Number), a.Started), true
		}
	}
}

func (c *Card) soaking(s release.State, around outlook.Around, now time.Time) {
	c.Clock = Clock{Word: "due", From: s.SoakFrom, To: s.Due}
	if c.Clock.From.IsZero() || !c.Clock.From.Before(s.Due) {
		c.Clock.From = s.StagedAt
	}
	if s.Expedited != nil {
		c.Clock = Clock{}
		c.By, c.Note = s.Expedited.By, because(expedited(s), s.Expedited.Reason)
	} else if s.Extra > 0 {
		c.Note = say("extended by " + left(s.Extra))
	}
	o := outlook.Of(s, around, now)
	if len(o.Waits) > 0 {
		c.waits(s, o, now)
		return
	}
	since := later(around.Beat, s.SoakFrom)
	switch over := now.Sub(s.Due); {
	case s.Expedited == nil && s.Postponed == nil && over > slack:
		c.Warn, c.Note = true, say(fmt.Sprintf("overdue by %s: is the promoter running?", left(over)))
	case s.Expedited == nil && now.Before(s.Due) && now.Sub(since) > s.BeatEvery()*missedTenths/10+slack:
		c.Warn, c.Note = true, say("not watched since ", since, ": is the watcher running?")
	}
}

// waits says what it waits for, or will wait for when its soak is over.
func (c *Card) waits(s release.State, o outlook.Outlook, now time.Time) {
	var why []string
	for _, w := range o.Waits {
		why = append(why, w.Why)
	}
	c.Note = say(strings.Join(why, "; "))
	word := "promotes "
	if !s.LastStage() {
		word = "goes on "
	}
	if !o.Open && !o.At.IsZero() {
		c.Note = say(word, o.At, ": ", c.Note)
	} else if now.Before(s.Due) {
		c.Note = say("then waits: ", c.Note)
	} else {
		c.Note = say("waits: ", c.Note)
	}
	c.Warn = o.Open && s.Ready(now)
}

func (c *Card) baking(s release.State, around outlook.Around, now time.Time) {
	until := s.PhaseAt.Add(s.Policy.Bake)
	c.Clock = Clock{Word: "bakes until", From: s.PhaseAt, To: until}
	c.Note = say("everybody has it; a check that fails rolls it back")
	since := later(around.Beat, s.PhaseAt)
	switch {
	case now.Sub(until) > slack:
		c.Warn, c.Note = true, say(fmt.Sprintf("overdue by %s: is the promoter running?", left(now.Sub(until))))
	case now.Before(until) && now.Sub(since) > s.BeatEvery()*missedTenths/10+slack:
		c.Warn, c.Note = true, say("not watched since ", since, ": is the watcher running?")
	}
}

func (c *Card) ended(s release.State) {
	c.What, c.When = string(s.Phase), s.End.At
	if s.Phase == release.Promoted {
		if s.Expedited != nil {
			c.By, c.Note = s.Expedited.By, because(expedited(s), s.Expedited.Reason)
		}
		if s.Recalled != nil {
			c.Warn, c.Note = true, because("could not be rolled back", s.Latest.Note)
		}
		return
	}
	c.By, c.Note = s.End.By, say(s.End.Reason)
	if open := leftOpen(s); open != "" {
		c.Warn, c.Note = true, append(c.Note, Part{Words: " (" + open + ")"})
	}
}

// leftOpen says what an ended release left that is not put back.
func leftOpen(s release.State) string {
	var out []string
	for w, what := range map[release.Work]string{release.RestoreStaging: "staging", release.RestoreBeta: "the beta channel"} {
		if s.Needs(w) {
			out = append(out, what+" is still being put back")
		} else if _, failed := s.NotPutBack(w); failed {
			out = append(out, what+" could not be put back")
		}
	}
	if len(out) == 2 && out[0] > out[1] {
		out[0], out[1] = out[1], out[0]
	}
	return strings.Join(out, ", ")
}

func expedited(s release.State) string {
	if s.Forced {
		return "expedited with force"
	}
	return "expedited"
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
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
