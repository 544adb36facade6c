package config

import (
	"slices"
	"strings"

	"github.com/sluice-gate/sluice/pkg/expr"
	"github.com/sluice-gate/sluice/pkg/project"
)

// The sources of alerts. What their bodies mean is said by expressions that are in presets.go; a hook may say any of them otherwise.
// Alerts is for whatever else sends JSON.
const (
	Alertmanager Source = "alertmanager"
	Grafana      Source = "grafana"
	Sentry       Source = "sentry"
	Datadog      Source = "datadog"
	PagerDuty    Source = "pagerduty"
	CloudWatch   Source = "cloudwatch"
	Lumigo       Source = "lumigo"
	Alerts       Source = "alerts"
)

// AlertSources returns all of them, in a fixed order.
func AlertSources() []Source {
	return []Source{Alertmanager, Grafana, Sentry, Datadog, PagerDuty, CloudWatch, Lumigo, Alerts}
}

// Tells tells whether the source tells of alerts, and not of merges.
func (s Source) Tells() bool { return slices.Contains(AlertSources(), s) }

// signs tells whether the source signs what it sends, in its own way: then a hook has no choice.
func (s Source) signs() bool { return s == Sentry || s == PagerDuty }

// Alarm says what of a delivery is an alert, of what project, and what it is.
type Alarm struct {
	Auth     Auth
	Delivery string
	Projects []string // at least one: what Project may give
	When     *expr.Condition
	Each     *expr.List // the alerts of a delivery; the next ones see each as alert

	Project     *expr.Text      // empty: the only project of the hook
	Status      *expr.Text      // firing or resolved; empty: it says neither
	Fingerprint *expr.Text      // by which the source knows it again
	Since       *expr.Text      // when it began to fire; empty: the source does not say
	Labels      *expr.Table     // to match
	Heartbeat   *expr.Condition // it is no alert but a sign of life; nil: none is
	Name        *expr.Text
	Summary     *expr.Text
	URL         *expr.Text
}

// alarm reads a hook of alerts.
func (s section) alarm(source Source) *Alarm {
	s.needItems("projects", "which projects its alerts may be of")
	a := &Alarm{Auth: Auth(s.text("auth", oneOf(Signature, Bearer, Basic))), Delivery: s.text("delivery", checkHeader)}
	switch {
	case source.signs() && s.has("auth"):
		s.fail(s.at("auth"), "has no meaning here: %s signs what it sends; remove it", source)
	case a.Auth != "":
	case source == CloudWatch: // SNS sends no headers of ours, but a user and a password that are in the URL
		a.Auth = Basic
	case source == Alerts:
		a.Auth = Signature
	default:
		a.Auth = Bearer
	}
	for i, item := range s.list("projects", maxMerges) {
		a.Projects = append(a.Projects, s.scalar(index(s.at("projects"), i), item, project.Safe))
	}
	preset := presets(source)
	if source == Alerts {
		for _, name := range []string{"status", "fingerprint"} {
			s.need(name, "an expression, as in alert."+name)
		}
	}
	a.When = ask(s, preset, "when", expr.Delivery, expr.ParseCondition)
	a.Each = ask(s, preset, "each", expr.Delivery, expr.ParseList)
	a.Heartbeat = ask(s, preset, "heartbeat", expr.Alert, expr.ParseCondition)
	a.Labels = ask(s, preset, "labels", expr.Alert, expr.ParseTable)
	for name, field := range map[string]**expr.Text{
		"project": &a.Project, "status": &a.Status, "fingerprint": &a.Fingerprint, "since": &a.Since, "name": &a.Name,
		"summary": &a.Summary, "url": &a.URL,
	} {
		*field = ask(s, preset, name, expr.Alert, expr.ParseText)
	}
	return a
}

// ask is the field's expression, or the preset's, or nil.
func ask[P any](s section, preset map[string]string, name string, in expr.Scope, parse func(expr.Scope, string) (*P, error)) (p *P) {
	if s.has(name) {
		s.text(name, func(text string) (err error) {
			p, err = parse(in, text)
			return err
		})
		return p
	}
	source := strings.TrimSpace(preset[name])
	if source == "" {
		return nil
	}
	p, err := parse(in, source)
	if err != nil { // a test asks for all of them
		s.fail(s.path, "the preset's %s: %v", name, err)
	}
	return p
}
