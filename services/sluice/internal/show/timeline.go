package show

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// Told is one journal record for people.
type Told struct {
	Word string   // what happened, in the journal's word
	Text string   // the rest of the sentence
	More []string // further lines: notes, evidence
}

// Tell says what a record says, in the zone of its time.
func Tell(r journal.Record) Told {
	t := Told{Word: r.Type}
	now := r.At
	switch e := r.Event.(type) {
	case release.WasMerged:
		t.Text, t.More = merged(e, r.State)
	case release.WasBegun:
		t.Text = begun(e, r.State)
		if e.Work == release.Publish {
			t.note(e.Plan.Digest)
		}
	case release.WasDone:
		t.Text = done(e, r.State)
		t.note(e.Note)
	case release.WasQueued:
		t.Text = "its turn is next"
		if e.Behind != "" {
			t.Text = "behind " + e.Behind
		}
	case release.WasSoaked:
		t.Text = soaked(e, r.State, now)
	case release.WasHeld:
		t.Text = said(e.Holding.Said)
		if r.State.Phase == release.Held {
			t.Text += fmt.Sprintf(" (%s of the soak left)", Left(r.State.Remaining))
		}
	case release.WasResumed:
		t.Text = fmt.Sprintf("%s (due %s)", said(e.Said), Clock(e.Due, now))
		if r.State.Phase != release.Soaking {
			t.Text = said(e.Said)
		}
	case release.WasExtended:
		t.Text = fmt.Sprintf("%s more, %s%s", Left(e.By), said(e.Said), extendedTo(r.State, now))
	case release.WasExpedited:
		t.Text = said(e.Said)
		if e.Force {
			t.Text = "with force, " + t.Text
		}
	case release.WasApproved:
		t.Text = fmt.Sprintf("%s (%s)", said(e.Said), r.State.Approvals())
	case release.WasPostponed:
		t.Text = postponed(e.Obstacle, now)
	case release.WasPassed:
		t.Text = fmt.Sprintf("stage %s is next", r.State.StageName())
	case release.WasBaking:
		t.Text = fmt.Sprintf("everybody gets %s; watched until %s", Value(e.Value), Clock(now.Add(r.State.Policy.Bake), now))
		t.note(e.Note)
	case release.WasRetried:
		t.Text = said(e.Said)
	case release.WasRecalled:
		t.Text = said(e.Said)
		t.evidence(e.Evidence)
	case release.WasNotRolledBack:
		t.Text = fmt.Sprintf("%s; it stays %s", said(e.Said), r.State.Phase)
	case release.WasCancelled:
		t.Text = said(e.Said)
		t.evidence(e.Evidence)
	case release.WasFailed:
		t.Text = said(e.Said)
	case release.WasSuperseded:
		t.Text = "by " + e.Newer
	case release.WasRefused:
		t.Text = fmt.Sprintf("the %s of %s: %s", e.Verb, cmp.Or(e.Said.By, "somebody"), e.Said.Reason)
	case nil:
		t.Text = "(written by a newer version of Sluice)"
	}
	return t
}

func soaked(e release.WasSoaked, s release.State, now time.Time) string {
	if s.Phase == release.Held {
		return "held at once, as was asked before"
	}
	text := fmt.Sprintf("until %s, for %s", Clock(e.Due, now), Left(e.Due.Sub(s.StagedAt)))
	if stage := StageOf(s); stage != "" {
		text += ", stage " + stage
	}
	return text
}

func postponed(o release.Obstacle, now time.Time) string {
	if o.Until.IsZero() {
		return o.Why
	}
	return fmt.Sprintf("until %s: %s", Clock(o.Until, now), o.Why)
}

func (t *Told) note(text string) {
	if text != "" {
		t.More = append(t.More, text)
	}
}

// evidence notes what the watcher saw, and where to look.
func (t *Told) evidence(text string) {
	t.note(text)
	for _, link := range judge.LinksIn(text) {
		t.note("see " + link)
	}
}

func said(s release.Said) string {
	return reason("by "+cmp.Or(s.By, "somebody"), s.Reason)
}

func merged(e release.WasMerged, s release.State) (text string, more []string) {
	text = "commit " + e.Merge.Commit
	if e.Merge.Ref != "" {
		text += " of " + e.Merge.Ref
	}
	if e.Merge.Actor != "" {
		text += " by " + e.Merge.Actor
	}
	if e.Merge.Attempt > 1 {
		text += fmt.Sprintf(", attempt %d", e.Merge.Attempt)
	}
	more = append(more, fmt.Sprintf("%s, lane %s (%s), project file %s", soaks(s), e.Policy.Lane, e.Policy.Collision, e.Policy.Revision))
	if e.Merge.URL != "" {
		more = append(more, e.Merge.URL)
	}
	return text, more
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

func begun(e release.WasBegun, s release.State) string {
	var text string
	switch e.Work {
	case release.Publish:
		text = e.Plan.Version
		if e.Plan.Beta != e.Plan.Version {
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

// Value is what a channel points to, its digest shortened.
func Value(value string) string {
	const kept = len("sha256:") + 12
	if i := strings.Index(value, "sha256:"); i >= 0 && len(value) > i+kept {
		return value[:i+kept] + "…"
	}
	return value
}

func extendedTo(s release.State, now time.Time) string {
	switch s.Phase { //nolint:exhaustive // before the soak there is no due time yet
	case release.Soaking:
		return fmt.Sprintf(" (due %s)", Clock(s.Due, now))
	case release.Held:
		return fmt.Sprintf(" (%s of the soak left)", Left(s.Remaining))
	}
	return ""
}

// Timeline is a journal, a line or two for each record.
func Timeline(records []journal.Record, st Style) string {
	var b strings.Builder
	last := ""
	for _, r := range records {
		if day := r.At.In(st.zone()).Format("Mon 2006-01-02 MST"); day != last {
			last = day
			b.WriteString(st.Dim(day) + "\n")
		}
		b.WriteString(Moment(r, st))
	}
	return b.String()
}

// Moment is one record of a timeline.
func Moment(r journal.Record, st Style) string {
	r.At = r.At.In(st.zone())
	t := Tell(r)
	var b strings.Builder
	word := fmt.Sprintf("%-10s", t.Word)
	if release.Phase(t.Word) == r.State.Phase {
		word = st.Phase(r.State.Phase, word)
	}
	fmt.Fprintf(&b, "  %s  %s  %s  %s\n", r.At.Format("15:04:05.000"), word, t.Text, st.Dim(cause(r)))
	indent := strings.Repeat(" ", 2+len("15:04:05.000")+2+10+2)
	for _, line := range t.More {
		fmt.Fprintf(&b, "%s%s\n", indent, line)
	}
	return b.String()
}

// cause says which record this is, who stored it, and after what: "[#15 promoter, after #14]".
func cause(r journal.Record) string {
	service, _, _ := strings.Cut(r.Service, "@")
	after := ""
	if parts := strings.SplitN(r.Cause, " ", 3); len(parts) == 3 {
		after = ", after #" + parts[1]
		switch s, err := topology.ParseSubject(parts[2]); {
		case err != nil:
		case s.Kind == topology.KindRequest:
			after += " " + s.Verb
		case s.Kind != topology.KindRelease:
			after += " " + string(s.Kind)
		}
		if parts[0] != topology.StreamSluice {
			after += " of " + parts[0]
		}
	}
	return fmt.Sprintf("[#%d %s%s]", r.Seq, service, after)
}
