package show

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/outlook"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/story"
)

// Details is all that matters of one release, in the zone of now.
func Details(row board.Row, now time.Time, st Style) string {
	var b strings.Builder
	s, around := row.State, row.Around
	fmt.Fprintf(&b, "%s  %s\n", st.Bold(story.Title(s)), st.Phase(s.Phase, Outcome(s, now)))
	line := LineOf(row, now)
	field := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	if line.Warn && line.Why != "" {
		field("attention", "%s", st.Yellow(line.Why))
	}
	field("release", "%s", s.Release)
	commit := s.Merge.Commit
	if s.Merge.Ref != "" {
		commit += " of " + s.Merge.Ref
	}
	if s.Merge.Actor != "" {
		commit += " by " + s.Merge.Actor
	}
	field("commit", "%s, merged %s", commit, date(s.MergedAt, now))
	if s.Merge.URL != "" {
		field("url", "%s", s.Merge.URL)
	}
	if s.Digest != "" {
		field("artifact", "%s, %s", s.Merge.Artifact, s.Digest)
	}
	field("lane", "%s", s.Policy.Lane)
	if s.Phase == release.Queued {
		field("waits", "%s", waitsFor(row).Brief(clockAt(now)))
	}
	if s.Beta != "" {
		field("beta", "%s", story.Channel(s.Beta, s.BetaChannel))
	}
	stages(s, field)
	ahead(s, around, now, field)
	if s.Expedited != nil {
		field("expedited", "%s at %s", story.By(*s.Expedited), date(s.Expedited.At, now))
	}
	if text := story.Channel(s.Latest.Value, s.Latest); text != "" && (s.Phase.Out() || s.Reached) {
		field("latest", "%s", text)
	}
	if s.Recalled != nil {
		field("recalled", "%s at %s", story.By(*s.Recalled), date(s.Recalled.At, now))
	}
	if next := again(s); next != "" {
		if s.Reached {
			next += " tries the promotion again, sluice rollback " + First(s.Release) + " puts back what of it is outside"
		} else {
			next += " takes it up again"
		}
		field("next", "%s", next)
	}
	for _, doubt := range around.Doubts {
		field("note", "%s", doubt)
	}
	if s.LateCancel != nil {
		field("cancelled", "by %s at %s, too late: it is not retried", story.Who(s.LateCancel.By), date(s.LateCancel.At, now))
	}
	if s.Evidence != "" {
		field("evidence", "%s", s.Evidence)
	}
	return b.String()
}

// stages tells of every stage that the release came to.
func stages(s release.State, field func(name, format string, args ...any)) {
	if at := story.Stage(s); at != "" {
		field("stage", "%s", at)
	}
	all := append(s.Passed[:len(s.Passed):len(s.Passed)], s.Staging)
	for i, c := range all {
		if c.Touched {
			s.Stage = i
			field(s.StageName(), "%s", story.Channel(c.Value, c))
		}
	}
}

// ahead tells what a live release waits for, and until when.
func ahead(s release.State, around outlook.Around, now time.Time, field func(name, format string, args ...any)) {
	if s.Phase == release.Soaking {
		field("due", "%s", date(s.Due, now))
	}
	if s.Phase == release.Baking {
		field("bakes", "until %s; a check that fails rolls it back", date(s.PhaseAt.Add(s.Policy.Bake), now))
	}
	if (s.Phase == release.Soaking || s.Phase == release.Baking) && !around.Beat.IsZero() {
		field("watched", "last %s ago", story.Left(now.Sub(around.Beat)))
	}
	if o := outlook.Of(s, around, now); len(o.Waits) > 0 {
		for _, w := range o.Waits {
			field("waits for", "%s", obstacle(s, w, around, now))
		}
		if !o.At.IsZero() {
			at := date(o.At, now)
			if o.Open {
				at = "when that is over, not before " + at
			}
			field(story.Leaving(s), "%s", at)
		}
	}
	people(s, now, field)
	if at, limited := s.Deadline(); limited && !s.Phase.Ended() {
		field("deadline", "%s: then it fails", date(at, now))
	}
}

// people tells what people said, or have to say, of a live release, and what it needs of others.
func people(s release.State, now time.Time, field func(name, format string, args ...any)) {
	if a := s.Approvals(); a.Needed > 0 && (a.Missing() == 0 || s.Phase != release.Soaking) && !s.Phase.Ended() && !s.Phase.Out() {
		by := ""
		if len(a.By) > 0 {
			by = ", by " + story.Names(a.By)
		}
		field("approvals", "%s%s", a, by)
	}
	if needs := s.AllNeeds(); len(needs) > 0 && !s.Phase.Ended() && !s.Phase.Out() {
		var all []string
		for _, n := range needs {
			all = append(all, n.String())
		}
		field("needs", "%s", strings.Join(all, ", "))
	}
	if s.Held != nil && !s.Phase.Ended() {
		text := story.Because(fmt.Sprintf("by %s since %s", story.Who(s.Held.By), date(s.Held.At, now)), s.Held.Reason).String() + "; "
		if s.Phase == release.Held {
			text += "it keeps lane " + s.Policy.Lane + " until it is resumed or cancelled"
		} else {
			text += "from the beginning of its soak on"
		}
		field("held", "%s", text)
	}
}

