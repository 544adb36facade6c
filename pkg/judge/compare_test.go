package judge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/compare"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
)

// counted are looks, ten seconds apart, at counters that grow by so much each time.
func counted(looks int, start judge.Counters, mine, base compare.Count) []judge.Measurement {
	var out []judge.Measurement
	at := start
	for i := range looks {
		now := at
		out = append(out, judge.Measurement{At: noon().Add(time.Duration(i) * 10 * time.Second), OK: true, Counters: &now})
		at.Mine = compare.Count{Events: at.Mine.Events + mine.Events, Exposure: at.Mine.Exposure + mine.Exposure}
		at.Base = compare.Count{Events: at.Base.Events + base.Events, Exposure: at.Base.Exposure + base.Exposure}
	}
	return out
}

func TestComparison(t *testing.T) {
	r := judge.RuleOf(project.Check{Metric: &project.Metric{Prometheus: &project.Prometheus{
		Compare: &project.Compare{Tolerated: 1, FalseAlarms: 0.01},
	}}}, noon())
	per := func(errors int) compare.Count { return compare.Count{Events: errors, Exposure: 100} }
	// What was counted before the soak is nobody's fault: both sides begin anywhere.
	start := judge.Counters{Mine: compare.Count{Events: 5000, Exposure: 5000}, Base: compare.Count{Events: 1, Exposure: 1_000_000}}

	same := fold(r, counted(700, start, per(1), per(1)))
	if same.Failed || same.Measured != 700 {
		t.Errorf("as many errors as the baseline: %+v", same)
	}
	better := fold(r, counted(700, start, per(0), per(5)))
	if better.Failed {
		t.Errorf("fewer errors than the baseline: %+v", better)
	}
	worse := fold(r, counted(700, start, per(5), per(1)))
	if !worse.Failed || worse.Measured > 12 {
		t.Fatalf("five times as many errors are seen after %d looks", worse.Measured)
	}
	v := judge.Verdict{Check: "errors", Rule: r, Tally: worse}
	if reason := v.Reason(); !strings.Contains(reason, "check errors failed: ") || !strings.Contains(reason, "5 times as often: the baseline has ") {
		t.Errorf("reason: %s", reason)
	}
	none := fold(r, counted(700, start, per(5), per(0)))
	if !none.Failed || !strings.Contains(none.Last.Said, "where the baseline has none") {
		t.Errorf("where the baseline has no errors: %+v", none.Last)
	}
}

// A service that was started again counts from nothing. That is no error of anybody's.
func TestComparisonOverARestart(t *testing.T) {
	r := judge.Rule{Limit: 1, Compare: &project.Compare{Tolerated: 1, FalseAlarms: 0.01}}
	ms := counted(10, judge.Counters{}, compare.Count{Events: 1, Exposure: 100}, compare.Count{Events: 1, Exposure: 100})
	ms = append(ms, counted(300, judge.Counters{}, compare.Count{Events: 1, Exposure: 100}, compare.Count{Events: 1, Exposure: 100})...)
	if got := fold(r, ms); got.Failed {
		t.Errorf("%+v", got)
	}
	// More errors than requests are no counters.
	wrong := append(ms[:5:5], judge.Measurement{OK: true, Counters: &judge.Counters{Mine: compare.Count{Events: 1 << 40}, Base: compare.Count{Exposure: 1}}})
	if got := fold(r, wrong); got.Failed || got.Measured != 5 {
		t.Errorf("%+v", got)
	}
}

// compared is a rule of a soak of two hours, looked at every ten seconds.
func compared(c project.Compare, policy project.NoData) judge.Rule {
	c.Errors, c.Requests, c.Tolerated, c.FalseAlarms = "a", "b", 1, 0.01
	check := project.Check{Interval: 10 * time.Second, Metric: &project.Metric{Prometheus: &project.Prometheus{Compare: &c}, NoData: policy}}
	return judge.RuleOf(check, noon()).Within(2*time.Hour, 90)
}

