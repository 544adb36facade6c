package judge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
)

func TestWatchable(t *testing.T) {
	for _, p := range append(release.Phases(), release.None) {
		want := p == release.Staged || p == release.Soaking || p == release.Held || p == release.Baking
		if got := judge.Watchable(release.State{Phase: p}); got != want {
			t.Errorf("%s: %t", p, got)
		}
	}
}

func TestStretches(t *testing.T) {
	staged, at := noon(), noon().Add(time.Hour)
	state := func(p release.Phase) release.State {
		return release.State{Phase: p, Stage: 2, StagedAt: staged, PhaseAt: at}
	}
	reached := state(release.Soaking)
	reached.Reached = true
	for name, c := range map[string]struct {
		state release.State
		want  judge.Stretch
	}{
		"staged":                             {state(release.Staged), judge.Stretch{Stage: 2, From: staged}},
		"soaking":                            {state(release.Soaking), judge.Stretch{Stage: 2, From: staged}},
		"held":                               {state(release.Held), judge.Stretch{Stage: 2, From: staged}},
		"baking":                             {state(release.Baking), judge.Stretch{Bake: true, Stage: 2, From: at}},
		"retried after its promotion failed": {reached, judge.Stretch{Stage: 2, From: at}},
	} {
		if got, ok := judge.StretchOf(c.state); !ok || got != c.want {
			t.Errorf("%s: %+v, %t", name, got, ok)
		}
	}
}

// Two stretches are one only if they are of the same kind and stage, and began at the same time, in whichever time zone.
func TestWhichStretchIsTheSame(t *testing.T) {
	s := judge.Stretch{Stage: 1, From: noon()}
	for name, c := range map[string]struct {
		other judge.Stretch
		want  bool
	}{
		"itself":              {s, true},
		"in another zone":     {judge.Stretch{Stage: 1, From: noon().In(time.FixedZone("x", 3600))}, true},
		"another stage":       {judge.Stretch{Stage: 2, From: noon()}, false},
		"a bake":              {judge.Stretch{Stage: 1, From: noon(), Bake: true}, false},
		"the stage once more": {judge.Stretch{Stage: 1, From: noon().Add(time.Nanosecond)}, false},
	} {
		if s.Same(c.other) != c.want {
			t.Errorf("%s: %t", name, !c.want)
		}
	}
}

func TestWhichChecks(t *testing.T) {
	named := func(name string) []project.Check { return []project.Check{{Name: name}} }
	p := &project.Project{Name: "tracer", Stages: []project.Stage{{Watch: named("one")}, {Watch: named("two")}}}
	baked := &project.Project{Name: "tracer", Bake: &project.Bake{Watch: named("bake")}}
	for want, c := range map[string]struct {
		stretch judge.Stretch
		p       *project.Project
	}{
		"one": {judge.Stretch{}, p}, "two": {judge.Stretch{Stage: 1}, p}, "bake": {judge.Stretch{Bake: true}, baked},
	} {
		if got, err := c.stretch.Checks(c.p); err != nil || len(got) != 1 || got[0].Name != want {
			t.Errorf("%s: %+v, %v", want, got, err)
		}
	}
	for want, c := range map[string]judge.Stretch{
		"project tracer has no stage 3, it has 2": {Stage: 2},
		"project tracer has no bake":              {Bake: true},
	} {
		if _, err := c.Checks(p); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// A verdict asks for what can still be had: a cancel until the promotion is out, a rollback until the bake is over, and
// after that for what failed within it.
func TestWhenAVerdictAsks(t *testing.T) {
	const bake = time.Hour
	within, after := noon().Add(bake-time.Second), noon().Add(bake)
	verdict := func(baking bool, last time.Time) judge.Verdict {
		return judge.Verdict{
			Check: "x", Stretch: judge.Stretch{Bake: baking, From: noon()},
			Tally: judge.Tally{Failed: true, Last: judge.Measurement{At: last}},
		}
	}
	soak, inBake, lateBake := verdict(false, within), verdict(true, within), verdict(true, after)
	if soak.Stretch.Verb() != release.Cancel || inBake.Stretch.Verb() != release.Recall {
		t.Errorf("it asks to %s and to %s", soak.Stretch.Verb(), inBake.Stretch.Verb())
	}
	for _, p := range release.Phases() {
		s := release.State{Phase: p, Policy: release.Policy{Bake: bake}}
		if got, want := soak.Asks(s), !p.Ended() && !p.Out(); got != want {
			t.Errorf("%s: a soak's asks: %t", p, got)
		}
		if got, want := inBake.Asks(s), p == release.Baking || p == release.Promoted; got != want {
			t.Errorf("%s: a bake's asks: %t", p, got)
		}
		if got, want := lateBake.Asks(s), p == release.Baking; got != want {
			t.Errorf("%s: a bake's that failed later asks: %t", p, got)
		}
	}
}

func TestAVerdictSaysWhere(t *testing.T) {
	tally := judge.Tally{Count: 1, Failed: true, First: judge.Measurement{At: noon()}, Last: judge.Measurement{At: noon(), Said: "no"}}
	for want, c := range map[string]struct {
		verdict  judge.Verdict
		evidence string
	}{
		"check x of stage canary failed: no (at 12:00:00 UTC)": {
			judge.Verdict{Check: "x", Stage: "canary", Rule: judge.Rule{Limit: 1, InARow: true}, Tally: tally}, `"stage":"canary"`,
		},
		"check x of the bake: 1 signal during the bake, 0 allowed: no (at 12:00:00 UTC)": {
			judge.Verdict{Check: "x", Stretch: judge.Stretch{Bake: true}, Rule: judge.Rule{Limit: 1}, Tally: tally}, `"bake":true`,
		},
	} {
		if got := c.verdict.Reason(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if got := c.verdict.Evidence(); !strings.Contains(got, c.evidence) {
			t.Errorf("%s lacks %s", got, c.evidence)
		}
	}
}
