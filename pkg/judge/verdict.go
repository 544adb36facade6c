package judge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// maxSaid bounds what one measurement says, in bytes.
const maxSaid = 512

// Verdict is what a check came to.
type Verdict struct {
	Check   string // its name
	Stage   string // the stage's name; empty if there is only one
	Stretch Stretch
	Rule    Rule
	Tally   Tally
	Human   bool // a person is to decide

	Links    Links  // where to look
	Baseline string // what it was compared with; empty: with nothing
}

// Word is what the check came to so far. A probe of which nothing counts, because there was no data or it never looked, has not passed.
// That there are no signals is a pass.
func (v Verdict) Word() Word {
	switch {
	case v.Tally.Failed:
		return Fail
	case v.Tally.Inconclusive != "", v.Tally.Measured == 0 && (v.Rule.InARow || v.Rule.Of > 0):
		return Inconclusive
	}
	return Pass
}

// Verb is what the verdict asks for: before the promotion to cancel the release, or to hold it for a person; after it to roll it back.
func (v Verdict) Verb() release.Verb {
	switch {
	case v.Stretch.Bake:
		return release.Recall
	case v.Human:
		return release.Hold
	}
	return release.Cancel
}

// Asks tells whether the verdict still asks for something, as things stand with the release: see [Verdict.Verb]. A soak
// speaks against a promotion until that is out. A bake speaks against it until it is over; what failed in its time also
// afterwards, as the last failure and the end of the bake may cross.
func (v Verdict) Asks(s release.State) bool {
	if !v.Stretch.Bake {
		return !s.Phase.Ended() && !s.Phase.Out() && !(v.Human && s.Held != nil)
	}
	return s.Phase == release.Baking ||
		s.Phase == release.Promoted && v.Tally.Last.At.Before(v.Stretch.From.Add(s.Policy.Bake))
}

// Asked tells whether what the verdict asks for is asked already: last is the sequence of the watcher's last request of its kind, 0 for
// none. One to hold that was answered may be of something else, which a person saw and resumed.
func (v Verdict) Asked(last uint64, s release.State) bool {
	return last != 0 && (v.Verb() != release.Hold || last > s.Folded)
}

// Request is what the verdict asks for.
func (v Verdict) Request() release.Request {
	return release.Request{Verb: v.Verb(), Reason: v.Reason(), Evidence: v.Evidence()}
}

// name is the check's, and where it ran if that is not plain.
func (v Verdict) name() string {
	switch {
	case v.Stretch.Bake:
		return v.Check + " of the bake"
	case v.Stage != "":
		return v.Check + " of stage " + v.Stage
	}
	return v.Check
}

func (v Verdict) when() string {
	if v.Stretch.Bake {
		return "bake"
	}
	return "soak"
}

// Reason is one line for people: what failed, how often, since when (UTC), what was seen last, and the project's link for the check.
func (v Verdict) Reason() string {
	if v.Links.Check == "" {
		return v.reason()
	}
	return v.reason() + "; see " + v.Links.Check
}

func (v Verdict) reason() string {
	t := v.Tally
	since := t.First.At.UTC().Format(time.TimeOnly) + " UTC"
	said := releasepb.Line(t.Last.Said, maxSaid)
	if said == "" {
		said = "(it says nothing)"
	}
	switch {
	case t.Count == 0 && t.Inconclusive != "":
		return fmt.Sprintf("check %s is inconclusive: %s", v.name(), releasepb.Line(t.Inconclusive, maxSaid))
	case t.Count == 0:
		return fmt.Sprintf("check %s has not failed in %d measurements", v.name(), t.Measured)
	case v.Rule.Of > 0:
		return fmt.Sprintf("check %s failed %d times in %d looks: %s (since %s)", v.name(), t.Count, len(t.window), said, since)
	case v.Rule.InARow && t.Count == 1:
		return fmt.Sprintf("check %s failed: %s (at %s)", v.name(), said, since)
	case v.Rule.InARow:
		return fmt.Sprintf("check %s failed %d times in a row: %s (since %s)", v.name(), t.Count, said, since)
	case t.Count == 1:
		return fmt.Sprintf("check %s: 1 %s during the %s, %d allowed: %s (at %s)", v.name(), v.what(), v.when(), v.Rule.Limit-1, said, since)
	}
	return fmt.Sprintf("check %s: %d %ss during the %s, %d allowed, the last: %s (since %s)",
		v.name(), t.Count, v.what(), v.when(), v.Rule.Limit-1, said, since)
}

func (v Verdict) what() string {
	if v.Rule.News {
		return "unusual error"
	}
	return "signal"
}

type sample struct {
	At   time.Time `json:"at"`
	Said string    `json:"said"`
}

// Evidence is one line of JSON for machines and for who wants to know more. It is at most a few kilobytes long.
func (v Verdict) Evidence() string {
	t := v.Tally
	out := struct {
		Check   string     `json:"check"`
		Stage   string     `json:"stage,omitempty"`
		Bake    bool       `json:"bake,omitempty"`
		Failed  bool       `json:"failed"`
		Doubt   string     `json:"inconclusive,omitempty"` // why, if it is
		Count   int        `json:"count"`
		Limit   int        `json:"limit"`
		InARow  bool       `json:"in_a_row"`
		Window  int        `json:"window,omitempty"` // failures are counted among so many looks
		Of      int        `json:"of"`
		First   *time.Time `json:"first,omitempty"`
		Last    *time.Time `json:"last,omitempty"`
		Samples []sample   `json:"samples,omitempty"`
		With    string     `json:"baseline,omitempty"`
		Links   *Links     `json:"links,omitempty"`
	}{
		Check: v.Check, Stage: v.Stage, Bake: v.Stretch.Bake,
		Failed: t.Failed, Doubt: releasepb.Line(t.Inconclusive, maxSaid),
		Count: t.Count, Limit: v.Rule.Limit, InARow: v.Rule.InARow, Window: v.Rule.Of, Of: t.Measured, With: v.Baseline,
	}
	if v.Links != (Links{}) {
		out.Links = &v.Links
	}
	if t.Count > 0 {
		first, last := t.First.At.UTC(), t.Last.At.UTC()
		out.First, out.Last = &first, &last
	}
	for _, m := range t.Samples {
		out.Samples = append(out.Samples, sample{At: m.At.UTC(), Said: releasepb.Line(m.Said, maxSaid)})
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(out); err != nil { // only a year after 9999 could be at fault
		return fmt.Sprintf(`{"check":%q}`, v.Check)
	}
	return string(bytes.TrimSpace(b.Bytes()))
}
