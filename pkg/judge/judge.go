// Package judge decides, from what was measured, whether a check has failed, and says so. It does no I/O and has no clock:
// the time of a measurement comes with it.
//
// A [Rule] is all of a check that matters here. A [Measurement] is what was seen, as raw as its source had it: what that means,
// also that there was nothing to see, is the rule's to say ([Rule.Weigh]). A [Tally] is what its measurements came to; it is a
// pure fold of them, in their order, so whoever measures the same comes to the same verdict. A check that failed stays failed,
// whatever is measured after that: a request can not be taken back. What is measured belongs to a [Stretch] of the release, one
// stage's soak or the bake, and so does the [Verdict].
//
// # What is stored
//
// Every measurement, in the form of [Measurement.Normal], which is also the one that is judged; a [Record] is a message of them.
// So what is read back comes to the same verdict at the same measurement ([Replay]), for whoever takes a watch over, and it can
// be judged again by another rule. That takes the same source: [Source] is what a check measures, without how it is judged.
package judge

import (
	"time"

	"github.com/sluice-gate/sluice/pkg/compare"
	"github.com/sluice-gate/sluice/pkg/project"
)

// Rule says when a check has failed.
type Rule struct {
	Limit  int       // so many failures that count fail the check; at least 1
	InARow bool      // a success begins the count anew
	Of     int       // failures are counted among so many looks, the last ones; 0: among all
	Began  time.Time // when the soak or the bake began
	Came   time.Time // since when what is watched may have been running: [Stretch.Came]; never after Began
	From   time.Time // what was measured before this, in the check's grace, does not count
	News   bool      // only signals that are news count
	// Compare, unless it is nil, takes the place of the limit: what is measured are counters.
	Compare *project.Compare
	// Score, unless it is nil, does so, too: what is measured are many numbers.
	Score *project.Score
	// Alert, unless it is nil, does so, too: what is measured are notices of alerts, and times.
	Alert  *project.Alert
	NoData project.NoData // what it means that there is nothing to judge; empty is to hold
	Idle   time.Duration  // of a comparison of counters: when nothing could be compared for longer there is no data
	Apart  time.Duration  // of a comparison of numbers: looks that are closer see, in part, the same; the later one does not count

	condition *condition // of a value; nil: the source says whether it is well
	interval  time.Duration
}

// RuleOf is the rule of a project's check in a soak or a bake that began at a time.
func RuleOf(c project.Check, from time.Time) Rule {
	r := Rule{
		Limit: max(c.Failures, 1), InARow: c.Of == 0, Of: c.Of, Began: from.Truncate(precision), From: Counting(c, from),
		Compare: comparing(c), Alert: c.Alert, condition: conditionOf(c),
		interval: c.Interval,
	}
	r.Came = r.Began
	if r.Compare != nil {
		r.Idle, r.Apart = max(idle, leastIdle*c.Interval), r.Compare.Window()
	}
	if r.Score = scoring(c); r.Score != nil {
		r.Apart = r.Score.Window()
	}
	if c.Signal != nil {
		r.Limit, r.InARow, r.News = c.Signal.Max+1, false, c.Signal.NewOnly
	}
	if c.Metric != nil {
		r.NoData = c.Metric.NoData
	}
	return r
}

// Counting is when the measurements of a check begin to count, in a soak or a bake that began at a time.
func Counting(c project.Check, from time.Time) time.Time {
	return from.Add(c.Grace).Truncate(precision)
}

// Measurement is one look at staging: a probe's answer, or a signal, which is a failure unless only news are.
type Measurement struct {
	At   time.Time // when the look began, or the broker's timestamp of the signal
	OK   bool      // what the source says; a rule with a condition asks the value instead
	Said string    // what was seen, or why there is nothing; one line without secrets
	Lack Lack      // of something to judge

	Value    *float64  // the number that was read
	Baseline *float64  // of a comparison of numbers: what the value is compared with
	Counters *Counters // of a comparison, which decides by itself whether it is well
	Many     []float64 // of a score, likewise: of each metric the number and the baseline's; NaN for none
	Alert    *Notice   // of an alert, likewise; nil: that is how late it is
}

// MaxSamples is how many failures are kept as evidence: the first, and the newest.
const MaxSamples = 5

// Tally is what the measurements of a check came to. Its zero value is that of no measurement.
type Tally struct {
	Measured int // all that counted, successes too
	Count    int // the failures that count now
	First    Measurement
	Last     Measurement // First and Last of these failures, by their times
	Samples  []Measurement
	Failed   bool // for good
	// Inconclusive says why what is measured now says nothing about the release; empty: it does.
	Inconclusive string
	// Lacking says why a comparison has no data, though its source answers, and what has none is not watched; empty: it has some.
	Lacking string

	compared *comparison
	window   []Measurement // the last looks, where failures are counted among them
	numbers  *numbers
	scores   *scores
	alerts   *alerts
}

// Add is the tally after one more measurement.
func (r Rule) Add(t Tally, m Measurement) Tally {
	if t.Failed {
		return t
	}
	if r.Alert != nil { // what was heard before it counts says what fired already
		return r.alert(t, m)
	}
	if m.At.Before(r.From) {
		return t
	}
	switch {
	case r.Score != nil && m.Many != nil:
		return r.score(t, m)
	case r.Compare == nil:
	case m.Baseline != nil && m.Value != nil:
		return r.numbers(t, m)
	case r.Compare.Previous && (m.Value != nil || m.Counters != nil && m.Counters.Base == (compare.Count{})):
		return r.alone(t)
	case m.Counters != nil:
		return r.compare(t, m)
	}
	word, said := r.Weigh(m)
	if word == Inconclusive {
		return t
	}
	m.OK, m.Said = word == Pass, said
	if r.Of > 0 {
		return r.window(t, m)
	}
	t.Measured++
	if m.OK {
		if r.InARow {
			t = Tally{Measured: t.Measured}
		}
		return t
	}
	t = t.failed(m)
	t.Failed = t.Count >= r.Limit
	return t
}
