package judge_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
)

func noon() time.Time { return time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC) }

// measurements are of an hour; a few come before what counts, and some at the same moment.
func measurements() *rapid.Generator[[]judge.Measurement] {
	return rapid.Custom(func(t *rapid.T) []judge.Measurement {
		at := noon().Add(-time.Minute)
		var out []judge.Measurement
		for range rapid.IntRange(0, 60).Draw(t, "measurements") {
			at = at.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "seconds")) * time.Second)
			out = append(out, judge.Measurement{
				At: at, OK: rapid.IntRange(0, 2).Draw(t, "ok") == 0, Said: rapid.StringN(0, 20, -1).Draw(t, "said"),
			})
		}
		return out
	})
}

func rules() *rapid.Generator[judge.Rule] {
	return rapid.Custom(func(t *rapid.T) judge.Rule {
		r := judge.Rule{
			Limit: rapid.IntRange(1, 12).Draw(t, "limit"), InARow: rapid.Bool().Draw(t, "in a row"),
			From: noon().Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "grace")) * time.Second),
		}
		if !r.InARow && rapid.Bool().Draw(t, "among the last") {
			r.Of = r.Limit + rapid.IntRange(0, 10).Draw(t, "more")
		}
		return r
	})
}

// failedAt is the rule said in another way: the index of the measurement at which the check has failed, or -1.
func failedAt(r judge.Rule, ms []judge.Measurement) int {
	for end := range ms {
		n, looks := 0, 0
		for i := end; i >= 0; i-- {
			if ms[i].At.Before(r.From) {
				continue
			}
			if looks++; r.Of > 0 && looks > r.Of {
				break
			}
			switch {
			case !ms[i].OK:
				n++
			case r.InARow:
				i = 0
			}
		}
		if n >= r.Limit {
			return end
		}
	}
	return -1
}

func fold(r judge.Rule, ms []judge.Measurement) judge.Tally {
	var t judge.Tally
	for _, m := range ms {
		t = r.Add(t, m)
	}
	return t
}

func TestACheckFailsExactlyWhenItsRuleSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, ms := rules().Draw(t, "rule"), measurements().Draw(t, "measurements")
		want := failedAt(r, ms)
		for i := range ms {
			if got := fold(r, ms[:i+1]).Failed; got != (want >= 0 && i >= want) {
				t.Fatalf("after measurement %d failed is %t, the rule says at %d", i, got, want)
			}
		}
	})
}

func TestWhatATallySays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, ms := rules().Draw(t, "rule"), measurements().Draw(t, "measurements")
		tally := fold(r, ms)
		if tally.Count > r.Limit || tally.Failed != (tally.Count == r.Limit) {
			t.Fatalf("counted %d of %d, failed is %t", tally.Count, r.Limit, tally.Failed)
		}
		if want := min(tally.Count, judge.MaxSamples); len(tally.Samples) != want {
			t.Fatalf("%d samples of %d failures, want %d", len(tally.Samples), tally.Count, want)
		}
		for i, s := range tally.Samples {
			if s.OK || s.At.Before(r.From) || s.At.Before(tally.First.At) || s.At.After(tally.Last.At) {
				t.Fatalf("sample %d is no failure that counts: %+v of %+v", i, s, tally)
			}
		}
		if tally.Count > 0 && (!reflect.DeepEqual(tally.Samples[0], tally.First) || tally.Samples[len(tally.Samples)-1].At != tally.Last.At) {
			t.Fatalf("the first and the last are not among the samples: %+v", tally)
		}
	})
}

func TestASuccessAndWhatDoesNotCountNeverHurt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, ms := rules().Draw(t, "rule"), measurements().Draw(t, "measurements")
		before := fold(r, ms)
		ok := judge.Measurement{At: noon().Add(2 * time.Hour), OK: true}
		if r.Add(before, ok).Failed != before.Failed {
			t.Fatal("a success changed the verdict")
		}
		early := judge.Measurement{At: r.From.Add(-time.Nanosecond)}
		if after := r.Add(before, early); after.Count != before.Count || after.Measured != before.Measured {
			t.Fatal("a measurement from before counted")
		}
	})
}

