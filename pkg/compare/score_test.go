package compare_test

import (
	"math"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/compare"
)

// ramp is so many values around a level.
func ramp(level float64) []float64 {
	var out []float64
	for i := range 30 {
		out = append(out, level*(0.9+0.2*float64(i*7%30)/30))
	}
	return out
}

func TestClassify(t *testing.T) {
	nan := math.NaN()
	missing := []float64{nan, nan, nan}
	for name, c := range map[string]struct {
		metric     compare.Metric
		mine, base []float64
		class      compare.Class
		critical   bool
	}{
		"higher":                           {compare.Metric{}, ramp(2), ramp(1), compare.High, false},
		"lower":                            {compare.Metric{}, ramp(1), ramp(2), compare.Low, false},
		"alike":                            {compare.Metric{}, ramp(1), ramp(1), compare.Pass, false},
		"higher, which is well":            {compare.Metric{Direction: compare.Decrease}, ramp(2), ramp(1), compare.Pass, false},
		"lower, which is well":             {compare.Metric{Direction: compare.Increase}, ramp(1), ramp(2), compare.Pass, false},
		"higher, and critical":             {compare.Metric{Critical: true}, ramp(2), ramp(1), compare.High, true},
		"alike, and critical":              {compare.Metric{Critical: true}, ramp(1), ramp(1), compare.Pass, false},
		"higher, but not by that much":     {compare.Metric{AllowedIncrease: 3}, ramp(2), ramp(1), compare.Pass, false},
		"higher by that much":              {compare.Metric{AllowedIncrease: 1.5}, ramp(2), ramp(1), compare.High, false},
		"lower, but not by that much":      {compare.Metric{AllowedDecrease: 0.3}, ramp(1), ramp(2), compare.Pass, false},
		"no ratio":                         {compare.Metric{AllowedIncrease: 3}, ramp(2), make([]float64, 30), compare.High, false},
		"one value throughout":             {compare.Metric{}, []float64{1, 1, 1}, []float64{1, 1}, compare.Pass, false},
		"no data":                          {compare.Metric{}, missing, ramp(1), compare.Nodata, false},
		"no data in the baseline":          {compare.Metric{}, ramp(1), nil, compare.Nodata, false},
		"no data, and critical":            {compare.Metric{Critical: true}, missing, ramp(1), compare.Nodata, true},
		"no data, which it must have":      {compare.Metric{MustHaveData: true}, missing, ramp(1), compare.NodataFails, false},
		"no data, must have, and critical": {compare.Metric{MustHaveData: true, Critical: true}, missing, ramp(1), compare.Nodata, true},
		"no data is zero":                  {compare.Metric{Zeros: true}, nil, nil, compare.Pass, false},
		"no data is zero, and many are":    {compare.Metric{Zeros: true}, ramp(1), append(missing, make([]float64, 27)...), compare.High, false},
	} {
		got, err := c.metric.Classify(c.mine, c.base)
		if err != nil || got.Class != c.class || got.Critical != c.critical {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := (compare.Metric{Name: "m"}).Classify([]float64{math.Inf(1)}, ramp(1)); err == nil || !strings.Contains(err.Error(), "metric m") {
		t.Error(err)
	}
}

// The examples are worked by hand from the published semantics; those of Kayenta's own suite come to the same there.
func TestScore(t *testing.T) {
	is := func(group string, class compare.Class) compare.Classified {
		return compare.Classified{Metric: compare.Metric{Name: string(class), Group: group}, Class: class}
	}
	critical := func(group string, class compare.Class) compare.Classified {
		c := is(group, class)
		c.Critical = true
		return c
	}
	const p, h, l, n, f = compare.Pass, compare.High, compare.Low, compare.Nodata, compare.NodataFails
	half := map[string]float64{"a": 50, "b": 50}
	for name, c := range map[string]struct {
		weights map[string]float64
		all     []compare.Classified
		score   float64
		verdict compare.Verdict
		why     string
	}{
		"one passes":                      {nil, []compare.Classified{is("a", p)}, 100, compare.Passes, ""},
		"one fails":                       {nil, []compare.Classified{is("a", h)}, 0, compare.Fails, ""},
		"one of two":                      {nil, []compare.Classified{is("a", p), is("a", h)}, 50, compare.IsMarginal, ""},
		"one of three":                    {nil, []compare.Classified{is("a", p), is("a", h), is("a", l)}, 33.33, compare.Fails, ""},
		"a group of three quarters":       {map[string]float64{"a": 75, "b": 25}, []compare.Classified{is("a", p), is("a", p), is("b", h)}, 75, compare.Passes, ""},
		"just below":                      {map[string]float64{"a": 74.99, "b": 25.01}, []compare.Classified{is("a", p), is("b", h)}, 74.99, compare.IsMarginal, ""},
		"two groups, three metrics":       {half, []compare.Classified{is("a", p), is("a", h), is("b", h)}, 25, compare.Fails, ""},
		"no data counts for nothing":      {half, []compare.Classified{is("a", p), is("a", n), is("b", h)}, 50, compare.IsMarginal, ""},
		"a group without data":            {nil, []compare.Classified{is("a", p), is("a", p), is("b", n)}, 100, compare.Passes, ""},
		"no data that fails":              {nil, []compare.Classified{is("a", p), is("a", f)}, 50, compare.IsMarginal, ""},
		"the rest is shared":              {map[string]float64{"a": 40}, []compare.Classified{is("a", h), is("b", p), is("c", p)}, 60, compare.IsMarginal, ""},
		"half have no data":               {nil, []compare.Classified{is("a", p), is("a", n)}, 0, compare.Fails, "1 of 2 metrics have no data"},
		"a critical one fails":            {nil, []compare.Classified{is("a", p), is("a", p), critical("a", h)}, 0, compare.Fails, "critical metric High is High"},
		"a critical one without data":     {nil, []compare.Classified{is("a", p), is("a", p), critical("a", n)}, 0, compare.Fails, "critical metric Nodata is Nodata"},
		"nothing was measured at all":     {nil, nil, 0, compare.Fails, "0 of 0 metrics have no data"},
		"nothing but what has no numbers": {nil, []compare.Classified{is("a", n)}, 0, compare.Fails, "1 of 1 metrics have no data"},
	} {
		got := compare.Scorer{Weights: c.weights, Pass: 75, Marginal: 50}.Score(c.all)
		if got.Score != c.score || got.Verdict != c.verdict || got.Why != c.why {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
