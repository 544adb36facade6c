package judge_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/alert"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
)

func at(minutes int) time.Time { return noon().Add(time.Duration(minutes) * time.Minute) }

// A release is there from when its deployment began, not from when that was done.
func TestCame(t *testing.T) {
	staging := release.State{Phase: release.Staging, PhaseAt: at(1)}
	staged := release.State{Phase: release.Staged, PhaseAt: at(8), StagedAt: at(8)}
	soaking := release.State{Phase: release.Soaking, PhaseAt: at(9), StagedAt: at(8)}
	again := release.State{Phase: release.Soaking, PhaseAt: at(99), StagedAt: at(8), Reached: true}
	second := release.State{Phase: release.Staged, PhaseAt: at(70), StagedAt: at(70), Stage: 1}
	promoting := release.State{Phase: release.Promoting, PhaseAt: at(120), StagedAt: at(8)}
	baking := release.State{Phase: release.Baking, PhaseAt: at(125), StagedAt: at(8)}
	for name, c := range map[string]struct {
		states []release.State
		want   time.Time
	}{
		"staged":            {[]release.State{staging, staged, soaking}, at(1)},
		"retried":           {[]release.State{staging, staged, soaking, {Phase: release.Queued, Reached: true}, again}, at(99)},
		"the second stage":  {[]release.State{staging, staged, {Phase: release.Staging, Stage: 1, PhaseAt: at(60)}, second}, at(60)},
		"the bake":          {[]release.State{staging, staged, promoting, baking}, at(120)},
		"no journal before": {[]release.State{soaking}, at(8)},
	} {
		now, _ := judge.StretchOf(c.states[len(c.states)-1])
		if got := now.Came(c.states); !got.Equal(c.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// What an alert saw break while the release was rolled out is blamed on it; what fired before that is not.
func TestAnAlertOfTheDeployment(t *testing.T) {
	r := judge.RuleOf(project.Check{Alert: &project.Alert{}}, came)
	r.Came = came.Add(-10 * time.Minute)
	during, before := heard(-5*m, alert.Firing, "a"), heard(-11*m, alert.Firing, "a")
	if got := fold(r, []judge.Measurement{during, looked(0)}); !got.Failed {
		t.Errorf("%+v", got)
	}
	if got := fold(r, []judge.Measurement{during, heard(-m, alert.Resolved, "a"), looked(0)}); got.Failed || got.Inconclusive != "" {
		t.Errorf("one that was resolved in time: %+v", got)
	}
	if got := fold(r, []judge.Measurement{before, looked(0)}); got.Failed || got.Inconclusive == "" {
		t.Errorf("one from before: %+v", got)
	}
}

// Only a person decides that what was seen does not matter; that Sluice lets a release soak on does not say so.
func TestDecided(t *testing.T) {
	soaking := func(minutes int, prolonged time.Duration) release.State {
		return release.State{Phase: release.Soaking, StagedAt: at(0), SoakFrom: at(0), PhaseAt: at(minutes), Prolonged: prolonged}
	}
	held := func(minutes int, prolonged time.Duration) release.State {
		return release.State{
			Phase: release.Held, StagedAt: at(0), SoakFrom: at(0), PhaseAt: at(minutes), Held: &release.Holding{}, Prolonged: prolonged,
		}
	}
	first := release.State{Phase: release.Staged, StagedAt: at(0), SoakFrom: at(0), PhaseAt: at(0), Held: &release.Holding{}}
	let := release.State{Phase: release.Staged, StagedAt: at(0), SoakFrom: at(5), PhaseAt: at(0)}
	for name, c := range map[string]struct {
		states []release.State
		want   time.Time
	}{
		"never held":            {[]release.State{soaking(1, 0)}, time.Time{}},
		"resumed":               {[]release.State{soaking(1, 0), held(9, 0), soaking(12, 0)}, at(12)},
		"resumed twice":         {[]release.State{soaking(1, 0), held(9, 0), soaking(12, 0), held(20, 0), soaking(30, 0)}, at(30)},
		"held again":            {[]release.State{soaking(1, 0), held(9, 0), soaking(12, 0), held(20, 0)}, at(12)},
		"soaks on by itself":    {[]release.State{soaking(1, 0), held(9, 0), soaking(9, time.Hour)}, time.Time{}},
		"resumed, and soaks on": {[]release.State{soaking(1, 0), held(9, 0), soaking(12, 0), held(60, 0), soaking(60, time.Hour)}, at(12)},
		"before its clock":      {[]release.State{first, let}, at(5)},
	} {
		if got := (judge.Stretch{From: at(0)}).Decided(c.states); !got.Equal(c.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// What a merge says counts, and what the soak was extended by since does not: who takes over comes to the same.
func TestLasts(t *testing.T) {
	short := time.Minute
	s := release.State{Policy: release.Policy{Delay: time.Hour, Bake: 2 * time.Hour}, Extra: 5 * time.Hour}
	if got := (judge.Stretch{}).Lasts(s); got != time.Hour {
		t.Error(got)
	}
	if got := (judge.Stretch{Bake: true}).Lasts(s); got != 2*time.Hour {
		t.Error(got)
	}
	if s.Merge.Delay = &short; (judge.Stretch{}).Lasts(s) != short {
		t.Error("the merge's own delay does not count")
	}
}
