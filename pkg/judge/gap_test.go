package judge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
)

// What follows from signals that were lost: a person is told once, and nothing that only warns stops a release.
func TestAGap(t *testing.T) {
	gap := judge.Gap{At: noon(), Why: "12 signals were lost"}
	stops := []project.Check{{Name: "chatty", Signal: &project.Signal{}, Warns: true}, {Name: "errors", Signal: &project.Signal{}}}
	soak, bake := judge.Stretch{From: noon()}, judge.Stretch{From: noon(), Bake: true}
	held := release.State{Held: &release.Holding{}}
	itself := release.State{Held: &release.Holding{System: true}}
	for name, c := range map[string]struct {
		gap    judge.Gap
		t      judge.Stretch
		checks []project.Check
		s      release.State
		asked  time.Time
		want   judge.Answer
	}{
		"none":                        {judge.Gap{}, soak, stops, release.State{}, time.Time{}, judge.Ignore},
		"one":                         {gap, soak, stops, release.State{}, time.Time{}, judge.HoldIt},
		"told":                        {gap, soak, stops, release.State{}, noon(), judge.Ignore},
		"told of an older one":        {gap, soak, stops, release.State{}, noon().Add(-1), judge.HoldIt},
		"held by a person, not told":  {gap, soak, stops, held, time.Time{}, judge.Wait},
		"held by Sluice, which knows": {gap, soak, stops, itself, time.Time{}, judge.HoldIt},
		"in a bake":                   {gap, bake, stops, release.State{}, time.Time{}, judge.NoSight},
		"only a warning":              {gap, soak, stops[:1], release.State{}, time.Time{}, judge.Ignore},
	} {
		if got := c.gap.Answer(c.t, c.checks, c.s, c.asked); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	r, check := gap.Hold(stops)
	if r.Verb != release.Hold || check != "errors" || !strings.Contains(r.Reason, "12 signals were lost, before 12:00:00 UTC: check errors") {
		t.Errorf("%s: %+v", check, r)
	}
}
