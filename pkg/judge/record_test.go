package judge_test

import (
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/compare"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// anyCheck is a check with any of the ways to judge.
func anyCheck() *rapid.Generator[project.Check] {
	return rapid.Custom(func(t *rapid.T) project.Check {
		c := project.Check{
			Name: "x", Failures: rapid.IntRange(1, 5).Draw(t, "failures"), Grace: time.Duration(rapid.IntRange(0, 90_000_000_000).Draw(t, "grace")),
		}
		from := &project.Prometheus{}
		switch rapid.SampledFrom([]string{"http", "signal", "value", "compare"}).Draw(t, "kind") {
		case "http":
			c.HTTP = &project.HTTP{URL: "http://x"}
		case "signal":
			c.Signal = &project.Signal{Max: rapid.IntRange(0, 5).Draw(t, "max")}
		case "compare":
			from.Compare = &project.Compare{Tolerated: 1, FalseAlarms: 0.3}
			fallthrough
		default:
			c.Metric = &project.Metric{Prometheus: from, NoData: rapid.SampledFrom([]project.NoData{
				project.HoldOnNoData, project.FailOnNoData, project.IgnoreNoData,
			}).Draw(t, "no data")}
			if from.Compare == nil {
				c.Metric.Condition = "value < 10.0"
			}
		}
		return c
	})
}

// anyLooks are looks of a check as its source may answer, and worse.
func anyLooks(c project.Check) *rapid.Generator[[]judge.Measurement] {
	return rapid.Custom(func(t *rapid.T) []judge.Measurement {
		at := noon()
		var out []judge.Measurement
		var grown judge.Counters
		for range rapid.IntRange(0, 80).Draw(t, "looks") {
			at = at.Add(time.Duration(rapid.Int64Range(-1_000_000, 20_000_000_000).Draw(t, "after")))
			m := judge.Measurement{At: at, OK: rapid.Bool().Draw(t, "ok"), Said: rapid.String().Draw(t, "said")}
			m.Lack = rapid.SampledFrom([]judge.Lack{"", "", "", "", judge.NoData, judge.Busy, judge.Blind}).Draw(t, "lack")
			switch {
			case m.Lack != "" || c.Metric == nil:
			case c.Metric.Condition != "":
				value := rapid.SampledFrom([]float64{1, 9.999, 10, 11, -0.1, 1e300, math.Inf(1), math.Inf(-1)}).Draw(t, "value")
				m.Value = &value
			default:
				grown.Mine.Events += rapid.IntRange(0, 9).Draw(t, "errors")
				grown.Mine.Exposure += float64(rapid.IntRange(0, 100).Draw(t, "requests"))
				grown.Base.Events += rapid.IntRange(0, 3).Draw(t, "base errors")
				grown.Base.Exposure += float64(rapid.IntRange(0, 100).Draw(t, "base requests"))
				if rapid.IntRange(0, 20).Draw(t, "restart") == 0 {
					grown.Mine = compare.Count{}
				}
				counters := grown
				m.Counters = &counters
			}
			out = append(out, m)
		}
		return out
	})
}

// What was judged while it was measured comes to the same when it is read back, at the same measurement, however it was cut into
// messages, and whoever took over in between.
func TestWhatIsStoredComesToTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := anyCheck().Draw(t, "check")
		looks := anyLooks(c).Draw(t, "looks")
		rule := judge.RuleOf(c, noon())
		var live judge.Tally
		failed := -1
		var stored []judge.Measurement
		var message releasepb.Measured
		flush := func() {
			data, err := releasepb.EncodeMeasured(message)
			if err != nil {
				t.Fatal(err)
			}
			read, err := releasepb.DecodeMeasured(data)
			if err != nil {
				t.Fatalf("%s: %v", data, err)
			}
			for _, one := range read.Looks {
				for _, l := range one.All {
					stored = append(stored, judge.MeasurementOf(l))
				}
			}
			message = releasepb.Measured{}
		}
		for i, m := range looks {
			m = m.Normal()
			if live = rule.Add(live, m); live.Failed && failed < 0 {
				failed = i
			}
			if len(message.Looks) == 0 {
				message.Looks = []releasepb.Looks{{Check: c.Name, Source: judge.Source(c)}}
			}
			message.Looks[0].All = append(message.Looks[0].All, m.Look())
			if rapid.IntRange(0, 5).Draw(t, "store") == 0 {
				flush()
				if again, _ := judge.Replay(rule, stored); rapid.Bool().Draw(t, "take over") {
					live = again
				}
			}
		}
		flush()
		if len(stored) != len(looks) {
			t.Fatalf("%d of %d are stored", len(stored), len(looks))
		}
		again, at := judge.Replay(rule, stored)
		if at != failed || !reflect.DeepEqual(again.Failed, live.Failed) {
			t.Fatalf("failed at %d, and replayed at %d", failed, at)
		}
		if !reflect.DeepEqual(again, live) {
			t.Fatalf("%+v\nwant %+v", again, live)
		}
		was, is := judge.Verdict{Check: "x", Rule: rule, Tally: live}, judge.Verdict{Check: "x", Rule: rule, Tally: again}
		if was.Reason() != is.Reason() || was.Evidence() != is.Evidence() {
			t.Fatalf("%s\nwant %s", is.Reason(), was.Reason())
		}
	})
}

