package trigger

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
	"github.com/sluice-gate/sluice/pkg/project"
)

// Every state that the vendors document, and one that they do not.
func TestStates(t *testing.T) {
	// https://circleci.com/docs/api/v2/#tag/Workflow/operation/getWorkflowById, status
	for status, want := range map[string]state{
		"success": succeeded, "running": running, "not_run": failed, "failed": failed, "error": failed, "failing": running, "on_hold": running,
		"canceled": failed, "unauthorized": failed, "new\x1b": running,
	} {
		got, says := circleState("created", []circleWorkflow{{Name: "a", Status: "success"}, {Name: "b", Status: status}})
		if got != want || strings.ContainsRune(says, '\x1b') {
			t.Errorf("circleci, %q: %s, %q", status, got, says)
		}
	}
	// https://circleci.com/docs/api/v2/#tag/Pipeline/operation/getPipelineById, state; "errored" is judged without workflows
	for _, pipeline := range []string{"setup-pending", "setup", "pending", "new"} {
		if got, _ := circleState(pipeline, []circleWorkflow{{Name: "setup", Status: "success"}}); got != running {
			t.Errorf("circleci, %s: %s", pipeline, got)
		}
	}
	if got, says := circleState("created", nil); got != running || says == "" {
		t.Errorf("circleci, no workflow: %s, %s", got, says)
	}
	again := []circleWorkflow{{"a", "success", time.Unix(2, 0)}, {"a", "failed", time.Unix(1, 0)}}
	if got, _ := circleState("created", again); got != succeeded {
		t.Errorf("circleci, a workflow that was run again: %s", got)
	}

	// https://docs.github.com/en/rest/actions/workflow-runs#list-workflow-runs-for-a-workflow, status and conclusion
	for _, status := range []string{"queued", "in_progress", "waiting", "requested", "pending", "new"} {
		if got := (githubRun{Status: status}).run(); got.state != running || !strings.Contains(got.says, status) {
			t.Errorf("github, %s: %+v", status, got)
		}
	}
	for conclusion, want := range map[string]state{
		"success": succeeded, "failure": failed, "neutral": failed, "cancelled": failed, "skipped": failed, "timed_out": failed,
		"action_required": failed, "stale": failed, "startup_failure": failed, "new": failed,
	} {
		if got := (githubRun{Status: "completed", Conclusion: conclusion}).run(); got.state != want {
			t.Errorf("github, %s: %+v", conclusion, got)
		}
	}

	// https://docs.gitlab.com/api/pipelines/#list-project-pipelines, status
	for status, want := range map[string]state{
		"created": running, "waiting_for_resource": running, "preparing": running, "pending": running, "running": running, "success": succeeded,
		"failed": failed, "canceled": failed, "skipped": failed, "manual": running, "scheduled": running, "canceling": running, "new": running,
	} {
		if got := (gitlabPipeline{Status: status, URL: "https://a/\x1b"}).run(); got.state != want || got.url != "" {
			t.Errorf("gitlab, %s: %+v", status, got)
		}
	}
}

// What the runs of a release mean for a job, newest first.
func TestChoose(t *testing.T) {
	one := func(try int, back bool, s state) run { return run{mark: mark{try, back}, state: s} }
	for name, c := range map[string]struct {
		runs           []run
		action         string
		mine, opposite int // the index; -1 for none
	}{
		"none":                       {nil, "deploy", -1, -1},
		"running":                    {[]run{one(1, false, running)}, "deploy", 0, -1},
		"succeeded":                  {[]run{one(1, false, succeeded)}, "deploy", 0, -1},
		"failed before":              {[]run{one(1, false, failed)}, "deploy", -1, -1},
		"failed now":                 {[]run{one(2, false, failed)}, "deploy", 0, -1},
		"succeeded, then failed":     {[]run{one(1, false, failed), one(1, false, succeeded)}, "deploy", 1, -1},
		"restored since":             {[]run{one(1, true, succeeded), one(1, false, succeeded)}, "deploy", -1, -1},
		"half restored":              {[]run{one(1, true, failed), one(1, false, succeeded)}, "deploy", -1, -1},
		"being restored":             {[]run{one(1, true, running), one(1, false, succeeded)}, "deploy", -1, 0},
		"to restore":                 {[]run{one(1, false, succeeded)}, restore, -1, -1},
		"to restore what runs":       {[]run{one(1, false, running)}, restore, -1, 0},
		"restored":                   {[]run{one(1, true, succeeded), one(1, false, succeeded)}, restore, 0, -1},
		"restoring failed, and runs": {[]run{one(1, true, failed), one(1, false, running)}, restore, -1, 1},
	} {
		mine, opposite := choose(c.runs, job{try: 2, action: c.action})
		at := func(i int) *run {
			if i < 0 {
				return nil
			}
			return &c.runs[i]
		}
		if mine != at(c.mine) || opposite != at(c.opposite) {
			t.Errorf("%s: %v, %v", name, mine, opposite)
		}
	}
}

