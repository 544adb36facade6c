package project

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// CloudWatch is a number of Amazon CloudWatch: of one metric, or of an expression over several
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html).
type CloudWatch struct {
	AWS
	Metric     *CloudWatchMetric           // nil for an expression
	Expression string                      // metric math, SEARCH or Metrics Insights; its result is one time series
	Metrics    map[string]CloudWatchMetric // what the expression names
	Period     time.Duration               // of one datapoint; a minute unless set
	Delay      time.Duration               // how long after its end a datapoint is complete; a minute unless set
	Over       Over                        // newest unless set
}

// CloudWatchMetric is one metric with one statistic.
type CloudWatchMetric struct {
	Namespace, Name string
	Dimensions      map[string]string // all that the metric has: CloudWatch adds nothing up by itself
	Stat            string            // Sum, Average, p99, …
}

// Over is what of a time series is taken.
type Over string

const (
	// OverNewest takes the newest datapoint that is complete.
	OverNewest Over = "newest"
	// OverSoak adds up all datapoints since the soak or bake began.
	OverSoak Over = "soak"
)

// CloudWatchLogs counts events in a log group of Amazon CloudWatch since the soak or bake began: exactly one of Filter and Query is set.
type CloudWatchLogs struct {
	AWS
	Group  string        // its name or ARN
	Filter string        // a filter pattern (FilterLogEvents)
	Query  string        // of Logs Insights; the events that it matches are counted
	Delay  time.Duration // how long it takes until all events of a moment can be found; two minutes unless set
}

// Defaults of checks that ask CloudWatch. It is asked once in a period: more often it has nothing new, and every question is paid for.
const (
	DefaultPeriod       = time.Minute
	DefaultMetricDelay  = time.Minute
	DefaultLogDelay     = 2 * time.Minute
	DefaultCloudTimeout = 30 * time.Second
	defaultLogCondition = "value == 0.0"
)

const (
	mostMetrics    = 20
	mostDimensions = 30 // CloudWatch's own
	mostDelay      = time.Hour
	mostPeriod     = 24 * time.Hour
)

var (
	// What CloudWatch allows: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Metric.html, API_MetricDataQuery.html
	// and API_MetricStat.html, https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LogGroup.html.
	metricText = regexp.MustCompile(`^[!-9;-~][ -~]{0,254}$`)
	metricID   = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]{0,63}$`)
	metricStat = regexp.MustCompile(`^(SampleCount|Sum|Average|Minimum|Maximum|IQM|p[0-9]{1,2}(\.[0-9]{1,10})?|p100|` +
		`(TM|TC|TS|WM|tm|tc|ts|wm|PR)[0-9.%:()]{1,40})$`)
	logGroup = regexp.MustCompile(`^(arn:[a-z-]+:logs:[a-z0-9-]+:[0-9]{12}:log-group:)?[A-Za-z0-9_/.#-]{1,512}$`)
)

func (d *decoder) cloudWatch(s section, c *Check, m *Metric) {
	if block, ok := s.child("cloudwatch", ofCloudWatch); ok {
		block.exactlyOne("metric", "expression")
		w := &CloudWatch{
			AWS: block.aws(), Expression: block.text("expression", checkQuery),
			Period: block.duration("period", DefaultPeriod, parsePeriod),
			Delay:  block.duration("delay", DefaultMetricDelay, between(0, mostDelay)),
			Over:   Over(block.text("over", oneOf(OverNewest, OverSoak))),
		}
		setUnset(&w.Over, OverNewest)
		if block.has("metric") {
			one := d.cloudWatchMetric(block)
			w.Metric = &one
			if w.Over == OverSoak && one.Stat != "" && one.Stat != "Sum" && one.Stat != "SampleCount" {
				d.fail(block.at("over"), "adds datapoints up, and the %s of minutes does not add up to that of the soak: "+
					"set stat: Sum, or over: newest", one.Stat)
			}
		} else {
			for _, name := range []string{"namespace", "dimensions", "stat"} {
				if block.has(name) {
					d.fail(block.at(name), "belongs to a metric, and there is an expression: write it in metrics")
				}
			}
		}
		w.Metrics = d.cloudWatchMetrics(block)
		if block.has("metrics") && block.has("metric") {
			d.fail(block.at("metrics"), "is what an expression names, and there is none: set expression, or only metric")
		}
		c.Timeout = block.duration("timeout", DefaultCloudTimeout, between(minProbeTimeout, maxProbeTimeout))
		m.CloudWatch = w
		if s.has("interval") && w.Over == OverNewest && c.Interval < w.Period && d.clean(s.at("interval"), block.at("period")) {
			d.fail(s.at("interval"), "is shorter than cloudwatch.period (%s): one datapoint would count several times", short(w.Period))
		}
		setUnset(&c.Interval, max(w.Period, DefaultPeriod))
	}
	if block, ok := s.child("cloudwatch_logs", ofCloudWatchLogs); ok {
		block.require("group", "the log group, as in group: /aws/lambda/tracer")
		block.exactlyOne("filter", "query")
		m.Logs = &CloudWatchLogs{
			AWS: block.aws(), Group: block.text("group", matches(logGroup, "the name or the ARN of a log group")),
			Filter: block.text("filter", checkFilter), Query: block.text("query", checkQuery),
			Delay: block.duration("delay", DefaultLogDelay, between(0, mostDelay)),
		}
		c.Timeout = block.duration("timeout", DefaultCloudTimeout, between(minProbeTimeout, maxProbeTimeout))
		setUnset(&c.Interval, DefaultPeriod)
		setUnset(&m.Condition, defaultLogCondition)
		setUnset(&c.Failures, 1) // what was counted once stays counted
	}
}

