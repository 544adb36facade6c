// Package notice says what people are told of a release: which journal records make a notice, what stands in it, and how it reads
// where it goes. It is pure.
//
// Whoever reads it may be tired, at night, on a phone: the first line says it all, the next ones say why, until when there is time,
// and with which exact commands something can be done about it.
//
// # Texts from outside
//
// A reason or an evidence is whatever somebody wrote: "<!channel>", markdown, ten megabytes. Every text is made one bounded line
// ([releasepb.Line]) before it goes anywhere. Then it is made fit for where it goes, before a template sees it: Slack's three characters of
// control and Discord's markdown are escaped, and nothing that they would look up, a channel or a group or a link, is; in cards of Teams it
// stands in plain runs, which know no markdown. Mail, webhooks and what shoutrrr sends to get it as it is: plain text.
package notice

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/story"
)

// Record is a journal record, and what only the broker knows of it.
type Record struct {
	releasepb.Record           // its state is stamped
	At               time.Time // the broker's timestamp
	Attention        string    // why somebody should look, as the header says; most records have none
}

// Bounds of texts, in bytes.
const (
	maxTitle    = 300
	maxWhy      = 600
	maxEvidence = 600
	maxShort    = 200
)

// Of is what people are told of a record; false for nothing. board is where people reach the dashboard, or empty.
func Of(r Record, board string) (project.Notice, bool) {
	event, what, said := happened(r)
	if event == "" {
		return project.Notice{}, false
	}
	s := r.State
	line := func(text string, most int) string { return releasepb.Line(text, most) }
	n := project.Notice{
		Event: event, Attention: r.Attention != "", Project: line(s.Project, maxShort), Release: line(s.Release, maxShort),
		Version: line(s.Version, maxShort), Phase: string(s.Phase), Commit: line(s.Merge.Commit, maxShort),
		Author: line(s.Merge.Actor, maxShort), Link: line(s.Merge.URL, maxShort), Who: line(said.By, maxShort),
		Why: line(said.Reason, maxWhy), At: r.At.UTC(),
	}
	if !s.Phase.Ended() && !s.Phase.Out() {
		n.Stage = line(s.StageName(), maxShort)
	}
	if event == project.TellCancelled || event == project.TellRolledBack || n.Attention {
		n.Evidence = line(s.Evidence, maxEvidence)
	}
	n.Title = line(strings.TrimSpace(s.Project+" "+cmp.Or(s.Version, s.Beta))+" "+what, maxTitle)
	n.Due, n.Next = next(r)
	n.Acts = acts(s)
	if board != "" {
		n.Board = board + "/releases/" + n.Release
	}
	return n, true
}

// happened is the word for what a record tells, what it is in words that follow the release's name, and who said so and why.
func happened(r Record) (event project.Tell, what string, said release.Said) {
	s := r.State
	switch e := r.Event.(type) {
	case release.WasSoaked:
		return project.TellSoaking, "soaks in " + s.StageName(), release.Said{}
	case release.WasBaking:
		return project.TellPromoted, "is promoted, and watched in production", promotedBy(s)
	case release.WasDone:
		return done(s, e)
	case release.WasHeld:
		return project.TellHeld, "is held" + by(e.Holding.Said), e.Holding.Said
	case release.WasPostponed:
		event = project.TellPostponed
		if e.Obstacle.Kind == release.ByApproval {
			event = project.TellApproval
		}
		return event, "waits: " + e.Obstacle.Why, release.Said{Reason: e.Obstacle.Why}
	case release.WasNotRolledBack:
		return project.TellAttention, "could not be rolled back" + because(e.Said.Reason), e.Said
	case release.WasCancelled:
		return project.TellCancelled, "is cancelled" + by(e.Said), e.Said
	case release.WasFailed:
		where := ""
		if s.FailedIn != release.None {
			where = " while " + string(s.FailedIn)
		}
		return project.TellFailed, "failed" + where + because(e.Said.Reason), e.Said
	case release.WasSuperseded:
		return project.TellSuperseded, "is superseded by a newer release", release.Said{Reason: "superseded by " + e.Newer}
	case release.WasRefused:
		what = fmt.Sprintf("is not changed by the %s of %s%s", e.Verb, cmp.Or(e.Said.By, "somebody"), because(e.Said.Reason))
		return project.TellRefused, what, e.Said
	case nil: // a newer version wrote it
	case release.WasMerged, release.WasBegun, release.WasQueued, release.WasResumed, release.WasExtended, release.WasExpedited,
		release.WasApproved, release.WasPassed, release.WasRetried, release.WasRecalled:
	}
	if r.Attention != "" {
		return project.TellAttention, "needs attention: " + r.Attention, release.Said{Reason: r.Attention}
	}
	return "", "", release.Said{}
}

