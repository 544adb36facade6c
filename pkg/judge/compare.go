package judge

import (
	"fmt"
	"math"
	"time"

	"github.com/sluice-gate/sluice/pkg/compare"
	"github.com/sluice-gate/sluice/pkg/project"
)

// Counters are what a comparison reads in one look: counters that only grow, unless whatever counts was started anew.
type Counters struct{ Mine, Base compare.Count }

// comparison is what the looks of a comparison came to so far.
type comparison struct {
	rate  compare.Rate
	mine  counting
	base  counting
	began bool
	last  time.Time // when something was compared last, or else when it began
}

// counting is how far a side is counted.
type counting struct {
	compare.Count         // as it was when something was compared last
	most          float64 // what its exposure grew by in one look, at most
	fell          bool    // it is lower now, and nobody can tell what it grew by
}

// grown is what a side grew by since. A counter that fell began again at nothing, so all that it has now came since the look before. But
// what is read is most often a sum over instances: when one of ten goes, the sum falls too, and what is left of it is the history of the
// nine others. The two are told apart by how much there is: no more can have come since the look before than comes in one look. What can
// not be told begins anew and is not compared (https://prometheus.io/docs/prometheus/latest/querying/functions/#rate: take rate first,
// then aggregate, or a restart is not seen as one).
func (c counting) grown(now compare.Count) (by compare.Count, after counting) {
	after = counting{Count: now, most: c.most}
	const times = 2 // what comes in a look is not always the same
	switch {
	case now.Events >= c.Events && now.Exposure >= c.Exposure:
		by = compare.Count{Events: now.Events - c.Events, Exposure: now.Exposure - c.Exposure}
	case now.Exposure < c.Exposure && now.Exposure <= times*c.most:
		by = now
	default:
		after.fell = true
		return compare.Count{}, after
	}
	after.most = max(after.most, by.Exposure)
	return by, after
}

// compare is the tally after one more look of a comparison: it fails when the errors have been too many for too long to be
// chance. The first look is where counting begins. As long as one of the sides has no requests nothing is compared, and what the other
// has meanwhile is kept until both have some.
func (r Rule) compare(t Tally, m Measurement) Tally {
	c := comparison{rate: compare.Rate{Tolerated: r.Compare.Tolerated}, last: m.At}
	if t.compared != nil {
		c = *t.compared
	}
	t.compared = &c
	if t.Lacking == noEarlier { // the release before had counted nothing yet, so early in its soak
		t.Lacking = ""
	}
	now := *m.Counters
	if !c.began {
		c.began, c.mine.Count, c.base.Count = true, now.Mine, now.Base
		t.Measured++
		return r.doubted(t, m, compare.Count{}, compare.Count{})
	}
	mine, mineAfter := c.mine.grown(now.Mine)
	base, baseAfter := c.base.grown(now.Base)
	if mineAfter.fell || baseAfter.fell {
		c.mine, c.base = mineAfter, baseAfter
		t.Measured++
		return r.doubted(t, m, mine, base)
	}
	rate, err := c.rate.Add(mine, base)
	if err != nil { // counters that can not be, such as errors without requests: they say nothing
		return r.doubted(t, m, mine, base)
	}
	t.Measured++
	if mine.Exposure == 0 || base.Exposure == 0 {
		return r.doubted(t, m, mine, base)
	}
	c.rate, c.mine, c.base, c.last = rate, mineAfter, baseAfter, m.At
	t.Inconclusive, t.Lacking = "", ""
	if m.OK, m.Said = !c.rate.Worse(r.Compare.FalseAlarms), said(c.rate); m.OK {
		return t
	}
	t.Count, t.First, t.Last, t.Samples, t.Failed = 1, m, m, []Measurement{m}, true
	return t
}

// doubted is the tally after a look that had nothing to compare, which grew by so much on both sides. Until something was compared the
// check is inconclusive; when nothing is for too long there is no data.
func (r Rule) doubted(t Tally, m Measurement, mine, base compare.Count) Tally {
	c := t.compared
	never := c.rate.Mine.Exposure == 0 || c.rate.Base.Exposure == 0
	if never {
		t.Inconclusive = "nothing was compared yet"
	}
	if m.At.Sub(c.last) <= r.Idle || !never && r.ignores() {
		return t
	}
	since := c.last.UTC().Format(time.TimeOnly) + " UTC"
	switch {
	case c.mine.fell || c.base.fell:
		t.Lacking = fmt.Sprintf("the counters fall again and again since %s, so nobody can tell what they grow by", since)
	case mine.Exposure == 0 && mine.Events > 0 || base.Exposure == 0 && base.Events > 0:
		t.Lacking = fmt.Sprintf("there are errors without requests since %s", since)
	case mine.Exposure == 0 && base.Exposure == 0:
		t.Lacking = fmt.Sprintf("there are no requests since %s, neither here nor in the baseline", since)
	case mine.Exposure == 0:
		t.Lacking = fmt.Sprintf("there are no requests since %s, so nothing is compared", since)
	default:
		t.Lacking = fmt.Sprintf("the baseline has no requests since %s, so nothing is compared", since)
	}
	t.Inconclusive = t.Lacking
	return t
}

// said is a comparison in words.
func said(r compare.Rate) string {
	ratio := "where the baseline has none"
	if n := r.Ratio(); !math.IsNaN(n) {
		ratio = fmt.Sprintf("%.3g times as often", n)
	}
	return fmt.Sprintf("%d errors in %.6g requests, %s: the baseline has %d in %.6g; the odds that this is chance are 1 to %.3g",
		r.Mine.Events, r.Mine.Exposure, ratio, r.Base.Events, r.Base.Exposure, r.E())
}

// comparing is what a check compares, if it does.
func comparing(c project.Check) *project.Compare {
	if c.Metric == nil || c.Metric.Prometheus == nil {
		return nil
	}
	return c.Metric.Prometheus.Compare
}
