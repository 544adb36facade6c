package trigger

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
	"github.com/sluice-gate/sluice/pkg/expr"
	"github.com/sluice-gate/sluice/pkg/project"
)

// What CircleCI takes of one parameter, in characters, how many pages of 20 pipelines are looked through, and how many of workflows.
const (
	mostParameter = 512
	circlePages   = 50
	workflowPages = 10
)

type circleci struct {
	*asker
	slug       []string
	branch     *expr.Template
	parameters templates
	app        string // where people look at pipelines

	mu    sync.Mutex
	known map[circleSearch]circleFound // what a configuration says does not change, and each is a request
}

// circleSearch is what a pipeline's configuration is searched for, and circleFound whose key was found.
type circleSearch struct{ pipeline, release, channel string }

type circleFound struct {
	mark
	ok bool
}

// CircleCI makes the driver of a project's pipelines. It touches nothing outside. An error is a mistake in c.
func CircleCI(c project.CircleCI, role driver.Role, opts ...Option) (*Driver, error) {
	o := collect(opts)
	l, err := newAsker(c.URL, c.Token, o)
	if err != nil {
		return nil, fmt.Errorf("circleci: %w", err)
	}
	l.Header = "Circle-Token"
	v := &circleci{asker: l, slug: strings.Split(c.Project, "/"), app: c.URL, known: map[circleSearch]circleFound{}}
	if len(v.slug) != 3 {
		return nil, fmt.Errorf("circleci: the project %s is no slug such as gh/acme/tracer", driver.Quote(c.Project))
	}
	if c.URL == project.CircleCIHome {
		v.app = "https://app.circleci.com"
	}
	if v.branch, err = expr.ParseTemplate(c.Branch); err != nil {
		return nil, fmt.Errorf("circleci: branch: %w", err)
	}
	if v.parameters, err = parseTemplates(c.Parameters); err != nil {
		return nil, fmt.Errorf("circleci: parameters: %w", err)
	}
	return open("circleci", role, v, c.Interval, o)
}

// circlePipeline is a pipeline as GET /pipeline/{id} tells it.
type circlePipeline struct {
	ID      string                     `json:"id"`
	Number  int64                      `json:"number"`
	State   string                     `json:"state"`
	Created time.Time                  `json:"created_at"`
	Errors  []struct{ Message string } `json:"errors"`
	Trigger struct {
		Type string `json:"type"`
	} `json:"trigger"`
}

type circleWorkflow struct {
	Name    string    `json:"name"`
	Status  string    `json:"status"`
	Created time.Time `json:"created_at"`
}

func (v *circleci) hint() string { return "" } // a pipeline's id is in the answer to its trigger

func (v *circleci) api(query url.Values, elements ...string) string {
	return v.Address(query, append([]string{"api", "v2"}, elements...)...)
}

func (v *circleci) runs(ctx context.Context, j job) ([]run, error) {
	var found []run
	query := url.Values{}
	for range circlePages {
		var page struct {
			Items []circlePipeline `json:"items"`
			Next  string           `json:"next_page_token"`
		}
		if err := v.getJSON(ctx, v.api(query, "project", v.slug[0], v.slug[1], v.slug[2], "pipeline"), &page); err != nil {
			return nil, err
		}
		for _, p := range page.Items {
			if p.Created.Before(j.since) {
				return found, nil
			}
			r, mine, err := v.mine(ctx, j, p)
			if err != nil {
				return nil, err
			}
			if mine {
				found = append(found, r)
			}
		}
		if page.Next == "" {
			return found, nil
		}
		query.Set("page-token", page.Next)
	}
	return j.Beyond(found, fmt.Sprintf("%d pages of pipelines", circlePages))
}

// mine tells whether a pipeline carries a key of the job's release: its compiled configuration has the parameter's value.
func (v *circleci) mine(ctx context.Context, j job, p circlePipeline) (run, bool, error) {
	if p.Trigger.Type != "api" {
		return run{}, false, nil
	}
	search := circleSearch{p.ID, j.release, j.channel}
	v.mu.Lock()
	found, known := v.known[search]
	v.mu.Unlock()
	if !known {
		config, err := v.compiled(ctx, p)
		if err != nil {
			return run{}, false, err
		}
		found.mark, found.ok = j.find(config)
		if strings.TrimSpace(config) != "" { // it is compiled
			v.mu.Lock()
			v.known[search] = found
			v.mu.Unlock()
		}
	}
	if !found.ok {
		return run{}, false, nil
	}
	r, err := v.judged(ctx, p)
	r.mark = found.mark
	return r, true, err
}

