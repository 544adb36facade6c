package judge

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/sluice-gate/sluice/pkg/expr"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// Word is what a look, or all the looks of a check, or a release came to.
type Word string

// The words. What was not measured is inconclusive, never a pass.
const (
	Pass         Word = "pass"
	Fail         Word = "fail"
	Inconclusive Word = "inconclusive"
)

// Lack is why a look has nothing to judge.
type Lack string

// What may be lacking.
const (
	Nothing Lack = ""      // there is something to judge
	NoData  Lack = "none"  // the source has none, or does not answer: the check's policy says what that means
	Busy    Lack = "busy"  // the source was asked too often, which says nothing about staging, whatever the policy
	Blind   Lack = "blind" // the watcher could not look
)

// condition is what is asked of a value.
type condition struct {
	text  string
	holds *expr.Condition
	wrong error
}

// conditionOf is the condition of a check, if it has one. One that is wrong is none that a project file has; it makes every look
// inconclusive.
func conditionOf(c project.Check) *condition {
	if c.Metric == nil || c.Metric.Condition == "" {
		return nil
	}
	holds, err := expr.ParseCondition(expr.Value, c.Metric.Condition)
	return &condition{text: c.Metric.Condition, holds: holds, wrong: err}
}

// Weigh is what a look comes to by itself, and why, in words. A look of a comparison is weighed together with those before it, by
// [Rule.Add]: here it passes.
func (r Rule) Weigh(m Measurement) (Word, string) {
	switch {
	case r.Alert != nil:
		return r.weighAlert(m)
	case m.Lack == NoData && r.NoData == project.FailOnNoData:
		return Fail, m.Said
	case m.Lack != Nothing:
		return Inconclusive, m.Said
	case r.condition != nil && m.Value != nil:
		return r.ask(*m.Value, m.Said)
	case m.OK:
		return Pass, m.Said
	}
	return Fail, m.Said
}

// ask asks the condition about a value. NaN and what is infinite is no number. beside is what the source says of it.
func (r Rule) ask(value float64, beside string) (Word, string) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return r.Weigh(Measurement{Lack: NoData, Said: fmt.Sprintf("the number is %v", value)})
	}
	holds, err := false, r.condition.wrong
	if err == nil {
		holds, err = r.condition.holds.Is(expr.Vars{"value": value})
	}
	said := strconv.FormatFloat(value, 'g', 6, 64)
	if beside != "" {
		beside = ": " + beside
	}
	switch {
	case err != nil:
		return Inconclusive, releasepb.Line("condition: "+err.Error(), mostSaid)
	case holds:
		return Pass, releasepb.Line(said+", and "+r.condition.text+beside, mostSaid)
	}
	return Fail, releasepb.Line(said+", not "+r.condition.text+beside, mostSaid)
}

// Excuses tells whether a look that is inconclusive is let pass: where the policy is to ignore it, and something was measured
// before. What was never measured is not watched. That the watcher could not look is never let pass.
func (r Rule) Excuses(t Tally, m Measurement) bool {
	return r.ignores() && m.Lack != Blind && t.Measured > 0
}

// ignores tells whether no data is let pass, once something was measured.
func (r Rule) ignores() bool { return r.NoData == project.IgnoreNoData }

// What a measurement is kept with: times in milliseconds, and so many bytes of what was said.
const (
	precision = time.Millisecond
	mostSaid  = 400
)

// Normal is the measurement as it is judged and stored. What a look that passed said is not kept.
func (m Measurement) Normal() Measurement {
	m.At = m.At.UTC().Truncate(precision)
	if m.OK && m.Lack == Nothing {
		m.Said = ""
	}
	m.Said = releasepb.Line(m.Said, mostSaid)
	return m
}

// Replay is the tally of measurements in their order, and the index of the one at which the check failed; -1: it did not.
func Replay(r Rule, measurements []Measurement) (Tally, int) {
	var t Tally
	for i, m := range measurements {
		if t = r.Add(t, m); t.Failed {
			return t, i
		}
	}
	return t, -1
}
