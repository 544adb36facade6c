package cloudwatch_test

import (
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/amazon/cloudwatch"
	"github.com/sluice-gate/sluice/pkg/awstest"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

// bubble runs a test in simulated time, at the beginning of a soak half a minute past midnight, with credentials that the peer takes.
func bubble(t *testing.T, f func(t *testing.T, c *awstest.CloudWatch, from time.Time)) {
	t.Helper()
	t.Setenv("TEST_KEY", awstest.CloudWatchKey)
	t.Setenv("TEST_SECRET", awstest.CloudWatchSecret)
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(name, "/nonexistent")
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(30 * time.Second)
		f(t, &awstest.CloudWatch{}, time.Now())
	})
}

func reach() project.AWS {
	return project.AWS{Region: "eu-central-1", Key: project.Token{Env: "TEST_KEY"}, Secret: project.Token{Env: "TEST_SECRET"}}
}

func lambda(name, stat string) project.CloudWatchMetric {
	return project.CloudWatchMetric{Namespace: "AWS/Lambda", Name: name, Stat: stat, Dimensions: map[string]string{"FunctionName": "tracer"}}
}

func newest(name, stat string) project.CloudWatch {
	m := lambda(name, stat)
	return project.CloudWatch{AWS: reach(), Metric: &m, Period: time.Minute, Delay: time.Minute, Over: project.OverNewest}
}

func metric(t *testing.T, of project.CloudWatch, from time.Time, c http.RoundTripper) *cloudwatch.Metric {
	t.Helper()
	return cloudwatch.NewMetric(line(t, of.AWS, c), of, from)
}

func line(t testing.TB, at project.AWS, c http.RoundTripper) *amazon.Line {
	t.Helper()
	l, err := amazon.New(at, amazon.WithTransport(c), amazon.WithPause(time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// read wants a number, or no data and why.
func read(t *testing.T, m *cloudwatch.Metric, want float64, none string) {
	t.Helper()
	n, err := m.Read(t.Context(), time.Now())
	var no *cloudwatch.NoDataError
	switch {
	case none != "":
		if !errors.As(err, &no) || !strings.Contains(err.Error(), none) {
			t.Errorf("%s: %v, %v, want no data: %s", time.Now().Format(time.TimeOnly), n, err, none)
		}
	case err != nil || n != want:
		t.Errorf("%s: %v, %v, want %v", time.Now().Format(time.TimeOnly), n, err, want)
	}
}

// The newest datapoint counts when it is complete, and for as long as it says something about now.
func TestTheNewestDatapoint(t *testing.T) {
	bubble(t, func(t *testing.T, c *awstest.CloudWatch, from time.Time) { // 00:00:30
		m := metric(t, newest("Errors", "Sum"), from, c)
		put := func(n float64) { c.Put(time.Now(), n, "AWS/Lambda", "Errors", "FunctionName", "tracer") }
		c.Put(from.Add(-10*time.Second), 100, "AWS/Lambda", "Errors", "FunctionName", "tracer") // of what was there before
		put(7)                                                                                  // in the minute in which the soak began
		read(t, m, 0, "no complete datapoint")
		time.Sleep(time.Minute) // 00:01:30
		put(1)
		read(t, m, 0, "no complete datapoint")
		time.Sleep(45 * time.Second) // 00:02:15
		put(2)
		read(t, m, 0, `CloudWatch's Sum "Errors" of "AWS/Lambda" has no complete datapoint`)
		time.Sleep(45 * time.Second) // 00:03:00: the first minute, and one more for what is late
		read(t, m, 1, "")
		time.Sleep(time.Minute) // 00:04:00
		read(t, m, 2, "")
		time.Sleep(time.Minute) // 00:05:00: nothing happens any more
		read(t, m, 2, "")
		time.Sleep(time.Minute) // 00:06:00
		read(t, m, 0, "no complete datapoint")
	})
}

func TestTheSumOfASoak(t *testing.T) {
	bubble(t, func(t *testing.T, c *awstest.CloudWatch, from time.Time) {
		of := newest("Errors", "Sum")
		of.Over = project.OverSoak
		m := metric(t, of, from, c)
		c.Put(from, 100, "AWS/Lambda", "Errors", "FunctionName", "tracer")
		c.Put(from.Add(time.Minute), 100, "AWS/Lambda", "Errors", "FunctionName", "another")
		read(t, m, 0, "has no datapoint in this soak")
		c.Page = 7
		for n := range 100 {
			time.Sleep(time.Minute)
			c.Put(time.Now(), 2, "AWS/Lambda", "Errors", "FunctionName", "tracer")
			if n%33 == 0 {
				read(t, m, 2*float64(n+1), "") // also what is not complete yet
			}
		}
		before := c.Asked("GetMetricData")
		read(t, m, 200, "")
		if pages := c.Asked("GetMetricData") - before; pages != 15 {
			t.Errorf("%d pages", pages)
		}
		c.Page = 1
		read(t, m, 0, "more than 20 pages")
	})
}

func TestStatistics(t *testing.T) {
	bubble(t, func(t *testing.T, c *awstest.CloudWatch, from time.Time) {
		time.Sleep(time.Minute)
		for n := range 200 {
			c.Put(time.Now(), float64(n+1), "AWS/Lambda", "Duration", "FunctionName", "tracer")
		}
		time.Sleep(2 * time.Minute)
		for stat, want := range map[string]float64{"p99": 198, "p50": 100, "Average": 100.5, "Maximum": 200, "SampleCount": 200, "Sum": 20100} {
			read(t, metric(t, newest("Duration", stat), from, c), want, "")
		}
	})
}

func TestExpressions(t *testing.T) {
	bubble(t, func(t *testing.T, c *awstest.CloudWatch, from time.Time) {
		const rate = "100 * errors / calls"
		c.Math = map[string]func(map[string]float64) float64{
			rate:       func(by map[string]float64) float64 { return 100 * by["errors"] / by["calls"] },
			"e / zero": func(map[string]float64) float64 { return math.NaN() },
		}
		of := newest("", "")
		of.Metric, of.Expression = nil, rate
		of.Metrics = map[string]project.CloudWatchMetric{"errors": lambda("Errors", "Sum"), "calls": lambda("Invocations", "Sum")}
		time.Sleep(time.Minute)
		c.Put(time.Now(), 200, "AWS/Lambda", "Invocations", "FunctionName", "tracer")
		c.Put(time.Now(), 3, "AWS/Lambda", "Errors", "FunctionName", "tracer")
		time.Sleep(2 * time.Minute)
		read(t, metric(t, of, from, c), 1.5, "")
		wrong := of
		wrong.Expression = "errors /"
		if _, err := metric(t, wrong, from, c).Read(t.Context(), time.Now()); !driver.IsRefused(err) || !strings.Contains(err.Error(), "ValidationError") {
			t.Errorf("%v", err)
		}
		nan := of
		nan.Expression = "e / zero"
		if n, err := metric(t, nan, from, c).Read(t.Context(), time.Now()); err != nil || !math.IsNaN(n) {
			t.Errorf("%v, %v", n, err)
		}
	})
}

// What is not all there is, or could not be worked out, is no number, whatever came with it; what may not be read is a mistake.
func TestPartOfAnAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, c *awstest.CloudWatch, from time.Time) {
		time.Sleep(time.Minute)
		c.Put(time.Now(), 1, "AWS/Lambda", "Errors", "FunctionName", "tracer")
		time.Sleep(2 * time.Minute)
		m := metric(t, newest("Errors", "Sum"), from, c)
		c.Status = "PartialData"
		read(t, m, 0, "in part only")
		c.Status = "InternalError"
		read(t, m, 0, "could not be worked out")
		c.Status = "Forbidden"
		if _, err := m.Read(t.Context(), time.Now()); !driver.IsRefused(err) || !strings.Contains(err.Error(), "may not be read") {
			t.Errorf("%v", err)
		}
		c.Status = ""
		read(t, m, 1, "")
	})
}

