package judge_test

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// scoredBy is a rule of a soak of two hours with four metrics in two groups.
func scoredBy(more func(*project.Score)) judge.Rule {
	s := project.Score{Pass: 95, Marginal: 50, After: 96 * time.Minute, Metrics: []project.ScoredMetric{
		{Name: "p95", Group: "latency", Worse: project.HigherIsWorse, Tolerated: 1},
		{Name: "p50", Group: "latency", Worse: project.HigherIsWorse, Tolerated: 1},
		{Name: "errors", Group: "errors", Worse: project.HigherIsWorse, Tolerated: 1, Missing: project.MissingIsZero},
		{Name: "requests", Group: "errors", Worse: project.LowerIsWorse, Tolerated: 1},
	}}
	if more != nil {
		more(&s)
	}
	return judge.RuleOf(project.Check{Metric: &project.Metric{Prometheus: &project.Prometheus{Score: &s}}}, came).Within(2*time.Hour, 90)
}

// scores are looks every minute: each metric times as much as its baseline; 0: it has none, in staging.
func scores(times ...float64) []judge.Measurement {
	var out []judge.Measurement
	for i := range 120 {
		m := judge.Measurement{At: came.Add(time.Duration(i) * time.Minute), OK: true}
		for j, n := range times {
			base := 100 + float64((i*7+j)%30)
			mine := n * (100 + float64((i*11+j)%30))
			if n == 0 {
				mine = math.NaN()
			}
			m.Many = append(m.Many, mine, base)
		}
		out = append(out, m)
	}
	return out
}

func TestScores(t *testing.T) {
	for name, c := range map[string]struct {
		rule  judge.Rule
		looks []judge.Measurement
		word  judge.Word
		says  string
	}{
		"all well":             {scoredBy(nil), scores(1, 1, 1, 1), judge.Pass, ""},
		"one of four":          {scoredBy(nil), scores(2, 1, 1, 1), judge.Inconclusive, "a score of 75 of 100, marginal: 95 passes; p95 is High, 2 times"},
		"three of four":        {scoredBy(nil), scores(2, 2, 1, 0.5), judge.Fail, "a score of 25 of 100, fail"},
		"better":               {scoredBy(nil), scores(0.5, 0.5, 0.5, 2), judge.Pass, ""},
		"no traffic":           {scoredBy(nil), scores(0, 0, 0, 0), judge.Fail, "3 of 4 metrics have no data"},
		"one without data":     {scoredBy(nil), scores(0, 1, 1, 1), judge.Pass, ""},
		"a critical one":       {scoredBy(func(s *project.Score) { s.Metrics[0].Critical = true }), scores(2, 1, 1, 1), judge.Fail, "critical metric p95 is High"},
		"that must have data":  {scoredBy(func(s *project.Score) { s.Metrics[0].MustHaveData = true }), scores(0, 1, 1, 1), judge.Inconclusive, "p95 is NodataFail"},
		"by weight":            {scoredBy(func(s *project.Score) { s.Weights = map[string]float64{"latency": 100} }), scores(2, 2, 1, 1), judge.Fail, "a score of 0 of 100"},
		"tolerated":            {scoredBy(func(s *project.Score) { s.Metrics[0].Tolerated = 3 }), scores(2, 1, 1, 1), judge.Pass, ""},
		"not yet":              {scoredBy(nil), scores(2, 2, 2, 2)[:90], judge.Inconclusive, "it is judged once, at 2026-03-02 16:36:00 UTC"},
		"too few, as of then":  {scoredBy(nil), scores(2, 2, 2, 2)[117:], judge.Inconclusive, "3 numbers are too few"},
		"few, but enough":      {scoredBy(nil), scores(2, 2, 2, 0.5)[112:], judge.Fail, "a score of 0"},
		"of other metrics":     {scoredBy(nil), scores(1, 1), judge.Inconclusive, ""},
		"as short as it gets":  {scoredBy(nil).Within(time.Hour, 90), scores(2, 2, 2, 0.5)[:50], judge.Fail, "a score of 0"},
		"longer than is kept":  {scoredBy(func(s *project.Score) { s.After = time.Minute }), scores(1, 1, 1, 1), judge.Pass, ""},
		"windows that overlap": {scoredBy(func(s *project.Score) { s.Metrics[3].Value = "rate(a[30m])" }), scores(2, 2, 2, 0.5), judge.Inconclusive, "it is judged once"},
		"windows, but enough":  {scoredBy(func(s *project.Score) { s.Metrics[3].Value = "rate(a[15m])" }), scores(4, 4, 4, 0.1)[:97], judge.Fail, "a score of 0"},
	} {
		tally := fold(c.rule, c.looks)
		v := judge.Verdict{Check: "canary", Rule: c.rule, Tally: tally}
		if v.Word() != c.word || !strings.Contains(v.Reason(), c.says) {
			t.Errorf("%s: %s, %s", name, v.Word(), v.Reason())
		}
	}
}

// What is read back comes to the same, also where numbers are missing.
func TestScoresAreStored(t *testing.T) {
	looks := releasepb.Looks{Check: "canary", Source: "s"}
	for _, m := range scores(2, 0, 0, 1) {
		looks.All = append(looks.All, m.Normal().Look())
	}
	one := 1.0
	looks.All = append(looks.All, releasepb.Look{At: came.Add(3 * time.Hour), OK: true, Value: &one})
	data, err := releasepb.EncodeMeasured(releasepb.Measured{Looks: []releasepb.Looks{looks}})
	if err != nil {
		t.Fatal(err)
	}
	back, err := releasepb.DecodeMeasured(data)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range back.Looks[0].All {
		got, want := judge.MeasurementOf(l), judge.MeasurementOf(looks.All[i])
		if !reflect.DeepEqual(bits(got.Many), bits(want.Many)) || !got.At.Equal(want.At) || got.OK != want.OK {
			t.Fatalf("look %d: %+v, want %+v", i, got, want)
		}
	}
	for _, bad := range []string{`"s","values":[]`, `"s","values":[3,1]`, `"s","values":[-1,1]`, `"s","values":["NaN",1]`} {
		if _, err := releasepb.DecodeMeasured([]byte(`{"looks":[{"check":"c","came":` + bad + `}]}`)); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func bits(values []float64) []uint64 {
	var out []uint64
	for _, v := range values {
		out = append(out, math.Float64bits(v))
	}
	return out
}

// What is asked once is asked when its time has come, also at a look that is too close to the one before to count itself.
func TestRanksAreAskedOnTime(t *testing.T) {
	c := project.Compare{Value: "rate(a[15m])", Baseline: "b", Method: project.MannWhitney, After: 96 * time.Minute}
	r := judge.RuleOf(project.Check{Metric: &project.Metric{Prometheus: &project.Prometheus{Compare: &c}}}, came)
	var tally judge.Tally
	for i := range 97 {
		mine, base := 200+float64(i%3), 100+float64(i%3)
		tally = r.Add(tally, judge.Measurement{At: came.Add(time.Duration(i) * time.Minute), OK: true, Value: &mine, Baseline: &base})
	}
	if !tally.Failed || !tally.Last.At.Equal(came.Add(96*time.Minute)) || !strings.Contains(tally.Last.Said, "of 7 numbers each") {
		t.Errorf("%+v", tally)
	}
}