// obstacle is one, with its end in the reader's zone, and in that of the windows where the clock shows something else there.
func obstacle(s release.State, o release.Obstacle, around outlook.Around, now time.Time) string {
	if o.Until.IsZero() {
		return story.Waits(s, []release.Obstacle{o})
	}
	text := fmt.Sprintf("%s, until %s", o.Why, date(o.Until, now))
	if zone := around.Windows.Zone; zone != nil && o.Kind == release.ByWindow {
		there := o.Until.In(zone)
		if _, offset := there.Zone(); offset != offsetOf(o.Until.In(now.Location())) {
			text += fmt.Sprintf(" (%s %s)", there.Format("Mon 15:04"), zone)
		}
	}
	return text
}

func offsetOf(t time.Time) int {
	_, offset := t.Zone()
	return offset
}

// JSON is a release for programs. Fields are only ever added.
type JSON struct {
	Release   string     `json:"release"`
	Project   string     `json:"project"`
	Version   string     `json:"version,omitempty"`
	Beta      string     `json:"beta,omitempty"`
	Digest    string     `json:"digest,omitempty"`
	Phase     string     `json:"phase"`
	Ended     bool       `json:"ended"`
	Commit    string     `json:"commit"`
	Ref       string     `json:"ref,omitempty"`
	Actor     string     `json:"actor,omitempty"`
	Attempt   int        `json:"attempt"`
	Lane      string     `json:"lane"`
	Behind    string     `json:"behind,omitempty"`      // the release that occupies the lane
	Place     int        `json:"place,omitempty"`       // in the queue of the lane; 1 is the next
	HeldUp    *HeldUp    `json:"behind_held,omitempty"` // the release that occupies the lane is held
	MergedAt  *time.Time `json:"merged_at,omitempty"`
	StagedAt  *time.Time `json:"staged_at,omitempty"`
	Due       *time.Time `json:"due,omitempty"`
	Left      float64    `json:"left_seconds,omitempty"` // of the soak
	EndedAt   *time.Time `json:"ended_at,omitempty"`
	By        string     `json:"by,omitempty"`
	Why       string     `json:"why,omitempty"`
	Attention bool       `json:"attention,omitempty"`
	WatchedAt *time.Time `json:"watched_at,omitempty"` // the watcher's last heartbeat
	Evidence  string     `json:"evidence,omitempty"`
	Verdict   judge.Word `json:"verdict,omitempty"`      // what the watcher saw last: pass so far, fail, inconclusive
	Doubts    []string   `json:"inconclusive,omitempty"` // checks that were inconclusive at the last heartbeat, each with why

	Stage      string     `json:"stage,omitempty"`       // of several
	Approvals  []string   `json:"approvals,omitempty"`   // who approved that it leaves its stage
	Approve    int        `json:"approve,omitempty"`     // how many must
	Waits      []string   `json:"waits,omitempty"`       // what it waits for, or will when its soak is over
	LeavesAt   *time.Time `json:"leaves_at,omitempty"`   // when it leaves its stage; absent while that is not known
	BakesUntil *time.Time `json:"bakes_until,omitempty"` // then its promotion is final
	Deadline   *time.Time `json:"deadline,omitempty"`    // then it fails if it is still there
}

// HeldUp says who holds the release that others wait behind.
type HeldUp struct {
	By     string    `json:"by,omitempty"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"`
}

// JSONOf is a release for programs.
func JSONOf(row board.Row, now time.Time) JSON {
	s, around := row.State, row.Around
	l := LineOf(row, now)
	out := JSON{
		Release: s.Release, Project: s.Project, Version: s.Version, Beta: s.Beta, Digest: s.Digest, Phase: string(s.Phase),
		Ended: s.Phase.Ended(), Commit: s.Merge.Commit, Ref: s.Merge.Ref, Actor: s.Merge.Actor, Attempt: s.Merge.Attempt,
		Lane: s.Policy.Lane, Behind: s.Behind, By: l.By, Why: l.Why, Attention: l.Warn, Evidence: s.Evidence, Doubts: around.Doubts,
		Verdict: VerdictOf(row), MergedAt: when(s.MergedAt), StagedAt: when(s.StagedAt), EndedAt: when(s.End.At), WatchedAt: when(around.Beat),
	}
	if row.Ahead != nil {
		o := row.Ahead.Occupant
		out.Behind, out.Place = o.Release, row.Ahead.Place
		if o.Held != nil {
			out.HeldUp = &HeldUp{By: o.Held.By, Since: o.Held.At.UTC(), Reason: o.Held.Reason}
		}
	}
	switch s.Phase { //nolint:exhaustive // the others have no clock
	case release.Soaking:
		out.Due, out.Left = when(s.Due), max(0, s.Due.Sub(now).Seconds())
		o := outlook.Of(s, around, now)
		if !o.Open && o.At.After(now) {
			out.LeavesAt = when(o.At)
		}
		for _, w := range o.Waits {
			out.Waits = append(out.Waits, w.Why)
		}
	case release.Held:
		out.Left = s.Remaining.Seconds()
	case release.Baking:
		out.BakesUntil = when(s.PhaseAt.Add(s.Policy.Bake))
	}
	if s.Phase.Ended() || s.Phase.Out() {
		return out
	}
	if len(s.Policy.Stages) > 1 {
		out.Stage = s.StageName()
	}
	for _, a := range s.Approved {
		out.Approvals = append(out.Approvals, a.By)
	}
	out.Approve = s.Approvals().Needed
	if at, limited := s.Deadline(); limited {
		out.Deadline = when(at)
	}
	return out
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
