package cdevents_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdevents/sdk-go/pkg/api"
	v05 "github.com/cdevents/sdk-go/pkg/api/v05"

	"github.com/sluice-gate/sluice/pkg/cdevents"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

const id = "01890a5d-ac96-774b-bcce-b302099a8057"

// sample is a record, and when it is one like that: a row of the table in README.md.
type sample struct {
	when  string
	event release.Event
	state func(*release.State)
}

func samples() []sample {
	watcher := release.Said{By: "watcher", Reason: "errors: 12 signals"}
	ana := release.Said{By: "ana", Reason: "login is broken\n$(x)"}
	soaked := func(s *release.State) { s.SoakFrom = time.Unix(1e9, 0) }
	evidence := func(s *release.State) { s.Evidence = `{"check":"errors"}` }
	stages := func(s *release.State) {
		s.Policy.Stages = []release.StagePolicy{{Name: "staging"}, {Name: "canary"}}
		s.Stage, s.Passed = 1, []release.Channel{{Touched: true, Restored: true}}
	}
	return []sample{
		{"", release.WasMerged{Release: id, Project: "tracer", Merge: release.Merge{Actor: "ana"}}, nil},
		{"", release.WasBegun{Work: release.Publish}, nil},
		{"", release.WasDone{Work: release.Publish}, nil},
		{"", release.WasQueued{Behind: id}, nil},
		{"", release.WasBegun{Work: release.Stage}, nil},
		{"", release.WasDone{Work: release.Stage}, nil},
		{"", release.WasSoaked{}, nil},
		{"", release.WasHeld{Holding: release.Holding{Said: ana}}, nil},
		{"", release.WasResumed{Said: ana}, nil},
		{"", release.WasExtended{Said: ana}, nil},
		{"", release.WasExpedited{Said: ana}, nil},
		{"", release.WasApproved{Said: ana}, nil},
		{"", release.WasPostponed{Obstacle: release.Obstacle{Why: "a freeze"}}, nil},
		{"", release.WasPassed{}, stages},
		{"", release.WasBegun{Work: release.Promote}, nil},
		{"", release.WasBaking{}, soaked},
		{"", release.WasDone{Work: release.Promote}, soaked},
		{"expedited", release.WasDone{Work: release.Promote}, func(s *release.State) {
			soaked(s)
			s.Expedited = &ana
		}},
		{"after a bake", release.WasDone{Work: release.Promote}, func(s *release.State) { s.Policy.Bake = time.Hour }},
		{"by a person", release.WasCancelled{Said: ana}, soaked},
		{"by the watcher", release.WasCancelled{Said: watcher, Evidence: "{}"}, soaked},
		{"", release.WasFailed{Said: ana}, nil},
		{"after its soak began", release.WasFailed{Said: ana}, soaked},
		{"", release.WasSuperseded{Newer: id}, nil},
		{"", release.WasBegun{Work: release.RestoreBeta}, nil},
		{"of the beta", release.WasDone{Work: release.RestoreBeta}, nil},
		{"", release.WasBegun{Work: release.RestoreStaging}, nil},
		{"of staging", release.WasDone{Work: release.RestoreStaging}, stages},
		{"of staging, after the watcher", release.WasDone{Work: release.RestoreStaging}, evidence},
		{"that failed", release.WasDone{Work: release.RestoreStaging, Note: "no room", Failed: true}, evidence},
		{"by a person", release.WasRecalled{Said: ana}, nil},
		{"by the watcher", release.WasRecalled{Said: watcher, Evidence: "{}"}, nil},
		{"", release.WasBegun{Work: release.Rollback}, nil},
		{"", release.WasDone{Work: release.Rollback}, nil},
		{"while it baked, after the watcher", release.WasDone{Work: release.Rollback}, func(s *release.State) {
			evidence(s)
			s.RecalledIn, s.Latest.Before = release.Baking, "1.3.0 (not @ purl?)"
		}},
		{"", release.WasNotRolledBack{Said: ana}, nil},
		{"", release.WasRetried{Said: ana}, nil},
		{"", release.WasRefused{Said: ana}, nil},
	}
}

