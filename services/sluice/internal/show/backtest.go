package show

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/evidence"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/story"
)

// Backtest is what another policy would have decided about the releases of a project: those that it decides differently, in the order of
// their merges, how many it does not, and what it can not judge.
func Backtest(project string, since time.Time, cases []evidence.Case, now time.Time, st Style, width int) string {
	var b strings.Builder
	kept := 0
	for _, c := range cases {
		if c.Kept {
			kept++
		}
	}
	fmt.Fprintf(&b, "%s: %s since %s, %s\n", st.Bold(project), story.Count(len(cases), "release"),
		Clock(since, now), ofWhich(kept, len(cases)))
	rows := [][]Cell{{{Text: "VERSION", Style: st.Dim}, {Text: "RELEASE", Style: st.Dim}, {Text: "WAS", Style: st.Dim},
		{Text: "WOULD HAVE BEEN", Style: st.Dim}, {Text: "WHY", Style: st.Dim}}}
	var ids []string
	for _, c := range cases {
		ids = append(ids, c.Release.State.Release)
	}
	short := Short(ids)
	same := map[judge.Word]int{}
	for _, c := range cases {
		change, by := c.Change()
		switch {
		case !c.Kept:
			continue
		case change == evidence.Same:
			same[c.Would.Word]++
			continue
		}
		s := c.Release.State
		rows = append(rows, []Cell{
			{Text: s.Version}, {Text: short[s.Release], Style: st.Dim},
			decided(c.Was, now, st), differently(c, change, by, now, st), {Text: c.Would.Why},
		})
	}
	if len(rows) > 1 {
		b.WriteString(Table(rows, width))
	}
	for _, word := range []judge.Word{judge.Pass, judge.Fail, judge.Inconclusive} {
		if same[word] > 0 {
			fmt.Fprintf(&b, "decided alike: %s, %s\n", story.Count(same[word], "release"), st.Word(word, string(word)))
		}
	}
	b.WriteString(unjudged(cases, kept, st))
	b.WriteString(disagree(cases, short, st))
	return b.String()
}

func ofWhich(kept, all int) string {
	switch {
	case all == 0:
		return "so there is nothing to judge"
	case kept == all:
		return "with evidence"
	case kept == 0:
		return "none with evidence: it is not kept any more, or they were not watched"
	}
	return fmt.Sprintf("%d with evidence: that of the others is not kept any more, or they were not watched", kept)
}

// decided is a decision in a word or two.
func decided(d evidence.Decision, now time.Time, st Style) Cell {
	text := string(d.Word)
	if d.Word == judge.Fail {
		text = fmt.Sprintf("fail at %s, %s", Clock(d.At, now), where(d))
	}
	if d.Human {
		text += ", for a person"
	}
	return Cell{Text: text, Style: func(text string) string { return st.Word(d.Word, text) }}
}

// where is which check failed.
func where(d evidence.Decision) string {
	switch {
	case d.Bake:
		return d.Check + " of the bake"
	case d.Stage != "":
		return d.Check + " of stage " + d.Stage
	}
	return d.Check
}

func differently(c evidence.Case, change evidence.Change, by time.Duration, now time.Time, st Style) Cell {
	cell := decided(c.Would, now, st)
	switch change {
	case evidence.Sooner:
		cell.Text += fmt.Sprintf(", %s sooner", exactly(by))
	case evidence.Later:
		cell.Text += fmt.Sprintf(", %s later", exactly(by))
	case evidence.Fails:
		if s := c.Release.State; s.Phase.Out() && !c.Would.Bake {
			cell.Text += fmt.Sprintf(", %s before it was promoted", exactly(c.Release.Promoted().Sub(c.Would.At)))
		}
	case evidence.Same, evidence.Spared, evidence.NotJudged:
	}
	return cell
}

// exactly is a duration that may be less than a second.
func exactly(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(time.Millisecond).String()
	}
	return story.Left(d)
}

// unjudged says which checks of the policy the past has no measurements of.
func unjudged(cases []evidence.Case, kept int, st Style) string {
	type missing struct{ check, why string }
	count := map[missing]int{}
	for _, c := range cases {
		if !c.Kept {
			continue
		}
		for _, u := range c.Would.Unjudged {
			count[missing{u.Check, u.Why}]++
		}
	}
	var b strings.Builder
	for _, m := range slices.SortedFunc(maps.Keys(count), func(a, b missing) int {
		return strings.Compare(a.check+"\x00"+a.why, b.check+"\x00"+b.why)
	}) {
		text := fmt.Sprintf("not judged: check %s, of %d of %s: %s", m.check, count[m], story.Count(kept, "release"), m.why)
		fmt.Fprintf(&b, "%s\n", st.Yellow(text))
	}
	return b.String()
}

// disagree names the releases of which the evidence and the journal tell different stories.
func disagree(cases []evidence.Case, short map[string]string, st Style) string {
	var b strings.Builder
	for _, c := range cases {
		s := c.Release.State
		switch failed := c.Was.Word == judge.Fail; {
		case !c.Kept:
		case c.Told() && !failed:
			text := short[s.Release] + ": the watcher stopped it, and what is kept of its evidence does not say why"
			fmt.Fprintf(&b, "%s\n", st.Yellow(text))
		case failed && !c.Told() && !c.Was.Human: // a person may have let it go on
			fmt.Fprintf(&b, "%s\n", st.Yellow(fmt.Sprintf("%s: its evidence says that %s failed, and the watcher did not stop it: it was %s",
				short[s.Release], c.Was.Check, s.Phase)))
		}
	}
	return b.String()
}

// BacktestJSON is what another policy would have decided about a release, for programs.
type BacktestJSON struct {
	Release  string          `json:"release"`
	Version  string          `json:"version"`
	Phase    string          `json:"phase"`
	Kept     bool            `json:"kept"`   // there is evidence of it
	Change   evidence.Change `json:"change"` // same, sooner, later, fails, spared, unjudged
	By       float64         `json:"by_seconds,omitempty"`
	Was      DecisionJSON    `json:"was"`
	Would    DecisionJSON    `json:"would"`
	Unjudged []UnjudgedJSON  `json:"unjudged,omitempty"`
}

// DecisionJSON is what a policy makes of a release.
type DecisionJSON struct {
	Verdict judge.Word `json:"verdict"`
	Check   string     `json:"check,omitempty"`
	Stage   string     `json:"stage,omitempty"`
	Bake    bool       `json:"bake,omitempty"`
	At      *time.Time `json:"at,omitempty"`
	Why     string     `json:"why,omitempty"`
}

// UnjudgedJSON is a check that the past has no measurements of.
type UnjudgedJSON struct {
	Check string `json:"check"`
	Why   string `json:"why"`
}

// BacktestJSONOf is what another policy would have decided, for programs.
func BacktestJSONOf(cases []evidence.Case) []BacktestJSON {
	out := []BacktestJSON{}
	for _, c := range cases {
		change, by := c.Change()
		s := c.Release.State
		one := BacktestJSON{
			Release: s.Release, Version: s.Version, Phase: string(s.Phase), Kept: c.Kept, Change: change, By: by.Seconds(),
			Was: decisionJSON(c.Was), Would: decisionJSON(c.Would),
		}
		for _, u := range c.Would.Unjudged {
			one.Unjudged = append(one.Unjudged, UnjudgedJSON(u))
		}
		out = append(out, one)
	}
	return out
}

func decisionJSON(d evidence.Decision) DecisionJSON {
	return DecisionJSON{Verdict: d.Word, Check: d.Check, Stage: d.Stage, Bake: d.Bake, At: when(d.At), Why: d.Why}
}
