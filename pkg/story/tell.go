// Package story says in words what happened to a release, who did it, why, and what led to it; where it stands; and what it waits
// for. The command line, its live view and the dashboard say it with these words. It is pure.
//
// An instant in a sentence stays an instant ([Part]): a terminal prints it in the zone of whoever reads, as short as the day allows; a
// page gives it as a <time>, which the browser shows in its zone; programs get it as they read times.
package story

import (
	"fmt"
	"strings"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// Told is one journal record for people.
type Told struct {
	Word     string   // what happened, in the journal's word
	By       string   // the person, or the watcher, who made it happen; empty when Sluice did by itself, or they gave no name
	Text     Text     // the rest of the sentence
	Notes    []string // further lines: what the drivers said, digests
	Evidence string   // the watcher's, JSON
}

// Tell says what a record, whose state is stamped, says.
func Tell(r releasepb.Record) Told {
	t := Told{Word: r.Type, By: release.SaidOf(r.Event).By}
	switch e := r.Event.(type) {
	case release.WasMerged:
		t.Text = merged(e)
		t.note(fmt.Sprintf("%s, lane %s (%s), project file %s", soaks(r.State), e.Policy.Lane, e.Policy.Collision, e.Policy.Revision))
		t.note(e.Merge.URL)
	case release.WasBegun:
		t.Text = Say(begun(e, r.State))
		if e.Work == release.Publish {
			t.note(e.Plan.Digest)
		}
	case release.WasDone:
		t.Text = Say(done(e, r.State))
		t.note(e.Note)
	case release.WasQueued:
		t.Text = behind(e.Behind)
	case release.WasSoaked:
		t.Text = soaked(e, r.State)
	case release.WasPostponed:
		t.Text = Say(e.Obstacle.Why)
		if !e.Obstacle.Until.IsZero() {
			t.Text = Say("until ", e.Obstacle.Until, ": ", e.Obstacle.Why)
		}
	case release.WasPassed:
		t.Text = Say("stage " + r.State.StageName() + " is next")
	case release.WasBaking:
		t.Text = Say("everybody gets "+Value(e.Value)+"; watched until ", r.State.PhaseAt.Add(r.State.Policy.Bake))
		t.note(e.Note)
	case release.WasSuperseded:
		t.Text = Say("by ", idOf(e.Newer))
	case release.WasRefused:
		t.Text = Because(fmt.Sprintf("the %s of %s", e.Verb, Who(e.Said.By)), e.Said.Reason)
	case nil:
		t.Text = Say("(written by a newer version of Sluice)")
	case release.WasHeld, release.WasResumed, release.WasExtended, release.WasExpedited, release.WasApproved, release.WasRetried,
		release.WasRecalled, release.WasNotRolledBack, release.WasCancelled, release.WasFailed:
		t.Text, t.Evidence = word(e, r.State), evidenceOf(e)
	}
	return t
}

// word is what somebody, or Sluice itself, said of a release.
func word(e release.Event, s release.State) Text {
	by := By(release.SaidOf(e))
	switch e := e.(type) { //nolint:gochecksumtype // of the others there is no more to say
	case release.WasHeld:
		return Say(by, leftOf(s))
	case release.WasResumed:
		if s.Phase == release.Soaking {
			return Say(by, " (due ", e.Due, ")")
		}
	case release.WasExtended:
		by = Say(Left(e.By)+" more, ", by, leftOf(s))
		if s.Phase == release.Soaking {
			return Say(by, " (due ", s.Due, ")")
		}
	case release.WasExpedited:
		if e.Force {
			return Say("with force, ", by)
		}
	case release.WasApproved:
		return Say(by, " ("+s.Approvals().String()+")")
	case release.WasNotRolledBack:
		return Say(by, "; it stays "+string(s.Phase))
	}
	return by
}

// leftOf is how much of its soak a release has left whose clock stands still; nothing for others.
func leftOf(s release.State) string {
	if s.Phase != release.Held {
		return ""
	}
	return fmt.Sprintf(" (%s of the soak left)", Left(s.Remaining))
}

// evidenceOf is what the watcher saw that led to the event.
func evidenceOf(e release.Event) string {
	switch e := e.(type) { //nolint:gochecksumtype // these have evidence
	case release.WasCancelled:
		return e.Evidence
	case release.WasRecalled:
		return e.Evidence
	}
	return ""
}

func (t *Told) note(text string) {
	if text != "" {
		t.Notes = append(t.Notes, text)
	}
}

func merged(e release.WasMerged) Text {
	rest := ""
	if e.Merge.Ref != "" {
		rest += " of " + e.Merge.Ref
	}
	if e.Merge.Actor != "" {
		rest += " by " + e.Merge.Actor
	}
	if e.Merge.Attempt > 1 {
		rest += fmt.Sprintf(", attempt %d", e.Merge.Attempt)
	}
	return Say("commit ", Part{Words: e.Merge.Commit, Short: Commit(e.Merge.Commit)}, rest)
}

// soaks says for how long a release soaks, in every stage.
func soaks(s release.State) string {
	var out []string
	for i := range max(1, len(s.Policy.Stages)) {
		s.Stage = i
		text := "no soak"
		if d := s.Delay(); d > 0 {
			text = "soak " + Left(d)
		}
		if len(s.Policy.Stages) > 1 {
			text += " in " + s.StageName()
		}
		if n := s.Approvals().Needed; n > 0 {
			text += fmt.Sprintf(", %d approvals", n)
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func soaked(e release.WasSoaked, s release.State) Text {
	if s.Phase == release.Held {
		return Say("held at once, as was asked before")
	}
	stage := Stage(s)
	if stage != "" {
		stage = ", stage " + stage
	}
	return Say("until ", e.Due, ", for "+Left(e.Due.Sub(s.StagedAt))+stage)
}

func begun(e release.WasBegun, s release.State) string {
	var text string
	switch e.Work {
	case release.Publish:
		text = e.Plan.Version
		if e.Plan.Beta != e.Plan.Version && e.Plan.Beta != "" {
			text += " as " + e.Plan.Beta
		}
	case release.Stage:
		text = "to " + s.StageName()
	case release.Promote:
		text = "claimed; what is asked from now on comes too late"
		if e.Before != "" {
			text += " (everybody has " + Value(e.Before) + ")"
		}
	case release.RestoreBeta:
		text = "the beta channel"
	case release.RestoreStaging:
		text = leftStage(s)
	case release.Rollback:
		text = "what was promoted"
	}
	if e.Attempt.Number > 1 {
		text += fmt.Sprintf(" (attempt %d)", e.Attempt.Number)
	}
	return text
}

func done(e release.WasDone, s release.State) string {
	switch e.Work {
	case release.Publish:
		return "the beta is " + Value(e.Value)
	case release.Stage:
		return s.StageName() + " runs " + Value(e.Value)
	case release.Promote:
		return "everybody gets " + Value(e.Value)
	case release.RestoreBeta:
		return back("the beta channel", e)
	case release.RestoreStaging:
		return back(putBack(s), e)
	case release.Rollback:
		if e.Value == "" {
			return "what was promoted is taken back"
		}
		return "everybody gets " + Value(e.Value) + " again"
	}
	return e.Value
}

// putBack names the stage that was put back last: the last one goes first.
func putBack(s release.State) string {
	for i, c := range s.Passed {
		if c.Restored {
			s.Stage = i
			break
		}
	}
	return s.StageName()
}

// leftStage names the stage that is put back next.
func leftStage(s release.State) string {
	if i, ok := s.LeftStage(); ok {
		s.Stage = i
	}
	return s.StageName()
}

func back(what string, e release.WasDone) string {
	switch {
	case e.Failed:
		return what + " is not put back, and nobody tries again"
	case e.Value == "":
		return what
	}
	return what + " to " + Value(e.Value)
}

// Service is the service that stored a record, without its instance.
func Service(r releasepb.Record) string {
	service, _, _ := strings.Cut(r.Service, "@")
	return service
}

// Cause is after which message a record was stored, "#14 cancel"; empty when the record does not tell. Other streams than SLUICE are named.
func Cause(r releasepb.Record) string {
	parts := strings.SplitN(r.Cause, " ", 3)
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
	if parts[0] != topology.StreamSluice {
		out += " of " + parts[0]
	}
	return out
}