// Throttling says nothing, also when the SDK has tried again for a while; credentials and permissions are a mistake.
func TestWhatIsNoData(t *testing.T) {
	bubble(t, func(t *testing.T, c *awstest.CloudWatch, from time.Time) {
		time.Sleep(time.Minute)
		c.Put(time.Now(), 1, "AWS/Lambda", "Errors", "FunctionName", "tracer")
		c.Log("/app", time.Now(), 0, "boom")
		time.Sleep(2 * time.Minute)
		logs := func(query string) *cloudwatch.Logs {
			of := project.CloudWatchLogs{AWS: reach(), Group: "/app", Filter: "boom", Query: query}
			return cloudwatch.NewLogs(line(t, of.AWS, c), of, from)
		}
		for name, ask := range map[string]func() error{
			"metric": func() error {
				_, err := metric(t, newest("Errors", "Sum"), from, c).Read(t.Context(), time.Now())
				return err
			},
			"filter": func() error {
				_, _, err := logs("").Read(t.Context(), time.Now())
				return err
			},
			"query": func() error {
				_, _, err := logs("filter @message like /boom/").Read(t.Context(), time.Now())
				return err
			},
		} {
			for what, f := range map[string]struct {
				fault func(operation string, n int) *awstest.Fault
				check func(err error) bool
			}{
				"nothing":                {nil, func(err error) bool { return err == nil }},
				"throttled for a moment": {first(3, 400, "ThrottlingException"), func(err error) bool { return err == nil }},
				"throttled": {first(1000, 400, "ThrottlingException"), func(err error) bool {
					var no *cloudwatch.NoDataError
					return errors.As(err, &no) && no.Busy && strings.Contains(err.Error(), "ThrottlingException")
				}},
				"limits": {first(1000, 400, "LimitExceededException"), func(err error) bool {
					var no *cloudwatch.NoDataError
					return errors.As(err, &no) && no.Busy
				}},
				"broken": {first(1000, 500, "InternalServiceFault"), func(err error) bool {
					var no *cloudwatch.NoDataError
					return errors.As(err, &no) && !no.Busy
				}},
				"not allowed": {first(1000, 400, "AccessDeniedException"), func(err error) bool {
					return driver.IsRefused(err) && strings.Contains(err.Error(), `"TEST_KEY"`) && strings.Contains(err.Error(), "may not do this")
				}},
				"no line": {func(string, int) *awstest.Fault { return &awstest.Fault{Line: errors.New("no route to host")} }, func(err error) bool {
					var no *cloudwatch.NoDataError
					return errors.As(err, &no) && strings.Contains(err.Error(), "no route to host")
				}},
			} {
				c.Break(nil)
				if f.fault != nil { // counted anew
					base := map[string]int{}
					for _, operation := range []string{"GetMetricData", "FilterLogEvents", "StartQuery", "GetQueryResults"} {
						base[operation] = c.Asked(operation)
					}
					c.Break(func(operation string, n int) *awstest.Fault { return f.fault(operation, n-base[operation]) })
				}
				if err := ask(); !f.check(err) {
					t.Errorf("%s, %s: %v", name, what, err)
				}
			}
			c.Break(nil)
		}
	})
}

func first(most, status int, code string) func(string, int) *awstest.Fault {
	return func(_ string, n int) *awstest.Fault {
		if n > most {
			return nil
		}
		return &awstest.Fault{Status: status, Code: code}
	}
}
