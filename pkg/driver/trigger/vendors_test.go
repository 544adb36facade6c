package trigger

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
	"github.com/sluice-gate/sluice/pkg/project"
)

const origin = "https://ci.example"

// text makes of a parameter what an environment would.
func text(values map[string]any) map[string]string {
	texts := map[string]string{}
	for name, value := range values {
		texts[name] = fmt.Sprint(value)
	}
	return texts
}

// page is the part of a list that per_page and page ask for, as GitHub and GitLab count.
func page(q url.Values, all []any) []any {
	size, _ := strconv.Atoi(q.Get("per_page"))
	n, _ := strconv.Atoi(q.Get("page"))
	from := min(size*(n-1), len(all))
	return all[from:min(from+size, len(all))]
}

// circleRoutes are those of CircleCI, after its reference, https://circleci.com/docs/api/v2/.
func (c *ci) circleRoutes() {
	const header = "Circle-Token" // https://circleci.com/docs/api-developers-guide/#add-an-api-token
	show := func(p *pipeline) map[string]any {
		state := "created"
		if p.asked < c.pending {
			state = "pending"
		}
		return map[string]any{ // .../api/v2/#tag/Pipeline/operation/getPipelineById: id, number, state, errors, created_at, trigger.type
			"id": strconv.Itoa(p.id), "number": p.id, "state": state, "errors": []any{}, "created_at": p.created,
			"trigger": map[string]any{"type": "api"},
		}
	}
	// .../#tag/Pipeline/operation/triggerPipeline: branch, parameters; 201 with id, state, number, created_at
	c.handle("POST /api/v2/project/gh/acme/tracer/pipeline", header, "", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Branch     string         `json:"branch"`
			Parameters map[string]any `json:"parameters"`
		}
		read(r, &in)
		for name, value := range text(in.Parameters) {
			if len(value) > 512 || in.Branch != "main" {
				reply(w, http.StatusBadRequest, map[string]any{"message": name + " is too long"})
				return
			}
		}
		reply(w, http.StatusCreated, show(c.begin(text(in.Parameters))))
	})
	// .../#tag/Pipeline/operation/listPipelinesForProject: items, next_page_token, page-token
	c.handle("GET /api/v2/project/gh/acme/tracer/pipeline", header, "", func(w http.ResponseWriter, r *http.Request) {
		items := []any{map[string]any{"id": "none", "created_at": time.Now(), "trigger": map[string]any{"type": "webhook"}}}
		all, from := c.newest(), 0
		if at := r.URL.Query().Get("page-token"); at != "" {
			from, _ = strconv.Atoi(at)
		}
		const size = 2
		for _, p := range all[min(from, len(all)):min(from+size, len(all))] {
			items = append(items, show(p))
		}
		out := map[string]any{"items": items, "next_page_token": nil}
		if from+size < len(all) {
			out["next_page_token"] = strconv.Itoa(from + size)
		}
		reply(w, http.StatusOK, out)
	})
	c.handle("GET /api/v2/pipeline/{id}", header, "", func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusOK, show(c.pipeline(r.PathValue("id"))))
	})
	// .../#tag/Pipeline/operation/getPipelineConfigById: source, compiled, compiled-setup-config
	c.handle("GET /api/v2/pipeline/{id}/config", header, "", func(w http.ResponseWriter, r *http.Request) {
		p := c.pipeline(r.PathValue("id"))
		if p.asked++; p.asked <= c.pending {
			reply(w, http.StatusNotFound, map[string]any{"message": "Config not found"})
			return
		}
		reply(w, http.StatusOK, map[string]any{
			"source":   "environment: { SLUICE_KEY: << pipeline.parameters.sluice_key >> }",
			"compiled": "environment: { SLUICE_KEY: " + p.params[keyName] + " }",
		})
	})
	// .../#tag/Pipeline/operation/listWorkflowsByPipelineId: items of id, name, status, created_at; next_page_token, page-token
	c.handle("GET /api/v2/pipeline/{id}/workflow", header, "", func(w http.ResponseWriter, r *http.Request) {
		status := c.over(c.pipeline(r.PathValue("id")))
		if status == "" {
			status = "running"
		}
		one := func(name, status string) map[string]any {
			return map[string]any{"items": []any{map[string]any{"id": name, "name": name, "status": status, "created_at": time.Now()}}}
		}
		if r.URL.Query().Get("page-token") == "" { // what matters is on the second page
			first := one("test", "success")
			first["next_page_token"] = "2"
			reply(w, http.StatusOK, first)
			return
		}
		reply(w, http.StatusOK, one("deploy", status))
	})
}

func circle(t *testing.T, role driver.Role, env string, rt http.RoundTripper) *Driver {
	t.Helper()
	return must(t)(CircleCI(project.CircleCI{
		URL: origin, Project: "gh/acme/tracer", Branch: "main", Parameters: drivertest.JobParams(), Token: project.Token{Env: env},
	}, role, WithTransport(rt), withWaits(quick())))
}