// done is what finished work is worth telling.
func done(s release.State, e release.WasDone) (project.Tell, string, release.Said) {
	switch {
	case e.Failed:
		what := "its beta is not taken back"
		if e.Work == release.RestoreStaging {
			what = "staging is not put back"
		}
		return project.TellAttention, "has ended, and " + what + because(e.Note), release.Said{Reason: e.Note}
	case e.Work == release.Promote && s.Policy.Bake == 0: // else it was told when everybody got it
		return project.TellPromoted, "is promoted", promotedBy(s)
	case e.Work == release.Rollback:
		said := release.Said{}
		if s.Recalled != nil {
			said = *s.Recalled
		}
		what := "is rolled back" + by(said)
		if before := s.Latest.Before; before != "" {
			what = "is rolled back to " + story.Value(before) + by(said)
		}
		return project.TellRolledBack, what, said
	}
	return "", "", release.Said{}
}

// promotedBy is who did not want to wait.
func promotedBy(s release.State) release.Said {
	if s.Expedited != nil {
		return *s.Expedited
	}
	return release.Said{}
}

func by(s release.Said) string {
	if s.By == "" {
		return because(s.Reason)
	}
	return " by " + s.By + because(s.Reason)
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// next is what happens if nobody says anything, and when.
func next(r Record) (time.Time, string) {
	s := r.State
	limit, limited := s.Deadline()
	switch s.Phase { //nolint:exhaustive // the others have no clock that a person looks at
	case release.Soaking:
		if s.Postponed == nil {
			if s.LastStage() {
				return s.Due.UTC(), "it is promoted"
			}
			return s.Due.UTC(), "it goes on to the next stage"
		}
		if !s.Postponed.Until.IsZero() {
			return s.Postponed.Until.UTC(), "it goes on"
		}
	case release.Baking:
		return s.PhaseAt.Add(s.Policy.Bake).UTC(), "its promotion is final"
	}
	if limited && !s.Phase.Ended() && !s.Phase.Out() {
		return limit.UTC(), "it fails"
	}
	return time.Time{}, ""
}

// acts is what a person can do about a release as it is.
func acts(s release.State) []project.Act {
	var verbs []release.Verb
	switch s.Phase {
	case release.Soaking:
		verbs = []release.Verb{release.Cancel, release.Hold, release.Expedite}
		if s.Approvals().Missing() > 0 {
			verbs = append([]release.Verb{release.Approve}, verbs...)
		}
	case release.Held:
		verbs = []release.Verb{release.Resume, release.Cancel}
		if s.Held != nil && s.Held.System {
			verbs = append(verbs, release.Expedite)
		}
	case release.Merged, release.Publishing, release.Published, release.Passed, release.Queued, release.Staging, release.Staged:
		verbs = []release.Verb{release.Cancel, release.Hold, release.Expedite}
	case release.Failed:
		verbs = []release.Verb{release.Retry}
		if s.Reached {
			verbs = append(verbs, release.Recall)
		}
	case release.Baking, release.Promoted:
		verbs = []release.Verb{release.Recall}
	case release.None, release.Promoting, release.RollingBack, release.Cancelled, release.Superseded, release.RolledBack:
	}
	var out []project.Act
	for _, v := range verbs {
		out = append(out, Act(v, s.Release))
	}
	return out
}

// Act is how that is asked of a release. What stops is taken without a name.
func Act(v release.Verb, id string) project.Act {
	subject := "sluice." + string(v) + "." + id
	if v != release.Cancel && v != release.Hold {
		subject += ".YOU"
	}
	why, body := "WHY", "WHY"
	if v == release.Extend {
		why, body = "--by 30m WHY", `"30m WHY"`
	}
	return project.Act{
		Verb: string(v), Sluice: fmt.Sprintf("sluice %s %s %s", v, id, why), NATS: fmt.Sprintf("nats pub -J %s %s", subject, body),
	}
}
