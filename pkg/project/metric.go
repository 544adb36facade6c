package project

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/sluice-gate/sluice/pkg/expr"
)

// Metric is a number that a check reads: exactly one of the pointers is set. Either a condition is asked of it, or it is compared with a
// baseline.
type Metric struct {
	Prometheus *Prometheus
	JSON       *JSON
	CloudWatch *CloudWatch
	Logs       *CloudWatchLogs
	Plugin     *Plugin
	Condition  string // of value, in CEL; empty for a comparison, and for a plugin whose exit status says all
	NoData     NoData // what it means that there is no number
}

// Prometheus is a server that answers the queries of Prometheus' HTTP API.
type Prometheus struct {
	URL     string        // without /api/v1
	Query   string        // whose answer is one number; empty for a comparison
	Range   time.Duration // over which Take takes a number, but not from before the soak or bake; 0: the query's value now
	Take    Take
	Compare *Compare
	Score   *Score
	Token   Token
}

// Take is which number of a range is taken.
type Take string

// The numbers. Max is taken unless another is named.
const (
	TakeMax     Take = "max"
	TakeMin     Take = "min"
	TakeAverage Take = "average"
	TakeLast    Take = "last"
)

// JSON is an HTTP address that answers with JSON.
type JSON struct {
	URL   string
	Value string // in CEL, of status, header and body: the number; null is none
	Token Token
}

// Compare compares how many of what staging does go wrong with how many of what its baseline does: four queries of counters, which
// only grow; the watcher takes what they grew by from look to look, as package compare wants it. Or it compares a number of staging,
// a latency for one, with the baseline's: two queries.
type Compare struct {
	Errors, Requests                 string
	BaselineErrors, BaselineRequests string
	Value, Baseline                  string // instead of the four
	// Previous, instead of queries of a baseline, is the soak in the same stage of the release that was promoted last, as it was measured
	// then by a check of the same queries: look by look, so long after its beginning.
	Previous    bool
	Method      Method  // of numbers; counters are compared sequentially
	Worse       Worse   // of numbers
	Tolerated   float64 // how many times as many errors, or as high a number, are no regression; 1 unless set
	FalseAlarms float64 // the chance that a soak without a regression is cancelled; 0.01 unless set
	// After is how long after the soak or bake began a test of ranks asks, once; four fifths of it unless set, and never later than a tenth
	// of it before the part that need not be watched (soak.coverage): that may be its end.
	After time.Duration
}

// Numbers tells whether numbers are compared, and not counters.
func (c *Compare) Numbers() bool { return c.Value != "" }

// Method is how numbers are compared: package compare says what each is worth.
type Method string

const (
	// Sequential looks as often as it likes, and cancels as soon as it is sure. It is the default.
	Sequential Method = "sequential"
	// MannWhitney is Kayenta's judgement of a whole window, once, when four fifths of the soak are over.
	MannWhitney Method = "mann-whitney"
)

// Worse is which of two numbers is.
type Worse string

// The higher one unless set; of a number of successes it is the lower one.
const (
	HigherIsWorse Worse = "higher"
	LowerIsWorse  Worse = "lower"
)

// NoData is what it means that a source has no number, or does not answer.
type NoData string

const (
	// HoldOnNoData is the default: nobody is watching, so there are no heartbeats, and the release is held.
	HoldOnNoData NoData = "hold"
	// FailOnNoData counts it as a failure of staging.
	FailOnNoData NoData = "fail"
	// IgnoreNoData lets it pass, but only after something was measured: what was never measured is not watched.
	IgnoreNoData NoData = "ignore"
)

// What a comparison is set to.
const (
	defaultTolerated   = 1
	defaultFalseAlarms = 0.01
)

// fillIn sets what a comparison of numbers does not say; lasts is how long it runs.
func (c *Compare) fillIn(lasts time.Duration) {
	if !c.Numbers() {
		return
	}
	setUnset(&c.Method, Sequential)
	setUnset(&c.Worse, HigherIsWorse)
	if c.Method == MannWhitney {
		setUnset(&c.After, onceAfter(lasts))
	}
}

// onceAfter is when what is asked once is asked, of a time.
func onceAfter(lasts time.Duration) time.Duration { return lasts * 4 / 5 }

// metric reads the checks that read a number.
func (d *decoder) metric(s section, c *Check) {
	timeout := between(minProbeTimeout, maxProbeTimeout)
	if s.has("http") {
		return // its condition is about the answer
	}
	m := &Metric{
		Condition: s.text("condition", checkValue),
		NoData:    NoData(s.text("no_data", oneOf(HoldOnNoData, FailOnNoData, IgnoreNoData))),
	}
	d.command(s, c, m)
	d.cloudWatch(s, c, m)
	if block, ok := s.child("prometheus", ofPrometheus); ok {
		block.require("url", "the server's address, without /api/v1")
		m.Prometheus = &Prometheus{
			URL: strings.TrimRight(block.text("url", checkRegistry), "/"), Query: block.text("query", checkQuery), Token: block.token(),
		}
		if compare, ok := block.child("compare", ofCompare); ok {
			m.Prometheus.Compare = d.compare(compare)
		}
		if score, ok := block.child("score", ofScore); ok {
			m.Prometheus.Score = d.score(score)
		}
		block.exactlyOne("query", "compare", "score")
		d.ranged(block, m.Prometheus)
		c.Timeout = block.duration("timeout", 0, timeout)
	}
	if block, ok := s.child("json", ofJSON); ok {
		block.require("url", "the address that answers with JSON")
		block.require("value", "the number in the answer, as in value: body.queue.depth")
		m.JSON = &JSON{URL: block.text("url", checkURL), Value: block.text("value", checkNumber), Token: block.token()}
		c.Timeout = block.duration("timeout", 0, timeout)
	}
	none := m.Prometheus == nil && m.JSON == nil && m.CloudWatch == nil && m.Logs == nil && m.Plugin == nil
	if !none {
		c.Metric = m
	}
	for _, name := range []string{"condition", "no_data"} {
		switch has := s.has(name); {
		case none && has && c.Exec != nil:
			d.fail(s.at(name), "has a meaning only for a command that is a plugin: set exec.nagios, or remove it")
		case none && has:
			d.fail(s.at(name), "has a meaning only for a number, such as of prometheus or json: remove it")
		case name == "condition" && c.weighs() && has:
			d.fail(s.at(name), "has no meaning beside compare or score, which ask whether the baseline does better: remove it")
		}
	}
	switch {
	case none:
	case c.Scores() && s.has("failures"):
		d.fail(s.at("failures"), "has no meaning for a score, which is asked once: set score.pass instead")
	case c.Compares() && s.has("failures"):
		d.fail(s.at("failures"), "has no meaning for a comparison, which weighs all there is: set compare.false_alarms instead")
	case !c.weighs() && m.Logs == nil && m.Plugin == nil:
		s.require("condition", "what the number must be, as in condition: value < 0.01")
	}
}

// ranged reads over which range a query is asked.
func (d *decoder) ranged(s section, p *Prometheus) {
	p.Range = s.duration("range", 0, between(minRange, maxRange))
	p.Take = Take(s.text("take", oneOf(TakeMax, TakeMin, TakeAverage, TakeLast)))
	if s.has("range") {
		setUnset(&p.Take, TakeMax)
	}
	for _, name := range []string{"range", "take"} {
		switch {
		case s.has(name) && (p.Compare != nil || p.Score != nil):
			d.fail(s.at(name), "has no meaning beside compare or score, which weigh all that there is: remove it")
		case s.has(name) && !s.has("range"):
			d.fail(s.at(name), "says which number of a range is taken, and there is none: set range, or remove it")
		}
	}
}

