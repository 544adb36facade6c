package trigger

import (
	"context"
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

// How many pages of 100 runs are looked through.
const githubPages = 10

type github struct {
	*asker
	owner, repo, workflow string
	ref                   *expr.Template
	inputs                templates
}

// GitHub makes the driver of a repository's workflow. It touches nothing outside. An error is a mistake in c.
func GitHub(c project.GitHub, role driver.Role, opts ...Option) (*Driver, error) {
	o := collect(opts)
	l, err := newAsker(c.URL, c.Token, o)
	if err != nil {
		return nil, fmt.Errorf("github: %w", err)
	}
	l.Extra.Set("Accept", "application/vnd.github+json")
	l.Extra.Set("X-GitHub-Api-Version", "2022-11-28")
	owner, repo, ok := strings.Cut(c.Repo, "/")
	if !ok || c.Workflow == "" {
		return nil, fmt.Errorf("github: the repository %s is not one such as acme/tracer, or the workflow is missing", driver.Quote(c.Repo))
	}
	v := &github{asker: l, owner: owner, repo: repo, workflow: c.Workflow}
	if v.ref, err = expr.ParseTemplate(c.Ref); err != nil {
		return nil, fmt.Errorf("github: ref: %w", err)
	}
	if v.inputs, err = parseTemplates(c.Inputs); err != nil {
		return nil, fmt.Errorf("github: inputs: %w", err)
	}
	return open("github", role, v, c.Interval, o)
}

// githubRun is a run as GET /repos/{owner}/{repo}/actions/runs/{run_id} tells it.
type githubRun struct {
	ID         int64  `json:"id"`
	Title      string `json:"display_title"`
	Status     string `json:"status"`
	Conclusion string `json:"conclusion"`
	URL        string `json:"html_url"`
}

func (v *github) hint() string {
	return "the workflow needs the input " + keyName + ", and run-name: with ${{ inputs." + keyName + " }} in it"
}

func (v *github) actions(query url.Values, elements ...string) string {
	return v.Address(query, append([]string{"repos", v.owner, v.repo, "actions"}, elements...)...)
}

func (v *github) runs(ctx context.Context, j job) ([]run, error) {
	query := url.Values{"event": {"workflow_dispatch"}, "per_page": {"100"}}
	if !j.since.IsZero() {
		query.Set("created", ">="+j.since.UTC().Format(time.RFC3339))
	}
	var found []run
	for page := range githubPages {
		query.Set("page", strconv.Itoa(page+1))
		var list struct {
			Runs []githubRun `json:"workflow_runs"`
		}
		if err := v.getJSON(ctx, v.actions(query, "workflows", v.workflow, "runs"), &list); err != nil {
			return nil, err
		}
		for _, one := range list.Runs {
			if m, ok := j.find(one.Title); ok {
				r := one.run()
				r.mark = m
				found = append(found, r)
			}
		}
		if len(list.Runs) < 100 {
			return found, nil
		}
	}
	return j.Beyond(found, fmt.Sprintf("%d runs of the workflow", 100*githubPages))
}

func (v *github) start(ctx context.Context, j job) (run, error) {
	inputs, err := v.inputs.texts(ctx, j)
	if err != nil {
		return run{}, err
	}
	inputs[keyName] = j.key()
	ref, err := asIs(ctx, v.ref, j)
	if err != nil {
		return run{}, err
	}
	to := v.actions(nil, "workflows", v.workflow, "dispatches")
	a, err := v.post(ctx, http.MethodPost, to, nil, map[string]any{"ref": ref, "inputs": inputs})
	if err == nil && !a.OK() {
		err = driver.Refusef("%w", a.Err("POST "+to))
	}
	return run{}, err // the answer names no run
}

func (v *github) look(ctx context.Context, _ job, r run) (run, error) {
	var one githubRun
	if err := v.getJSON(ctx, v.actions(nil, "runs", r.id), &one); err != nil {
		return r, err
	}
	now := one.run()
	now.mark = r.mark
	return now, nil
}

func (g githubRun) run() run {
	r := run{id: strconv.FormatInt(g.ID, 10), url: link(g.URL), state: running, says: driver.Quote(g.Status)}
	switch {
	case g.Status == "waiting", g.Status == "action_required":
		r.says = g.Status + ", perhaps for the approval of its environment"
	case g.Status == "completed" && g.Conclusion == "success":
		r.state, r.says = succeeded, driver.Quote(g.Conclusion)
	case g.Status == "completed":
		r.state, r.says = failed, driver.Quote(g.Conclusion)
	}
	return r
}
