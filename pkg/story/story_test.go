package story_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/outlook"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/story"
)

func at(minute int) time.Time { return time.Date(2026, 3, 2, 15, minute, 0, 0, time.UTC) }

// clock is how the reader of these tests writes a time.
func clock(t time.Time) string { return t.Format("15:04") }

func ana() release.Said { return release.Said{By: "ana", Reason: "login is broken", At: at(1)} }

// told is an event, with the state after it, and what is said of it.
type told struct {
	event release.Event
	state release.State
	want  string
	more  string // the notes and the evidence
}

const digest = "sha256:2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806"

func everyEvent() []told {
	stages := release.Policy{Stages: []release.StagePolicy{{Name: "qa"}, {Name: "canary", Delay: time.Hour, Approvals: 2}}, Delay: time.Hour}
	held := release.State{Phase: release.Held, Remaining: 90 * time.Minute}
	soaking := release.State{Phase: release.Soaking, StagedAt: at(0), Due: at(45)}
	wait := release.Obstacle{Why: "frozen by ana: the fair"}
	later := wait
	later.Until = at(50)
	back := release.State{Policy: stages, Stage: 1, Passed: []release.Channel{{Touched: true}}, Staging: release.Channel{Touched: true}}
	gone := back
	gone.Passed, gone.Staging = []release.Channel{{Touched: true, Restored: true}}, release.Channel{Touched: true, Restored: true}
	second := release.Attempt{Number: 2}
	return []told{
		{
			release.WasMerged{
				Merge:  release.Merge{Commit: "c0ffee", Ref: "main", Actor: "ana", Attempt: 2, URL: "https://git.example.com/1"},
				Policy: release.Policy{Lane: "eu", Collision: release.Newest, Revision: "r1"},
			},
			release.State{Policy: stages},
			"commit c0ffee of main by ana, attempt 2",
			"no soak in qa, soak 1h in canary, 2 approvals, lane eu (newest), project file r1|https://git.example.com/1",
		},
		{release.WasBegun{Work: release.Publish, Plan: release.Plan{Version: "1.4.0", Beta: "1.4.0-beta.0", Digest: digest}}, held, "1.4.0 as 1.4.0-beta.0", digest},
		{release.WasBegun{Work: release.Publish, Plan: release.Plan{Version: "1.4.0", Beta: "1.4.0"}, Attempt: second}, held, "1.4.0 (attempt 2)", ""},
		{release.WasBegun{Work: release.Stage}, back, "to canary", ""},
		{release.WasBegun{Work: release.Promote, Before: "1.3.0"}, held, "claimed; what is asked from now on comes too late (everybody has 1.3.0)", ""},
		{release.WasBegun{Work: release.RestoreBeta}, held, "the beta channel", ""},
		{release.WasBegun{Work: release.RestoreStaging}, back, "canary", ""},
		{release.WasBegun{Work: release.Rollback}, held, "what was promoted", ""},
		{release.WasDone{Work: release.Publish, Value: "1.4.0@" + digest, Note: "first"}, held, "the beta is 1.4.0@sha256:2c8b08da5ce6…", "first"},
		{release.WasDone{Work: release.Stage, Value: "1.4.0"}, back, "canary runs 1.4.0", ""},
		{release.WasDone{Work: release.Promote, Value: "1.4.0"}, held, "everybody gets 1.4.0", ""},
		{release.WasDone{Work: release.RestoreBeta}, held, "the beta channel", ""},
		{release.WasDone{Work: release.RestoreStaging, Value: "1.3.0"}, gone, "qa to 1.3.0", ""},
		{release.WasDone{Work: release.RestoreStaging, Failed: true, Note: "no"}, back, "canary is not put back, and nobody tries again", "no"},
		{release.WasDone{Work: release.Rollback}, held, "what was promoted is taken back", ""},
		{release.WasDone{Work: release.Rollback, Value: "1.3.0"}, held, "everybody gets 1.3.0 again", ""},
		{release.WasQueued{}, held, "its turn is next", ""},
		{release.WasQueued{Behind: "01960000-0000-7000-8000-000000000001"}, held, "behind 01960000-0000-7000-8000-000000000001", ""},
		{release.WasSoaked{Due: at(45)}, soaking, "until 15:45, for 45m", ""},
		{release.WasSoaked{Due: at(45)}, held, "held at once, as was asked before", ""},
		{release.WasHeld{Holding: release.Holding{Said: ana()}}, held, "by ana: login is broken (1h30m of the soak left)", ""},
		{release.WasResumed{Said: ana(), Due: at(45)}, soaking, "by ana: login is broken (due 15:45)", ""},
		{release.WasResumed{Said: release.Said{}}, release.State{Phase: release.Queued}, "by somebody", ""},
		{release.WasExtended{Said: ana(), By: 30 * time.Minute}, soaking, "30m more, by ana: login is broken (due 15:45)", ""},
		{release.WasExtended{Said: ana(), By: 30 * time.Minute}, held, "30m more, by ana: login is broken (1h30m of the soak left)", ""},
		{release.WasExpedited{Said: ana(), Force: true}, soaking, "with force, by ana: login is broken", ""},
		{release.WasApproved{Said: ana()}, release.State{Policy: stages, Stage: 1}, "by ana: login is broken (0 of 2 approvals)", ""},
		{release.WasPostponed{Obstacle: wait}, soaking, "frozen by ana: the fair", ""},
		{release.WasPostponed{Obstacle: later}, soaking, "until 15:50: frozen by ana: the fair", ""},
		{release.WasPassed{}, back, "stage canary is next", ""},
		{
			release.WasBaking{Value: "1.4.0", Note: "first"}, release.State{PhaseAt: at(3), Policy: release.Policy{Bake: 30 * time.Minute}},
			"everybody gets 1.4.0; watched until 15:33", "first",
		},
		{release.WasRetried{Said: ana()}, held, "by ana: login is broken", ""},
		{release.WasRecalled{Said: ana(), Evidence: "{}"}, held, "by ana: login is broken", "{}"},
		{release.WasNotRolledBack{Said: ana()}, release.State{Phase: release.Promoted}, "by ana: login is broken; it stays promoted", ""},
		{release.WasCancelled{Said: ana(), Evidence: "{}"}, held, "by ana: login is broken", "{}"},
		{release.WasFailed{Said: ana()}, held, "by ana: login is broken", ""},
		{release.WasSuperseded{Newer: "01980000-0000-7000-8000-000000000001"}, held, "by 01980000-0000-7000-8000-000000000001", ""},
		{release.WasRefused{Verb: release.Hold, Said: ana()}, held, "the hold of ana: login is broken", ""},
		{nil, held, "(written by a newer version of Sluice)", ""},
	}
}

