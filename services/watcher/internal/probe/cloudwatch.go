package probe

import (
	"context"
	"errors"
	"time"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/amazon/cloudwatch"
	"github.com/sluice-gate/sluice/pkg/project"
)

// A look is repeated anyway, less and less often while there is nothing: the SDK's own second try is for a line that broke.
const (
	cloudTries = 2
	cloudPause = 2 * time.Second
)

// amazon is the line to AWS, which the probes of a watcher share.
func (t Tools) amazon(at project.AWS) (*amazon.Line, error) {
	options := []amazon.Option{amazon.WithTries(cloudTries), amazon.WithPause(cloudPause)}
	if t.Transport != nil {
		options = append(options, amazon.WithTransport(t.Transport))
	}
	if t.Amazon == nil {
		return amazon.New(at, options...)
	}
	return t.Amazon.Line(at, options...)
}

func (t Tools) cloudMetric(w project.CloudWatch, from time.Time) (reading, error) {
	line, err := t.amazon(w.AWS)
	if err != nil {
		return nil, err
	}
	source := cloudwatch.NewMetric(line, w, from)
	return func(ctx context.Context) (float64, string, error) {
		n, err := source.Read(ctx, time.Now())
		return n, "", cloudError(err)
	}, nil
}

func (t Tools) cloudLogs(l project.CloudWatchLogs, from time.Time) (reading, error) {
	line, err := t.amazon(l.AWS)
	if err != nil {
		return nil, err
	}
	source := cloudwatch.NewLogs(line, l, from)
	return func(ctx context.Context) (float64, string, error) {
		n, newest, err := source.Read(ctx, time.Now())
		if newest != "" {
			newest = "the newest: " + newest
		}
		return float64(n), newest, cloudError(err)
	}, nil
}

// cloudError is why CloudWatch has no number.
func cloudError(err error) error {
	var none *cloudwatch.NoDataError
	if !errors.As(err, &none) {
		return err
	}
	why := &noData{why: Line(none.Why), busy: none.Busy}
	if none.Busy {
		return &PauseError{For: min(none.Pause, mostPause), Err: why}
	}
	return why
}
