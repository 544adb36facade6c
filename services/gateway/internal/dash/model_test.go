package dash

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
)

func at(minute int) time.Time { return time.Date(2026, 3, 2, 15, minute, 0, 0, time.UTC) }

// entry is a release in a phase.
func entry(project, id string, seq uint64, phase release.Phase, minute int) journal.Entry {
	s := release.State{
		Release: id, Project: project, Version: "1." + id, Phase: phase, Merge: release.Merge{Seq: seq, Actor: "ana"}, MergedAt: at(0),
		Policy: release.Policy{Lane: project, Delay: time.Hour}, StagedAt: at(0), SoakFrom: at(0), Due: at(minute), PhaseAt: at(minute),
	}
	if phase == release.Held {
		s.Held = &release.Holding{Said: release.Said{By: "ben", Reason: "wait for QA"}}
	}
	if phase.Ended() {
		s.End = release.Said{By: "ana", At: at(minute), Reason: "login is broken"}
	}
	return journal.Entry{State: s, Seq: seq}
}

// TestApply: an entry counts once, one that is older changes nothing, and of what ended the newest stay.
func TestApply(t *testing.T) {
	m := NewModel()
	if got := m.Apply(entry("shop", "a", 5, release.Soaking, 30)); !slices.Equal(got, []string{"a"}) {
		t.Errorf("%v changed", got)
	}
	for what, e := range map[string]journal.Entry{
		"again": entry("shop", "a", 5, release.Soaking, 30), "from before": entry("shop", "a", 4, release.Staging, 30),
	} {
		if got := m.Apply(e); len(got) > 0 {
			t.Errorf("the same record %s changes %v", what, got)
		}
	}
	m.Apply(entry("shop", "a", 6, release.Failed, 31))
	for i := range 10 {
		m.Apply(entry("shop", fmt.Sprintf("e%d", i), uint64(10+i), release.Promoted, 40+i))
	}
	if m.Size() != endedKept {
		t.Errorf("%d releases are kept, want %d", m.Size(), endedKept)
	}
	if got := m.Apply(entry("shop", "old", 99, release.Promoted, 1)); len(got) > 0 {
		t.Error("what ended long ago is shown")
	}
	m.Apply(entry("shop", "e9", 100, release.Soaking, 59)) // taken up again
	if got := m.Live(); !slices.Equal(got, []string{"e9"}) || m.Size() != endedKept {
		t.Errorf("live are %v of %d", got, m.Size())
	}
}

// TestBoundedMemory: ten thousand changes leave the model as large as the releases that matter.
func TestBoundedMemory(t *testing.T) {
	m := NewModel()
	for i := range uint64(10_000) {
		m.Apply(entry(fmt.Sprintf("p%d", i%50), fmt.Sprintf("r%d", i), i+1, release.Promoted, int(i%59)))
	}
	if most := 50 * endedKept; m.Size() > most || len(m.ended) > 50 || len(m.names) > 50 {
		t.Errorf("%d releases, %d lists, %d names", m.Size(), len(m.ended), len(m.names))
	}
}

// TestColumns: every phase stands in a column, what needs somebody comes first, then what is due next; and a column is bounded.
func TestColumns(t *testing.T) {
	m := NewModel()
	for i, p := range release.Phases() {
		m.Apply(entry("shop", string(p), uint64(i+1), p, 30))
	}
	m.Apply(entry("api", "soon", 100, release.Soaking, 10), entry("api", "late", 101, release.Soaking, 50))
	shown := map[string][]string{}
	for _, c := range m.Board("", at(5)) {
		for _, card := range c.Cards {
			shown[c.ID] = append(shown[c.ID], card.Release)
		}
	}
	for column, want := range map[string][]string{
		"coming": {"merged", "publishing", "published", "passed", "queued"}, "staging": {"staging", "staged"},
		"soaking": {"held", "soon", "soaking", "late"}, "promoting": {"promoting", "baking", "rolling-back"},
		"ended": {"promoted", "failed", "cancelled"}, // the others ended no later
	} {
		if !slices.Equal(shown[column], want) {
			t.Errorf("%s has %v, want %v", column, shown[column], want)
		}
	}
	for i := range 100 {
		m.Apply(entry("many", fmt.Sprintf("m%d", i), uint64(200+i), release.Queued, 30))
	}
	if c := m.Board("man", at(5))[0]; c.All != 100 || len(c.Cards) != columnMost {
		t.Errorf("%d of %d are shown", len(c.Cards), c.All)
	}
}

// TestDiff: whoever applies the changes has what was sent, and what is not shown any more is not kept.
func TestDiff(t *testing.T) {
	view := func(ids ...string) View {
		l := List{ID: "l"}
		for _, id := range ids {
			l.Items = append(l.Items, Item{id, "<li>" + id})
		}
		return View{Single: []Item{{"n", fmt.Sprint(len(ids))}}, Lists: []List{l}}
	}
	have := sent{}
	for i, c := range []struct {
		view        View
		html, lists int
	}{
		{view("a", "b"), 3, 1}, {view("a", "b"), 0, 0}, {view("b", "a"), 0, 1}, {view("b", "a", "c"), 2, 1}, {view("c"), 1, 1}, {view(), 1, 1}, {view("a"), 2, 1},
	} {
		var got change
		got, have = have.diff(c.view)
		if len(got.HTML) != c.html || len(got.Lists) != c.lists || got.empty() != (c.html+c.lists == 0) {
			t.Errorf("%d: %+v", i, got)
		}
		if want := 1 + len(c.view.Lists[0].Items); len(have.items) != want {
			t.Errorf("%d: %d items are remembered, want %d", i, len(have.items), want)
		}
	}
	if c, _ := has(view("a", "b")).diff(view("a", "b")); !c.empty() {
		t.Errorf("who has the page is sent %+v", c)
	}
}

// TestOutcomes: every phase has a sentence and a way.
func TestOutcomes(t *testing.T) {
	for _, p := range release.Phases() {
		s := entry("shop", "a", 1, p, 30).State
		if p == release.Superseded {
			s.End.Reason = "superseded by b"
		}
		if outcome(s).String() == "" || len(steps(s)) != 5 {
			t.Errorf("%s: %q, %v", p, outcome(s), steps(s))
		}
	}
}
