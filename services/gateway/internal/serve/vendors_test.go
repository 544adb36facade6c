package serve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-playground/webhooks/v6/bitbucket"
	"github.com/go-playground/webhooks/v6/gitlab"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/hook"
	"github.com/sluice-gate/sluice/services/gateway/internal/hook/hooktest"
	"github.com/sluice-gate/sluice/services/gateway/internal/serve"
)

// published is a body as its vendor publishes it as an example. GitHub's are of the npm package @octokit/webhooks-examples; GitLab's and
// Bitbucket's are read from a module that has the examples of https://docs.gitlab.com/user/project/integrations/webhook_events/ and
// https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/; CircleCI's have the fields and values of the samples on
// https://circleci.com/docs/reference/outbound-webhooks-reference/#sample-webhook-payloads.
func published(t *testing.T, name string) []byte {
	t.Helper()
	path := filepath.Join("..", "hook", "testdata", name+".json")
	if strings.HasPrefix(name, "gitlab/") || strings.HasPrefix(name, "bitbucket/") {
		dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/go-playground/webhooks/v6").Output()
		if err != nil {
			t.Fatalf("where is the module that has the examples? %v", err)
		}
		path = filepath.Join(strings.TrimSpace(string(dir)), "testdata", name+".json")
	}
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// request is a delivery as its vendor sends and signs it. What is published of the headers is cited in package hook.
func request(t *testing.T, source config.Source, kind, id string, body []byte) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/hooks/"+string(source), bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	sum := hooktest.Sign(secret, body)
	headers := map[config.Source]map[string]string{
		config.GitHub: {"X-GitHub-Event": kind, "X-GitHub-Delivery": id, "X-Hub-Signature-256": "sha256=" + sum, "User-Agent": "GitHub-Hookshot/044aadd"},
		config.GitLab: {
			"X-Gitlab-Event": kind, "Idempotency-Key": id, "X-Gitlab-Webhook-UUID": "02affd2d-2cba-4033-917d-ec22d5dc4b38",
			"X-Gitlab-Token": secret, "X-Gitlab-Instance": "https://gitlab.example",
		},
		config.CircleCI:  {"circleci-event-type": kind, "circleci-signature": "v1=" + sum, "User-Agent": "CircleCI-Webhook/1.0"},
		config.Bitbucket: {"X-Event-Key": kind, "X-Request-UUID": id, "X-Hook-UUID": "c", "X-Hub-Signature": "sha256=" + sum, "X-Attempt-Number": "1"},
		config.Generic:   {"X-Request-Id": id, hook.HeaderSignature: "sha256=" + sum},
		config.CDEvents:  {"Content-Type": "application/cloudevents+json", hook.HeaderSignature: "sha256=" + sum},
	}
	for name, value := range headers[source] {
		r.Header.Set(name, value)
	}
	return r
}

// taken is what another library, which knows the vendor and not us, takes from the same request: commit, branch and who did it.
func taken(t *testing.T, source config.Source, r *http.Request) (commit, branch, actor string) {
	t.Helper()
	named := func(o bitbucket.Owner) string {
		if o.NickName != "" {
			return o.NickName
		}
		return o.DisplayName
	}
	var payload any
	switch source {
	case config.GitLab:
		known, err := gitlab.New(gitlab.Options.Secret(secret))
		if err == nil {
			payload, err = known.Parse(r, gitlab.PushEvents, gitlab.MergeRequestEvents, gitlab.PipelineEvents)
		}
		if err != nil {
			t.Fatal(err)
		}
	case config.Bitbucket:
		known, err := bitbucket.New(bitbucket.Options.UUID("c"))
		if err == nil {
			payload, err = known.Parse(r, bitbucket.RepoPushEvent, bitbucket.PullRequestMergedEvent)
		}
		if err != nil {
			t.Fatal(err)
		}
	default:
	}
	switch p := payload.(type) {
	case gitlab.PushEventPayload:
		return p.After, strings.TrimPrefix(p.Ref, "refs/heads/"), p.UserUsername
	case gitlab.MergeRequestEventPayload:
		return p.ObjectAttributes.LastCommit.ID, p.ObjectAttributes.TargetBranch, p.User.UserName
	case gitlab.PipelineEventPayload:
		return p.ObjectAttributes.SHA, p.ObjectAttributes.Ref, p.User.UserName
	case bitbucket.RepoPushPayload:
		change := p.Push.Changes[0].New
		return change.Target.Hash, change.Name, named(p.Actor)
	case bitbucket.PullRequestMergedPayload:
		return p.PullRequest.MergeCommit.Hash, p.PullRequest.Destination.Branch.Name, named(p.PullRequest.ClosedBy)
	}
	t.Fatalf("the library takes a %T from it", payload)
	return "", "", ""
}

