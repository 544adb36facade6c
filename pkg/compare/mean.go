package compare

import (
	"fmt"
	"math"
)

// Mean compares two means while they are measured, such as the 95th percentile of the latency in each interval: the bets are on the
// mean of the differences, which come in pairs. It is exact if these are normal, with whatever spread (a mixture of t-tests), and
// close to it if they are not far from that.
//
// Its zero value is that of nothing measured.
type Mean struct {
	Tolerated float64 `json:"tolerated"` // the part of the baseline's value by which the release's may be higher: 0.1 is a tenth
	N         int     `json:"n"`
	Sum       float64 `json:"sum"`     // of the differences
	Squares   float64 `json:"squares"` // of the differences
	Mine      float64 `json:"mine"`    // sum of the release's values
	Base      float64 `json:"base"`    // sum of the baseline's
}

// priors are mixed, with the same weight: how many pairs the belief weighs that the release is no different. One pair goes with an
// effect as large as the spread, a hundred with a tenth of it.
func priors() [3]float64 { return [...]float64{1, 10, 100} }

// LeastPairs is how many pairs there are before anything is said: two may be alike by rounding, and are then no spread at all.
const LeastPairs = 5

// Add is the comparison after one more pair of values.
func (m Mean) Add(mine, base float64) (Mean, error) {
	d := mine - base*(1+m.Tolerated)
	if math.IsNaN(d) || math.IsInf(d, 0) || math.IsInf(d*d, 0) {
		return m, fmt.Errorf("compare means: %v against %v: no finite numbers", mine, base)
	}
	m.N++
	m.Sum += d
	m.Squares += d * d
	m.Mine += mine
	m.Base += base
	return m, nil
}

// E is the e-value, see [Rate.E].
func (m Mean) E() float64 { return math.Exp(m.logE()) }

func (m Mean) logE() float64 {
	if m.N < LeastPairs || m.Sum <= 0 || m.Squares == 0 {
		return 0
	}
	n := float64(m.N)
	var logs []float64
	for _, prior := range priors() {
		unexplained := m.Squares - m.Sum*m.Sum/(n+prior)
		logs = append(logs, (math.Log(prior/(n+prior))+n*math.Log(m.Squares/unexplained))/2)
	}
	return logSum(logs) - math.Log(float64(len(logs)))
}

// Worse tells whether the mean is higher than tolerated, at the level alpha.
func (m Mean) Worse(alpha float64) bool { return m.logE() >= -math.Log(alpha) }

// Ratio is the ratio of the means as they were measured; NaN when the baseline's is zero.
func (m Mean) Ratio() float64 {
	if m.Base == 0 {
		return math.NaN()
	}
	return m.Mine / m.Base
}