// One of several instances goes, and with it its part of a sum: what is left is no news of the last ten seconds.
func TestComparisonWhenAnInstanceGoes(t *testing.T) {
	r := compared(project.Compare{}, "")
	for name, c := range map[string]struct{ before, after judge.Counters }{
		"of staging": {
			judge.Counters{Mine: compare.Count{Events: 90_000, Exposure: 1_000_000}, Base: compare.Count{Events: 10_000, Exposure: 1_000_000}},
			judge.Counters{Mine: compare.Count{Events: 80_000, Exposure: 900_000}, Base: compare.Count{Events: 10_060, Exposure: 1_006_000}},
		},
		"of production": {
			judge.Counters{Mine: compare.Count{Events: 10_000, Exposure: 1_000_000}, Base: compare.Count{Events: 100, Exposure: 1_000_000}},
			judge.Counters{Mine: compare.Count{Events: 10_060, Exposure: 1_006_000}, Base: compare.Count{Events: 90, Exposure: 900_000}},
		},
		"the errors of production alone": { // a series of errors goes stale, the requests go on
			judge.Counters{Mine: compare.Count{Events: 10_000, Exposure: 1_000_000}, Base: compare.Count{Events: 100, Exposure: 1_000_000}},
			judge.Counters{Mine: compare.Count{Events: 10_060, Exposure: 1_006_000}, Base: compare.Count{Exposure: 1_006_000}},
		},
	} {
		per := compare.Count{Events: 1, Exposure: 100}
		ms := counted(50, c.before, per, per)
		for i, m := range counted(600, c.after, per, per) {
			m.At = noon().Add(time.Duration(50+i) * 10 * time.Second)
			ms = append(ms, m)
		}
		if got := fold(r, ms); got.Failed {
			t.Errorf("%s: %s", name, got.Last.Said)
		}
		for i := range ms[51:] { // and it is not blind after that
			ms[51+i].Counters.Mine.Events += 9 * i
		}
		if got := fold(r, ms); !got.Failed {
			t.Errorf("%s: ten times as many errors are not seen", name)
		}
	}
}

// A service that crashes all the time counts from nothing all the time. That is seen.
func TestComparisonOfWhatCrashesAllTheTime(t *testing.T) {
	r := compared(project.Compare{}, "")
	var ms []judge.Measurement
	for i, m := range counted(300, judge.Counters{}, compare.Count{}, compare.Count{Events: 1, Exposure: 100}) {
		m.Counters.Mine = compare.Count{Events: 20 + i%3, Exposure: float64(90 + 7*(i%5))}
		ms = append(ms, m)
	}
	if got := fold(r, ms); !got.Failed {
		t.Errorf("%+v", got)
	}
}

// Without requests nothing is compared, and that is no pass: it is inconclusive, and after a while there is no data.
func TestComparisonWithoutRequests(t *testing.T) {
	some := compare.Count{Events: 1, Exposure: 100}
	for name, c := range map[string]struct {
		mine, base compare.Count
		policy     project.NoData
		lacks      string
	}{
		"none here":             {compare.Count{}, some, project.HoldOnNoData, "there are no requests since 12:00:00 UTC, so"},
		"none in the baseline":  {some, compare.Count{}, project.HoldOnNoData, "the baseline has no requests since 12:00:00 UTC"},
		"none at all":           {compare.Count{}, compare.Count{}, project.HoldOnNoData, "neither here nor in the baseline"},
		"errors, no requests":   {compare.Count{Events: 1}, some, project.HoldOnNoData, "errors without requests"},
		"and that is ignored":   {compare.Count{}, some, project.IgnoreNoData, "there are no requests"}, // nothing was ever measured
		"and that is a failure": {compare.Count{}, some, project.FailOnNoData, "there are no requests"},
	} {
		r := compared(project.Compare{}, c.policy)
		ms := counted(40, judge.Counters{Mine: some, Base: some}, c.mine, c.base)
		early, late := fold(r, ms[:20]), fold(r, ms)
		if early.Lacking != "" || early.Inconclusive == "" {
			t.Errorf("%s, after three minutes: %+v", name, early)
		}
		if !strings.Contains(late.Lacking, c.lacks) || late.Failed || (judge.Verdict{Rule: r, Tally: late}).Word() != judge.Inconclusive {
			t.Errorf("%s: %+v", name, late)
		}
	}
	// A little traffic is enough, and what a side has meanwhile is kept: a request every two minutes, all of which fail.
	r := compared(project.Compare{}, project.HoldOnNoData)
	ms := counted(700, judge.Counters{}, compare.Count{}, compare.Count{Events: 1, Exposure: 100})
	for i := range ms {
		n := i / 12
		ms[i].Counters.Mine = compare.Count{Events: n, Exposure: float64(n)}
		if got := fold(r, ms[:i+1]); got.Lacking != "" {
			t.Fatalf("look %d: %s", i, got.Lacking)
		}
	}
	if got := fold(r, ms); !got.Failed {
		t.Errorf("%+v", got)
	}
	// Once something was compared, a project may ignore that there is nothing any more.
	ignored := compared(project.Compare{}, project.IgnoreNoData)
	ms = counted(100, judge.Counters{}, some, some)
	for i := range ms[10:] {
		ms[10+i].Counters.Mine = ms[9].Counters.Mine
	}
	if got := fold(ignored, ms); got.Lacking != "" || got.Inconclusive != "" {
		t.Errorf("%+v", got)
	}
	if got := fold(r, ms); got.Lacking == "" {
		t.Errorf("%+v", got)
	}
}
