package judge_test

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
)

// comparing is the rule of a comparison of numbers in a soak of two hours.
func comparing(c project.Compare) judge.Rule {
	c.Value, c.Baseline = "a", "b"
	if c.Tolerated == 0 {
		c.Tolerated, c.FalseAlarms = 1, 0.01
	}
	return judge.RuleOf(project.Check{Metric: &project.Metric{Prometheus: &project.Prometheus{Compare: &c}}}, came)
}

// soaked is what looks every ten seconds for two hours come to, of numbers around 200 that are size times as high in staging.
func soaked(r judge.Rule, size float64) (judge.Tally, time.Duration) {
	random := rand.New(rand.NewPCG(1, 2))
	var t judge.Tally
	for after := time.Duration(0); after < 2*time.Hour; after += 10 * time.Second {
		mine, base := size*(200+20*random.NormFloat64()), 200+20*random.NormFloat64()
		if t = r.Add(t, judge.Measurement{At: came.Add(after), OK: true, Value: &mine, Baseline: &base}); t.Failed {
			return t, after
		}
	}
	return t, 0
}

func TestNumbers(t *testing.T) {
	ranks := project.Compare{Method: project.MannWhitney, After: 108 * time.Minute}
	for name, c := range map[string]struct {
		compare project.Compare
		size    float64
		within  time.Duration // of the alarm; 0: there is none
		says    string
	}{
		"no different":            {project.Compare{}, 1, 0, ""},
		"a tenth higher":          {project.Compare{}, 1.1, 5 * time.Minute, "where the baseline has"},
		"a tenth lower":           {project.Compare{}, 0.9, 0, ""},
		"as high as tolerated":    {project.Compare{Tolerated: 1.2, FalseAlarms: 0.01}, 1.1, 0, ""},
		"higher than tolerated":   {project.Compare{Tolerated: 1.2, FalseAlarms: 0.01}, 1.4, 5 * time.Minute, "the odds"},
		"lower is worse":          {project.Compare{Worse: project.LowerIsWorse}, 0.9, 10 * time.Minute, "where the baseline has 20"},
		"higher is not":           {project.Compare{Worse: project.LowerIsWorse}, 1.1, 0, ""},
		"ranks, no different":     {ranks, 1, 0, ""},
		"ranks, a tenth higher":   {ranks, 1.1, 109 * time.Minute, "98% confidence +"},
		"ranks, lower":            {ranks, 0.9, 0, ""},
		"ranks, lower, and worse": {project.Compare{Method: project.MannWhitney, After: 108 * time.Minute, Worse: project.LowerIsWorse}, 0.9, 109 * time.Minute, "98% confidence -"},
	} {
		t.Run(name, func(t *testing.T) {
			r := comparing(c.compare)
			tally, at := soaked(r, c.size)
			if tally.Failed != (c.within > 0) || at > c.within || tally.Inconclusive != "" {
				t.Errorf("failed %t after %s, inconclusive %q", tally.Failed, at, tally.Inconclusive)
			}
			if c.compare.Method == project.MannWhitney && tally.Failed && at < 108*time.Minute {
				t.Errorf("it was asked after %s", at)
			}
			if said := (judge.Verdict{Check: "latency", Rule: r, Tally: tally}).Reason(); !strings.Contains(said, c.says) {
				t.Error(said)
			}
		})
	}
}

// TestRanksAskOnce: before that the check is inconclusive, and so it is with too few numbers; what comes later changes nothing.
func TestRanksAskOnce(t *testing.T) {
	r := comparing(project.Compare{Method: project.MannWhitney, After: 10 * time.Minute})
	look := func(tally judge.Tally, after time.Duration, mine, base float64) judge.Tally {
		return r.Add(tally, judge.Measurement{At: came.Add(after), OK: true, Value: &mine, Baseline: &base})
	}
	tally := look(judge.Tally{}, 9*time.Minute, 2, 1)
	if !strings.Contains(tally.Inconclusive, "it is judged once, at 2026-03-02 15:10:00 UTC") {
		t.Error(tally.Inconclusive)
	}
	if tally = look(tally, 10*time.Minute, 2, 1); tally.Failed || !strings.Contains(tally.Inconclusive, "too few") {
		t.Errorf("%+v", tally)
	}
	for _, mine := range []float64{0.7, 0.8, 1.1, 1.2, 0.9} {
		tally = look(tally, 11*time.Minute, mine, 2-mine)
	}
	if tally.Failed || tally.Inconclusive != "" {
		t.Errorf("seven numbers each: %+v", tally)
	}
	for range 1000 {
		tally = look(tally, 11*time.Minute, 2, 1)
	}
	if tally.Failed || tally.Measured != 7 {
		t.Errorf("it was asked again: %+v", tally)
	}
}

