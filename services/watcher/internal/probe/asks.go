package probe

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// Asks says in one line, without secrets, what a check looks at and what it wants to see.
func Asks(c project.Check) string {
	what, wants := "", ""
	switch m := c.Metric; {
	case c.Signal != nil:
		what, wants = "counts the signals of the project and of the release"+counted(*c.Signal), fmt.Sprintf("at most %d", c.Signal.Max)
	case c.Alert != nil:
		what, wants = "hears the project's alerts"+heard(*c.Alert), "none that fires"
		if c.Alert.For > 0 {
			wants += fmt.Sprintf(" for %s", c.Alert.For)
		}
		wants += ", and did not before the release came"
	case c.HTTP != nil:
		what, wants = "GET "+maskURL(c.HTTP.URL), "status "+statuses(*c.HTTP)
		if c.HTTP.Condition != "" {
			wants += " and " + c.HTTP.Condition
		}
	case c.Exec != nil:
		what, wants = "runs "+Mask(strings.Join(c.Exec.Command, " ")), "exit status 0"
	case m == nil:
		what, wants = "nothing", "nothing"
	case c.Compares():
		p := m.Prometheus
		what = "Prometheus at " + maskURL(p.URL) + ": "
		switch {
		case p.Compare.Previous && p.Compare.Numbers():
			what += named(p.Compare.Value)
			wants = fmt.Sprintf("it not to be %s than in the soak of the release before, by the test %s", p.Compare.Worse, p.Compare.Method)
		case p.Compare.Previous:
			what += named(p.Compare.Errors) + " and one more"
			wants = fmt.Sprintf("no more than %g times the errors of the release before", p.Compare.Tolerated)
		case p.Compare.Numbers():
			what += named(p.Compare.Value) + " and " + named(p.Compare.Baseline)
			wants = fmt.Sprintf("the first not to be %s than the second, by the test %s", p.Compare.Worse, p.Compare.Method)
		default:
			what += named(p.Compare.Errors) + " and three more"
			wants = fmt.Sprintf("no more than %g times the errors of the baseline", p.Compare.Tolerated)
		}
	case c.Scores():
		s := m.Prometheus.Score
		what = fmt.Sprintf("Prometheus at %s: %d numbers and their baselines, as %s",
			maskURL(m.Prometheus.URL), len(s.Metrics), named(s.Metrics[0].Value))
		wants = fmt.Sprintf("a score of %g of 100", s.Pass)
	case m.Prometheus != nil:
		what = "Prometheus at " + maskURL(m.Prometheus.URL) + ": " + named(m.Prometheus.Query)
		if p := m.Prometheus; p.Range > 0 {
			what += fmt.Sprintf(", its %s of %s", p.Take, p.Range)
		}
	case m.JSON != nil:
		what = "GET " + maskURL(m.JSON.URL) + ": " + m.JSON.Value
	case m.CloudWatch != nil && m.CloudWatch.Metric != nil:
		one := m.CloudWatch.Metric
		what = fmt.Sprintf("CloudWatch: %s %s of %s, %s", one.Stat, one.Name, one.Namespace, m.CloudWatch.Over)
	case m.CloudWatch != nil:
		what = fmt.Sprintf("CloudWatch: %s, %s", m.CloudWatch.Expression, m.CloudWatch.Over)
	case m.Logs != nil:
		what = fmt.Sprintf("events in CloudWatch's %s: %s%s", m.Logs.Group, m.Logs.Filter, m.Logs.Query)
	case m.Plugin != nil:
		what, wants = "runs the plugin "+Mask(strings.Join(m.Plugin.Command, " ")), "less than "+string(m.Plugin.Fails)
	}
	if c.Metric != nil && c.Metric.Condition != "" {
		wants = c.Metric.Condition
	}
	return releasepb.Line(what+"; wants "+wants, mostLine) // masked already, where a URL ends
}

// counted says which signals count.
func counted(s project.Signal) string {
	text := ""
	if s.NewOnly {
		text = ", if they are news"
	}
	if s.Level != "" {
		text += ", of level " + string(s.Level) + " and worse"
	}
	if s.Match != "" {
		text += ", that match " + s.Match
	}
	return text
}

// heard says which alerts count.
func heard(a project.Alert) string {
	text := ""
	if a.Source != "" {
		text = " from " + a.Source
	}
	for _, label := range slices.Sorted(maps.Keys(a.Match)) {
		text += ", " + label + " " + strings.Join(a.Match[label], " or ")
	}
	return text
}

// statuses are those that pass, in words.
func statuses(h project.HTTP) string {
	if len(h.Status) == 0 {
		return "2xx"
	}
	var all []string
	for _, s := range h.Status {
		if s.From == s.To {
			all = append(all, fmt.Sprint(s.From))
		} else {
			all = append(all, fmt.Sprintf("%d-%d", s.From, s.To))
		}
	}
	return strings.Join(all, ", ")
}
