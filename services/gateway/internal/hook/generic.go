package hook

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/cdevents"
	"github.com/sluice-gate/sluice/pkg/expr"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// readGeneric asks the hook's expressions.
func readGeneric(ctx context.Context, m config.Mapping, d Delivery, out Outcome) (Outcome, error) {
	var body any
	if err := decode(d.Body, &body); err != nil {
		return out, err
	}
	return asked{body: body, purl: map[string]string{}}.merge(ctx, m, d, out)
}

// readCDEvent takes from the event what no expression says otherwise.
func readCDEvent(ctx context.Context, m config.Mapping, d Delivery, out Outcome) (Outcome, error) {
	e, err := cdevents.Read(ctx, d.Header, d.Body)
	if err != nil {
		return out, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	out.Delivery = releasepb.Line(e.ID, maxShort)
	if !slices.Contains(m.Events, e.Type) {
		out.Ignored = fmt.Sprintf("the event %s makes no merge", quote(e.Type))
		return out, nil
	}
	return asked{body: e.Body, purl: e.PURL.Vars(), event: e.Merge(), at: e.At}.merge(ctx, m, d, out)
}

// asked is what expressions are asked about, and what holds where there is none.
type asked struct {
	body  any
	purl  map[string]string
	event releasepb.MergeEvent
	at    time.Time
}

// merge is that of the expressions. One that fails refuses the delivery, naming itself: "no" is what a condition says, not what a
// misspelt field means.
func (a asked) merge(ctx context.Context, m config.Mapping, d Delivery, out Outcome) (Outcome, error) {
	vars := expr.Vars{"body": a.body, "header": headers(d.Header), "purl": a.purl}
	yes, err := m.When.Holds(ctx, vars)
	if err != nil {
		return out, fmt.Errorf("%w: when: %w", ErrRefused, err)
	}
	if !yes {
		out.Ignored = "the hook's condition does not hold for it"
		return out, nil
	}
	var project, at string
	for _, field := range []struct {
		name  string
		value *string
		from  *expr.Text
	}{
		{"project", &project, m.Project},
		{"commit", &a.event.Commit, m.Commit},
		{"artifact", &a.event.Artifact, m.Artifact},
		{"version", &a.event.Version, m.Version},
		{"ref", &a.event.Ref, m.Ref},
		{"url", &a.event.URL, m.URL},
		{"actor", &a.event.Actor, m.Actor},
		{"at", &at, m.At},
	} {
		if field.from == nil {
			continue
		}
		if *field.value, err = field.from.Of(ctx, vars); err != nil {
			return out, fmt.Errorf("%w: %s: %w", ErrRefused, field.name, err)
		}
	}
	if !slices.Contains(m.Projects, project) {
		return out, fmt.Errorf("%w: project %s is none of this hook's", ErrRefused, quote(project))
	}
	if m.At != nil {
		a.at = momentOf(at)
	}
	merge, err := checked(project, a.event, a.at, d.At)
	if err == nil {
		out.Merges = []Merge{merge}
	}
	return out, err
}

// headers is what expressions see: lower-case names, first values, and nothing that is a secret.
func headers(h http.Header) map[string]string {
	out := make(map[string]string, len(h))
	for name, values := range h {
		if name = strings.ToLower(name); len(values) > 0 && name != "authorization" && name != "cookie" {
			out[name] = values[0]
		}
	}
	return out
}
