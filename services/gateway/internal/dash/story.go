package dash

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// Moment is one record of a journal for people.
type Moment struct {
	ID      string // of the element
	Seq     uint64
	At      time.Time
	Word    string // what happened, in the journal's word
	Tone    Tone
	By      string // who made it happen, as far as a person or the watcher did
	Text    Text
	Notes   []string // what the drivers said, digests
	Raw     string   // the watcher's evidence, JSON
	Service string   // that stored it
	After   string   // what led to it
}

// moment says what a record says.
func moment(r journal.Record) Moment {
	m := Moment{ID: fmt.Sprintf("m-%d", r.Seq), Seq: r.Seq, At: r.At, Word: r.Type, Tone: Calm, After: cause(r.Cause)}
	m.Service, _, _ = strings.Cut(r.Service, "@")
	if release.Phase(r.Type) == r.State.Phase {
		m.Tone = toneOf(r.State.Phase)
	}
	switch e := r.Event.(type) {
	case release.WasMerged:
		m.By, m.Text = e.Merge.Actor, merged(e)
		m.note(e.Merge.URL)
	case release.WasBegun:
		m.Text = begun(e, r.State)
		if e.Work == release.Publish {
			m.note(e.Plan.Digest)
		}
	case release.WasDone:
		m.Text = done(e, r.State)
		m.note(e.Note)
		if e.Failed {
			m.Tone = Bad
		}
	case release.WasQueued:
		m.Text = say("its turn is next")
		if e.Behind != "" {
			m.Text = say("behind " + short(e.Behind))
		}
	case release.WasSoaked:
		m.Text = say("until ", e.Due, ", for "+left(e.Due.Sub(r.State.StagedAt)))
	case release.WasPostponed:
		m.Text = say(e.Obstacle.Why)
		if !e.Obstacle.Until.IsZero() {
			m.Text = say("until ", e.Obstacle.Until, ": ", e.Obstacle.Why)
		}
	case release.WasPassed:
		m.Text = say("stage " + r.State.StageName() + " is next")
	case release.WasBaking:
		m.Text = say("everybody gets "+value(e.Value)+"; watched until ", r.At.Add(r.State.Policy.Bake))
		m.note(e.Note)
	case release.WasSuperseded:
		m.Text = say("by " + short(e.Newer))
	case release.WasRefused:
		m.By, m.Tone = e.Said.By, Wait
		m.Text = because(fmt.Sprintf("the %s of %s", e.Verb, who(e.Said.By)), e.Said.Reason)
	case nil:
		m.Text = say("written by a newer version of Sluice")
	case release.WasHeld, release.WasResumed, release.WasExtended, release.WasExpedited, release.WasApproved, release.WasRetried,
		release.WasRecalled, release.WasNotRolledBack, release.WasCancelled, release.WasFailed:
		m.word(r)
	}
	return m
}

// word says what somebody, or Sluice itself, said of a release.
func (m *Moment) word(r journal.Record) {
	var by release.Said
	switch e := r.Event.(type) { //nolint:gochecksumtype // the others are nobody's word
	case release.WasHeld:
		by = e.Holding.Said
		if r.State.Phase == release.Held {
			m.note(left(r.State.Remaining) + " of the soak left")
		}
	case release.WasResumed:
		by = e.Said
		if !e.Due.IsZero() {
			m.Text = say("due ", e.Due, ", ")
		}
	case release.WasExtended:
		by, m.Text = e.Said, say(left(e.By)+" more, ")
	case release.WasExpedited:
		by = e.Said
		if e.Force {
			m.Text = say("with force, ")
		}
	case release.WasApproved:
		by, m.Text = e.Said, say(r.State.Approvals().String()+", ")
	case release.WasRetried:
		by = e.Said
	case release.WasRecalled:
		by, m.Raw = e.Said, e.Evidence
	case release.WasNotRolledBack:
		by, m.Tone = e.Said, Bad
	case release.WasCancelled:
		by, m.Raw = e.Said, e.Evidence
	case release.WasFailed:
		by = e.Said
	}
	m.By, m.Text = by.By, append(m.Text, said(by)...)
}