// githubRoutes are those of GitHub, after https://docs.github.com/en/rest/actions.
func (c *ci) githubRoutes() {
	// https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api: Authorization: Bearer
	const header, scheme = "Authorization", "Bearer "
	show := func(p *pipeline) map[string]any {
		// .../rest/actions/workflow-runs#get-a-workflow-run: id, display_title, status, conclusion, html_url, event, created_at
		out := map[string]any{
			"id": p.id, "display_title": "deploy " + p.params[keyName], "status": "in_progress", "conclusion": nil,
			"html_url": fmt.Sprintf("%s/acme/tracer/actions/runs/%d", origin, p.id), "event": "workflow_dispatch", "created_at": p.created,
		}
		if end := c.over(p); end != "" {
			out["status"], out["conclusion"] = "completed", strings.Replace(end, "failed", "failure", 1)
		}
		return out
	}
	// .../rest/actions/workflows#create-a-workflow-dispatch-event: ref, inputs; 204
	c.handle("POST /repos/acme/tracer/actions/workflows/deploy.yml/dispatches", header, scheme, func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Ref    string            `json:"ref"`
			Inputs map[string]string `json:"inputs"`
		}
		read(r, &in)
		if in.Ref != "main" {
			reply(w, http.StatusUnprocessableEntity, map[string]any{"message": "No ref found for: " + in.Ref})
			return
		}
		c.begin(in.Inputs)
		w.WriteHeader(http.StatusNoContent)
	})
	// .../rest/actions/workflow-runs#list-workflow-runs-for-a-workflow: event, created, per_page, page; workflow_runs
	c.handle("GET /repos/acme/tracer/actions/workflows/deploy.yml/runs", header, scheme, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		var since time.Time
		var err error
		if q.Has("created") { // https://docs.github.com/en/search-github/getting-started-with-searching-on-github/understanding-the-search-syntax#query-for-dates
			since, err = time.Parse(time.RFC3339, strings.TrimPrefix(q.Get("created"), ">="))
		}
		if err != nil || q.Get("event") != "workflow_dispatch" {
			reply(w, http.StatusUnprocessableEntity, map[string]any{"message": "what filter is that?"})
			return
		}
		runs := []any{}
		for _, p := range c.newest() {
			if !p.created.Before(since) {
				runs = append(runs, show(p))
			}
		}
		reply(w, http.StatusOK, map[string]any{"total_count": len(runs), "workflow_runs": page(q, runs)})
	})
	c.handle("GET /repos/acme/tracer/actions/runs/{id}", header, scheme, func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusOK, show(c.pipeline(r.PathValue("id"))))
	})
}

func hub(t *testing.T, role driver.Role, env string, rt http.RoundTripper) *Driver {
	t.Helper()
	return must(t)(GitHub(project.GitHub{
		URL: origin, Repo: "acme/tracer", Workflow: "deploy.yml", Ref: "main", Inputs: drivertest.JobParams(), Token: project.Token{Env: env},
	}, role, WithTransport(rt), withWaits(quick())))
}

// gitlabRoutes are those of GitLab, after https://docs.gitlab.com/api/pipelines/.
func (c *ci) gitlabRoutes() {
	const header = "Private-Token" // https://docs.gitlab.com/api/rest/authentication/#personalprojectgroup-access-tokens
	show := func(p *pipeline) map[string]any {
		// .../api/pipelines/#get-a-single-pipeline: id, status, web_url, source
		status := c.over(p)
		if status == "" {
			status = "running"
		}
		return map[string]any{"id": p.id, "status": status, "source": "api", "web_url": fmt.Sprintf("%s/acme/tracer/-/pipelines/%d", origin, p.id)}
	}
	project := func(h func(w http.ResponseWriter, r *http.Request)) func(w http.ResponseWriter, r *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.PathValue("project") != "acme/tracer" { // https://docs.gitlab.com/api/rest/#namespaced-paths: one element, escaped
				reply(w, http.StatusNotFound, map[string]any{"message": "404 Project Not Found"})
				return
			}
			h(w, r)
		}
	}
	// .../api/pipelines/#create-a-new-pipeline: ref, variables of key and value; 201
	c.handle("POST /api/v4/projects/{project}/pipeline", header, "", project(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Ref       string           `json:"ref"`
			Variables []gitlabVariable `json:"variables"`
		}
		read(r, &in)
		values := map[string]string{"ref": in.Ref}
		for _, v := range in.Variables {
			values[v.Key] = v.Value
		}
		reply(w, http.StatusCreated, show(c.begin(values)))
	}))
	// .../api/pipelines/#list-project-pipelines: source, updated_after, order_by, sort, per_page, page
	c.handle("GET /api/v4/projects/{project}/pipelines", header, "", project(func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("source") != "api" || q.Get("order_by") != "id" || q.Get("sort") != "desc" {
			reply(w, http.StatusBadRequest, map[string]any{"message": "what order is that?"})
			return
		}
		out := []any{}
		since, _ := time.Parse(time.RFC3339, r.URL.Query().Get("updated_after"))
		for _, p := range c.newest() {
			if !p.created.Before(since) {
				out = append(out, show(p))
			}
		}
		reply(w, http.StatusOK, page(r.URL.Query(), out))
	}))
	c.handle("GET /api/v4/projects/{project}/pipelines/{id}", header, "", project(func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusOK, show(c.pipeline(r.PathValue("id"))))
	}))
	// .../api/pipelines/#get-variables-of-a-pipeline: key, value
	c.handle("GET /api/v4/projects/{project}/pipelines/{id}/variables", header, "", project(func(w http.ResponseWriter, r *http.Request) {
		out := []gitlabVariable{}
		for key, value := range c.pipeline(r.PathValue("id")).params {
			out = append(out, gitlabVariable{key, value})
		}
		reply(w, http.StatusOK, out)
	}))
}