// TestTell: what every event is told as, word for word.
func TestTell(t *testing.T) {
	for _, one := range everyEvent() {
		r := releasepb.Record{Event: one.event, State: one.state}
		got := story.Tell(r)
		if text := got.Text.In(clock); text != one.want {
			t.Errorf("%T is %q, want %q", one.event, text, one.want)
		}
		more := append([]string(nil), got.Notes...)
		if got.Evidence != "" {
			more = append(more, got.Evidence)
		}
		if text := strings.Join(more, "|"); text != one.more {
			t.Errorf("%T has more: %q, want %q", one.event, text, one.more)
		}
		if said := release.SaidOf(one.event).By; got.By != said {
			t.Errorf("%T is by %q, want %q", one.event, got.By, said)
		}
	}
}

// TestEveryEventHasASentence: an event that package release gets has to be told here. Its events are those types that have the method
// event; its works are what they begin and end.
func TestEveryEventHasASentence(t *testing.T) {
	var want, got []string
	for _, name := range []string{"event.go", "phase.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), "../release/"+name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Name.Name == "event" {
					want = append(want, "release."+n.Recv.List[0].Type.(*ast.Ident).Name)
				}
			case *ast.ValueSpec:
				if kind, ok := n.Type.(*ast.Ident); ok && kind.Name == "Work" {
					text := strings.Trim(n.Values[0].(*ast.BasicLit).Value, `"`)
					want = append(want, "begun "+text, "done "+text)
				}
			}
			return true
		})
	}
	for _, one := range everyEvent() {
		if one.event == nil {
			continue
		}
		got = append(got, fmt.Sprintf("%T", one.event))
		switch e := one.event.(type) {
		case release.WasBegun:
			got = append(got, "begun "+string(e.Work))
		case release.WasDone:
			got = append(got, "done "+string(e.Work))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, want) || len(want) < 20+2*6 {
		t.Errorf("told are\n%v, and there are\n%v", got, want)
	}
}

