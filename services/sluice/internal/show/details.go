package show

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/services/sluice/internal/board"
)

// Details is all that matters of one release, in the zone of now.
func Details(row board.Row, now time.Time, st Style) string {
	var b strings.Builder
	s := row.State
	fmt.Fprintf(&b, "%s  %s\n", st.Bold(Title(s)), st.Phase(s.Phase, Outcome(s, now)))
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
		field("waits", "%s", waitsFor(row, now))
	}
	if s.Beta != "" {
		field("beta", "%s", channel(s.Beta, s.BetaChannel))
	}
	if s.Staging.Touched {
		field("staging", "%s", channel(s.Staging.Value, s.Staging))
	}
	if s.Phase == release.Soaking {
		field("due", "%s", date(s.Due, now))
		if !row.Beat.IsZero() {
			field("watched", "last %s ago", Left(now.Sub(row.Beat)))
		}
	}
	if s.Expedited != nil {
		field("expedited", "%s at %s", said(*s.Expedited), date(s.Expedited.At, now))
	}
	if s.Phase == release.Promoted {
		field("latest", "%s", channel(s.Latest.Value, s.Latest))
	}
	if s.Evidence != "" {
		field("evidence", "%s", s.Evidence)
	}
	return b.String()
}

func channel(value string, c release.Channel) string {
	text := Value(value)
	if c.Restored {
		text += ", put back"
	}
	if c.Before != "" && c.Before != value {
		text += ", before: " + Value(c.Before)
	}
	if c.Note != "" {
		text += " (" + c.Note + ")"
	}
	return strings.TrimPrefix(text, ", ")
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
}

// HeldUp says who holds the release that others wait behind.
type HeldUp struct {
	By     string    `json:"by,omitempty"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"`
}

// JSONOf is a release for programs.
func JSONOf(row board.Row, now time.Time) JSON {
	s := row.State
	l := LineOf(row, now)
	out := JSON{
		Release: s.Release, Project: s.Project, Version: s.Version, Beta: s.Beta, Digest: s.Digest, Phase: string(s.Phase),
		Ended: s.Phase.Ended(), Commit: s.Merge.Commit, Ref: s.Merge.Ref, Actor: s.Merge.Actor, Attempt: s.Merge.Attempt,
		Lane: s.Policy.Lane, Behind: s.Behind, By: l.By, Why: l.Why, Attention: l.Warn, Evidence: s.Evidence,
		MergedAt: when(s.MergedAt), StagedAt: when(s.StagedAt), EndedAt: when(s.End.At), WatchedAt: when(row.Beat),
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
	case release.Held:
		out.Left = s.Remaining.Seconds()
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
