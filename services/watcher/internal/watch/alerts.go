package watch

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/alert"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/judge"
)

// readAlerts hears the alerts of the project that are stored and not heard yet, those from before the stretch too, and then looks at
// the time: an alert that goes on firing is one that nobody tells of. all is as in readSignals.
func (r *watch) readAlerts(ctx context.Context) (all bool, err error) {
	checks := r.on.alerting()
	if len(checks) == 0 {
		return true, nil
	}
	from := r.on.stretch.From.Add(-judge.AlertsBefore)
	for range mostReads {
		next, err := r.env.Journal.NextAlert(ctx, r.entry.State.Project, r.on.alerts, from)
		switch {
		case errors.Is(err, journal.ErrNone):
			r.lookAtAlerts(ctx, checks)
			return r.verdict == nil, nil
		case err != nil:
			return false, err
		}
		r.on.alerts = next.Seq
		a, err := alert.Decode(next.Data)
		if err != nil || next.Print == "" {
			r.log.Warn("an alert that can not be read is passed over", zap.Uint64("sequence", next.Seq), zap.Error(err))
			continue
		}
		for _, c := range checks {
			r.count(c, judge.Measurement{At: next.At, Alert: &judge.Notice{Print: next.Print, Alert: a}}, false)
		}
		if r.verdict != nil {
			return false, nil
		}
	}
	return false, nil
}

// lookAtAlerts tells the checks how late it is, and says once of each that is inconclusive why it is.
func (r *watch) lookAtAlerts(ctx context.Context, checks []*check) {
	now, _ := r.clock.now() // it is set before anybody watches
	for _, c := range checks {
		r.count(c, judge.Measurement{At: now}, false)
		c.failing = c.rule.Suspects(c.tally)
		if doubt := c.tally.Inconclusive; doubt != "" && doubt != c.doubted && !r.told {
			r.log.Info("a check is inconclusive", zap.String("check", c.Name), zap.String("why", doubt))
			r.evidence(ctx, r.on.verdict(c))
		}
		c.doubted = c.tally.Inconclusive
	}
}

// silent says why a check of alerts has no data, if it has none.
func (r *watch) silent(c *check) error {
	now, _ := r.clock.now()
	if why := c.rule.Silent(c.tally, now); why != "" {
		return errors.New(why)
	}
	return nil
}

// untilAlert is how long it is until an alert that goes on firing fails a check, or most.
func (r *watch) untilAlert(most time.Duration) time.Duration {
	now, _ := r.clock.now()
	for _, c := range r.on.alerting() {
		if due := c.rule.Due(c.tally); !due.IsZero() {
			most = max(0, min(most, due.Sub(now)))
		}
	}
	return most
}

// alerting are the checks of alerts.
func (d *duty) alerting() []*check {
	var out []*check
	for _, c := range d.checks {
		if c.Alert != nil {
			out = append(out, c)
		}
	}
	return out
}

// doubts are the checks that are inconclusive, with why.
func (d *duty) doubts() []string {
	var out []string
	for _, c := range d.checks {
		if c.tally.Inconclusive != "" && !c.tally.Failed {
			out = append(out, d.verdict(c).Reason())
		}
	}
	return out
}