// thePrevious is the baseline that is no query. A series of that name is asked for with (previous).
const thePrevious = "previous"

func (d *decoder) compare(s section) *Compare {
	counters, ofNumbers := []string{"errors", "requests", "baseline_errors", "baseline_requests"}, []string{"value", "baseline"}
	const what = "a comparison is of four counters, errors and requests of staging and of the baseline, or of two numbers, " +
		"value and baseline; baseline: previous stands for all of the baseline"
	baseline := s.text("baseline", checkQuery)
	previous := baseline == thePrevious
	if previous {
		baseline = ""
	}
	if previous && !s.has("value") {
		counters = counters[:2]
		for _, name := range []string{"baseline_errors", "baseline_requests"} {
			if s.has(name) {
				d.fail(s.at(name), "stands beside baseline: previous: %s", what)
			}
		}
	}
	if s.has("value") || s.has("baseline") && !previous {
		for _, name := range ofNumbers {
			s.require(name, what)
		}
		for _, name := range counters {
			if s.has(name) {
				d.fail(s.at(name), "stands beside value and baseline: %s", what)
			}
		}
	} else {
		for _, name := range counters {
			s.require(name, what)
		}
		for _, name := range []string{"method", "worse"} {
			if s.has(name) {
				d.fail(s.at(name), "is for numbers, value and baseline; counters are compared sequentially, and more errors are worse: remove it")
			}
		}
	}
	ranks := s.text("method", oneOf(Sequential, MannWhitney)) == string(MannWhitney)
	for name, belongs := range map[string]bool{"after": ranks, "tolerated": !ranks, "false_alarms": !ranks} {
		if s.has(name) && !belongs {
			d.fail(s.at(name),
				"has no meaning for this method: after is for mann-whitney, tolerated and false_alarms are for sequential; remove it")
		}
	}
	return &Compare{
		Value: s.text("value", checkQuery), Baseline: baseline, Previous: previous,
		Method: Method(s.text("method", oneOf(Sequential, MannWhitney))), Worse: Worse(s.text("worse", oneOf(HigherIsWorse, LowerIsWorse))),
		After:  s.duration("after", 0, between(minBake, MaxDelay)),
		Errors: s.text("errors", checkQuery), Requests: s.text("requests", checkQuery),
		BaselineErrors: s.text("baseline_errors", checkQuery), BaselineRequests: s.text("baseline_requests", checkQuery),
		Tolerated:   s.decimal("tolerated", defaultTolerated, 0.1, 1000),
		FalseAlarms: s.decimal("false_alarms", defaultFalseAlarms, 1e-9, 0.5),
	}
}

// decimal is the field as a number within bounds, or unset when there is none.
func (s section) decimal(name string, unset, least, most float64) float64 {
	if !s.has(name) {
		return unset
	}
	var text string
	switch node := s.values[name].(type) {
	case *ast.IntegerNode:
		text = node.GetToken().Value
	case *ast.FloatNode:
		text = node.GetToken().Value
	default:
		s.fail(s.at(name), "must be a number from %g to %g; it is %s", least, most, kindOf(s.values[name]))
		return unset
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || n < least || n > most {
		s.fail(s.at(name), "%s is out of bounds: allowed are %g to %g", quote(text), least, most)
		return unset
	}
	return n
}

// Bounds of a range.
const (
	minRange = 10 * time.Second
	maxRange = 24 * time.Hour
)

// mostQuery bounds a query, in bytes.
const mostQuery = 8 << 10

// checkQuery wants a query to be there; what it means is the server's to say.
func checkQuery(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return errors.New("is empty")
	case len(text) > mostQuery:
		return errors.New("is longer than 8 KiB")
	}
	return nil
}

func checkValue(text string) error {
	_, err := expr.ParseCondition(expr.Value, text)
	return err
}

func checkNumber(text string) error {
	_, err := expr.ParseNumber(expr.Reading, text)
	return err
}
