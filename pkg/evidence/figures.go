package evidence

import (
	"math"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/judge"
)

// Figures are what the looks of a check come to in numbers.
type Figures struct {
	Looks  int
	Failed int // that were not well, whether or not they counted
	NoData int // that had nothing to judge
	Gaps   int // times in which it should have looked, and did not

	Last, Min, Median, Max float64 // of the values; NaN when there are none
}

// Figures counts the looks of a check in a span.
func (j Judged) Figures(s Span) Figures {
	f := Figures{Looks: len(j.Looks), Last: math.NaN(), Min: math.NaN(), Median: math.NaN(), Max: math.NaN()}
	var values []float64
	for _, m := range j.Looks {
		word, _ := j.Rule.Weigh(m)
		switch {
		case word == judge.Fail:
			f.Failed++
		case word == judge.Inconclusive:
			f.NoData++
		}
		if v, ok := number(m); ok {
			values = append(values, v)
		}
	}
	if len(values) > 0 {
		f.Last = values[len(values)-1]
		slices.Sort(values)
		f.Min, f.Median, f.Max = values[0], middle(values), values[len(values)-1]
	}
	f.Gaps = j.gaps(s)
	return f
}

// number is the value of a look that has one.
func number(m judge.Measurement) (float64, bool) {
	if m.Lack != judge.Nothing || m.Value == nil || math.IsNaN(*m.Value) || math.IsInf(*m.Value, 0) {
		return 0, false
	}
	return *m.Value, true
}

// middle is the median of sorted values.
func middle(values []float64) float64 {
	n := len(values)
	if n%2 == 1 {
		return values[n/2]
	}
	return values[n/2-1]/2 + values[n/2]/2
}

// gaps counts the times in which a probe should have looked, and did not.
func (j Judged) gaps(s Span) int {
	if j.Check.Interval == 0 { // what is not asked, but comes
		return 0
	}
	slack := j.slack()
	gaps := 0
	before := s.From
	for _, m := range j.Looks {
		if m.At.Sub(before) > slack {
			gaps++
		}
		before = m.At
	}
	if s.To.Sub(before) > slack && !(j.Word == judge.Fail && !s.Live) {
		gaps++
	}
	return gaps
}

// Cell is a part of a span in a picture of it.
type Cell struct {
	Looks  int
	Height float64 // of what is drawn, from 0 to 1; NaN when there is nothing to draw
}

// Picture draws the looks of a check over a span in so many parts of the same length. Values are drawn from the least to the greatest,
// of a part the greatest; a comparison by the errors of the release among its requests; anything else by the part of the looks that
// failed; and signals by their number.
func (j Judged) Picture(s Span, parts int) []Cell {
	cells := make([]Cell, parts)
	heights := make([]float64, parts)
	for i := range heights {
		heights[i] = math.NaN()
	}
	failed := make([]float64, parts)
	var before *judge.Counters
	for _, m := range j.Looks {
		i := part(m.At, s, parts)
		cells[i].Looks++
		word, _ := j.Rule.Weigh(m)
		switch v, isNumber := number(m); {
		case isNumber:
			heights[i] = greater(heights[i], v)
		case m.Counters != nil:
			if before != nil && m.Counters.Mine.Exposure > before.Mine.Exposure {
				share := float64(m.Counters.Mine.Events-before.Mine.Events) / (m.Counters.Mine.Exposure - before.Mine.Exposure)
				heights[i] = greater(heights[i], max(0, share))
			}
			before = m.Counters
		case word != judge.Inconclusive:
			if word == judge.Fail {
				failed[i]++
			}
			heights[i] = failed[i]
			if j.Check.Signal == nil {
				heights[i] /= float64(cells[i].Looks)
			}
		}
	}
	scale(heights, j.values())
	for i := range cells {
		cells[i].Height = heights[i]
	}
	j.stretch(s, cells)
	return cells
}

// stretch draws a probe's look until its next is overdue, where the parts are shorter than its interval.
func (j Judged) stretch(s Span, cells []Cell) {
	slack := j.slack()
	long := s.Length() / time.Duration(len(cells))
	for i, empty := 1, time.Duration(0); i < len(cells); i++ {
		if cells[i].Looks > 0 {
			empty = 0
		} else if empty += long; empty <= slack {
			cells[i] = cells[i-1]
		}
	}
}

// slack is for how long a probe may be without a look: two and a half intervals, as heartbeats are counted, and its timeout.
func (j Judged) slack() time.Duration {
	if j.Check.Interval == 0 {
		return 0
	}
	return j.Check.Interval*5/2 + j.Check.Timeout
}

// values tells whether what is drawn are values, whose least is drawn at the bottom; all else begins at nothing.
func (j Judged) values() bool {
	return slices.ContainsFunc(j.Looks, func(m judge.Measurement) bool { _, ok := number(m); return ok })
}

func greater(a, b float64) float64 {
	if math.IsNaN(a) {
		return b
	}
	return max(a, b)
}

// part is the index of the part of a span that a time is in.
func part(at time.Time, s Span, parts int) int {
	length := s.Length()
	if length == 0 {
		return 0
	}
	return min(max(int(float64(parts)*at.Sub(s.From).Seconds()/length.Seconds()), 0), parts-1)
}

// scale brings heights between 0 and 1: the greatest is 1, and 0 is nothing or, of values, the least.
func scale(heights []float64, values bool) {
	least, most := 0.0, 0.0
	if values {
		least, most = math.NaN(), math.NaN()
	}
	for _, h := range heights {
		if math.IsNaN(h) {
			continue
		}
		most = greater(most, h)
		if values {
			least = -greater(-least, -h)
		}
	}
	for i, h := range heights {
		switch {
		case math.IsNaN(h):
		case most > least:
			heights[i] = (h - least) / (most - least)
		default:
			heights[i] = 0
		}
	}
}
