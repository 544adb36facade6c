package watch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// before reads what the checks that compare with the release before measured of that: of the releases that were promoted before this
// stretch began, the last whose stored measurements have such a check. What was promoted or rolled back since changes nothing, so whoever
// takes the watch over compares with the same. It looks at as many releases as errors are known of.
func (r *watch) before(ctx context.Context, d *duty) error {
	var open []*check
	for _, c := range d.checks {
		if c.Compares() && c.Metric.Prometheus.Compare.Previous {
			open = append(open, c)
		}
	}
	if len(open) == 0 {
		return nil
	}
	gate, err := r.env.Journal.Gate(ctx, r.entry, 0)
	if err != nil {
		return err
	}
	now, _ := r.clock.now()
	for n, p := range promotedBefore(gate.Record, r.id, d.stretch.From) {
		if n >= releasesKnown || len(open) == 0 {
			break
		}
		stored, _, err := r.env.Journal.Measured(ctx, p.Release, time.Unix(0, 0))
		if err != nil {
			return err
		}
		all := make([]releasepb.Measured, len(stored))
		for i, m := range stored {
			all[i] = m.Measured
		}
		open = slices.DeleteFunc(open, func(c *check) bool {
			c.past = judge.PastOf(all, d.stretch, c.Name, c.source, fmt.Sprintf("release %s (%s)", p.Version, p.Release))
			c.past.Skip(now.Sub(d.stretch.From), c.Interval)
			return c.past != nil
		})
	}
	for _, c := range open {
		r.log.Info("no earlier release was measured by this check", zap.String("check", c.Name))
	}
	return nil
}

// promotedBefore are the promotions that stood at a time, without a release's own; the last one first.
func promotedBefore(record release.Record, id string, at time.Time) []release.Promotion {
	var out []release.Promotion
	for _, p := range slices.Backward(record.Promotions) {
		if p.Release != id && p.At.Before(at) && (p.RolledBack == nil || p.RolledBack.At.After(at)) {
			out = append(out, p)
		}
	}
	return out
}
