package show_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/evidence"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/outlook"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

// What people read of a whole release, word for word, and of projects.
func TestStoryGolden(t *testing.T) {
	p := policy(t, measuredThen)
	records := stories(t)["promoted"]
	s := records[len(records)-1].State
	zone := time.FixedZone("CET", 3600)
	now := s.End.At.In(zone).Add(time.Minute)
	well := measured(t, s.Release, "1.4.0", s.Phase, "promoter", pick(60, "p")+"ff"+pick(58, "p"), pick(30, " ")+"f", pick(60, "1")+"nn")
	story := show.StoryJSON{
		Release: show.JSONOf(board.Row{State: s}, now), Timeline: show.RecordsJSON(records), Artifacts: show.Artifacts(s),
		Evidence: show.SummariesJSON(well, p),
		Commands: []show.CommandJSON{{Verb: "rollback", Sluice: `sluice rollback x "login is broken"`, NATS: `nats pub -J sluice.rollback.x "login is broken"`}},
	}
	text := show.Story(show.Details(board.Row{State: s}, now, show.Style{}), show.Timeline(records, show.Style{Zone: zone}), story, now, show.Style{})
	story.Unread, story.Evidence, story.Commands, story.Artifacts = "not allowed", nil, nil, nil
	text += "\n### nothing more\n\n" + show.Story("…\n", "…\n", story, now, show.Style{})
	gone := show.StoryJSON{Evidence: show.SummariesJSON(evidence.Release{Spans: []evidence.Span{
		{Stretch: judge.Stretch{From: base(), Bake: true}, To: base().Add(time.Minute), Live: true},
		well.Spans[0],
	}}, p)}
	text += "\n### several spans\n\n" + show.Story("…\n", "…\n", gone, now, show.Style{})
	written(t, "testdata/story.txt", text)

	data, err := json.Marshal(story)
	if err != nil || !strings.Contains(string(data), `"cause":{"stream":"SLUICE","sequence":9,"subject":"sluice.release.01970000-0000-7000-8000-000000000001"}`) {
		t.Errorf("%s: %v", data, err)
	}
}

func TestProjectsGolden(t *testing.T) {
	all := []show.ProjectJSON{
		{Project: "tracer", Revision: "0123456789abcdef", Lane: "eu", Stages: []show.StageJSON{
			{Name: "staging", Soak: 7200, Checks: []string{"health", "errors"}}, {Name: "canary", Soak: 1800, Approvals: 2, Checks: []string{}},
		}, Promoted: &show.PromotedJSON{Version: "1.4.0"}, Live: 2},
		{Project: "router", Revision: "fedcba9876543210", Lane: "eu", Stages: []show.StageJSON{{Name: "staging"}}, Stopped: []string{"router is paused by ana"}},
		{Project: "wrong", Error: "wrong.yaml:1:1: unknown field"},
	}
	written(t, "testdata/projects.txt", show.Projects(all, show.Style{}, 0)+show.Projects(nil, show.Style{}, 0))
}

// What somebody is told before a request is sent: every verb, at every phase that the stories come to.
func TestWillGolden(t *testing.T) {
	var b strings.Builder
	seen := map[release.Phase]bool{}
	for _, name := range []string{"promoted", "cancelled", "failed", "superseded"} {
		for _, r := range stories(t)[name] {
			will(&b, r.State, seen)
		}
	}
	for _, name := range []string{"baking", "rolled back", "stages"} {
		for _, r := range laterStories(t)[name] {
			will(&b, r.State, seen)
		}
	}
	if len(seen) < len(release.Phases())-1 {
		t.Errorf("only %d of %d phases", len(seen), len(release.Phases()))
	}
	will(&b, release.State{Release: "01970000-0000-7000-8000-000000000001"}, seen)
	written(t, "testdata/will.txt", b.String())
}

func will(b *strings.Builder, s release.State, seen map[release.Phase]bool) {
	if seen[s.Phase] {
		return
	}
	seen[s.Phase] = true
	fmt.Fprintf(b, "### %s\n", s.Phase)
	now := base().Add(20 * time.Minute)
	for _, v := range release.Verbs() {
		fmt.Fprintf(b, "%-9s %s\n", v, story.Will(v, s, false, now))
	}
	fmt.Fprintf(b, "%-9s %s\n", "--force", story.Will(release.Expedite, s, true, now))
}

func TestVerdict(t *testing.T) {
	soaking := release.State{Phase: release.Soaking, StagedAt: base()}
	beat := outlook.Around{Beat: base()}
	doubt := outlook.Around{Beat: base(), Doubts: []string{"latency: no data"}}
	expedited := release.State{Phase: release.Promoted, StagedAt: base(), Expedited: &release.Said{}}
	for name, c := range map[string]struct {
		row  board.Row
		want judge.Word
	}{
		"so far":           {board.Row{State: soaking, Around: beat}, judge.Pass},
		"nobody looked":    {board.Row{State: soaking}, ""},
		"in doubt":         {board.Row{State: soaking, Around: doubt}, judge.Inconclusive},
		"failed":           {board.Row{State: release.State{Phase: release.Cancelled, Evidence: "{}"}}, judge.Fail},
		"somebody":         {board.Row{State: release.State{Phase: release.Cancelled}}, ""},
		"promoted":         {board.Row{State: release.State{Phase: release.Promoted, StagedAt: base()}}, judge.Pass},
		"expedited":        {board.Row{State: expedited}, ""},
		"on its way":       {board.Row{State: release.State{Phase: release.Queued}, Around: beat}, ""},
		"failed to deploy": {board.Row{State: release.State{Phase: release.Failed}}, ""},
	} {
		if got := show.VerdictOf(c.row); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// The errors of all checks, over time: what the watcher saw when.
func TestErrors(t *testing.T) {
	p := policy(t, measuredThen)
	r := measured(t, "01970000-0000-7000-8000-000000000001", "1.4.0", release.Soaking, "", pick(30, "p")+pick(30, "f")+pick(30, "p"), pick(45, " ")+"ff", "")
	r.Spans[0].To = r.Spans[0].From.Add(2 * time.Hour)
	got := show.Errors(r, p, 4)
	if fmt.Sprint(got) != "[0 32 0 -1]" {
		t.Errorf("%v", got)
	}
	if text := show.ErrorSpark([]int{0, 1, 32, 0, -1}); text != "▁▂█▁ " {
		t.Errorf("%q", text)
	}
	if got := show.Errors(evidence.Release{}, p, 4); got != nil || show.ErrorSpark(got) != "" {
		t.Errorf("%v", got)
	}
}