// A tally is a value: what is added to one is not seen in another.
func TestATallyIsAValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := judge.Rule{Limit: 100, From: noon()}
		base := fold(r, measurements().Draw(t, "measurements"))
		a := r.Add(base, judge.Measurement{At: noon().Add(3 * time.Hour), Said: "a"})
		b := r.Add(base, judge.Measurement{At: noon().Add(3 * time.Hour), Said: "b"})
		if a.Last.Said != "a" || a.Samples[len(a.Samples)-1].Said != "a" || b.Samples[len(b.Samples)-1].Said != "b" {
			t.Fatalf("%+v and %+v", a.Samples, b.Samples)
		}
	})
}

func TestRules(t *testing.T) {
	for name, c := range map[string]struct {
		check project.Check
		want  judge.Rule
	}{
		"probe":  {project.Check{HTTP: &project.HTTP{}, Failures: 3, Grace: time.Minute}, judge.Rule{Limit: 3, InARow: true, Began: noon(), From: noon().Add(time.Minute)}},
		"signal": {project.Check{Signal: &project.Signal{Max: 5}, Failures: 1}, judge.Rule{Limit: 6, Began: noon(), From: noon()}},
		"none":   {project.Check{Exec: &project.Exec{}}, judge.Rule{Limit: 1, InARow: true, Began: noon(), From: noon()}},
	} {
		c.want.Came = noon()
		if got := judge.RuleOf(c.check, noon()); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestReasons(t *testing.T) {
	at := noon().Add(3*time.Minute + 4*time.Second)
	probe := judge.Rule{Limit: 3, InARow: true}
	signal := judge.Rule{Limit: 1}
	fail := func(said ...string) (ms []judge.Measurement) {
		for i, s := range said {
			ms = append(ms, judge.Measurement{At: at.Add(time.Duration(i) * time.Second), Said: s})
		}
		return ms
	}
	for want, c := range map[string]struct {
		rule judge.Rule
		ms   []judge.Measurement
	}{
		"check x failed 3 times in a row: answered 500 (since 12:03:04 UTC)": {probe, fail("refused", "refused", "answered 500")},
		"check x failed: answered 500 (at 12:03:04 UTC)":                     {judge.Rule{Limit: 1, InARow: true}, fail("answered 500")},
		"check x: 1 signal during the soak, 0 allowed: boom (at 12:03:04 UTC)": {
			signal, fail("boom"),
		},
		"check x: 2 signals during the soak, 1 allowed, the last: (it says nothing) (since 12:03:04 UTC)": {
			judge.Rule{Limit: 2}, fail("boom", "\n"),
		},
		"check x has not failed in 1 measurements": {probe, []judge.Measurement{{At: at, OK: true}}},
	} {
		if got := (judge.Verdict{Check: "x", Rule: c.rule, Tally: fold(c.rule, c.ms)}).Reason(); got != want {
			t.Errorf("%q\nwant %q", got, want)
		}
	}
}

func TestEvidenceIsOneBoundedLineOfJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rules().Draw(t, "rule")
		ms := measurements().Draw(t, "measurements")
		for i := range ms {
			ms[i].Said = strings.Repeat(rapid.String().Draw(t, "said"), rapid.IntRange(1, 2000).Draw(t, "times"))
		}
		got := judge.Verdict{Check: "health", Rule: r, Tally: fold(r, ms)}.Evidence()
		var out struct {
			Check   string
			Count   int
			Samples []struct{ Said string }
		}
		if err := json.Unmarshal([]byte(got), &out); err != nil || out.Check != "health" || len(out.Samples) > judge.MaxSamples {
			t.Fatalf("%v: %s", err, got)
		}
		if len(got) > 8<<10 || strings.ContainsAny(got, "\r\n") {
			t.Fatalf("%d bytes: %s", len(got), got)
		}
	})
}