func TestNormalIsForGood(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, m := range anyLooks(anyCheck().Draw(t, "check")).Draw(t, "looks") {
			if once := m.Normal(); !reflect.DeepEqual(once.Normal(), once) {
				t.Fatalf("%+v", once)
			}
		}
	})
}

// What is measured is stored whole: whoever adds a field to a measurement stores it, too.
func TestAMeasurementIsStoredWhole(t *testing.T) {
	value := 0.25
	for _, m := range []judge.Measurement{
		{At: noon(), OK: true, Value: &value},
		{At: noon(), Said: "no", Value: &value},
		{At: noon(), Said: "no", Lack: judge.Busy},
		{At: noon(), OK: true, Value: &value, Baseline: &value},
		{At: noon(), OK: true, Many: []float64{1, 2, 3, 4}},
		{At: noon(), OK: true, Counters: &judge.Counters{Mine: compare.Count{Events: 1, Exposure: 2}, Base: compare.Count{Events: 3, Exposure: 4}}},
	} {
		if got := judge.MeasurementOf(m.Look()); !reflect.DeepEqual(got, m) {
			t.Errorf("%+v, want %+v", got, m)
		}
	}
	stored := []string{"At", "OK", "Said", "Lack", "Value", "Baseline", "Counters", "Many", "Alert"} // alerts are stored as they came
	for _, f := range reflect.VisibleFields(reflect.TypeFor[judge.Measurement]()) {
		if !slices.Contains(stored, f.Name) {
			t.Errorf("%s of a measurement is not stored: see releasepb.Look", f.Name)
		}
	}
}

// Times are kept in milliseconds, of both: what came in the millisecond in which the soak began is not from before it.
func TestWhatComesInTheFirstMillisecondCounts(t *testing.T) {
	from := noon().Add(700 * time.Microsecond)
	r := judge.RuleOf(project.Check{Signal: &project.Signal{}, Grace: time.Minute}, from)
	for after, want := range map[time.Duration]bool{time.Minute - time.Millisecond: false, time.Minute: true, time.Minute + time.Microsecond: true} {
		if got := r.Add(judge.Tally{}, judge.Measurement{At: from.Add(after)}.Normal()).Failed; got != want {
			t.Errorf("%s after the soak began: %t", after, got)
		}
	}
}

// What a look means is the rule's to say, and nothing that was not measured is a pass.
func TestWeigh(t *testing.T) {
	value := func(n float64) *float64 { return &n }
	below := func(policy project.NoData, condition string) judge.Rule {
		return judge.RuleOf(project.Check{Metric: &project.Metric{JSON: &project.JSON{}, Condition: condition, NoData: policy}}, noon())
	}
	for name, c := range map[string]struct {
		rule judge.Rule
		look judge.Measurement
		want judge.Word
		said string
	}{
		"well":                   {judge.Rule{}, judge.Measurement{OK: true, Said: "200"}, judge.Pass, "200"},
		"not well":               {judge.Rule{}, judge.Measurement{Said: "500"}, judge.Fail, "500"},
		"a condition that holds": {below("", "value < 0.01"), judge.Measurement{OK: true, Value: value(0.001)}, judge.Pass, "0.001, and value < 0.01"},
		"one that does not":      {below("", "value < 0.01"), judge.Measurement{OK: true, Value: value(0.5)}, judge.Fail, "0.5, not value < 0.01"},
		"another policy":         {below("", "value < 1.0"), judge.Measurement{OK: true, Value: value(0.5)}, judge.Pass, "0.5, and value < 1.0"},
		"a condition that breaks": {
			below("", "1 / int(value) > 0"), judge.Measurement{OK: true, Value: value(0)}, judge.Inconclusive, "condition: division by zero",
		},
		"a value without a condition": {judge.Rule{}, judge.Measurement{OK: true, Value: value(math.NaN())}, judge.Pass, ""},
		"NaN":                         {below("", "value < 1.0"), judge.Measurement{OK: true, Value: value(math.NaN())}, judge.Inconclusive, "the number is NaN"},
		"NaN that fails": {
			below(project.FailOnNoData, "value < 1.0"), judge.Measurement{OK: true, Value: value(math.NaN())}, judge.Fail, "the number is NaN",
		},
		"infinite":           {below(project.IgnoreNoData, "value < 1.0"), judge.Measurement{OK: true, Value: value(math.Inf(1))}, judge.Inconclusive, "the number is +Inf"},
		"no data":            {below(project.HoldOnNoData, "value < 1.0"), judge.Measurement{Lack: judge.NoData, Said: "gone"}, judge.Inconclusive, "gone"},
		"no data that fails": {below(project.FailOnNoData, "value < 1.0"), judge.Measurement{Lack: judge.NoData, Said: "gone"}, judge.Fail, "gone"},
		"no data, well":      {below(project.IgnoreNoData, "value < 1.0"), judge.Measurement{OK: true, Lack: judge.NoData}, judge.Inconclusive, ""},
		"asked too often":    {below(project.FailOnNoData, "value < 1.0"), judge.Measurement{Lack: judge.Busy, Said: "429"}, judge.Inconclusive, "429"},
		"blind":              {below(project.FailOnNoData, "value < 1.0"), judge.Measurement{Lack: judge.Blind, Said: "401"}, judge.Inconclusive, "401"},
	} {
		if word, said := c.rule.Weigh(c.look); word != c.want || said != c.said {
			t.Errorf("%s: %s, %q", name, word, said)
		}
	}
}

