package project

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/sluice-gate/sluice/pkg/expr"
)

// HTTP probes a URL with GET.
type HTTP struct {
	URL       string
	Status    []Statuses // that pass; any 2xx when there are none
	Condition string     // in CEL, of status, latency_ms, header, body and tls_days_left; asked when the status passes; may be empty
	Token     Token
}

// Statuses are statuses of HTTP, from the first to the last.
type Statuses struct{ From, To int }

// Wants tells whether a status is one that the file names.
func (h HTTP) Wants(status int) bool {
	for _, s := range h.Status {
		if s.From <= status && status <= s.To {
			return true
		}
	}
	return false
}

// Passes tells whether a status passes.
func (h HTTP) Passes(status int) bool {
	return h.Wants(status) || len(h.Status) == 0 && status/100 == 2
}

// Plugin is a command that answers as the plugins of Nagios do: 0 is ok, 1 a warning, 2 critical, 3 unknown, which is no data
// (https://www.monitoring-plugins.org/doc/guidelines.html).
type Plugin struct {
	Exec
	Fails Severity // what a failure is, unless there is a condition on the first number of its performance data
}

// Severity is the least that a plugin says when staging is not well.
type Severity string

// The severities.
const (
	FailsOnWarning  Severity = "warning"
	FailsOnCritical Severity = "critical"
)

// maxOf bounds how many looks back a check counts: they are kept in memory, for each release.
const maxOf = 100

const (
	leastStatus = 100
	mostStatus  = 599
	mostRanges  = 16
)

// http reads the check of an address.
func (d *decoder) http(s section, c *Check) {
	block, ok := s.child("http", ofHTTP)
	if !ok {
		return
	}
	block.require("url", "the address to probe")
	c.HTTP = &HTTP{URL: block.text("url", checkURL), Status: block.statuses("status"), Token: block.token()}
	c.HTTP.Condition = s.text("condition", checkResponse)
	c.Timeout = block.duration("timeout", 0, between(minProbeTimeout, maxProbeTimeout))
	if strings.Contains(c.HTTP.Condition, "tls_days_left") && strings.HasPrefix(c.HTTP.URL, "http://") {
		d.fail(s.at("condition"), "asks for tls_days_left, and http:// has no certificate: use https://")
	}
	if s.has("no_data") {
		d.fail(s.at("no_data"), "has no meaning for http, where no answer is a failure of what is watched: remove it")
	}
}

// statuses is a status, a range of them, or a list of both.
func (s section) statuses(name string) []Statuses {
	if !s.has(name) {
		return nil
	}
	if _, list := s.values[name].(*ast.SequenceNode); !list {
		return s.someStatuses(s.at(name), s.values[name])
	}
	items := s.list(name, mostRanges)
	if len(items) == 0 && s.clean(s.at(name)) {
		s.fail(s.at(name), "is empty: name a status, such as 200, or leave it out")
	}
	var all []Statuses
	for i, item := range items {
		all = append(all, s.someStatuses(index(s.at(name), i), item)...)
	}
	return all
}

func (d *decoder) someStatuses(path string, node ast.Node) []Statuses {
	if number, ok := node.(*ast.IntegerNode); ok {
		n, err := strconv.Atoi(fmt.Sprint(number.Value))
		if err != nil || n < leastStatus || n > mostStatus {
			d.fail(path, "%s is no status: allowed are %d to %d", quote(number.GetToken().Value), leastStatus, mostStatus)
			return nil
		}
		return []Statuses{{n, n}}
	}
	var got Statuses
	text := d.scalar(path, node, func(text string) (err error) {
		got, err = parseStatuses(text)
		return err
	})
	if text == "" {
		return nil
	}
	return []Statuses{got}
}

func parseStatuses(text string) (Statuses, error) {
	from, to, _ := strings.Cut(text, "-")
	low, err := strconv.Atoi(from)
	high, err2 := strconv.Atoi(to)
	if err != nil || err2 != nil || low < leastStatus || high > mostStatus || high < low || len(text) != len("200-299") {
		return Statuses{}, fmt.Errorf("%s is no range of statuses: write it like 200-299; allowed are %d to %d", quote(text), leastStatus, mostStatus)
	}
	return Statuses{low, high}, nil
}

// command reads the check of a command, which may be a plugin.
func (d *decoder) command(s section, c *Check, m *Metric) {
	block, ok := s.child("exec", ofPlugin)
	if !ok {
		return
	}
	c.Timeout = block.duration("timeout", 0, between(minProbeTimeout, maxProbeTimeout))
	command := d.exec(block)
	if !block.has("nagios") {
		c.Exec = command
		return
	}
	m.Plugin = &Plugin{Exec: *command, Fails: Severity(block.text("nagios", oneOf(FailsOnWarning, FailsOnCritical)))}
}

// of reads how many looks back failures are counted.
func (d *decoder) of(s section, c *Check) {
	c.Of = s.number("of", 0, 2, maxOf)
	if !s.has("of") {
		return
	}
	if c.Signal != nil || c.Alert != nil || c.weighs() {
		d.fail(s.at("of"), "has a meaning only for failures that are counted look by look: remove it")
		return
	}
	failures := c.Failures
	setUnset(&failures, DefaultFailures)
	if c.Of < failures && d.clean(s.at("of"), s.at("failures")) {
		d.fail(s.at("of"), "is less than failures (%d): so few looks can not fail that often", failures)
	}
}

// Compares tells whether a check compares with a baseline.
func (c *Check) Compares() bool {
	return c.Metric != nil && c.Metric.Prometheus != nil && c.Metric.Prometheus.Compare != nil
}

// weighs tells whether a check weighs all its looks together.
func (c *Check) weighs() bool { return c.Compares() || c.Scores() }

// Command is the command that a check runs, or nil.
func (c *Check) Command() *Exec {
	switch {
	case c.Exec != nil:
		return c.Exec
	case c.Metric != nil && c.Metric.Plugin != nil:
		return &c.Metric.Plugin.Exec
	}
	return nil
}

func checkResponse(text string) error {
	if _, err := expr.ParseCondition(expr.Response, text); err != nil {
		return err
	}
	if strings.TrimSpace(text) == "" {
		return errors.New("is empty")
	}
	return nil
}
