package compare

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// Kayenta's judgement of several metrics at once, by its published semantics: each metric is classified by the test of ranks, the classes
// of a group make its score, and the scores of the groups, by their weights, one number from 0 to 100, which two thresholds make a pass, a
// marginal or a fail. It is for one look, like [Ranks]. Read, not copied: spinnaker/kayenta at a69573b, docs/canary-config.md, and under
// kayenta-judge NetflixACAJudge, MannWhitneyClassifier, WeightedSumScorer, ThresholdScoreClassifier, EffectSizes.meanRatio.

// Class is what a metric came to.
type Class string

// The classes. Nodata counts neither for nor against its group, NodataFails counts against it.
const (
	High        Class = "High"
	Low         Class = "Low"
	Pass        Class = "Pass"
	Nodata      Class = "Nodata"
	NodataFails Class = "NodataFailMetric"
)

// Direction is the one that is a failure.
type Direction string

// The directions; Either unless set.
const (
	Either   Direction = "either"
	Increase Direction = "increase"
	Decrease Direction = "decrease"
)

// Metric is how one metric is judged.
type Metric struct {
	Name         string
	Group        string
	Direction    Direction
	Critical     bool // when it fails, or has no data, all fails
	MustHaveData bool // without data it fails, but not all
	Zeros        bool // where there is no number it is zero (nanStrategy replace), as of a count of errors; else there is none (remove)
	// By which multiple of the baseline's mean it must differ to fail; 0 means 1, any. A ratio of nothing is no reason against.
	AllowedIncrease, AllowedDecrease float64
}

// Classified is a metric with its class.
type Classified struct {
	Metric
	Class    Class
	Critical bool    // all fails by it
	Ratio    float64 // of the means; 1 where there is none
}

// Classify compares the release's values with the baseline's; NaN is no number.
func (m Metric) Classify(mine, base []float64) (Classified, error) {
	if m.Zeros {
		mine, base = zeros(mine), zeros(base)
	}
	x, y := numbers(mine), numbers(base)
	out := Classified{Metric: m, Class: Pass, Ratio: 1}
	switch {
	case (len(x) == 0 || len(y) == 0) && m.Zeros:
		return out, nil
	case len(x) == 0 || len(y) == 0:
		out.Class, out.Critical = Nodata, m.Critical
		if m.MustHaveData && !m.Critical {
			out.Class = NodataFails
		}
		return out, nil
	}
	shift, err := Ranks{}.Compare(x, y)
	if err != nil {
		return Classified{}, fmt.Errorf("metric %s: %w", m.Name, err)
	}
	out.Ratio = shift.Ratio
	ratio := shift.Ratio
	if mean(x) == 0 || mean(y) == 0 {
		ratio = math.NaN() // there is none, and then it is not asked
	}
	switch {
	case m.Direction != Decrease && shift.Worse && !(ratio < or(m.AllowedIncrease, 1)):
		out.Class = High
	case m.Direction != Increase && shift.Better && !(ratio > or(m.AllowedDecrease, 1)):
		out.Class = Low
	}
	out.Critical = m.Critical && out.Class != Pass
	return out, nil
}

func zeros(values []float64) []float64 {
	out := slices.Clone(values)
	for i, v := range out {
		if math.IsNaN(v) {
			out[i] = 0
		}
	}
	return out
}

// Scorer makes a score of metrics.
type Scorer struct {
	// Weights of groups, in percent; groups that are not named share what is left of a hundred.
	Weights        map[string]float64
	Pass, Marginal float64 // the least score that passes, and that is marginal
}

// Verdict is what a score came to.
type Verdict string

// The verdicts.
const (
	Passes     Verdict = "Pass"
	IsMarginal Verdict = "Marginal"
	Fails      Verdict = "Fail"
)

// Score is the judgement of several metrics.
type Score struct {
	Score   float64
	Verdict Verdict
	Groups  map[string]float64 // of those that have data
	Why     string             // it is zero, whatever the groups are; empty: it is not
}

// tooMany is how much of the metrics may have no data, in percent: as much or more is a fail.
const tooMany = 50

// Score judges metrics. Without any it fails: nothing was measured.
func (s Scorer) Score(all []Classified) Score {
	out := Score{Verdict: Fails, Groups: map[string]float64{}}
	labels, without := map[string]map[Class]int{}, 0
	for _, c := range all {
		if labels[c.Group] == nil {
			labels[c.Group] = map[Class]int{}
		}
		labels[c.Group][c.Class]++
		switch {
		case c.Critical && out.Why == "":
			out.Why = fmt.Sprintf("critical metric %s is %s", c.Name, c.Class)
		case c.Class == Nodata:
			without++
		}
	}
	for group, counts := range labels {
		if n := counts[Pass] + counts[High] + counts[Low] + counts[NodataFails]; n > 0 {
			out.Groups[group] = 100 * float64(counts[Pass]) / float64(n)
		}
	}
	switch {
	case out.Why != "":
		return out
	case len(all) == 0 || 100*without >= tooMany*len(all):
		out.Why = fmt.Sprintf("%d of %d metrics have no data", without, len(all))
		return out
	}
	left, unnamed := 100.0, 0
	for _, w := range s.Weights {
		left -= w
	}
	for group := range labels {
		if _, named := s.Weights[group]; !named {
			unnamed++
		}
	}
	for _, group := range slices.Sorted(maps.Keys(labels)) { // in one order, so that the sum is the same to the last digit
		score, has := out.Groups[group]
		if !has {
			score = 100 // that half of all have data was looked at above
		}
		weight, named := s.Weights[group]
		if !named {
			weight = left / float64(unnamed)
		}
		out.Score += score * weight / 100
	}
	out.Score = math.Round(100*out.Score) / 100
	switch {
	case out.Score >= s.Pass:
		out.Verdict = Passes
	case out.Score >= s.Marginal:
		out.Verdict = IsMarginal
	}
	return out
}