// No data is let pass only where that is the policy, something was measured before, and the watcher could look.
func TestExcuses(t *testing.T) {
	some := judge.Tally{Measured: 1}
	ignore, hold := judge.Rule{NoData: project.IgnoreNoData}, judge.Rule{NoData: project.HoldOnNoData}
	for i, c := range []struct {
		rule  judge.Rule
		tally judge.Tally
		lack  judge.Lack
		want  bool
	}{
		{ignore, some, judge.NoData, true},
		{ignore, some, judge.Busy, true},
		{ignore, some, judge.Blind, false},
		{ignore, judge.Tally{}, judge.NoData, false},
		{hold, some, judge.NoData, false},
		{judge.Rule{}, some, judge.Busy, false},
	} {
		if got := c.rule.Excuses(c.tally, judge.Measurement{Lack: c.lack}); got != c.want {
			t.Errorf("%d: %t", i, got)
		}
	}
}

// How a check is judged is not what it measures. Whoever adds a field to a check says here which of both it is.
func TestSource(t *testing.T) {
	judged := map[string]bool{"Name": true, "Interval": true, "Failures": true, "Grace": true, "Of": true, "Warns": true, "RequireHuman": true, "Link": true}
	measured := map[string]bool{"Signal": true, "HTTP": true, "Exec": true, "Metric": true, "Alert": true, "Timeout": true}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[project.Check]()) {
		if judged[f.Name] == measured[f.Name] {
			t.Errorf("is %s what a check measures, or how it is judged?", f.Name)
		}
	}
	metric := func(condition string, policy project.NoData, query string) project.Check {
		return project.Check{Metric: &project.Metric{Prometheus: &project.Prometheus{URL: "http://p", Query: query}, Condition: condition, NoData: policy}}
	}
	compares := func(tolerated float64, errors string) project.Check {
		return project.Check{Metric: &project.Metric{Prometheus: &project.Prometheus{Compare: &project.Compare{Errors: errors, Tolerated: tolerated}}}}
	}
	sources := map[string]string{}
	for name, same := range map[string][]project.Check{
		"signal": {{Signal: &project.Signal{}}, {Name: "x", Signal: &project.Signal{Max: 7}, Failures: 1}},
		"http":   {{HTTP: &project.HTTP{URL: "http://a"}}, {HTTP: &project.HTTP{URL: "http://a"}, Failures: 9, Grace: 1, Interval: 1}},
		"other":  {{HTTP: &project.HTTP{URL: "http://b"}}},
		"slower": {{HTTP: &project.HTTP{URL: "http://b"}, Timeout: 1}},
		"status": {{HTTP: &project.HTTP{URL: "http://b", Status: []project.Statuses{{From: 204, To: 204}}}}},
		"exec":   {{Exec: &project.Exec{Command: []string{"a"}}}},
		"args":   {{Exec: &project.Exec{Command: []string{"a", ""}}}},
		"query":  {metric("value < 1.0", "", "up"), metric("value < 2.0", project.FailOnNoData, "up")},
		"down":   {metric("value < 1.0", "", "down")},
		"errors": {compares(1, "a"), compares(2, "a")},
		"faults": {compares(1, "b")},
		"alerts": {{Alert: &project.Alert{}}, {Alert: &project.Alert{Source: "sentry", For: 1}, Warns: true}},
	} {
		for _, c := range same {
			source := judge.Source(c)
			if other, ok := sources[source]; source == "" || ok && other != name {
				t.Errorf("%s and %s have the source %q", name, other, source)
			}
			sources[source] = name
		}
	}
	if len(sources) != 12 {
		t.Errorf("%d sources: %v", len(sources), sources)
	}
	c := metric("value < 1.0", project.FailOnNoData, "up")
	judge.Source(c)
	if c.Metric.Condition == "" || c.Metric.NoData == "" {
		t.Error("the check was changed")
	}
	// What is stored is compared with what is made later: it must not change.
	if got := judge.Source(project.Check{HTTP: &project.HTTP{URL: "http://a"}, Timeout: 5 * time.Second}); got != "58ba85aa63edbdd8" {
		t.Errorf("the source of a check is another now: %s", got)
	}
}