func (s sample) record() cdevents.Record {
	state := release.State{
		Release: id, Project: "tracer", Version: "1.4.0", Beta: "1.4.0-beta.0", Digest: "sha256:" + strings.Repeat("0a", 32),
		Merge: release.Merge{Commit: "c0ffee", URL: "https://ci.example.com/42"},
	}
	if s.state != nil {
		s.state(&state)
	}
	return cdevents.Record{
		Record: releasepb.Record{Event: s.event, Type: s.event.Name(), State: state}, Seq: 17, At: time.Date(2026, 3, 2, 15, 0, 0, 7, time.UTC),
	}
}

// TestEveryEventIsValid: the SDK's schemas take what is told, and read the same in it; ids are unique, and the same the next time.
func TestEveryEventIsValid(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range samples() {
		events, err := cdevents.Of("https://sluice.example.com", s.record())
		if err != nil || len(events) == 0 {
			t.Fatalf("%s: %d events, %v", s.event.Name(), len(events), err)
		}
		again, err := cdevents.Of("https://sluice.example.com", s.record())
		if err != nil || fmt.Sprint(events) != fmt.Sprint(again) {
			t.Errorf("%s: told again it is another: %v", s.event.Name(), err)
		}
		for _, e := range events {
			read, err := v05.NewFromJsonBytes(e.Data())
			if err != nil {
				t.Fatalf("%s: %v in %s", s.event.Name(), err, e.Data())
			}
			if err := api.Validate(read); err != nil {
				t.Errorf("%s: %v in %s", s.event.Name(), err, e.Data())
			}
			if read.GetId() != e.ID() || read.GetSource() != e.Source() || read.GetSubjectId() != e.Subject() ||
				read.GetVersion() != cdevents.SpecVersion || read.GetVersion() != v05.SpecVersion ||
				read.GetTimestamp() != e.Time() || e.Source() != "https://sluice.example.com/tracer" || read.GetChainId() != id {
				t.Errorf("%s: %s in %s", s.event.Name(), e.Context, e.Data())
			}
			var body struct{ Context struct{ Type string } }
			if err := json.Unmarshal(e.Data(), &body); err != nil || body.Context.Type != e.Type() {
				t.Errorf("%s: %s in %s", s.event.Name(), e.Type(), e.Data())
			}
			seen[e.Type()] = true
		}
		if ids := events[len(events)-1].ID(); ids != fmt.Sprintf("%s.17.%d", id, len(events)) {
			t.Errorf("%s: its last id is %s", s.event.Name(), ids)
		}
	}
	for _, must := range []string{"artifact.published", "service.deployed", "incident.detected", "incident.resolved", "environment.modified"} {
		if !seen["dev.cdevents."+must+".0.3.0"] {
			t.Errorf("nothing becomes %s", must)
		}
	}
}

