package cloudwatch

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

const (
	// fresh is how many periods ago the newest datapoint may have ended: a metric that is silent has none.
	fresh = 2
	// mostPages bounds the pages of one answer. One has up to 100,800 datapoints: more than a month of minutes.
	mostPages = 20
)

// Metric is a metric of CloudWatch, or an expression over several.
type Metric struct {
	line *amazon.Line
	of   project.CloudWatch
	from time.Time
}

// NewMetric makes a source. What was measured before from does not count.
func NewMetric(line *amazon.Line, of project.CloudWatch, from time.Time) *Metric {
	return &Metric{line, of, from}
}

// Read is the number as things stand: the newest complete datapoint, or the sum of all since the beginning.
func (m *Metric) Read(ctx context.Context, now time.Time) (float64, error) {
	start := m.from
	if m.of.Over == project.OverNewest {
		start = later(start, now.Add(-m.of.Delay-(fresh+1)*m.of.Period))
	}
	series, err := m.series(ctx, start, now)
	if err != nil {
		return 0, err
	}
	if m.of.Over == project.OverSoak {
		return m.sum(series)
	}
	return m.newest(series, now)
}

// datapoint is of the period that begins at.
type datapoint struct {
	at    time.Time
	value float64
}

func (m *Metric) newest(series []datapoint, now time.Time) (float64, error) {
	newest := datapoint{}
	for _, d := range series {
		end := d.at.Add(m.of.Period)
		complete, recent := !end.Add(m.of.Delay).After(now), end.Add(m.of.Delay+fresh*m.of.Period).After(now)
		if complete && recent && !d.at.Before(m.from) && d.at.After(newest.at) {
			newest = d
		}
	}
	if newest.at.IsZero() {
		return 0, none("%s has no complete datapoint of the last %s in this soak", m.name(), fresh*m.of.Period+m.of.Delay)
	}
	return newest.value, nil
}

func (m *Metric) sum(series []datapoint) (float64, error) {
	sum, n := 0.0, 0
	for _, d := range series {
		if !d.at.Before(m.from) {
			sum, n = sum+d.value, n+1
		}
	}
	if n == 0 {
		return 0, none("%s has no datapoint in this soak", m.name())
	}
	return sum, nil
}

func (m *Metric) name() string {
	if one := m.of.Metric; one != nil {
		return fmt.Sprintf("CloudWatch's %s %s of %s", one.Stat, driver.Quote(one.Name), driver.Quote(one.Namespace))
	}
	return "CloudWatch's expression " + driver.Quote(m.of.Expression)
}

// series asks for the datapoints of one time series.
func (m *Metric) series(ctx context.Context, start, end time.Time) ([]datapoint, error) {
	cfg, err := m.line.Config(ctx)
	if err != nil {
		return nil, err
	}
	api := cloudwatch.NewFromConfig(cfg)
	in := &cloudwatch.GetMetricDataInput{
		StartTime: &start, EndTime: &end, MetricDataQueries: m.queries(), ScanBy: types.ScanByTimestampDescending,
	}
	var got []datapoint
	label := ""
	for range mostPages {
		out, err := api.GetMetricData(ctx, in)
		if err != nil {
			return nil, failed(ctx, m.line, "GetMetricData", err)
		}
		if len(out.Messages) > 0 {
			return nil, none("%s: %s", m.name(), m.line.Plain(aws.ToString(out.Messages[0].Value)))
		}
		for _, r := range out.MetricDataResults {
			if err := m.usable(r, out.NextToken != nil); err != nil {
				return nil, err
			}
			if len(got) > 0 && len(r.Values) > 0 && aws.ToString(r.Label) != label {
				return nil, driver.Refusef("%s has several results, and a check reads one: aggregate them, as in SUM(…)", m.name())
			}
			for i := range min(len(r.Values), len(r.Timestamps)) {
				label = aws.ToString(r.Label)
				got = append(got, datapoint{r.Timestamps[i], r.Values[i]})
			}
		}
		if aws.ToString(out.NextToken) == "" {
			return got, nil
		}
		in.NextToken = out.NextToken
	}
	return nil, none("%s: the answer has more than %d pages", m.name(), mostPages)
}

// usable refuses a result that is not all there is. One that goes on on the next page is.
func (m *Metric) usable(r types.MetricDataResult, more bool) error {
	why := ""
	if len(r.Messages) > 0 {
		why = ": " + m.line.Plain(aws.ToString(r.Messages[0].Value))
	}
	switch r.StatusCode {
	case types.StatusCodeForbidden:
		return driver.Refusef("%s may not be read with these credentials%s", m.name(), why)
	case types.StatusCodePartialData:
		if more {
			return nil
		}
		return none("%s was answered in part only%s", m.name(), why)
	case types.StatusCodeInternalError:
		return none("%s could not be worked out%s", m.name(), why)
	case types.StatusCodeComplete:
	}
	return nil
}

func (m *Metric) queries() []types.MetricDataQuery {
	period := seconds(m.of.Period)
	if m.of.Metric != nil {
		return []types.MetricDataQuery{{Id: aws.String(project.ResultID), MetricStat: stat(*m.of.Metric, period)}}
	}
	result := types.MetricDataQuery{Id: aws.String(project.ResultID), Expression: &m.of.Expression}
	if len(m.of.Metrics) == 0 { // Metrics Insights and SEARCH, which have no metric to take it from
		result.Period = &period
	}
	queries := []types.MetricDataQuery{result}
	for id, one := range m.of.Metrics {
		queries = append(queries, types.MetricDataQuery{Id: aws.String(id), MetricStat: stat(one, period), ReturnData: aws.Bool(false)})
	}
	slices.SortFunc(queries[1:], func(a, b types.MetricDataQuery) int { return cmp.Compare(*a.Id, *b.Id) })
	return queries
}

func stat(one project.CloudWatchMetric, period int32) *types.MetricStat {
	metric := &types.Metric{Namespace: &one.Namespace, MetricName: &one.Name}
	for name, value := range one.Dimensions {
		metric.Dimensions = append(metric.Dimensions, types.Dimension{Name: aws.String(name), Value: aws.String(value)})
	}
	slices.SortFunc(metric.Dimensions, func(a, b types.Dimension) int { return cmp.Compare(*a.Name, *b.Name) })
	return &types.MetricStat{Metric: metric, Period: &period, Stat: &one.Stat}
}

func seconds(d time.Duration) int32 { return int32(min(d/time.Second, math.MaxInt32)) } //nolint:gosec // it is bounded

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