// TestRanksAreAskedBeforeWhatMayBeMissing: a tenth of the soak need not be watched. A test that asks once in that tenth may never be asked,
// and its release would be promoted unjudged.
func TestRanksAreAskedBeforeWhatMayBeMissing(t *testing.T) {
	after := func(set, lasts time.Duration, coverage int) time.Duration {
		return comparing(project.Compare{Method: project.MannWhitney, After: set}).Within(lasts, coverage).Compare.After
	}
	for _, c := range []struct {
		set, lasts time.Duration
		coverage   int
		want       time.Duration
	}{
		{108 * time.Minute, 2 * time.Hour, 90, 96 * time.Minute},
		{30 * time.Minute, 2 * time.Hour, 90, 30 * time.Minute},
		{96 * time.Minute, 10 * time.Minute, 90, 8 * time.Minute}, // a merge's own delay
		{96 * time.Minute, 2 * time.Hour, 50, 48 * time.Minute},
		{110 * time.Minute, 2 * time.Hour, 100, 108 * time.Minute},
		{time.Hour, 0, 90, time.Hour}, // how long it lasts is not known
	} {
		if got := after(c.set, c.lasts, c.coverage); got != c.want {
			t.Errorf("%+v: asked after %s", c, got)
		}
	}
}

// TestNumbersThatOverlap: a mean over the last five minutes that is looked at every ten seconds is thirty times nearly the same. Taken for
// thirty it is a false alarm in most soaks; the rule lets those count that see something new.
func TestNumbersThatOverlap(t *testing.T) {
	const soaks, looks, window = 200, 720, 30
	alarms := func(c project.Compare) int {
		c.Tolerated, c.FalseAlarms = 1, 0.01
		r := judge.RuleOf(project.Check{Metric: &project.Metric{Prometheus: &project.Prometheus{Compare: &c}}}, came)
		n := 0
		for soak := range soaks {
			random := rand.New(rand.NewPCG(7, uint64(soak)))
			var tally judge.Tally
			var sums [2][looks + window + 1]float64
			for i := range looks + window {
				sums[0][i+1], sums[1][i+1] = sums[0][i]+random.NormFloat64(), sums[1][i]+random.NormFloat64()
			}
			for i := range looks {
				mine, base := sums[0][i+window]-sums[0][i], sums[1][i+window]-sums[1][i]
				at := came.Add(time.Duration(i) * 10 * time.Second)
				if tally = r.Add(tally, judge.Measurement{At: at, OK: true, Value: &mine, Baseline: &base}); tally.Failed {
					n++
					break
				}
			}
		}
		return n
	}
	if n := alarms(project.Compare{Value: "a", Baseline: "b"}); n < soaks/4 {
		t.Errorf("only %d of %d: this test shows nothing", n, soaks)
	}
	if n := alarms(project.Compare{Value: "avg_over_time(a[5m])", Baseline: "avg_over_time(b[300s])"}); n > soaks*3/100 {
		t.Errorf("%d false alarms in %d soaks, and one in a hundred is allowed", n, soaks)
	}
}

// TestALongSoakIsBounded: a month of looks is a thousand numbers at most, and still sees what there is.
func TestALongSoakIsBounded(t *testing.T) {
	r := comparing(project.Compare{Method: project.MannWhitney, After: time.Hour})
	var tally judge.Tally
	began := time.Now()
	for i := range 20_000 {
		mine, base := 1.5+float64(i%7), 1+float64(i%7)
		tally = r.Add(tally, judge.Measurement{At: came, OK: true, Value: &mine, Baseline: &base})
	}
	mine, base := 1.5, 1.0
	tally = r.Add(tally, judge.Measurement{At: came.Add(time.Hour), OK: true, Value: &mine, Baseline: &base})
	if !tally.Failed || !strings.Contains(tally.Last.Said, "by ranks of 6") {
		t.Errorf("%+v", tally.Last)
	}
	t.Logf("20,000 looks in %s", time.Since(began))
}

// TestNumbersAreStored: what is read back comes to the same.
func TestNumbersAreStored(t *testing.T) {
	mine, base := 0.3, 0.2
	m := judge.Measurement{At: came, OK: true, Value: &mine, Baseline: &base}
	if back := judge.MeasurementOf(m.Look()); !reflect.DeepEqual(back, m) {
		t.Errorf("%+v, want %+v", back, m)
	}
}
