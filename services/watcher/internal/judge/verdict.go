package judge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// maxSaid bounds what one measurement says, in bytes.
const maxSaid = 512

// Verdict is what a check came to.
type Verdict struct {
	Check string // its name
	Rule  Rule
	Tally Tally
}

// Reason is one line for people: what failed, how often, since when (UTC), and what was seen last.
func (v Verdict) Reason() string {
	t := v.Tally
	since := t.First.At.UTC().Format(time.TimeOnly) + " UTC"
	said := releasepb.Line(t.Last.Said, maxSaid)
	if said == "" {
		said = "(it says nothing)"
	}
	switch {
	case t.Count == 0:
		return fmt.Sprintf("check %s has not failed in %d measurements", v.Check, t.Measured)
	case v.Rule.InARow && t.Count == 1:
		return fmt.Sprintf("check %s failed: %s (at %s)", v.Check, said, since)
	case v.Rule.InARow:
		return fmt.Sprintf("check %s failed %d times in a row: %s (since %s)", v.Check, t.Count, said, since)
	case t.Count == 1:
		return fmt.Sprintf("check %s: 1 signal during the soak, %d allowed: %s (at %s)", v.Check, v.Rule.Limit-1, said, since)
	}
	return fmt.Sprintf("check %s: %d signals during the soak, %d allowed, the last: %s (since %s)",
		v.Check, t.Count, v.Rule.Limit-1, said, since)
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
		Failed  bool       `json:"failed"`
		Count   int        `json:"count"`
		Limit   int        `json:"limit"`
		InARow  bool       `json:"in_a_row"`
		Of      int        `json:"of"`
		First   *time.Time `json:"first,omitempty"`
		Last    *time.Time `json:"last,omitempty"`
		Samples []sample   `json:"samples,omitempty"`
	}{Check: v.Check, Failed: t.Failed, Count: t.Count, Limit: v.Rule.Limit, InARow: v.Rule.InARow, Of: t.Measured}
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
