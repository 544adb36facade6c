package drivers_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

const hubToken = "token-of-actions"

// hub is a GitHub with one repository and one workflow, an example's, which it really runs: the steps with `run`, one after the other, by
// bash as https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsrun says, in a folder that has
// the example's files, where a checkout would put them. A step with `uses` is there on the test's machine. The API is as in
// package trigger's tests, from https://docs.github.com/en/rest/actions.
type hub struct {
	t      *testing.T
	server *httptest.Server
	dir    string // the example
	env    []string
	flow   workflow

	mu   sync.Mutex
	runs []*hubRun // oldest first
	jobs sync.WaitGroup
}

type workflow struct {
	RunName string `yaml:"run-name"`
	On      struct {
		Dispatch struct {
			Inputs map[string]struct{ Required bool } `yaml:"inputs"`
		} `yaml:"workflow_dispatch"`
	} `yaml:"on"`
	Permissions map[string]string `yaml:"permissions"`
	Jobs        map[string]struct {
		Env   map[string]string
		Steps []struct{ Uses, Run string }
	}
}

type hubRun struct {
	id      int
	title   string
	created time.Time
	end     string // "" while it is under way
	said    string
}

func newHub(t *testing.T, dir, file string, env []string) *hub {
	t.Helper()
	a := &hub{t: t, dir: filepath.Join(examples, dir), env: env}
	if err := yaml.Unmarshal([]byte(example(t, dir+"/.github/workflows/"+file)), &a.flow); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	of := "/repos/acme/tracer/actions/workflows/" + file
	mux.HandleFunc("POST "+of+"/dispatches", a.dispatch)
	mux.HandleFunc("GET "+of+"/runs", func(w http.ResponseWriter, _ *http.Request) {
		shown := []any{}
		for _, run := range slices.Backward(a.runs) {
			shown = append(shown, a.show(run))
		}
		told(w, http.StatusOK, map[string]any{"total_count": len(shown), "workflow_runs": shown})
	})
	mux.HandleFunc("GET /repos/acme/tracer/actions/runs/{id}", func(w http.ResponseWriter, r *http.Request) {
		if n, err := strconv.Atoi(r.PathValue("id")); err == nil && n >= 1 && n <= len(a.runs) {
			told(w, http.StatusOK, a.show(a.runs[n-1]))
			return
		}
		told(w, http.StatusNotFound, map[string]any{"message": "Not Found"})
	})
	a.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+hubToken {
			told(w, http.StatusUnauthorized, map[string]any{"message": "Bad credentials"})
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { a.server.Close(); a.jobs.Wait() })
	return a
}

func told(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (a *hub) show(run *hubRun) map[string]any {
	out := map[string]any{
		"id": run.id, "display_title": run.title, "status": "in_progress", "conclusion": nil, "event": "workflow_dispatch",
		"html_url": fmt.Sprintf("%s/acme/tracer/actions/runs/%d", a.server.URL, run.id), "created_at": run.created,
	}
	if run.end != "" {
		out["status"], out["conclusion"] = "completed", run.end
	}
	return out
}

// dispatch begins a run, if its inputs are those that the workflow declares:
// https://docs.github.com/en/rest/actions/workflows#create-a-workflow-dispatch-event.
func (a *hub) dispatch(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var in struct {
		Ref    string            `json:"ref"`
		Inputs map[string]string `json:"inputs"`
	}
	if err != nil || json.Unmarshal(body, &in) != nil || in.Ref != "main" {
		told(w, http.StatusUnprocessableEntity, map[string]any{"message": "No ref found for: " + in.Ref})
		return
	}
	declared := a.flow.On.Dispatch.Inputs
	for name := range in.Inputs {
		if _, ok := declared[name]; !ok {
			told(w, http.StatusUnprocessableEntity, map[string]any{"message": fmt.Sprintf("Unexpected inputs provided: [%q]", name)})
			return
		}
	}
	for name, input := range declared {
		if input.Required && in.Inputs[name] == "" {
			told(w, http.StatusUnprocessableEntity, map[string]any{"message": fmt.Sprintf("Required input '%s' not provided", name)})
			return
		}
	}
	values := map[string]string{"github.token": "github.token"}
	for name := range declared {
		values["inputs."+name] = in.Inputs[name]
	}
	run := &hubRun{id: len(a.runs) + 1, title: a.fill(a.flow.RunName, values), created: time.Now()}
	a.runs = append(a.runs, run)
	a.jobs.Go(func() { //nolint:contextcheck // a run goes on after the request that began it
		said, end := a.work(values)
		a.mu.Lock()
		defer a.mu.Unlock()
		run.said, run.end = said, end
	})
	w.WriteHeader(http.StatusNoContent)
}

// fill puts values in the place of ${{ inputs.version }}; the examples have no other expressions than names.
func (a *hub) fill(text string, values map[string]string) string {
	return regexp.MustCompile(`\$\{\{([^}]*)\}\}`).ReplaceAllStringFunc(text, func(expression string) string {
		name := strings.TrimSpace(strings.Trim(expression, "${}"))
		value, ok := values[name]
		if !ok {
			a.t.Errorf("the workflow has the expression %s, which this peer does not know", expression)
		}
		return value
	})
}

// work runs the workflow's jobs, each in a checkout of its own.
func (a *hub) work(values map[string]string) (said, end string) {
	for _, name := range slices.Sorted(maps.Keys(a.flow.Jobs)) {
		job, dir := a.flow.Jobs[name], a.t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(a.dir)); err != nil {
			return err.Error(), "failure"
		}
		env := slices.Clone(a.env)
		for name, value := range job.Env {
			env = append(env, name+"="+a.fill(value, values))
		}
		for _, step := range job.Steps {
			if step.Run == "" {
				continue
			}
			cmd := exec.CommandContext(a.t.Context(), "bash", "-e", "-c", a.fill(step.Run, values))
			cmd.Dir, cmd.Env = dir, env
			out, err := cmd.CombinedOutput()
			if said += string(out); err != nil {
				return said, "failure"
			}
		}
	}
	return said, "success"
}

// begun counts the runs, and said is what the last one printed.
func (a *hub) begun() int { a.mu.Lock(); defer a.mu.Unlock(); return len(a.runs) }

func (a *hub) said() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.runs) == 0 {
		return ""
	}
	return a.runs[len(a.runs)-1].said
}