func (d *decoder) cloudWatchMetric(s section) CloudWatchMetric {
	s.require("namespace", "the metric's namespace, as in namespace: AWS/Lambda")
	s.require("metric", "the metric's name, as in metric: Errors")
	s.require("stat", "the statistic, as in stat: Sum, Average or p99")
	m := CloudWatchMetric{
		Namespace: s.text("namespace", matchesWhole(metricText, "a namespace, such as AWS/Lambda")),
		Name:      s.text("metric", matchesWhole(metricText, "the name of a metric, such as Errors")),
		Stat:      s.text("stat", matchesWhole(metricStat, "a statistic, such as Sum, Average or p99")),
	}
	if !s.has("dimensions") {
		return m
	}
	path := s.at("dimensions")
	mapping, ok := s.values["dimensions"].(*ast.MappingNode)
	if !ok || len(mapping.Values) > mostDimensions {
		d.fail(path, "must be at most %d names with values, as in { FunctionName: tracer }", mostDimensions)
		return m
	}
	m.Dimensions = map[string]string{}
	d.each(path, mapping, matchesWhole(metricText, "the name of a dimension"), func(key, field string, value ast.Node) {
		m.Dimensions[key] = d.scalar(field, value, matchesWhole(metricText, "the value of a dimension"))
	})
	return m
}

func (d *decoder) cloudWatchMetrics(s section) map[string]CloudWatchMetric {
	if !s.has("metrics") {
		return nil
	}
	path := s.at("metrics")
	mapping, ok := s.values["metrics"].(*ast.MappingNode)
	if !ok || len(mapping.Values) > mostMetrics {
		d.fail(path, "must be at most %d metrics by the names that the expression gives them", mostMetrics)
		return nil
	}
	all := map[string]CloudWatchMetric{}
	d.each(path, mapping, checkMetricID, func(key, field string, value ast.Node) {
		if block, ok := d.section(field, value, ofCloudWatchMetric); ok {
			all[key] = d.cloudWatchMetric(block)
		}
	})
	return all
}

// ResultID is what the number of a query is called; no metric is.
const ResultID = "sluice_result"

func checkMetricID(name string) error {
	if !metricID.MatchString(name) || name == ResultID {
		return fmt.Errorf("%s can not name a metric in an expression: a small letter first, then letters, digits and _", quote(name))
	}
	return nil
}

// parsePeriod reads a period that CloudWatch knows.
func parsePeriod(text string) (time.Duration, error) {
	p, err := between(time.Second, mostPeriod)(text)
	if err != nil {
		return 0, err
	}
	if p%time.Minute != 0 && !slices.Contains([]time.Duration{1, 5, 10, 20, 30}, p/time.Second) || p%time.Second != 0 {
		return 0, fmt.Errorf("%s is no period of CloudWatch: whole minutes, or 1s, 5s, 10s, 20s, 30s", quote(text))
	}
	return p, nil
}

// checkFilter wants a pattern: without one every event would count.
func checkFilter(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return errors.New("is empty, and every event would count: write what is looked for, as in '?ERROR ?Exception'")
	case len(text) > 1024: // https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
		return errors.New("is longer than 1024 bytes")
	}
	return nil
}

// matchesWhole is matches for text in which slashes mean nothing.
func matchesWhole(pattern *regexp.Regexp, what string) func(string) error {
	return func(text string) error {
		if !pattern.MatchString(text) {
			return fmt.Errorf("%s is not %s", quote(text), what)
		}
		return nil
	}
}
