package watcher

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/services/watcher/internal/probe"
)

// Result is what one look of a check came to.
type Result string

// The results.
const (
	Passes  Result = "passes"
	Fails   Result = "fails"
	NoData  Result = "no data"
	Broken  Result = "can not look"
	Unasked Result = "not asked" // a signal, or an alert, comes by itself
)

// Look is one look of a check, now, without a release. Every text is one line without secrets.
type Look struct {
	Check  string
	Result Result
	Asks   string // what it asks, and what it wants to see
	Saw    string // or why it saw nothing
	Means  string // what that would mean in a soak
	Took   time.Duration
}

// atOnce bounds how many checks look at the same time.
const atOnce = 8

// Try looks once at what each check looks at, as the watcher does, for a soak that began at from. bake says that it is production that is
// looked at. It stores nothing and tells nobody; a command runs as it would in a soak, with the project's name and no release.
func Try(ctx context.Context, cfg Config, checks []project.Check, f driver.Facts, from time.Time, bake bool) []Look {
	looks := make([]Look, len(checks))
	tools := probe.Tools{Transport: cfg.Transport, Amazon: &amazon.Lines{}}
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, c := range checks {
		group.Go(func() error {
			looks[i] = try(ctx, tools, c, f, from, bake)
			return nil
		})
	}
	_ = group.Wait() // none of them has an error
	return looks
}

func try(ctx context.Context, tools probe.Tools, c project.Check, f driver.Facts, from time.Time, bake bool) Look {
	l := Look{Check: c.Name, Asks: probe.Asks(c)}
	look := tools.Open(c, f, from)
	if look == nil {
		l.Result, l.Means = Unasked, "signals are counted as they come, while a release is watched"
		if c.Alert != nil {
			l.Means = "alerts are heard as they come, through the gateway, while a release is watched"
		}
		return l
	}
	began := time.Now()
	seen, err := look(ctx)
	l.Took = time.Since(began)
	m := seen.Look(began, err)
	var word judge.Word
	word, l.Saw = judge.RuleOf(c, began).Weigh(m)
	var paused *probe.PauseError
	switch {
	case m.Lack == judge.Blind || word == judge.Inconclusive && m.Lack == judge.Nothing && !math.IsNaN(value(m)):
		l.Result, l.Means = Broken, "the release is not watched, and is held: look at this check"
	case word == judge.Inconclusive && c.Metric != nil && c.Metric.NoData == project.IgnoreNoData:
		l.Result, l.Means = NoData, "it is ignored, once something was measured; before that the release is not watched, and is held"
	case word == judge.Inconclusive:
		l.Result, l.Means = NoData, "the release is not watched while it lasts; without enough of a soak watched it is held"
	case m.Many != nil:
		l.Result, l.Means = Passes, "from here on all are read, and judged once"
		l.Saw = fmt.Sprintf("%.6g, and the baseline %.6g; and so on, %d numbers", m.Many[0], m.Many[1], len(m.Many))
	case c.Compares() && c.Metric.Prometheus.Compare.Previous:
		l.Result, l.Means = Passes, "in a soak it is compared with what the release before had then"
		if l.Saw = fmt.Sprintf("%.6g", value(m)); m.Counters != nil {
			l.Saw = fmt.Sprintf("%d errors in %.6g requests", m.Counters.Mine.Events, m.Counters.Mine.Exposure)
		}
	case m.Baseline != nil:
		l.Result, l.Means = Passes, "from here on both are read and compared"
		l.Saw = fmt.Sprintf("%.6g; the baseline: %.6g", value(m), *m.Baseline)
	case m.Counters != nil:
		n := m.Counters
		l.Result, l.Means = Passes, "from here on both are counted and compared"
		l.Saw = fmt.Sprintf("%d errors in %.6g requests; the baseline: %d in %.6g",
			n.Mine.Events, n.Mine.Exposure, n.Base.Events, n.Base.Exposure)
	case word == judge.Pass:
		l.Result, l.Means = Passes, "staging is well"
		if bake {
			l.Means = "production is well"
		}
	default:
		l.Result, l.Means = Fails, failing(c, bake)
	}
	if errors.As(err, &paused) && paused.For > 0 {
		l.Means += fmt.Sprintf("; it is asked again after %s", paused.For)
	}
	if l.Saw = strings.TrimSpace(l.Saw); l.Saw == "" {
		l.Saw = "nothing is said"
	}
	return l
}

// value is the number that was read, or NaN: an infinite one is none either.
func value(m judge.Measurement) float64 {
	if m.Value == nil || math.IsInf(*m.Value, 0) {
		return math.NaN()
	}
	return *m.Value
}

// failing says what a failure leads to.
func failing(c project.Check, bake bool) string {
	then := "the release is cancelled"
	switch {
	case c.Warns:
		then = "that is said, and nothing follows from it"
	case bake:
		then = "the release is rolled back"
	case c.RequireHuman:
		then = "the release is held for a person"
	}
	switch {
	case c.Failures == 1:
		return "it is a failure: " + then
	case c.Of > 0:
		return fmt.Sprintf("it is a failure: with %d of them in %d looks, one every %s, %s", c.Failures, c.Of, c.Interval, then)
	}
	return fmt.Sprintf("it is a failure: after %d in a row, one every %s, %s", c.Failures, c.Interval, then)
}
