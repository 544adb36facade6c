package judge

import (
	"fmt"
	"math"
	"time"

	"github.com/sluice-gate/sluice/pkg/compare"
	"github.com/sluice-gate/sluice/pkg/project"
)

// mostNumbers bounds the pairs that a test of ranks keeps. When there are more, neighbours are averaged, on both sides alike, and from
// then on each pair is the mean of twice as many looks.
const mostNumbers = 1000

// numbers is what the looks of a comparison of numbers came to so far: of a sequential one its mean, of one of ranks the pairs.
type numbers struct {
	mean   compare.Mean
	mine   []float64
	base   []float64
	per    int // how many looks a pair is the mean of
	open   [2]float64
	opened int       // looks in open, which is their sum
	looks  int       // in mine and base together with open
	next   time.Time // a look before that is too close to the last one
	judged bool
}

// numbers is the tally after one more pair of numbers. A sequential comparison asks after every look whether they have differed for
// too long to be chance. One of ranks is for one look: it asks once, when its time has come, and whatever comes later says nothing.
func (r Rule) numbers(t Tally, m Measurement) Tally {
	n := numbers{mean: compare.Mean{Tolerated: r.Compare.Tolerated - 1}, per: 1}
	if t.numbers != nil {
		n = *t.numbers
	}
	fresh := !m.At.Before(n.next) // or it sees, in part, what the look before saw: then it is stored, and weighs nothing
	ranks := r.Compare.Method == project.MannWhitney
	if n.judged || !fresh && !(ranks && r.asks(m.At, n.looks)) {
		return t
	}
	t.Lacking = ""
	mine, base := *m.Value, *m.Baseline
	if r.Compare.Worse == project.LowerIsWorse {
		mine, base = base, mine
	}
	worse, said := false, ""
	if ranks {
		if fresh {
			n = n.add(mine, base)
		}
		if n.judged = r.asks(m.At, n.looks); n.judged {
			worse, said, t.Inconclusive = r.ranks(n)
		} else {
			t.Inconclusive = r.notYet(m.At, n.looks)
		}
	} else {
		mean, err := n.mean.Add(mine, base)
		if err != nil { // numbers that can not be: they say nothing
			return t
		}
		n.mean, t.Inconclusive = mean, ""
		if mean.N < compare.LeastPairs {
			t.Inconclusive = fmt.Sprintf("%d numbers are too few to say anything", mean.N)
		}
		worse, said = mean.Worse(r.Compare.FalseAlarms), r.saidMean(mean)
	}
	if fresh {
		n.next = m.At.Add(r.Apart)
		t.Measured++
	}
	t.numbers = &n
	if m.OK, m.Said = !worse, said; m.OK {
		return t
	}
	t.Count, t.First, t.Last, t.Samples, t.Failed, t.Inconclusive = 1, m, m, []Measurement{m}, true, ""
	return t
}

// asks tells whether a test of ranks, or a score, is asked: once its time has come, and there are so many looks that it could see a
// difference. With fewer it is no question yet, whatever they were.
func (r Rule) asks(at time.Time, looks int) bool {
	return !at.Before(r.asksAt()) && looks >= compare.LeastRanks
}

// asksAt is when a test of ranks, or a score, asks.
func (r Rule) asksAt() time.Time {
	if r.Score != nil {
		return r.Began.Add(r.Score.After)
	}
	return r.Began.Add(r.Compare.After)
}

func (r Rule) notYet(at time.Time, looks int) string {
	if !at.Before(r.asksAt()) {
		return fmt.Sprintf("%d numbers are too few to say anything: it is judged with %d", looks, compare.LeastRanks)
	}
	return fmt.Sprintf("it is judged once, at %s UTC", r.asksAt().UTC().Format(time.DateTime))
}

// add keeps one more pair. The slices are of this tally alone: nobody changes what was kept.
func (n numbers) add(mine, base float64) numbers {
	n.open[0], n.open[1], n.opened, n.looks = n.open[0]+mine, n.open[1]+base, n.opened+1, n.looks+1
	if n.opened < n.per {
		return n
	}
	k := float64(n.per)
	n.mine, n.base = appended(n.mine, n.open[0]/k), appended(n.base, n.open[1]/k)
	n.open, n.opened = [2]float64{}, 0
	if len(n.mine) >= mostNumbers {
		n.mine, n.base, n.per = halved(n.mine), halved(n.base), n.per*2
	}
	return n
}

// appended never writes into what another tally has.
func appended(values []float64, v float64) []float64 {
	return append(values[:len(values):len(values)], v)
}

// halved averages neighbours.
func halved(values []float64) []float64 {
	out := make([]float64, 0, mostNumbers)
	for i := 0; i+1 < len(values); i += 2 {
		out = append(out, values[i]/2+values[i+1]/2)
	}
	return out
}

// ranks asks the test of ranks. Too few numbers, or none that are some, are inconclusive.
func (r Rule) ranks(n numbers) (worse bool, said, doubt string) {
	shift, err := compare.Ranks{}.Compare(n.mine, n.base)
	switch {
	case err != nil:
		return false, "", err.Error()
	case math.IsInf(shift.Low, 0) && math.IsInf(shift.High, 0):
		return false, "", fmt.Sprintf("%d numbers are too few to say anything", len(n.mine))
	}
	value, low, high := shift.Estimate, shift.Low, shift.High
	if r.Compare.Worse == project.LowerIsWorse {
		value, low, high = -value, -high, -low
	}
	return shift.Worse, fmt.Sprintf("%+.3g than the baseline, with 98%% confidence %+.3g to %+.3g, by ranks of %d numbers each",
		value, low, high, len(n.mine)), ""
}

// saidMean is a sequential comparison in words.
func (r Rule) saidMean(m compare.Mean) string {
	mine, base := m.Mine/float64(m.N), m.Base/float64(m.N)
	if r.Compare.Worse == project.LowerIsWorse {
		mine, base = base, mine
	}
	return fmt.Sprintf("%.4g on average in %d looks, where the baseline has %.4g: the odds that this is chance are 1 to %.3g",
		mine, m.N, base, m.E())
}