func (m *Moment) note(text string) {
	if text != "" {
		m.Notes = append(m.Notes, text)
	}
}

func merged(e release.WasMerged) Text {
	text := "commit " + short(e.Merge.Commit)
	if e.Merge.Ref != "" {
		text += " of " + e.Merge.Ref
	}
	if e.Merge.Actor != "" {
		text += " by " + e.Merge.Actor
	}
	if e.Merge.Attempt > 1 {
		text += fmt.Sprintf(", attempt %d", e.Merge.Attempt)
	}
	return say(fmt.Sprintf("%s, lane %s (%s)", text, e.Policy.Lane, e.Policy.Collision))
}

func begun(e release.WasBegun, s release.State) Text {
	var text string
	switch e.Work {
	case release.Publish:
		text = cmp.Or(e.Plan.Beta, e.Plan.Version)
	case release.Stage:
		text = "to " + s.StageName()
	case release.Promote:
		text = "claimed; what is asked from now on comes too late"
		if e.Before != "" {
			text += " (everybody has " + value(e.Before) + ")"
		}
	case release.RestoreBeta:
		text = "the beta channel"
	case release.RestoreStaging:
		text = "staging"
	case release.Rollback:
		text = "what was promoted"
	}
	if e.Attempt.Number > 1 {
		text += fmt.Sprintf(" (attempt %d)", e.Attempt.Number)
	}
	return say(text)
}

func done(e release.WasDone, s release.State) Text {
	back := func(what string) string {
		switch {
		case e.Failed:
			return what + " is not put back, and nobody tries again"
		case e.Value == "":
			return what
		}
		return what + " to " + value(e.Value)
	}
	switch e.Work {
	case release.Publish:
		return say("the beta is " + value(e.Value))
	case release.Stage:
		return say(s.StageName() + " runs " + value(e.Value))
	case release.Promote:
		return say("everybody gets " + value(e.Value))
	case release.RestoreBeta:
		return say(back("the beta channel"))
	case release.RestoreStaging:
		return say(back("staging"))
	case release.Rollback:
		if e.Value == "" {
			return say("what was promoted is taken back")
		}
		return say("everybody gets " + value(e.Value) + " again")
	}
	return say(e.Value)
}

// cause says after what a record was stored: "#14 cancel".
func cause(text string) string {
	parts := strings.SplitN(text, " ", 3)
	if len(parts) != 3 {
		return ""
	}
	out := "#" + parts[1]
	switch s, err := topology.ParseSubject(parts[2]); {
	case err != nil:
	case s.Kind == topology.KindRequest:
		out += " " + s.Verb
	case s.Kind != topology.KindRelease:
		out += " " + string(s.Kind)
	}
	return out
}

// outcome is where a release stands, in a sentence.
func outcome(s release.State) Text {
	switch s.Phase {
	case release.Promoted:
		return say("Promoted ", s.End.At, ".")
	case release.Cancelled:
		return say(because("Cancelled by "+who(s.End.By), s.End.Reason))
	case release.Failed:
		return say(because("Failed", s.End.Reason))
	case release.Superseded:
		return say("Superseded: ", s.End.Reason)
	case release.RolledBack:
		return say(because("Rolled back by "+who(s.End.By), s.End.Reason))
	case release.RollingBack:
		return say("It is being rolled back.")
	case release.Baking:
		return say("Everybody has it; it bakes until ", s.PhaseAt.Add(s.Policy.Bake), ".")
	case release.Soaking:
		switch {
		case s.Expedited != nil:
			return say(because("Expedited by "+who(s.Expedited.By), s.Expedited.Reason))
		case s.Postponed != nil:
			return say("Its soak is over, and it waits.")
		}
		return say("It soaks until ", s.Due, " and is promoted then, unless somebody or a check says no.")
	case release.Held:
		return say(because("Held by "+who(s.Held.By), s.Held.Reason))
	case release.Queued:
		return say("It waits for its lane.")
	case release.Promoting:
		return say("It is being promoted.")
	case release.None:
		return say("It is not admitted yet.")
	case release.Merged, release.Publishing, release.Published, release.Passed, release.Staging, release.Staged:
	}
	return say("It is on its way to staging.")
}

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
