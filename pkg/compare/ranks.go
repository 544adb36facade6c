package compare

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Kayenta's defaults: the confidence of its interval, and the part of the estimate that the interval must be beyond
// (NetflixACAJudge: confLevel = 0.98, tolerance = 0.25).
const (
	KayentaConfidence = 0.98
	KayentaTolerance  = 0.25
)

// Ranks is a Mann-Whitney comparison of whole windows.
type Ranks struct {
	Confidence float64 // of the two-sided interval; 0 means KayentaConfidence
	Tolerance  float64 // 0 means KayentaTolerance
}

// LeastRanks is how many values each side has at least before the test can see any difference at its confidence: of four that are all
// above four others it says that this may be chance, of six that it may be when some are equal.
const LeastRanks = 7

// Shift is by how much the release's values are above the baseline's (the Hodges-Lehmann estimate), with its interval.
type Shift struct {
	Estimate, Low, High float64
	Ratio               float64 // of the means; 1 when the baseline's is zero, as in Kayenta
	Worse               bool    // higher, beyond the tolerance
	Better              bool    // lower, beyond the tolerance
}

// ErrNoData tells that one of the sides has no values: what that means is the caller's policy.
var ErrNoData = errors.New("no data")

// Compare compares the release's values with the baseline's. NaNs are left out, as Kayenta's nanStrategy "remove" does; an error
// wraps ErrNoData if nothing is left. Sides that are alike, or one single value throughout, are no shift. Two sides that have one
// value each, and not the same, differ by exactly that, if there are enough of them: Kayenta adds noise there so that its test can be
// computed.
func (r Ranks) Compare(mine, base []float64) (Shift, error) {
	x, y := numbers(mine), numbers(base)
	switch {
	case len(x) == 0:
		return Shift{}, fmt.Errorf("compare ranks: the release has %w", ErrNoData)
	case len(y) == 0:
		return Shift{}, fmt.Errorf("compare ranks: the baseline has %w", ErrNoData)
	case math.IsInf(x[0], 0) || math.IsInf(y[0], 0) || math.IsInf(x[len(x)-1], 0) || math.IsInf(y[len(y)-1], 0):
		return Shift{}, errors.New("compare ranks: an infinite value")
	}
	s := Shift{Ratio: 1}
	if m := mean(y); m != 0 {
		s.Ratio = mean(x) / m
	}
	if slices.Equal(x, y) {
		return s, nil
	}
	from, to := x[0]-y[len(y)-1], x[len(x)-1]-y[0]
	z := normalQuantile((1 + or(r.Confidence, KayentaConfidence)) / 2)
	switch n, m := float64(len(x)), float64(len(y)); {
	case from < to:
		s.Estimate, s.Low, s.High = hodgesLehmann(x, y), root(x, y, z, from, to), root(x, y, -z, from, to)
	case deviations(n*m/2, n, m, 0) > z:
		s.Estimate, s.Low, s.High = from, from, from
	default: // too few to say anything
		s.Estimate, s.Low, s.High = from, math.Inf(-1), math.Inf(1)
	}
	// Where many values are equal the statistic jumps, and the ends of the interval are where it does, but for rounding.
	s.Low, s.High = min(s.Low, s.Estimate), max(s.High, s.Estimate)
	bound := or(r.Tolerance, KayentaTolerance) * math.Abs(s.Estimate)
	s.Worse, s.Better = s.Low > bound, s.High < -bound
	return s, nil
}

func or(v, otherwise float64) float64 {
	if v == 0 {
		return otherwise
	}
	return v
}

// numbers are the values that are some, sorted.
func numbers(values []float64) []float64 {
	out := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	slices.Sort(out)
	return out
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// hodgesLehmann is the median of all differences.
func hodgesLehmann(x, y []float64) float64 {
	all := make([]float64, 0, len(x)*len(y))
	for _, a := range x {
		for _, b := range y {
			all = append(all, a-b)
		}
	}
	slices.Sort(all)
	return all[(len(all)-1)/2]/2 + all[len(all)/2]/2
}

// root is the shift at which the statistic of x, shifted back, against y passes z. The statistic falls, in steps, as the shift grows.
// With so few values that it never gets there, any shift is possible; Kayenta takes the largest that was seen then, and so calls two
// values that are above two others a regression.
func root(x, y []float64, z, from, to float64) float64 {
	if statistic(x, y, from) <= z {
		return math.Inf(-1)
	}
	if statistic(x, y, to) >= z {
		return math.Inf(1)
	}
	for exact := 1e-12 * max(math.Abs(from), math.Abs(to)); to-from > exact; {
		mid := from + (to-from)/2
		if mid <= from || mid >= to {
			break
		}
		if statistic(x, y, mid) > z {
			from = mid
		} else {
			to = mid
		}
	}
	return from + (to-from)/2
}

// statistic is how far, in standard deviations, the number of pairs in which x-shift is above y is from half of them: the normal
// approximation, with the corrections for ties and for continuity (M. Hollander, D. Wolfe: Nonparametric Statistical Methods, 4.1).
// x and y are sorted.
func statistic(x, y []float64, shift float64) float64 {
	above, ties := 0.0, 0.0
	i, j := 0, 0
	for i < len(x) || j < len(y) { // by equal values
		v := math.Inf(1)
		if i < len(x) {
			v = x[i] - shift
		}
		if j < len(y) {
			v = min(v, y[j])
		}
		nx, ny := 0, 0
		for ; i < len(x) && x[i]-shift == v; i++ {
			nx++
		}
		below := j
		for ; j < len(y) && y[j] == v; j++ {
			ny++
		}
		above += float64(nx) * (float64(below) + float64(ny)/2)
		t := float64(nx + ny)
		ties += t*t*t - t
	}
	n, m := float64(len(x)), float64(len(y))
	return deviations(above-n*m/2, n, m, ties)
}

// deviations is d in standard deviations, for samples of n and m, with what ties take from the variance.
func deviations(d, n, m, ties float64) float64 {
	variance := n * m / 12 * (n + m + 1 - ties/((n+m)*(n+m-1)))
	if variance <= 0 {
		return 0
	}
	switch {
	case d > 0:
		d -= 0.5
	case d < 0:
		d += 0.5
	}
	return d / math.Sqrt(variance)
}

// normalQuantile is the standard normal's.
func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }
