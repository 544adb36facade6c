package probe

import (
	"context"
	"errors"
	"time"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/amazon/cloudwatch"
	"github.com/sluice-gate/sluice/pkg/project"
)

// cloudPause bounds the pauses between the SDK's own tries: a look has seconds, and is repeated anyway.
const cloudPause = 2 * time.Second

func (t Tools) amazon() []amazon.Option {
	options := []amazon.Option{amazon.WithPause(cloudPause)}
	if t.Transport != nil {
		options = append(options, amazon.WithTransport(t.Transport))
	}
	return options
}

func (t Tools) cloudMetric(w project.CloudWatch, from time.Time) (reading, error) {
	source, err := cloudwatch.NewMetric(w, from, t.amazon()...)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (float64, string, error) {
		n, err := source.Read(ctx, time.Now())
		return n, "", cloudError(err)
	}, nil
}

func (t Tools) cloudLogs(l project.CloudWatchLogs, from time.Time) (reading, error) {
	source, err := cloudwatch.NewLogs(l, from, t.amazon()...)
	if err != nil {
		return nil, err
	}
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