// TestPublishedPayloads: what vendors publish as examples of their webhooks, through the handler, signed as they sign, at the time that the body
// tells. A push, a build that succeeded and what was merged are merges; a job, what is open, failed or declined is answered
// and ignored. Where the published example shows another state than the test is about, the fields that say so are changed, and nothing else.
func TestPublishedPayloads(t *testing.T) {
	const (
		shop     = `{ repository: Codertocat/Hello-World, project: api, on: push, branch: master, artifact: a }`
		diaspora = `{ repository: mike/diaspora, project: api, on: push, branch: master, artifact: a }`
		opened   = `{ repository: gitlabhq/gitlab-test, project: api, on: merge, branch: master, artifact: a }`
		pipeline = `{ repository: gitlab-org/gitlab-test, project: api, on: build, branch: master, artifact: a }`
		pushed   = `{ repository: team_name/repo_name, project: api, on: push, branch: name-of-branch, artifact: a }`
		pulled   = `{ repository: team_name/repo_name, project: api, on: merge, branch: master, artifact: a }`
		oauth    = `{ repository: github/circleci/webhook-service, project: api, on: build, workflow: build-test-deploy, artifact: a }`
		app      = `{ repository: circleci/GnTrqjRzCCPGzKsXKNhyFw/EpwYJ9DdmCFYDFhj1UFnYU, project: api, on: build, workflow: build, artifact: a }`
	)
	for name, c := range map[string]struct {
		source     config.Source
		kind, body string
		edit       map[string]any
		merge      string
		why        string   // when it is ignored
		want       []string // commit, branch, actor; nil: what another library takes from it
	}{
		"GitHub, pushed": {
			config.GitHub, "push", "github_push", nil, shop, "",
			[]string{"6113728f27ae82c7b1a177c8d03f9e96e0adf246", "master", "Codertocat"},
		},
		"GitHub, a tag deleted": {config.GitHub, "push", "github_push_deleted_tag", nil, shop, "which is no branch", nil},
		"GitHub, closed":        {config.GitHub, "pull_request", "github_pull_request_closed", nil, shop, "is not merged by this", nil},

		"GitLab, pushed":       {config.GitLab, "Push Hook", "gitlab/push-event", nil, diaspora, "", nil},
		"GitLab, a tag pushed": {config.GitLab, "Tag Push Hook", "gitlab/tag-event", nil, diaspora, `"Tag Push Hook" makes no merge`, nil},
		"GitLab, opened":       {config.GitLab, "Merge Request Hook", "gitlab/merge-request-event", nil, opened, "is not merged by this", nil},
		"GitLab, merged": {
			config.GitLab, "Merge Request Hook", "gitlab/merge-request-event",
			map[string]any{"object_attributes.action": "merge", "object_attributes.state": "merged"}, opened, "", nil,
		},
		"GitLab, succeeded for a merge request": {
			config.GitLab, "Pipeline Hook", "gitlab/pipeline-event", nil, pipeline, "ran for a merge request", nil,
		},
		"GitLab, succeeded": {
			config.GitLab, "Pipeline Hook", "gitlab/pipeline-event", map[string]any{"object_attributes.source": "push", "merge_request": nil}, pipeline,
			"", nil,
		},
		"GitLab, failed": {
			config.GitLab, "Pipeline Hook", "gitlab/pipeline-event", map[string]any{"object_attributes.status": "failed"}, pipeline,
			"has not succeeded", nil,
		},
		"GitLab, a job": {config.GitLab, "Job Hook", "gitlab/job-event", nil, pipeline, `"Job Hook" makes no merge`, nil},

		"Bitbucket, pushed": {config.Bitbucket, "repo:push", "bitbucket/repo-push", nil, pushed, "", nil},
		"Bitbucket, opened": {config.Bitbucket, "pullrequest:created", "bitbucket/pull-request-created", nil, pulled, "makes no merge", nil},
		"Bitbucket, any state": { // "OPEN|MERGED|DECLINED", as published
			config.Bitbucket, "pullrequest:fulfilled", "bitbucket/pull-request-merged", nil, pulled, "is not merged by this", nil,
		},
		"Bitbucket, merged": {
			config.Bitbucket, "pullrequest:fulfilled", "bitbucket/pull-request-merged", map[string]any{"pullrequest.state": "MERGED"}, pulled, "", nil,
		},

		"CircleCI, succeeded": {
			config.CircleCI, "workflow-completed", "circleci_workflow_completed", nil, oauth, "",
			[]string{"1dc6aa69429bff4806ad6afe58d3d8f57e25973e", "main", "Author Name"},
		},
		"CircleCI's app, failed": {
			config.CircleCI, "workflow-completed", "circleci_app_workflow_completed", map[string]any{"workflow.status": "failed"}, app, "has not succeeded", nil,
		},
		"CircleCI's app, succeeded": {
			config.CircleCI, "workflow-completed", "circleci_app_workflow_completed", nil, app, "",
			[]string{"850a1519f25d14e968649cc420d1bd381715c05c", "main", "Author Name"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			body := hooktest.Edit(t, published(t, c.body), c.edit)
			id := "f5e5f430-f57b-4e6e-9fac-d9128cd7232f"
			if c.source == config.CircleCI {
				var said struct{ ID string }
				if err := json.Unmarshal(body, &said); err != nil {
					t.Fatal(err)
				}
				id = said.ID
			}
			if c.want == nil && c.why == "" {
				commit, branch, actor := taken(t, c.source, request(t, c.source, c.kind, id, body))
				c.want = []string{commit, branch, actor}
			}
			status, a, stored := handled(t, c.source, c.merge, body, request(t, c.source, c.kind, id, body))
			if a.Delivery != id {
				t.Errorf("the delivery is called %q", a.Delivery)
			}
			if c.why != "" {
				if status != http.StatusAccepted || !strings.Contains(a.Ignored, c.why) || len(stored) != 0 {
					t.Errorf("%d %+v, stored %v; want ignored: %s", status, a, stored, c.why)
				}
				return
			}
			if status != http.StatusOK || len(stored) != 1 || len(a.Releases) != 1 {
				t.Fatalf("%d %+v, stored %v", status, a, stored)
			}
			e := stored[0].Event
			if got := []string{e.Commit, e.Ref, e.Actor}; strings.Join(got, "|") != strings.Join(c.want, "|") || stored[0].Project != "api" {
				t.Errorf("%+v, want %v", stored[0], c.want)
			}
			forged := request(t, c.source, c.kind, id, append(bytes.Clone(body), ' '))
			forged.Header = request(t, c.source, c.kind, id, body).Header
			if c.source == config.GitLab { // which signs nothing, and has a token
				forged.Header.Set("X-Gitlab-Token", secret+"!")
			}
			if status, a, stored := handled(t, c.source, c.merge, body, forged); status != http.StatusUnauthorized || len(stored) != 0 {
				t.Errorf("forged: %d %+v, stored %v", status, a, stored)
			}
		})
	}
}

