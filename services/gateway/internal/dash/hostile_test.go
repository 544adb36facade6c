package dash

import (
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
)

// TestHostile: what others write is text, wherever it is shown.
func TestHostile(t *testing.T) {
	d := &Dash{hub: newHub()}
	if err := d.load(); err != nil {
		t.Fatal(err)
	}
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>'` + "\n{{.}}"
	s := entry("shop", "a", 1, release.Cancelled, 30).State
	s.Merge = release.Merge{Commit: evil, Ref: evil, Actor: evil, URL: "javascript:alert(1)", Artifact: evil}
	s.Version, s.Beta, s.Digest, s.End.Reason, s.End.By = evil, evil, evil, evil, evil
	s.BetaChannel = release.Channel{Touched: true, Value: evil, Before: evil, Note: evil}
	m := NewModel()
	row := Row{State: s}
	r := journal.Record{At: at(1)}
	r.Event, r.Type, r.State, r.Service, r.Cause = release.WasCancelled{Said: s.End, Evidence: evil}, evil, s, evil, evil+" 1 "+evil
	report := Report{
		Row: row, Card: m.card(row, at(31)), Outcome: outcome(s), Steps: steps(s), Facts: facts(row), Acts: true, Commands: []string{evil},
		Spans: []Span{{Name: evil, Wrong: evil, Checks: []Check{{Name: evil, Why: evil, Plot: Plot{Says: evil, Line: "0,0"}}}}},
	}
	for name, data := range map[string]any{
		"card": dict("Card", report.Card, "Acts", true), "head": report, "facts": report, "moment": moment(r), "span": report.Spans[0],
		"printed": Printed{ID: "x", Name: evil, Ended: evil, Reason: evil, Took: evil, By: evil, Text: evil},
		"notice":  dict("ID", "x", "Text", evil), "stopped": dict("Stop", Stopped{ID: "x", Project: "shop", Text: say(evil)}, "Acts", true),
		"form": Form{Title: evil, Says: evil, Action: "/", Back: "/", Token: evil}, "answer": dict("Answer", Answer{Outcome: say(evil)}, "Back", "/"),
		"project-row": ProjectRow{ID: "x", Name: "shop", Current: evil, Last: &report.Card, Live: []Card{report.Card}},
		"login":       Page{Title: evil, Data: Login{Token: true, OIDC: true, Next: evil, Wrong: evil}},
		"audit": Page{Title: evil, Data: Audit{
			Query: Query{evil, evil, evil, evil, evil, 1}, Wrong: evil, Entries: []Entry{entryOf(journal.Transition{Record: r})}, Next: 1,
			Proof: &Proof{Left: []string{evil}, Broken: 1, Projects: []Proved{{Project: evil, Break: &audit.Break{Release: evil, What: evil}}}},
		}},
		"project": Page{Title: evil, Data: Project{Name: "shop", File: evil, History: []Card{report.Card}}},
	} {
		html, err := d.render(name, data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, part := range []string{"<script>alert", "<img", `href="javascript:`, "onerror=alert(1)>"} {
			if strings.Contains(html, part) {
				t.Errorf("%s has %s:\n%s", name, part, html)
			}
		}
		if strings.Count(html, "alert") == 0 {
			t.Errorf("%s does not show it at all", name)
		}
	}
}
