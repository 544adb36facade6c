package trigger

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/expr"
	"github.com/sluice-gate/sluice/pkg/project"
)

// How many pages of 100 pipelines are looked through.
const gitlabPages = 5

type gitlab struct {
	*asker
	project   string
	ref       *expr.Template
	variables templates
}

// GitLab makes the driver of a project's pipelines. It touches nothing outside. An error is a mistake in c.
func GitLab(c project.GitLab, role driver.Role, opts ...Option) (*Driver, error) {
	o := collect(opts)
	l, err := newAsker(c.URL, c.Token, o)
	if err != nil {
		return nil, fmt.Errorf("gitlab: %w", err)
	}
	l.Header = "Private-Token"
	if c.Project == "" {
		return nil, errors.New("gitlab: no project is named")
	}
	v := &gitlab{asker: l, project: c.Project}
	if v.ref, err = expr.ParseTemplate(c.Ref); err != nil {
		return nil, fmt.Errorf("gitlab: ref: %w", err)
	}
	if v.variables, err = parseTemplates(c.Variables); err != nil {
		return nil, fmt.Errorf("gitlab: variables: %w", err)
	}
	return open("gitlab", role, v, c.Interval, o)
}

// gitlabPipeline is a pipeline as GET /projects/:id/pipelines/:pipeline_id tells it.
type gitlabPipeline struct {
	ID     int64  `json:"id"`
	Status string `json:"status"`
	URL    string `json:"web_url"`
}

type gitlabVariable struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func (v *gitlab) hint() string { return "" } // a pipeline's id is in the answer to its trigger

func (v *gitlab) api(query url.Values, elements ...string) string {
	return v.Address(query, append([]string{"api", "v4", "projects", v.project}, elements...)...)
}

func (v *gitlab) runs(ctx context.Context, j job) ([]run, error) {
	query := url.Values{"source": {"api"}, "order_by": {"id"}, "sort": {"desc"}, "per_page": {"100"}}
	if !j.since.IsZero() {
		query.Set("updated_after", j.since.UTC().Format(time.RFC3339))
	}
	var found []run
	for page := range gitlabPages {
		query.Set("page", strconv.Itoa(page+1))
		var list []gitlabPipeline
		if err := v.getJSON(ctx, v.api(query, "pipelines"), &list); err != nil {
			return nil, err
		}
		for _, p := range list {
			var variables []gitlabVariable
			if err := v.getJSON(ctx, v.api(nil, "pipelines", strconv.FormatInt(p.ID, 10), "variables"), &variables); err != nil {
				return nil, err
			}
			for _, one := range variables {
				if m, ok := j.find(one.Value); ok && one.Key == strings.ToUpper(keyName) {
					r := p.run()
					r.mark = m
					found = append(found, r)
				}
			}
		}
		if len(list) < 100 {
			return found, nil
		}
	}
	return j.Beyond(found, fmt.Sprintf("%d pipelines", 100*gitlabPages))
}

func (v *gitlab) start(ctx context.Context, j job) (run, error) {
	texts, err := v.variables.texts(ctx, j)
	if err != nil {
		return run{}, err
	}
	variables := []gitlabVariable{{strings.ToUpper(keyName), j.key()}}
	for name, value := range texts {
		variables = append(variables, gitlabVariable{name, value})
	}
	ref, err := asIs(ctx, v.ref, j)
	if err != nil {
		return run{}, err
	}
	to := v.api(nil, "pipeline")
	a, err := v.post(ctx, http.MethodPost, to, nil, map[string]any{"ref": ref, "variables": variables})
	if err != nil {
		return run{}, err
	}
	var p gitlabPipeline
	if err := a.JSON("POST "+to, &p); err != nil {
		return run{}, err
	}
	return p.run(), nil
}

func (v *gitlab) look(ctx context.Context, _ job, r run) (run, error) {
	var p gitlabPipeline
	if err := v.getJSON(ctx, v.api(nil, "pipelines", r.id), &p); err != nil {
		return r, err
	}
	now := p.run()
	now.mark = r.mark
	return now, nil
}

func (p gitlabPipeline) run() run {
	r := run{id: strconv.FormatInt(p.ID, 10), url: link(p.URL), state: running, says: driver.Quote(p.Status)}
	switch p.Status {
	case "success":
		r.state = succeeded
	case "failed", "canceled", "skipped":
		r.state = failed
	case "manual":
		r.says = "manual, it waits for somebody to start a job"
	}
	return r
}
