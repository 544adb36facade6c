package judge

import (
	"fmt"
	"math"

	"github.com/sluice-gate/sluice/pkg/compare"
	"github.com/sluice-gate/sluice/pkg/project"
)

// Counters are what a comparison reads in one look: counters that only grow, unless whatever counts was started anew.
type Counters struct{ Mine, Base compare.Count }

// since is what the counters grew by. One that is lower than it was began again at nothing.
func (c Counters) since(before Counters) Counters {
	return Counters{Mine: grown(c.Mine, before.Mine), Base: grown(c.Base, before.Base)}
}

func grown(now, before compare.Count) compare.Count {
	if now.Events < before.Events || now.Exposure < before.Exposure {
		return now
	}
	return compare.Count{Events: now.Events - before.Events, Exposure: now.Exposure - before.Exposure}
}

// comparison is what the looks of a comparison came to so far.
type comparison struct {
	rate   compare.Rate
	before Counters
	began  bool
}

// compare is the tally after one more look of a comparison: it fails when the errors have been too many for too long to be
// chance. The first look is where counting begins.
func (r Rule) compare(t Tally, m Measurement) Tally {
	c := comparison{rate: compare.Rate{Tolerated: r.Compare.Tolerated}}
	if t.compared != nil {
		c = *t.compared
	}
	if c.began {
		grown := m.Counters.since(c.before)
		rate, err := c.rate.Add(grown.Mine, grown.Base)
		if err != nil { // counters that can not be, such as more errors than requests: they say nothing
			return t
		}
		c.rate = rate
	}
	c.before, c.began = *m.Counters, true
	t.compared = &c
	t.Measured++
	if m.OK, m.Said = !c.rate.Worse(r.Compare.FalseAlarms), said(c.rate); m.OK {
		return t
	}
	t.Count, t.First, t.Last, t.Samples, t.Failed = 1, m, m, []Measurement{m}, true
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