// compiled is the configuration of a pipeline with the values of its parameters in it; empty when there is none. That of a pipeline
// which has just been triggered is waited for: it may be the one that is looked for.
func (v *circleci) compiled(ctx context.Context, p circlePipeline) (string, error) {
	now := p
	for end := time.Now().Add(v.waits.show); ; {
		a, err := v.get(ctx, v.api(nil, "pipeline", p.ID, "config"))
		if err != nil {
			return "", err
		}
		var config struct {
			Compiled string `json:"compiled"`
			Setup    string `json:"compiled-setup-config"`
		}
		if a.Status != http.StatusNotFound {
			if err := a.JSON("GET the configuration of pipeline "+driver.Quote(p.ID), &config); err != nil {
				return "", err
			}
		}
		text := config.Compiled + "\n" + config.Setup
		if strings.TrimSpace(text) != "" || !strings.HasSuffix(now.State, "pending") || time.Now().After(end) {
			return text, nil
		}
		if err := retry.Sleep(ctx, 2*v.waits.First); err != nil {
			return "", err
		}
		if err := v.getJSON(ctx, v.api(nil, "pipeline", p.ID), &now); err != nil {
			return "", err
		}
	}
}

func (v *circleci) start(ctx context.Context, j job) (run, error) {
	parameters, err := v.parameters.values(ctx, j)
	if err != nil {
		return run{}, err
	}
	parameters[keyName] = j.key()
	for name, value := range parameters {
		if text, ok := value.(string); ok && len([]rune(text)) > mostParameter {
			return run{}, driver.Refusef("the parameter %s is longer than the %d characters that CircleCI takes: %s", name, mostParameter, driver.Quote(text))
		}
	}
	body := map[string]any{"parameters": parameters}
	branch, err := asIs(ctx, v.branch, j)
	if err != nil {
		return run{}, err
	}
	if branch != "" {
		body["branch"] = branch
	}
	to := v.api(nil, "project", v.slug[0], v.slug[1], v.slug[2], "pipeline")
	a, err := v.post(ctx, http.MethodPost, to, nil, body)
	if err != nil {
		return run{}, err
	}
	var p circlePipeline
	if err := a.JSON("POST "+to, &p); err != nil {
		return run{}, err
	}
	return v.run(p, running, "created"), nil
}

func (v *circleci) look(ctx context.Context, _ job, r run) (run, error) {
	var p circlePipeline
	if err := v.getJSON(ctx, v.api(nil, "pipeline", r.id), &p); err != nil {
		return r, err
	}
	now, err := v.judged(ctx, p)
	now.mark = r.mark
	return now, err
}

func (v *circleci) run(p circlePipeline, s state, says string) run {
	return run{
		id: p.ID, url: fmt.Sprintf("%s/pipelines/%s/%d", v.app, strings.Join(v.slug, "/"), p.Number), state: s, says: says,
	}
}

// judged is the pipeline with what its workflows say.
func (v *circleci) judged(ctx context.Context, p circlePipeline) (run, error) {
	if p.State == "errored" {
		why := "its configuration has an error"
		if len(p.Errors) > 0 {
			why = driver.Quote(p.Errors[0].Message)
		}
		return v.run(p, failed, why), nil
	}
	workflows, err := v.workflows(ctx, p.ID)
	if err != nil {
		return v.run(p, running, p.State), err
	}
	s, says := circleState(p.State, workflows)
	return v.run(p, s, says), nil
}

// workflows are all of a pipeline: one on a later page may have failed.
func (v *circleci) workflows(ctx context.Context, pipeline string) ([]circleWorkflow, error) {
	var all []circleWorkflow
	query := url.Values{}
	for range workflowPages {
		var page struct {
			Items []circleWorkflow `json:"items"`
			Next  string           `json:"next_page_token"`
		}
		if err := v.getJSON(ctx, v.api(query, "pipeline", pipeline, "workflow"), &page); err != nil {
			return nil, err
		}
		if all = append(all, page.Items...); page.Next == "" {
			return all, nil
		}
		query.Set("page-token", page.Next)
	}
	return nil, driver.Refusef("the pipeline %s has more than %d pages of workflows: that is too many to judge it", driver.Quote(pipeline), workflowPages)
}

// circleState judges a pipeline by the newest workflow of each name: a workflow that was run again counts as it ended then.
func circleState(pipeline string, workflows []circleWorkflow) (state, string) {
	if pipeline != "created" || len(workflows) == 0 { // before that it is being set up
		return running, "no workflow of it has begun (" + driver.Quote(pipeline) + ")"
	}
	newest := map[string]circleWorkflow{}
	for _, w := range workflows {
		if have, ok := newest[w.Name]; !ok || w.Created.After(have.Created) {
			newest[w.Name] = w
		}
	}
	end, says := succeeded, "success"
	for _, w := range newest {
		switch w.Status {
		case "success":
		case "failed", "error", "canceled", "unauthorized", "not_run":
			if end == succeeded {
				end, says = failed, "workflow "+driver.Quote(w.Name)+" is "+w.Status
			}
		case "on_hold":
			end, says = running, "workflow "+driver.Quote(w.Name)+" is on hold, it waits for an approval"
		default: // running, failing, and what there will be
			end, says = running, "workflow "+driver.Quote(w.Name)+" is "+driver.Quote(w.Status)
		}
	}
	return end, says
}
