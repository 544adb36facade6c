package hook

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sluice-gate/sluice/pkg/expr"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// readGeneric asks the hook's expressions. An expression that fails refuses the delivery, naming itself: "no" is what a
// condition says, not what a misspelt field means.
func readGeneric(ctx context.Context, m config.Mapping, d Delivery, out Outcome) (Outcome, error) {
	var body any
	if err := decode(d.Body, &body); err != nil {
		return out, err
	}
	vars := expr.Vars{"body": body, "header": headers(d.Header), "purl": map[string]string{}}
	yes, err := m.When.Holds(ctx, vars)
	if err != nil {
		return out, fmt.Errorf("%w: when: %w", ErrRefused, err)
	}
	if !yes {
		out.Ignored = "the hook's condition does not hold for it"
		return out, nil
	}
	var project, at string
	var e releasepb.MergeEvent
	for _, field := range []struct {
		name  string
		value *string
		from  *expr.Text
	}{
		{"project", &project, m.Project},
		{"commit", &e.Commit, m.Commit},
		{"artifact", &e.Artifact, m.Artifact},
		{"version", &e.Version, m.Version},
		{"ref", &e.Ref, m.Ref},
		{"url", &e.URL, m.URL},
		{"actor", &e.Actor, m.Actor},
		{"at", &at, m.At},
	} {
		if *field.value, err = field.from.Of(ctx, vars); err != nil {
			return out, fmt.Errorf("%w: %s: %w", ErrRefused, field.name, err)
		}
	}
	if !slices.Contains(m.Projects, project) {
		return out, fmt.Errorf("%w: project %s is none of this hook's", ErrRefused, quote(project))
	}
	merge, err := checked(project, e, momentOf(at), d.At)
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