// TestCause: what led to a record is told as short as it can be.
func TestCause(t *testing.T) {
	const id = "01970000-0000-7000-8000-000000000001"
	for cause, want := range map[string]string{
		"": "", "no cause": "", "SLUICE 14 sluice.cancel." + id + ".ana": "#14 cancel", "SLUICE 15 sluice.release." + id: "#15",
		"SLUICE_EVIDENCE 3 sluice.judged." + id: "#3 judged of SLUICE_EVIDENCE", "SLUICE 3 $(date)": "#3",
	} {
		if got := story.Cause(releasepb.Record{Cause: cause}); got != want {
			t.Errorf("%q: %q, want %q", cause, got, want)
		}
	}
}

// TestText: an instant stays one, an id may be short, and a sentence begins and ends as one.
func TestText(t *testing.T) {
	text := story.Behind(release.State{Behind: "01960000-0000-7000-8000-000000000001"}, 0, release.State{})
	if got := text.Brief(clock); got != "behind 01960000-0000" {
		t.Errorf("%q", got)
	}
	text = story.Say("due ", at(5), story.Say(""), time.Time{}, 7)
	if got := text.String(); got != "due 2026-03-02T15:05:00Z-7" {
		t.Errorf("%q", got)
	}
	if got := text.Sentence().In(clock); got != "Due 15:05-7." || text.In(clock) != "due 15:05-7" {
		t.Errorf("%q of %q", got, text.In(clock))
	}
	if got := story.Say("Äpfel.").Sentence().String(); got != "Äpfel." || len(story.Text(nil).Sentence()) != 0 {
		t.Errorf("%q", got)
	}
}

// TestOf: what a release waits for, and what somebody should look at. The rest is in the golden files of package show.
func TestOf(t *testing.T) {
	soaking := release.State{
		Phase: release.Soaking, StagedAt: at(0), SoakFrom: at(0), Due: at(45), Merge: release.Merge{Actor: "ana"},
		Policy: release.Policy{Delay: time.Hour, Approvals: 1},
	}
	free := soaking
	free.Policy.Approvals = 0
	late := outlook.Around{Beat: at(45), Read: true}
	for name, one := range map[string]struct {
		s    release.State
		a    outlook.Around
		now  int
		want string
	}{
		"watched":     {free, outlook.Around{Beat: at(9), Read: true}, 10, "due 15:45 / "},
		"not watched": {free, outlook.Around{Beat: at(2), Read: true}, 40, "due 15:45 / not watched since 15:02: is the watcher running? !"},
		"overdue":     {free, late, 50, "due 15:45 / overdue by 5m: is the promoter running? !"},
		"waits":       {soaking, late, 50, "waits / 0 of 1 approvals ! waits"},
		"will wait":   {soaking, outlook.Around{Beat: at(9), Read: true}, 10, "not before 15:45 / 0 of 1 approvals waits"},
	} {
		got := story.Of(one.s, one.a, nil, at(one.now))
		text := got.Next.In(clock) + " / " + got.Why.In(clock)
		if got.Warn {
			text += " !"
		}
		if got.Waits {
			text += " waits"
		}
		if text != one.want || got.By != "ana" || got.Clock.To != at(45) {
			t.Errorf("%s: %q, want %q; %+v", name, text, one.want, got)
		}
	}
}
