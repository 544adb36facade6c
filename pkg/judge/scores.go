package judge

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/compare"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// scores is what the looks of a score came to so far: of each metric its numbers, and the baseline's.
type scores struct {
	values [][]float64 // by the order of Measurement.Many: of each metric two
	looks  int
	next   time.Time // a look before that is too close to the last one
	judged bool
}

// score is the tally after one more look of a score. Like a test of ranks it is asked once, when its time has come and there are enough
// numbers for it to see anything.
func (r Rule) score(t Tally, m Measurement) Tally {
	n := scores{values: make([][]float64, 2*len(r.Score.Metrics))}
	if t.scores != nil {
		n = *t.scores
	}
	fresh := !m.At.Before(n.next)
	if n.judged || len(m.Many) != len(n.values) || !fresh && !r.asks(m.At, n.looks) {
		return t
	}
	if fresh {
		n = n.add(m.Many)
		n.next = m.At.Add(r.Apart)
		t.Measured++
	}
	t.scores = &n
	if n.judged = r.asks(m.At, n.looks); !n.judged {
		t.Inconclusive = r.notYet(m.At, n.looks)
		return t
	}
	verdict, said := r.scored(n)
	switch verdict {
	case compare.Passes:
		t.Inconclusive = ""
	case compare.IsMarginal:
		t.Inconclusive = said
	case compare.Fails:
		m.OK, m.Said = false, said
		t.Count, t.First, t.Last, t.Samples, t.Failed, t.Inconclusive = 1, m, m, []Measurement{m}, true, ""
	}
	return t
}

// add keeps the numbers of one more look. The slices are of this tally alone.
func (n scores) add(many []float64) scores {
	values := make([][]float64, len(n.values))
	for i, v := range many {
		if values[i] = appended(n.values[i], v); len(values[i]) >= mostNumbers {
			values[i] = everySecond(values[i])
		}
	}
	n.values, n.looks = values, n.looks+1
	return n
}

// everySecond keeps every second number, on both sides alike. They are not averaged: some may be missing.
func everySecond(values []float64) []float64 {
	out := make([]float64, 0, mostNumbers)
	for i := 0; i < len(values); i += 2 {
		out = append(out, values[i])
	}
	return out
}

// scored is the score of the numbers, and what it is in words.
func (r Rule) scored(n scores) (compare.Verdict, string) {
	var all []compare.Classified
	for i, m := range r.Score.Metrics {
		direction := map[project.Worse]compare.Direction{
			project.HigherIsWorse: compare.Increase, project.LowerIsWorse: compare.Decrease, project.EitherIsWorse: compare.Either,
		}[m.Worse]
		one, err := compare.Metric{
			Name: m.Name, Group: m.Group, Direction: direction, Critical: m.Critical, MustHaveData: m.MustHaveData,
			Zeros: m.Missing == project.MissingIsZero, AllowedIncrease: m.Tolerated, AllowedDecrease: 1 / m.Tolerated,
		}.Classify(n.values[2*i], n.values[2*i+1])
		if err != nil { // numbers that are infinite, which the probe leaves out
			one = compare.Classified{Metric: compare.Metric{Name: m.Name, Group: m.Group}, Class: compare.Nodata}
		}
		all = append(all, one)
	}
	s := compare.Scorer{Weights: r.Score.Weights, Pass: r.Score.Pass, Marginal: r.Score.Marginal}.Score(all)
	said := fmt.Sprintf("a score of %.4g of 100, %s: %.4g passes", s.Score, strings.ToLower(string(s.Verdict)), r.Score.Pass)
	if s.Why != "" {
		said += "; " + s.Why
	}
	for _, c := range all {
		if c.Class != compare.Pass {
			said += fmt.Sprintf("; %s is %s", c.Name, c.Class)
			if c.Class == compare.High || c.Class == compare.Low {
				said += fmt.Sprintf(", %.3g times the baseline on average", c.Ratio)
			}
		}
	}
	return s.Verdict, releasepb.Line(said, mostSaid)
}

// scoring is what a check scores, if it does.
func scoring(c project.Check) *project.Score {
	if c.Metric == nil || c.Metric.Prometheus == nil {
		return nil
	}
	return c.Metric.Prometheus.Score
}