// TestWhatIsTold: the facts of a few events, as receivers of them look for.
func TestWhatIsTold(t *testing.T) {
	for _, c := range []struct {
		event release.Event
		state func(*release.State)
		n     int
		want  []string
	}{
		{release.WasDone{Work: release.Stage}, nil, 0, []string{
			`"artifactId":"pkg:generic/tracer@1.4.0-beta.0?checksum=sha256:0a0a`, `"environment":{"id":"staging"}`, `"id":"tracer"`, `"record":"staged"`,
		}},
		{release.WasCancelled{Said: release.Said{By: "watcher", Reason: "errors"}, Evidence: "{}"}, nil, 0, []string{
			`"description":"errors"`, `"id":"` + id + `/staging"`, `"by":"watcher"`,
		}},
		{release.WasDone{Work: release.RestoreStaging}, func(s *release.State) { s.Evidence = "{}" }, 1, []string{
			`incident.resolved`, `"id":"` + id + `/staging"`,
		}},
		{release.WasDone{Work: release.Rollback}, func(s *release.State) { s.Latest.Before = "1.3.0+x" }, 0, []string{`"pkg:generic/tracer@1.3.0%2Bx"`}},
		{release.WasMerged{}, func(s *release.State) { s.Merge.URL = "no uri" }, 0, []string{`"content":{"pipelineName":"tracer"}`}},
		{release.WasNotRolledBack{Said: release.Said{Reason: "gone"}}, nil, 1, []string{`"description":"not rolled back: gone"`}},
	} {
		events, err := cdevents.Of("/sluice", sample{event: c.event, state: c.state}.record())
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(string(events[c.n].Data()), want) {
				t.Errorf("%s: %s, want %s", c.event.Name(), events[c.n].Data(), want)
			}
		}
	}
	newer := cdevents.Record{Record: releasepb.Record{Type: "teleported"}}
	if events, err := cdevents.Of("/sluice", newer); err != nil || len(events) != 0 {
		t.Errorf("of a newer version: %v %v", events, err)
	}
}

// TestNoEventIsForgotten: every kind of journal event, and every kind of work where it matters, has a row.
func TestNoEventIsForgotten(t *testing.T) {
	have := map[string]bool{}
	for _, s := range samples() {
		have[reflect.TypeOf(s.event).Name()] = true
		switch e := s.event.(type) {
		case release.WasBegun:
			have["begun "+string(e.Work)] = true
		case release.WasDone:
			have["done "+string(e.Work)] = true
		}
	}
	kinds := 0
	for _, file := range []string{"event.go", "phase.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), "../release/"+file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Name.Name == "event" && n.Recv != nil {
					kinds++
					if name := n.Recv.List[0].Type.(*ast.Ident).Name; !have[name] {
						t.Errorf("%s has no row", name)
					}
				}
			case *ast.ValueSpec:
				if kind, ok := n.Type.(*ast.Ident); ok && kind.Name == "Work" {
					kinds++
					work := strings.Trim(n.Values[0].(*ast.BasicLit).Value, `"`)
					if !have["begun "+work] || !have["done "+work] {
						t.Errorf("the work %s has no row", work)
					}
				}
			}
			return true
		})
	}
	if kinds < 26 {
		t.Errorf("only %d kinds were found", kinds)
	}
}

// TestTable keeps the table in README.md true; UPDATE=1 writes it anew.
func TestTable(t *testing.T) {
	const begin, end = "<!-- table -->\n", "<!-- /table -->\n"
	table := "| journal record | CDEvents |\n|---|---|\n"
	var rows []string
	for _, s := range samples() {
		events, err := cdevents.Of("", s.record())
		if err != nil {
			t.Fatal(err)
		}
		row := "| `" + s.event.Name() + "`"
		if s.when != "" {
			row += " " + s.when
		}
		row += " | "
		for i, e := range events {
			if i > 0 {
				row += ", "
			}
			row += "`" + strings.TrimPrefix(strings.TrimSuffix(e.Type(), ".0.3.0"), "dev.cdevents.") + "`"
			var body struct {
				Subject struct{ Content struct{ Outcome string } }
			}
			if err := json.Unmarshal(e.Data(), &body); err != nil {
				t.Fatal(err)
			}
			if outcome := body.Subject.Content.Outcome; outcome != "" {
				row += " (" + outcome + ")"
			}
		}
		if row += " |\n"; !slices.Contains(rows, row) {
			rows = append(rows, row)
		}
	}
	table += strings.Join(rows, "")
	table = strings.ReplaceAll(table, "dev.cdeventsx.sluice-release.", "…") // the whole of it stands above the table
	table = strings.ReplaceAll(table, ".0.1.0`", "`")
	src, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(src), begin)
	is, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("README.md has no place for the table")
	}
	if is == table {
		return
	}
	t.Errorf("the table of README.md is not what events become (UPDATE=1 writes it anew):\n%s", table)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("README.md", []byte(before+begin+table+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
