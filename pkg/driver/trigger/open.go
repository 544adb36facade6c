package trigger

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
	"github.com/sluice-gate/sluice/pkg/expr"
	"github.com/sluice-gate/sluice/pkg/project"
)

// Option changes how a driver works.
type Option func(*options)

type options struct {
	transport http.RoundTripper
	waits     waits
}

// WithTransport makes the driver send its requests through t instead of http.DefaultTransport.
func WithTransport(t http.RoundTripper) Option { return func(o *options) { o.transport = t } }

// waits says how patient the driver is.
type waits struct {
	retry.Policy

	doubt time.Duration // how long a run is looked for whose trigger got no answer
	show  time.Duration // how long one is that was accepted
}

func defaultWaits() waits {
	return waits{retry.Policy{First: 500 * time.Millisecond, Tries: 5}, 15 * time.Second, 2 * time.Minute}
}

func withWaits(w waits) Option { return func(o *options) { o.waits = w } }

func collect(opts []Option) options {
	o := options{waits: defaultWaits()}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

func open(name string, role driver.Role, v vendor, interval time.Duration, o options) (*Driver, error) {
	switch role {
	case driver.Publish, driver.Deploy, driver.Promote:
	default:
		return nil, fmt.Errorf("%s: there is no role %s", name, driver.Quote(string(role)))
	}
	return &Driver{name: name, role: role, vendor: v, waits: o.waits, interval: cmp.Or(interval, project.DefaultPoll)}, nil
}

// templates are named texts with expressions in them.
type templates map[string]*expr.Template

func parseTemplates(sources map[string]string) (templates, error) {
	parsed := templates{}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		t, err := expr.ParseTemplate(sources[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		parsed[name] = t
	}
	return parsed, nil
}

// values are the templates' values for a job: text, numbers, true or false.
func (t templates) values(ctx context.Context, j job) (map[string]any, error) {
	values := make(map[string]any, len(t)+1)
	for name, template := range t {
		value, err := template.Value(ctx, j.vars)
		if err != nil {
			return nil, driver.Refusef("%s: %w", name, err)
		}
		values[name] = value
	}
	return values, nil
}

// texts are the templates' values as texts.
func (t templates) texts(ctx context.Context, j job) (map[string]string, error) {
	values, err := t.values(ctx, j)
	texts := make(map[string]string, len(values)+1)
	for name, value := range values {
		texts[name] = fmt.Sprint(value)
	}
	return texts, err
}

// asIs is a template's text with nothing escaped, for values that become JSON.
func asIs(ctx context.Context, t *expr.Template, j job) (string, error) {
	text, err := t.Text(ctx, j.vars, func(s string) (string, error) { return s, nil })
	if err != nil {
		return "", driver.Refusef("%w", err)
	}
	return text, nil
}