// Keys are found whole: not those of another release, stage or role.
func TestKeys(t *testing.T) {
	const id, other = "01970000-0000-7000-8000-000000000001", "01970000-0000-7000-8000-000000000002"
	f := driver.Facts{Release: id, Attempt: 7, Try: 3, Stage: "eu-1"}
	deploy, err := newJob(driver.Deploy, "deploy", f, &f)
	if err != nil || deploy.key() != id+"-3-deploy-eu-1" {
		t.Fatalf("%s, %v", deploy.key(), err)
	}
	back, err := newJob(driver.Deploy, restore, f, nil)
	if err != nil || back.key() != id+"-3-restore-deploy-eu-1" {
		t.Fatalf("%s, %v", back.key(), err)
	}
	for text, want := range map[string]mark{
		deploy.key(): {3, false}, "x: " + id + "-12-deploy-eu-1 }": {12, false}, back.key(): {3, true},
		id + " and " + other + "-1-deploy-eu-1 and " + id + "-1-deploy-eu-1\n": {1, false},
	} {
		if got, ok := deploy.find(text); !ok || got != want {
			t.Errorf("%q: %+v, %t", text, got, ok)
		}
	}
	for _, text := range []string{
		"", id, id + "-3-deploy-eu-10", id + "-3-deploy-eu", id + "-3-deploy", id + "-3-promote-eu-1", other + "-3-deploy-eu-1", id + "-x-deploy-eu-1",
		id + "-3-restore-promote", id + "-3-deploy-eu-1-more",
	} {
		if got, ok := deploy.find(text); ok {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

// Cancelled in the middle: it stops asking at once, leaves the run alone, and says where it is.
func TestCancelledInTheMiddle(t *testing.T) {
	eachVendor(t, func(t *testing.T, name string, open maker, c *ci) {
		c.hold = 1_000_000
		ctx, cancel := context.WithCancel(t.Context())
		line := &front{RoundTripper: c}
		line.answer = func(*http.Request) *http.Response {
			if len(line.asked) == 20 {
				cancel()
			}
			return nil
		}
		_, err := open(t, driver.Deploy, tokenEnv, line).Do(ctx, c.facts("1.4.0"))
		if !errors.Is(err, context.Canceled) || driver.IsRefused(err) || !strings.Contains(err.Error(), "https://ci.example/") {
			t.Errorf("%s: %v, want where the run is", name, err)
		}
		if len(line.asked) > 20 || c.count() != 1 {
			t.Errorf("%s: asked %d times, %d pipelines", name, len(line.asked), c.count())
		}
	})
}

// A pipeline whose configuration is not compiled yet may be the one that is looked for: it is waited for, not triggered again.
func TestNotCompiledYet(t *testing.T) {
	t.Setenv(tokenEnv, goodToken)
	synctest.Test(t, func(t *testing.T) {
		c := newCI()
		c.pending = 25
		line := &drivertest.Transport{Base: c, LoseAt: 1}
		if _, err := circle(t, driver.Deploy, tokenEnv, line).Do(t.Context(), c.facts("1.4.0")); err != nil || c.count() != 1 {
			t.Errorf("%v, %d pipelines", err, c.count())
		}
	})
}

// Over a real connection, with the client's own transport, as the services use it.
func TestOverTheNetwork(t *testing.T) {
	t.Setenv(tokenEnv, goodToken)
	c := newCI()
	server := httptest.NewServer(&c.mux)
	defer server.Close()
	d, err := CircleCI(project.CircleCI{
		URL: server.URL, Project: "gh/acme/tracer", Branch: "main", Parameters: drivertest.JobParams(), Token: project.Token{Env: tokenEnv}, Interval: time.Millisecond,
	}, driver.Promote)
	if err != nil {
		t.Fatal(err)
	}
	f := c.facts("1.4.0")
	if done, err := d.Do(t.Context(), f); err != nil || done.Existed || done.Note != server.URL+"/pipelines/gh/acme/tracer/1" {
		t.Errorf("%+v, %v", done, err)
	}
	if done, err := d.Do(t.Context(), next(f)); err != nil || !done.Existed || c.count() != 1 {
		t.Errorf("%+v, %v", done, err)
	}
}