func lab(t *testing.T, role driver.Role, env string, rt http.RoundTripper) *Driver {
	t.Helper()
	return must(t)(GitLab(project.GitLab{
		URL: origin, Project: "acme/tracer", Ref: "main", Variables: drivertest.JobParams(), Token: project.Token{Env: env},
	}, role, WithTransport(rt), withWaits(quick())))
}

// hookRoutes are those of a deploy service of one's own: it knows a request that is made again by its key, and what it has done
// by the release.
func (c *ci) hookRoutes() {
	const header = "X-Deploy-Key"
	c.handle("POST /hooks/{project}", header, "", func(w http.ResponseWriter, r *http.Request) {
		var in map[string]string
		read(r, &in)
		key := r.Header.Get("Idempotency-Key") // https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
		if c.seen[key]++; c.seen[key] > 1 {
			for _, p := range c.newest() {
				if p.params["key"] == key {
					reply(w, http.StatusAccepted, map[string]any{"status_url": fmt.Sprintf("/deployments/%d?sig=secret", p.id)})
					return
				}
			}
		}
		reply(w, http.StatusAccepted, map[string]any{"status_url": fmt.Sprintf("/deployments/%d?sig=secret", c.begin(in).id)})
	})
	c.handle("GET /deployments/{id}", header, "", func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusOK, map[string]any{"state": c.over(c.pipeline(r.PathValue("id")))})
	})
}

func hook(t *testing.T, role driver.Role, env string, rt http.RoundTripper) *Driver {
	t.Helper()
	body := map[string]any{}
	for name, value := range drivertest.JobParams() {
		body[name] = value
	}
	return must(t)(HTTP(project.Request{
		Method: http.MethodPost, URL: origin + "/hooks/${release.project}?commit=${release.commit}", Body: body, Success: "status == 202",
		Poll:  &project.Poll{URL: "body.status_url", Done: "body.state == 'success'", Failed: "has(body.state) && body.state in ['failed', 'canceled']"},
		Token: project.Token{Env: env}, Header: "X-Deploy-Key",
	}, role, WithTransport(rt), withWaits(quick())))
}

func vendors() map[string]maker {
	return map[string]maker{"circleci": circle, "github": hub, "gitlab": lab, "http": hook}
}

func TestConformance(t *testing.T) {
	lacks := map[drivertest.Check]string{
		drivertest.Look:        "a CI can not be asked what is deployed",
		drivertest.WrongDigest: "the artifact's bytes do not go through the trigger: the job gets the digest and checks them",
	}
	for name, open := range vendors() {
		roles := []driver.Role{driver.Deploy, driver.Promote}
		if name == "http" || name == "circleci" {
			roles = append(roles, driver.Publish)
		}
		for _, role := range roles {
			lacks := maps.Clone(lacks)
			if role != driver.Promote {
				lacks[drivertest.Hostile] = "a job gets its values in the same way in every role: it is shown for promote"
			}
			t.Run(name+"/"+string(role), func(t *testing.T) {
				drivertest.Run(t, drivertest.Subject{Role: role, Lacks: lacks, New: func(*testing.T) drivertest.Peer {
					c := newCI()
					var write func(*http.Request) bool
					if name == "http" { // what is asked again and changes nothing is no write
						write = func(r *http.Request) bool { return r.Method == http.MethodPost && c.job.Changes(sent(r)) }
					}
					return peer(role, c, open, write)
				}})
			})
		}
	}
}

// sent is the body of a request that has not been sent yet.
func sent(r *http.Request) map[string]string {
	body, err := r.GetBody()
	if err != nil {
		panic(err)
	}
	again := r.Clone(r.Context())
	again.Body = body
	var in map[string]string
	read(again, &in)
	return in
}
