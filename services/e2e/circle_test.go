package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// circle is a CircleCI with one project: it reads the project's .circleci/config.yml and really runs the steps of its jobs, as the
// executor's image would, with bash. What it answers is from the API's reference, as in package trigger's own tests
// (https://circleci.com/docs/api/v2/).
type circle struct {
	t      testing.TB
	server *httptest.Server
	token  string
	config circleConfig
	repo   string   // what a checkout gets, with what was pushed
	env    []string // of every step: the project's settings in CircleCI

	mu        sync.Mutex
	pipelines []*circlePipeline // oldest first
	jobs      sync.WaitGroup
}

type circlePipeline struct {
	id      int
	created time.Time
	params  map[string]string
	branch  string
	status  string // of its only workflow
	said    string
}

// circleConfig is what of a configuration the example uses.
type circleConfig struct {
	Parameters map[string]struct{ Default string } `yaml:"parameters"`
	Executors  map[string]struct {
		Environment map[string]string `yaml:"environment"`
	} `yaml:"executors"`
	Jobs map[string]struct {
		Executor string `yaml:"executor"`
		Steps    []any  `yaml:"steps"`
	} `yaml:"jobs"`
	Workflows map[string]struct {
		When map[string]any `yaml:"when"`
		Jobs []string       `yaml:"jobs"`
	} `yaml:"workflows"`
}

func newCircle(t testing.TB, config []byte, token string) *circle {
	t.Helper()
	c := &circle{t: t, token: token, repo: t.TempDir()}
	if err := yaml.Unmarshal(config, &c.config); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	const of = "/api/v2/project/gh/acme/tracer/pipeline"
	mux.HandleFunc("POST "+of, c.trigger)
	mux.HandleFunc("GET "+of, c.list)
	mux.HandleFunc("GET /api/v2/pipeline/{id}", c.one(func(p *circlePipeline) any { return p.shown() }))
	mux.HandleFunc("GET /api/v2/pipeline/{id}/config", c.one(func(p *circlePipeline) any {
		return map[string]any{"source": string(config), "compiled": "environment: { SLUICE_KEY: " + p.params["sluice_key"] + " }"}
	}))
	mux.HandleFunc("GET /api/v2/pipeline/{id}/workflow", c.one(func(p *circlePipeline) any {
		return map[string]any{"items": []any{map[string]any{"id": "w", "name": "w", "status": p.status, "created_at": p.created}}}
	}))
	c.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Circle-Token") != token {
			answer(w, http.StatusUnauthorized, map[string]any{"message": "You must log in first."})
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		c.jobs.Wait()
		c.server.Close()
		if t.Failed() {
			for _, p := range c.pipelines {
				t.Logf("pipeline %d %v: %s\n%s", p.id, p.params, p.status, p.said)
			}
		}
	})
	return c
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

func (p *circlePipeline) shown() map[string]any {
	kind := "api"
	if p.params["sluice_key"] == "" {
		kind = "webhook"
	}
	return map[string]any{
		"id": strconv.Itoa(p.id), "number": p.id, "state": "created", "errors": []any{}, "created_at": p.created,
		"trigger": map[string]any{"type": kind},
	}
}

