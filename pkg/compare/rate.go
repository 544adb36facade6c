package compare

import (
	"fmt"
	"math"
)

// Count is how many events (errors, say) were seen among so much of what could have had one: requests, or seconds.
type Count struct {
	Events   int     `json:"events"`
	Exposure float64 `json:"exposure"` // in any unit, the same for both sides
}

// Valid tells whether the count is one. NaN and what is negative are not.
func (c Count) Valid() bool {
	return c.Events >= 0 && c.Exposure >= 0 && !math.IsInf(c.Exposure, 0)
}

// ratios are the alternatives that are mixed, as multiples of the tolerated ratio of rates, all with the same weight: a rate that is
// 1.1 times as high as tolerated takes long to tell from one that is not, one that is 100 times as high a few events.
func ratios() [alternatives]float64 { return [...]float64{1.1, 1.25, 1.5, 2, 3, 5, 10, 30, 100} }

const alternatives = 9

// Rate compares two rates while they are measured: of the release, and of its baseline. Given how many events an interval had in
// all, those of the release are binomial with a chance that depends on the ratio of the rates alone, whatever the rates are and
// however they change through the day; so each interval is one bet. The events need not come singly: where each exposure has at
// most one event (an error of a request) the bet is only safer, because then the number is hypergeometric, which is less spread
// (W. Hoeffding 1963, theorem 4).
//
// Its zero value is that of nothing measured.
type Rate struct {
	Tolerated float64   `json:"tolerated"` // the ratio of rates that is still no regression; 0 means 1
	Logs      []float64 `json:"logs,omitempty"`
	Mine      Count     `json:"mine"`
	Base      Count     `json:"base"`
}

// Add is the comparison after one more interval. What can not be compared, because one of the sides has no exposure, changes nothing.
func (r Rate) Add(mine, base Count) (Rate, error) {
	if !mine.Valid() || !base.Valid() {
		return r, fmt.Errorf("compare rates: %+v against %+v: a count is not negative and its exposure is finite", mine, base)
	}
	if mine.Exposure == 0 && mine.Events > 0 || base.Exposure == 0 && base.Events > 0 {
		return r, fmt.Errorf("compare rates: %+v against %+v: events without exposure", mine, base)
	}
	if mine.Exposure == 0 || base.Exposure == 0 {
		return r, nil
	}
	null := r.tolerated()
	after := Rate{Tolerated: r.Tolerated, Logs: make([]float64, alternatives), Mine: r.Mine.plus(mine), Base: r.Base.plus(base)}
	copy(after.Logs, r.Logs)
	for i, ratio := range ratios() {
		after.Logs[i] += logBet(mine, base, null*ratio) - logBet(mine, base, null)
	}
	return after, nil
}

func (r Rate) tolerated() float64 {
	if r.Tolerated == 0 {
		return 1
	}
	return r.Tolerated
}

func (c Count) plus(o Count) Count {
	return Count{Events: c.Events + o.Events, Exposure: c.Exposure + o.Exposure}
}

// logBet is the logarithm of the chance that the events fell to the sides as they did if the ratio of rates is as given, but for
// the number of ways, which is the same for all ratios.
func logBet(mine, base Count, ratio float64) float64 {
	share := mine.Exposure * ratio / (mine.Exposure*ratio + base.Exposure)
	return float64(mine.Events)*math.Log(share) + float64(base.Events)*math.Log1p(-share)
}

// E is the e-value: at least 1/alpha means that the rate is worse than tolerated, with a chance of at most alpha of ever saying so
// falsely. It is 1 when nothing was measured.
func (r Rate) E() float64 { return math.Exp(r.logE()) }

func (r Rate) logE() float64 {
	if len(r.Logs) == 0 {
		return 0
	}
	return logSum(r.Logs) - math.Log(float64(len(r.Logs)))
}

// Worse tells whether the rate is worse than tolerated, at the level alpha.
func (r Rate) Worse(alpha float64) bool { return r.logE() >= -math.Log(alpha) }

// Ratio is the ratio of the rates as they were measured; NaN when the baseline had no event.
func (r Rate) Ratio() float64 {
	if r.Base.Events == 0 || r.Mine.Exposure == 0 {
		return math.NaN()
	}
	return float64(r.Mine.Events) / r.Mine.Exposure * r.Base.Exposure / float64(r.Base.Events)
}

// logSum is the logarithm of the sum of what the logarithms are of.
func logSum(logs []float64) float64 {
	most := math.Inf(-1)
	for _, l := range logs {
		most = max(most, l)
	}
	sum := 0.0
	for _, l := range logs {
		sum += math.Exp(l - most)
	}
	return most + math.Log(sum)
}
