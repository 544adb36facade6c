package judge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/compare"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// soakOf is what was measured of a soak that began at a time: a value for each look, ten seconds apart.
func soakOf(from time.Time, stage int, values ...float64) releasepb.Measured {
	looks := releasepb.Looks{Check: "latency", Source: "s"}
	for i, v := range values {
		looks.All = append(looks.All, releasepb.Look{At: from.Add(time.Duration(i)*10*time.Second + 3*time.Second), OK: true, Value: &v})
	}
	return releasepb.Measured{From: from, Stage: stage, Looks: []releasepb.Looks{looks, {Check: "other", Source: "s"}}}
}

func numbersUpTo(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = float64(i)
	}
	return out
}

func TestPast(t *testing.T) {
	long, short := soakOf(noon(), 0, numbersUpTo(30)...), soakOf(noon().Add(time.Hour), 0, 7, 7)
	stage := judge.Stretch{From: at(600)}
	for name, c := range map[string]struct {
		all    []releasepb.Measured
		t      judge.Stretch
		source string
		there  bool
	}{
		"there":                  {[]releasepb.Measured{long}, stage, "s", true},
		"the last with enough":   {[]releasepb.Measured{long, short}, stage, "s", true},
		"too few looks":          {[]releasepb.Measured{short}, stage, "s", false},
		"of another stage":       {[]releasepb.Measured{long}, judge.Stretch{Stage: 1}, "s", false},
		"of the soak, not bake":  {[]releasepb.Measured{long}, judge.Stretch{Bake: true}, "s", false},
		"of other queries":       {[]releasepb.Measured{long}, stage, "other", false},
		"nothing":                {nil, stage, "s", false},
		"in two messages of one": {[]releasepb.Measured{soakOf(noon(), 0, numbersUpTo(6)...), soakOf(noon(), 0, numbersUpTo(6)...)}, stage, "s", true},
	} {
		if p := judge.PastOf(c.all, c.t, "latency", c.source, "release 1"); (p != nil) != c.there {
			t.Errorf("%s: %+v", name, p)
		}
	}
	// Each look stands beside the one that was so long after the beginning, once.
	p := judge.PastOf([]releasepb.Measured{long}, stage, "latency", "s", "release 1")
	look := func(after time.Duration) *float64 {
		mine := 1.0
		return p.Beside(judge.Measurement{At: stage.From.Add(after), OK: true, Value: &mine}, stage.From, 10*time.Second).Baseline
	}
	for _, c := range []struct {
		after time.Duration
		want  float64 // -1: none
	}{{0, 0}, {10 * time.Second, 1}, {11 * time.Second, -1}, {20 * time.Second, 2}, {60 * time.Second, 6}, {time.Hour, 29}, {2 * time.Hour, -1}} {
		got := look(c.after)
		if (got == nil) != (c.want < 0) || got != nil && *got != c.want {
			t.Errorf("after %s: %v, want %v", c.after, got, c.want)
		}
	}
	p = judge.PastOf([]releasepb.Measured{long}, stage, "latency", "s", "release 1")
	p.Skip(2*time.Minute, 10*time.Second)
	if got := look(2 * time.Minute); got == nil || *got != 12 {
		t.Errorf("who takes over goes on with %v", got)
	}
	p = nil
	p.Skip(time.Minute, time.Second)
	if got := look(0); got != nil {
		t.Errorf("nothing is %v", *got)
	}
}

// Counters stand until there are newer ones, and when the past is over there are none.
func TestPastOfCounters(t *testing.T) {
	looks := releasepb.Looks{Check: "errors", Source: "s"}
	for i := range 10 {
		n := float64(i)
		looks.All = append(looks.All, releasepb.Look{At: at(i), OK: true, Counters: &[4]float64{n, 100 * n, 5, 5}})
	}
	p := judge.PastOf([]releasepb.Measured{{From: at(0), Looks: []releasepb.Looks{looks}}}, judge.Stretch{}, "errors", "s", "")
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{time.Minute, 1}, {80 * time.Second, 1}, {4 * time.Minute, 4}, {9 * time.Minute, 9}, {11 * time.Minute, 0}} {
		m := judge.Measurement{At: at(600).Add(c.after), OK: true, Counters: &judge.Counters{Mine: compare.Count{Events: 1, Exposure: 1}}}
		got := p.Beside(m, at(600), 20*time.Second).Counters
		if got.Base.Events != c.want || got.Mine.Events != 1 || m.Counters.Base.Events != 0 {
			t.Errorf("after %s: %+v", c.after, got)
		}
	}
}

// Without a release before there is nothing to compare with, and the policy says what that means. When the soak before was shorter, what
// it came to stands.
func TestNothingToCompareWith(t *testing.T) {
	one := 1.0
	alone := judge.Measurement{At: at(1), OK: true, Value: &one}
	count := judge.Measurement{At: at(1), OK: true, Counters: &judge.Counters{Mine: compare.Count{Events: 1, Exposure: 9}}}
	for policy, lacks := range map[project.NoData]bool{project.HoldOnNoData: true, project.IgnoreNoData: false, project.FailOnNoData: true} {
		for _, m := range []judge.Measurement{alone, count} {
			r := compared(project.Compare{Previous: true, Method: project.Sequential}, policy)
			got := fold(r, []judge.Measurement{m, m})
			if !strings.Contains(got.Inconclusive, "no earlier release") || (got.Lacking != "") != lacks || got.Failed || got.Measured != 2 {
				t.Errorf("%s: %+v", policy, got)
			}
		}
	}
	r := compared(project.Compare{Previous: true, Method: project.Sequential}, project.HoldOnNoData)
	pair := alone
	pair.Baseline = &one
	if got := fold(r, []judge.Measurement{pair, pair, pair, pair, pair, alone}); got.Inconclusive != "" || got.Lacking != "" {
		t.Errorf("%+v", got)
	}
}