// handled is what the handler answers to a request at the time that its body tells, and what it hands over.
func handled(t *testing.T, source config.Source, merge string, body []byte, r *http.Request) (status int, a answer, stored []hook.Merge) {
	t.Helper()
	t.Setenv("TEST_WEBHOOK_SECRET", secret)
	c, err := config.Parse("gateway.yaml", fmt.Appendf(nil,
		"hooks:\n  - path: /hooks/%s\n    source: %[1]s\n    secret_env: TEST_WEBHOOK_SECRET\n    merges:\n      - %s\n", source, merge))
	if err != nil {
		t.Fatal(err)
	}
	var told struct {
		At time.Time `json:"happened_at"`
	}
	if err := json.Unmarshal(body, &told); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(told.At.Add(time.Second)))
		h := serve.Handler{Config: c, Log: zap.NewNop(), Count: func(string, int) {}, Store: func(_ context.Context, m hook.Merge) (serve.Stored, error) {
			stored = append(stored, m)
			return serve.Stored{Project: m.Project, Release: m.Event.ID}, nil
		}}
		w := httptest.NewRecorder()
		h.Mux().ServeHTTP(w, r.WithContext(t.Context()))
		if status = w.Code; json.Unmarshal(w.Body.Bytes(), &a) != nil {
			t.Errorf("the answer is %s", w.Body)
		}
	})
	return status, a, stored
}
