// Package cloudwatch reads numbers from Amazon CloudWatch, for whoever judges a release by them: what a metric, or an expression over
// several, came to ([Metric]), and how many events of a log group match a pattern or a query ([Logs]). It decides nothing.
//
// # What there is not
//
// A number that CloudWatch has not is an error, a [*NoDataError]: no datapoint, an answer that is incomplete, no answer in time, and
// throttling, which says nothing about what is watched. Any other error is a mistake that asking again does not mend: credentials,
// permissions, a wrong query.
//
// # What is late
//
// CloudWatch hears of things late. A datapoint of a metric grows until its period is over, and a while longer; it counts when it is
// complete: its period ended at least the delay ago. An event of a log can be found some time after it happened. [Logs] counts what a
// filter finds at once, and goes back over the last minutes (the delay) with each look, so that an event that was late counts too, and
// none counts twice; a query of Logs Insights, which is paid for by what it reads, asks once about each moment, when that is past by the
// delay. Nothing from before the soak counts: of a metric, the period in which the soak began is left out.
//
// # Cost
//
// A look at a metric is one request of GetMetricData with one to twenty metrics, a look at a log one FilterLogEvents for each page, or
// one StartQuery and a few GetQueryResults
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html,
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html, API_StartQuery.html).
package cloudwatch

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/driver"
)

// NoDataError says that there is no number, and why.
type NoDataError struct {
	Why   string
	Busy  bool          // it was asked too often
	Pause time.Duration // for which it asks, then; 0 when it does not say
}

func (e *NoDataError) Error() string { return e.Why }

func none(format string, args ...any) error { return &NoDataError{Why: fmt.Sprintf(format, args...)} }

// failed is the error of a request: a mistake stays one, and all else is no data.
func failed(ctx context.Context, line *amazon.Line, what string, err error) error {
	said := line.Error(ctx, what, err)
	switch {
	case ctx.Err() != nil:
		return none("%s: no answer in time", what)
	case driver.IsRefused(said):
		return said
	}
	pause := amazon.Pause(err)
	return &NoDataError{Why: said.Error(), Busy: amazon.Throttled(err) || pause > 0, Pause: pause}
}
