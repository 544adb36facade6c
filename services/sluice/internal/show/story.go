package show

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/evidence"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/story"
)

// What sluice show tells beside the details and the timeline: what exactly went where, what was measured, and what can be asked.

// StoryJSON is all that is known of a release, for programs. Fields are only ever added.
type StoryJSON struct {
	Release   JSON           `json:"release"`
	Timeline  []RecordJSON   `json:"timeline"`
	Artifacts []ArtifactJSON `json:"artifacts"`
	Evidence  []SummaryJSON  `json:"evidence"`
	Unread    string         `json:"evidence_unread,omitempty"` // why there is no evidence
	Commands  []CommandJSON  `json:"commands"`                  // what can be asked of it now, ready to be run
}

// RecordJSON is one record of a release's journal, for programs. Fields are only ever added.
type RecordJSON struct {
	Sequence uint64     `json:"sequence"` // in the stream SLUICE
	At       time.Time  `json:"at"`       // by the broker's clock
	Type     string     `json:"type"`     // what happened, in the journal's word
	Phase    string     `json:"phase"`    // of the release since then
	Text     string     `json:"text"`     // the same in a sentence
	More     []string   `json:"more,omitempty"`
	Service  string     `json:"service"` // the instance that stored it
	Cause    *CauseJSON `json:"cause,omitempty"`
}

// CauseJSON is the message that led to a record.
type CauseJSON struct {
	Stream   string `json:"stream"`
	Sequence uint64 `json:"sequence"`
	Subject  string `json:"subject"`
}

// ArtifactJSON is what is where.
type ArtifactJSON struct {
	Where string `json:"where"` // merged, beta, the stage's name, latest
	Value string `json:"value"`
}

// SummaryJSON is what the checks came to in a soak, or in the bake.
type SummaryJSON struct {
	Stage    string             `json:"stage,omitempty"`
	Bake     bool               `json:"bake,omitempty"`
	From     time.Time          `json:"from"`
	To       time.Time          `json:"to"`
	Live     bool               `json:"live,omitempty"`
	Coverage float64            `json:"coverage"` // 0 to 1
	Checks   []CheckSummaryJSON `json:"checks"`
}

// CheckSummaryJSON is what one check came to.
type CheckSummaryJSON struct {
	Check   string     `json:"check"`
	Verdict judge.Word `json:"verdict"`
	Why     string     `json:"why,omitempty"`
	Looks   int        `json:"looks"`
	Failed  int        `json:"failed"`
	NoData  int        `json:"no_data"`
}

// CommandJSON is something that can be asked of a release, by either command.
type CommandJSON struct {
	Verb   string `json:"verb"`
	Sluice string `json:"sluice"`
	NATS   string `json:"nats"`
}

// RecordJSONOf is a record for programs.
func RecordJSONOf(r journal.Record) RecordJSON {
	r.At = r.At.UTC()
	text, more := tell(r)
	out := RecordJSON{
		Sequence: r.Seq, At: r.At, Type: r.Type, Phase: string(r.State.Phase), Text: text, More: more, Service: r.Service,
	}
	if parts := strings.SplitN(r.Cause, " ", 3); len(parts) == 3 {
		if seq, err := strconv.ParseUint(parts[1], 10, 64); err == nil {
			out.Cause = &CauseJSON{Stream: parts[0], Sequence: seq, Subject: parts[2]}
		}
	}
	return out
}

// RecordsJSON is a journal for programs.
func RecordsJSON(records []journal.Record) []RecordJSON {
	out := []RecordJSON{}
	for _, r := range records {
		out = append(out, RecordJSONOf(r))
	}
	return out
}

// Artifacts is what exactly is where, digests in full.
func Artifacts(s release.State) []ArtifactJSON {
	out := []ArtifactJSON{}
	add := func(where, value string) {
		if value != "" {
			out = append(out, ArtifactJSON{where, value})
		}
	}
	add("merged", s.Digest)
	if s.BetaChannel.Touched {
		add("beta", s.BetaChannel.Value)
	}
	for i, c := range append(s.Passed[:len(s.Passed):len(s.Passed)], s.Staging) {
		if s.Stage = i; c.Touched {
			add(s.StageName(), c.Value)
		}
	}
	if s.Phase.Out() || s.Reached {
		add("latest", s.Latest.Value)
	}
	return out
}

// SummariesJSON is the evidence of a release in short, for programs.
func SummariesJSON(r evidence.Release, p *project.Project) []SummaryJSON {
	out := []SummaryJSON{}
	for _, span := range EvidenceJSONOf(r, p).Spans {
		one := SummaryJSON{
			Stage: span.Stage, Bake: span.Bake, From: span.From, To: span.To, Live: span.Live, Coverage: span.Coverage,
			Checks: []CheckSummaryJSON{},
		}
		for _, c := range span.Checks {
			one.Checks = append(one.Checks, CheckSummaryJSON{c.Check, c.Verdict, c.Why, c.Looks, c.Failed, c.NoData})
		}
		out = append(out, one)
	}
	return out
}

// Story is a release as people read it, in the zone of now: what details and timeline have is given, the rest is made of s.
func Story(details, timeline string, s StoryJSON, now time.Time, st Style) string {
	var b strings.Builder
	b.WriteString(details + "\n" + timeline)
	if len(s.Artifacts) > 0 {
		b.WriteString("\n" + st.Bold("Exactly") + "\n")
		for _, a := range s.Artifacts {
			fmt.Fprintf(&b, "  %-9s %s\n", a.Where, a.Value)
		}
	}
	if s.Unread != "" {
		fmt.Fprintf(&b, "\n%s\n", st.Yellow("what was measured of it can not be told: "+s.Unread))
	}
	if len(s.Evidence) > 0 {
		b.WriteString("\n" + st.Bold("Measured") + "\n")
		for _, e := range s.Evidence {
			b.WriteString(summary(e, len(s.Evidence) > 1, now, st))
		}
	}
	if len(s.Commands) > 0 {
		b.WriteString("\n" + st.Bold("To be asked now") + "\n")
		for _, c := range s.Commands {
			fmt.Fprintf(&b, "  %s\n", c.Sluice)
		}
		b.WriteString("or, without Sluice\n")
		for _, c := range s.Commands {
			fmt.Fprintf(&b, "  %s\n", c.NATS)
		}
	}
	return b.String()
}

func summary(e SummaryJSON, several bool, now time.Time, st Style) string {
	name := "soak"
	switch {
	case e.Bake:
		name = "bake"
	case several && e.Stage != "":
		name = "soak in " + e.Stage
	}
	until := Clock(e.To, now)
	if e.Live {
		until = "now"
	}
	text := fmt.Sprintf("  %s from %s to %s (%s), watched %.0f%%\n", name, Clock(e.From, now), until, story.Left(e.To.Sub(e.From)),
		math.Floor(100*e.Coverage))
	var rows [][]Cell
	for _, c := range e.Checks {
		seen := story.Count(c.Looks, "look")
		if c.Failed > 0 {
			seen += fmt.Sprintf(", %d failed", c.Failed)
		}
		if c.NoData > 0 {
			seen += fmt.Sprintf(", %d without data", c.NoData)
		}
		if c.Why != "" {
			seen += ": " + c.Why
		}
		rows = append(rows, []Cell{
			{Text: "    " + c.Check},
			{Text: string(c.Verdict), Style: func(text string) string { return st.Word(c.Verdict, text) }}, {Text: seen},
		})
	}
	if len(rows) == 0 {
		return text + "    it has no checks\n"
	}
	return text + Table(rows, 0)
}
