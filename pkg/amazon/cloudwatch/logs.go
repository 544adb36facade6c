package cloudwatch

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
	"github.com/sluice-gate/sluice/pkg/project"
)

const (
	pagesOfLook = 100                    // of a filter in one look; the next look goes on
	mostText    = 1 << 10                // bytes of an event that are looked at
	firstPoll   = 250 * time.Millisecond // between two looks at a query; each further pause is longer
	stopWithin  = 2 * time.Second        // for a query that is not waited for any more
)

// Logs counts events of a log group. It is not safe for concurrent use.
type Logs struct {
	line *amazon.Line
	of   project.CloudWatchLogs

	until   time.Time // all before it is counted for good
	counted int       // that many
	newest  event
	scan    *scan // a look of a filter that is not through
	asked   bool  // a query was answered
}

type event struct {
	at   int64 // milliseconds since 1970
	text string
}

// scan is one look of a filter, from Logs.until to now.
type scan struct {
	settled, now    time.Time // events from settled on may not all be there yet: they are counted again by the next look
	token           *string
	counted, recent int
}

// NewLogs makes a source. What happened before from does not count.
func NewLogs(line *amazon.Line, of project.CloudWatchLogs, from time.Time) *Logs {
	unit := time.Millisecond
	if of.Query != "" {
		unit = time.Second
	}
	return &Logs{line: line, of: of, until: from.Add(unit - 1).Truncate(unit)}
}

// Read is how many events there are as things stand, and the text of the newest, as it may be shown.
func (l *Logs) Read(ctx context.Context, now time.Time) (n int, newest string, err error) {
	cfg, err := l.line.Config(ctx)
	if err != nil {
		return 0, "", err
	}
	api := cloudwatchlogs.NewFromConfig(cfg)
	if l.of.Query != "" {
		n, err = l.query(ctx, api, now)
	} else {
		n, err = l.filter(ctx, api, now)
	}
	if err != nil {
		return 0, "", err
	}
	return n, l.newest.text, nil
}

func (l *Logs) filter(ctx context.Context, api *cloudwatchlogs.Client, now time.Time) (int, error) {
	if l.scan == nil {
		l.scan = &scan{settled: later(l.until, now.Add(-l.of.Delay).Truncate(time.Millisecond)), now: later(l.until, now)}
	}
	s := l.scan
	in := &cloudwatchlogs.FilterLogEventsInput{
		FilterPattern: &l.of.Filter, StartTime: aws.Int64(l.until.UnixMilli()), EndTime: aws.Int64(s.now.UnixMilli()),
	}
	if l.byARN() {
		in.LogGroupIdentifier = &l.of.Group
	} else {
		in.LogGroupName = &l.of.Group
	}
	for range pagesOfLook {
		in.NextToken = s.token
		out, err := api.FilterLogEvents(ctx, in)
		if err != nil {
			err = failed(ctx, l.line, "FilterLogEvents of "+driver.Quote(l.of.Group), err)
			if driver.IsRefused(err) {
				l.scan = nil // perhaps its token is out of date
			}
			return 0, err
		}
		if out.Events == nil { // an empty list is one: this is the answer of something else
			return 0, none("FilterLogEvents of %s was answered without events", driver.Quote(l.of.Group))
		}
		for _, e := range out.Events {
			at := aws.ToInt64(e.Timestamp)
			if at < s.settled.UnixMilli() {
				s.counted++
			} else {
				s.recent++
			}
			if at >= l.newest.at {
				l.newest = event{at, l.text(aws.ToString(e.Message))}
			}
		}
		if s.token = out.NextToken; aws.ToString(s.token) == "" {
			l.counted, l.until, l.scan = l.counted+s.counted, s.settled, nil
			return l.counted + s.recent, nil
		}
	}
	return 0, none("the log group %s is not searched through after %d pages: this goes on with the next look",
		driver.Quote(l.of.Group), pagesOfLook)
}

func (l *Logs) byARN() bool { return strings.HasPrefix(l.of.Group, "arn:") }

// text is an event as it may be shown.
func (l *Logs) text(message string) string {
	return l.line.Plain(message[:min(len(message), mostText)])
}

// query asks about what is past by the delay and was not asked about yet.
func (l *Logs) query(ctx context.Context, api *cloudwatchlogs.Client, now time.Time) (int, error) {
	end := now.Add(-l.of.Delay).Truncate(time.Second)
	if !end.After(l.until) {
		if l.asked {
			return l.counted, nil
		}
		return 0, none("nothing of this soak is old enough to be found in the log group %s by a query", driver.Quote(l.of.Group))
	}
	in := &cloudwatchlogs.StartQueryInput{ // both ends are included
		QueryString: &l.of.Query, StartTime: aws.Int64(l.until.Unix()), EndTime: aws.Int64(end.Unix() - 1), Limit: aws.Int32(1),
	}
	if l.byARN() {
		in.LogGroupIdentifiers = []string{l.of.Group}
	} else {
		in.LogGroupName = &l.of.Group
	}
	started, err := api.StartQuery(ctx, in)
	if err != nil {
		return 0, failed(ctx, l.line, "StartQuery of "+driver.Quote(l.of.Group), err)
	}
	out, err := l.wait(ctx, api, started.QueryId)
	if err != nil {
		return 0, err
	}
	if out.Statistics == nil {
		return 0, none("the query of %s was answered without a count", driver.Quote(l.of.Group))
	}
	if n := int(out.Statistics.RecordsMatched); n > 0 {
		l.counted += n
		l.newest.text = l.text(row(out.Results))
	}
	l.until, l.asked = end, true
	return l.counted, nil
}

// wait waits for a query, and stops one that is not done in time: it would be paid for.
func (l *Logs) wait(ctx context.Context, api *cloudwatchlogs.Client, id *string) (*cloudwatchlogs.GetQueryResultsOutput, error) {
	what := "GetQueryResults of " + driver.Quote(l.of.Group)
	for pause := firstPoll; ; pause = min(2*pause, 8*firstPoll) {
		out, err := api.GetQueryResults(ctx, &cloudwatchlogs.GetQueryResultsInput{QueryId: id})
		if err == nil {
			switch out.Status {
			case types.QueryStatusComplete:
				return out, nil
			case types.QueryStatusFailed, types.QueryStatusCancelled, types.QueryStatusTimeout:
				return nil, none("%s: the query ended as %s", what, l.line.Plain(string(out.Status)))
			case types.QueryStatusScheduled, types.QueryStatusRunning, types.QueryStatusUnknown:
			}
			err = retry.Sleep(ctx, pause)
		}
		if err != nil {
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
			defer cancel()                                                              //nolint:revive // the loop ends here
			_, _ = api.StopQuery(stopping, &cloudwatchlogs.StopQueryInput{QueryId: id}) // it ends by itself, too
			return nil, failed(ctx, l.line, what, err)
		}
	}
}

// row is the first row of a result: its message, or all it has.
func row(rows [][]types.ResultField) string {
	if len(rows) == 0 {
		return ""
	}
	var all []string
	for _, f := range rows[0] {
		switch name := aws.ToString(f.Field); name {
		case "@message":
			return aws.ToString(f.Value)
		case "@ptr":
		default:
			all = append(all, name+"="+aws.ToString(f.Value))
		}
	}
	return strings.Join(all, " ")
}
