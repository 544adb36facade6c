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