func (c *circle) trigger(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Branch     string            `json:"branch"`
		Parameters map[string]string `json:"parameters"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		answer(w, http.StatusBadRequest, map[string]any{"message": err.Error()})
		return
	}
	for name := range in.Parameters {
		if _, ok := c.config.Parameters[name]; !ok {
			answer(w, http.StatusBadRequest, map[string]any{"message": "Unexpected argument(s): " + name})
			return
		}
	}
	p := c.begin(in.Branch, in.Parameters) //nolint:contextcheck // its jobs outlive the request, until the test ends
	answer(w, http.StatusCreated, p.shown())
}

func (c *circle) list(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	items := []any{}
	for i := range c.pipelines {
		items = append(items, c.pipelines[len(c.pipelines)-1-i].shown())
	}
	answer(w, http.StatusOK, map[string]any{"items": items, "next_page_token": nil})
}

func (c *circle) one(show func(p *circlePipeline) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		n, err := strconv.Atoi(r.PathValue("id"))
		if err != nil || n < 1 || n > len(c.pipelines) {
			answer(w, http.StatusNotFound, map[string]any{"message": "Pipeline not found"})
			return
		}
		answer(w, http.StatusOK, show(c.pipelines[n-1]))
	}
}

// push is a merge to main: it runs the workflow of a push.
func (c *circle) push() *circlePipeline { return c.begin("main", nil) }

// begin makes a pipeline and runs the jobs of its workflows, one after the other.
func (c *circle) begin(branch string, given map[string]string) *circlePipeline {
	params := map[string]string{}
	for name, p := range c.config.Parameters {
		params[name] = p.Default
	}
	for name, value := range given {
		params[name] = value
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &circlePipeline{id: len(c.pipelines) + 1, created: time.Now(), params: params, branch: branch, status: "running"}
	c.pipelines = append(c.pipelines, p)
	c.jobs.Go(func() {
		said, err := c.run(p)
		c.mu.Lock()
		defer c.mu.Unlock()
		if p.said, p.status = said, "success"; err != nil {
			p.said, p.status = said+err.Error(), "failed"
		}
	})
	return p
}

func (c *circle) run(p *circlePipeline) (said string, err error) {
	ran := false
	for _, flow := range c.config.Workflows {
		if !p.holds(flow.When) {
			continue
		}
		for _, job := range flow.Jobs {
			ran = true
			out, err := c.job(p, job)
			if said += out; err != nil {
				return said, fmt.Errorf("job %s: %w", job, err)
			}
		}
	}
	if !ran {
		return said, fmt.Errorf("no workflow is for %v", p.params)
	}
	return said, nil
}

// holds tells whether a condition of and and equal is met (https://circleci.com/docs/reference/configuration-reference/#logic-statements).
func (p *circlePipeline) holds(when map[string]any) bool {
	for kind, operands := range when {
		list, _ := operands.([]any)
		for _, o := range list {
			switch kind {
			case "and":
				if inner, _ := o.(map[string]any); !p.holds(inner) {
					return false
				}
			case "equal":
				if p.text(o) != p.text(list[0]) {
					return false
				}
			default:
				panic("a condition that the example did not use: " + kind)
			}
		}
	}
	return len(when) > 0
}

// text puts the pipeline's values into << >>.
func (p *circlePipeline) text(v any) string {
	text := fmt.Sprint(v)
	inner, found := strings.CutPrefix(text, "<< pipeline.")
	if !found {
		return text
	}
	name := strings.TrimSuffix(inner, " >>")
	if name == "git.branch" {
		return p.branch
	}
	return p.params[strings.TrimPrefix(name, "parameters.")]
}

// job runs the steps of a job in a directory of its own, as CircleCI does: bash -eo pipefail
// (https://circleci.com/docs/reference/configuration-reference/#run).
func (c *circle) job(p *circlePipeline, name string) (said string, err error) {
	job := c.config.Jobs[name]
	dir, err := os.MkdirTemp(c.t.TempDir(), name)
	if err != nil {
		return "", err
	}
	env := append(os.Environ(), c.env...)
	for name, value := range c.config.Executors[job.Executor].Environment {
		env = append(env, name+"="+p.text(value))
	}
	for _, step := range job.Steps {
		command := "git clone --quiet " + c.repo + " ."
		if step, ok := step.(map[string]any); ok {
			command = fmt.Sprint(step["run"])
		}
		cmd := exec.CommandContext(c.t.Context(), "bash", "-eo", "pipefail", "-c", command)
		cmd.Dir, cmd.Env = dir, env
		out, err := cmd.CombinedOutput()
		if said += "$ " + command + "\n" + string(out); err != nil {
			return said, err
		}
	}
	return said, nil
}

// commit writes files into the repository.
func (c *circle) commit(message string, files map[string]string) {
	c.t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(c.repo, name), []byte(text), 0o755); err != nil {
			c.t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=main"},
		{"add", "."},
		{"-c", "user.name=ana", "-c", "user.email=ana@example.com", "commit", "--quiet", "-m", message},
	} {
		cmd := exec.CommandContext(c.t.Context(), "git", args...)
		cmd.Dir = c.repo
		if out, err := cmd.CombinedOutput(); err != nil {
			c.t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
}
