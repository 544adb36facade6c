package hook_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/hook"
	"github.com/sluice-gate/sluice/services/gateway/internal/hook/hooktest"
)

const secret = "It's a Secret to Everybody"

// now is when all deliveries come in: an hour after CircleCI's example happened.
var now = time.Date(2021, 9, 1, 23, 49, 0, 0, time.UTC) //nolint:gochecknoglobals // a constant, if times could be

// The examples of GitHub are those of the npm package @octokit/webhooks-examples 7.6.1, which are made of what GitHub sent, cut down.
// The others are written after the documentation, with the fields that are read and some around them: of GitLab
// https://docs.gitlab.com/user/project/integrations/webhook_events/, of CircleCI https://circleci.com/docs/webhooks-reference/, of
// Bitbucket https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/. The vendors' own examples, whole, go through
// the handler in package serve's TestPublishedPayloads.
func example(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func sign(scheme string, body []byte) string { return scheme + hooktest.Sign(secret, body) }

// delivered is a delivery as its source sends it, signed.
func delivered(source config.Source, kind string, body []byte) hook.Delivery {
	h := http.Header{}
	switch source {
	case config.GitHub:
		h.Set("X-GitHub-Event", kind)
		h.Set("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
		h.Set("X-Hub-Signature-256", sign("sha256=", body))
	case config.GitLab:
		h.Set("X-Gitlab-Event", kind)
		h.Set("X-Gitlab-Event-UUID", "13792a34-cac6-4fda-95a8-c58e00a3954e")
		h.Set("X-Gitlab-Token", secret)
	case config.CircleCI:
		h.Set("circleci-event-type", "workflow-completed")
		h.Set("circleci-signature", sign("v1=", body))
	case config.Bitbucket:
		h.Set("X-Event-Key", kind)
		h.Set("X-Request-UUID", "5f05f0d2-4c2f-4b5c-9b1c-2d1e9f2f7d5c")
		h.Set("X-Hub-Signature", sign("sha256=", body))
	case config.Generic, config.CDEvents:
		h.Set("X-Request-Id", "r-1")
		h.Set("X-Event", kind)
		h.Set(hook.HeaderSignature, sign("sha256=", body))
	}
	return hook.Delivery{Header: h, Body: body, At: now}
}

// parsed is the first hook of a configuration whose merges are written as in a file.
func parsed(t testing.TB, source config.Source, merges ...string) config.Hook {
	t.Helper()
	src := fmt.Sprintf("hooks:\n  - path: /h\n    source: %s\n    secret_env: S\n    merges:\n", source)
	for _, m := range merges {
		src += "      - " + m + "\n"
	}
	c, err := config.Parse("gateway.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return c.Hooks[0]
}

func TestMerges(t *testing.T) {
	for name, c := range map[string]struct {
		source   config.Source
		kind     string
		body     string
		edit     map[string]any
		merge    string
		delivery string
		want     releasepb.MergeEvent
	}{
		"GitHub push": {
			source: config.GitHub, kind: "push", body: "github_push", delivery: "72d3162e-cc78-11e3-81ab-4c9367dc0958",
			merge: `{ repository: Codertocat/Hello-World, project: tracer, on: push, branch: master, artifact: "tracer-{commit}.tgz" }`,
			want: releasepb.MergeEvent{
				Commit: "6113728f27ae82c7b1a177c8d03f9e96e0adf246", Ref: "master", Actor: "Codertocat",
				URL:      "https://github.com/Codertocat/Hello-World/commit/6113728f27ae82c7b1a177c8d03f9e96e0adf246",
				Artifact: "tracer-6113728f27ae82c7b1a177c8d03f9e96e0adf246.tgz",
			},
		},
		"GitHub pull request": {
			source: config.GitHub, kind: "pull_request", body: "github_pull_request_closed", delivery: "72d3162e-cc78-11e3-81ab-4c9367dc0958",
			edit:  map[string]any{"pull_request.merged": true, "pull_request.merged_at": "2019-05-15T15:20:33Z"},
			merge: `{ repository: Codertocat/Hello-World, project: tracer, on: merge, branch: master, version: "1.0.{number}", artifact: "t/{short}.tgz" }`,
			want: releasepb.MergeEvent{
				Commit: "c4295bd74fb0f4fda03689c3df3f2803b658fd85", Ref: "master", Actor: "Codertocat", Version: "1.0.2",
				URL: "https://github.com/Codertocat/Hello-World/pull/2", Artifact: "t/c4295bd74fb0.tgz",
			},
		},
		"GitHub workflow": {
			source: config.GitHub, kind: "workflow_run", body: "github_workflow_run", delivery: "72d3162e-cc78-11e3-81ab-4c9367dc0958",
			merge: `{ repository: octo-org/octo-repo, project: tracer, on: build, workflow: test.yml, branch: master, artifact: "run-{number}.{branch}" }`,
			want: releasepb.MergeEvent{
				Commit: "3484a3fb816e0859fd6e1cea078d76385ff50625", Ref: "master", Actor: "Codertocat", Artifact: "run-163.master",
				URL: "https://github.com/octo-org/octo-repo/actions/runs/289782451",
			},
		},
		"GitHub release of a branch": {
			source: config.GitHub, kind: "release", body: "github_release_prereleased", delivery: "72d3162e-cc78-11e3-81ab-4c9367dc0958",
			edit: map[string]any{"release.tag_name": "v0.0.1"},
			merge: `{ repository: Codertocat/Hello-World, project: tracer, on: release, version: "{tag}", ` +
				`artifact: "tracer-{body.release.tag_name}.tgz" }`,
			want: releasepb.MergeEvent{
				Commit: "tag-v0_0_1", Ref: "v0.0.1", Version: "0.0.1", Actor: "Codertocat", Artifact: "tracer-v0.0.1.tgz",
				URL: "https://github.com/Codertocat/Hello-World/releases/tag/0.0.1",
			},
		},
		"GitHub release of a commit": {
			source: config.GitHub, kind: "release", body: "github_release_prereleased", delivery: "72d3162e-cc78-11e3-81ab-4c9367dc0958",
			edit:  map[string]any{"release.target_commitish": "6113728f27ae82c7b1a177c8d03f9e96e0adf246"},
			merge: `{ repository: Codertocat/Hello-World, project: tracer, on: release, artifact: "id-{body.release.id}" }`,
			want: releasepb.MergeEvent{
				Commit: "6113728f27ae82c7b1a177c8d03f9e96e0adf246", Ref: "0.0.1", Actor: "Codertocat", Artifact: "id-17372790",
				URL: "https://github.com/Codertocat/Hello-World/releases/tag/0.0.1",
			},
		},
		"GitLab push": {
			source: config.GitLab, kind: "Push Hook", body: "gitlab_push", delivery: "13792a34-cac6-4fda-95a8-c58e00a3954e",
			merge: `{ repository: mike/diaspora, project: tracer, on: push, branch: master, artifact: a }`,
			want: releasepb.MergeEvent{
				Commit: "da1560886d4f094c3e6c9ef40349f7d38b5d27d7", Ref: "master", Actor: "jsmith", Artifact: "a",
				URL: "http://example.com/mike/diaspora/commit/da1560886d4f094c3e6c9ef40349f7d38b5d27d7",
			},
		},
		"GitLab merge request": {
			source: config.GitLab, kind: "Merge Request Hook", body: "gitlab_merge_request", delivery: "13792a34-cac6-4fda-95a8-c58e00a3954e",
			merge: `{ repository: gitlabhq/gitlab-test, project: tracer, on: merge, branch: master, artifact: a }`,
			want: releasepb.MergeEvent{
				Commit: "1793ea02c2c9d3dbbd6ed1c9d6e2bda9a5a4b50f", Ref: "master", Actor: "root", Artifact: "a",
				URL: "http://example.com/gitlabhq/gitlab-test/merge_requests/1",
			},
		},
		"GitLab merge request, fast-forward": {
			source: config.GitLab, kind: "Merge Request Hook", body: "gitlab_merge_request", delivery: "13792a34-cac6-4fda-95a8-c58e00a3954e",
			edit:  map[string]any{"object_attributes.merge_commit_sha": nil},
			merge: `{ repository: gitlabhq/gitlab-test, project: tracer, on: merge, branch: master, artifact: a }`,
			want: releasepb.MergeEvent{
				Commit: "da1560886d4f094c3e6c9ef40349f7d38b5d27d7", Ref: "master", Actor: "root", Artifact: "a",
				URL: "http://example.com/gitlabhq/gitlab-test/merge_requests/1",
			},
		},
		"GitLab pipeline": {
			source: config.GitLab, kind: "Pipeline Hook", body: "gitlab_pipeline", delivery: "13792a34-cac6-4fda-95a8-c58e00a3954e",
			merge: `{ repository: gitlab-org/gitlab-test, project: tracer, on: build, branch: master, version: "2.0.{number}", artifact: a }`,
			want: releasepb.MergeEvent{
				Commit: "bcbb5ec396a2c0f828686f14fac9b80b780504f2", Ref: "master", Actor: "root", Version: "2.0.3", Artifact: "a",
				URL: "http://example.com/gitlab-org/gitlab-test/-/pipelines/31",
			},
		},
		"CircleCI workflow": {
			source: config.CircleCI, body: "circleci_workflow_completed", delivery: "3888f21b-eaa7-38e3-8f3d-75a63bba8895",
			merge: `{ repository: github/circleci/webhook-service, project: tracer, on: build, workflow: build-test-deploy, artifact: "b-{number}" }`,
			want: releasepb.MergeEvent{
				Commit: "1dc6aa69429bff4806ad6afe58d3d8f57e25973e", Ref: "main", Actor: "Author Name", Artifact: "b-130",
				URL: "https://app.circleci.com/pipelines/github/circleci/webhook-service/130/workflows/fda08377-fe7e-46b1-8992-3a7aaecac9c3",
			},
		},
		"CircleCI workflow, gh for github": {
			source: config.CircleCI, body: "circleci_workflow_completed", delivery: "3888f21b-eaa7-38e3-8f3d-75a63bba8895",
			merge: `{ repository: gh/circleci/webhook-service, project: tracer, on: build, workflow: build-test-deploy, artifact: a }`,
			want: releasepb.MergeEvent{
				Commit: "1dc6aa69429bff4806ad6afe58d3d8f57e25973e", Ref: "main", Actor: "Author Name", Artifact: "a",
				URL: "https://app.circleci.com/pipelines/github/circleci/webhook-service/130/workflows/fda08377-fe7e-46b1-8992-3a7aaecac9c3",
			},
		},
		"CircleCI workflow of GitLab, the GitHub App or Bitbucket Data Center": {
			source: config.CircleCI, body: "circleci_app_workflow_completed", delivery: "02ca6868-629c-3f34-b574-6f2d506357f8",
			merge: `{ repository: circleci/GnTrqjRzCCPGzKsXKNhyFw/EpwYJ9DdmCFYDFhj1UFnYU, project: tracer, on: build, workflow: build, artifact: a }`,
			want: releasepb.MergeEvent{
				Commit: "850a1519f25d14e968649cc420d1bd381715c05c", Ref: "main", Actor: "Author Name", Artifact: "a",
				URL: "https://app.circleci.com/pipelines/circleci/GnTrqjRzCCPGzKsXKNhyFw/EpwYJ9DdmCFYDFhj1UFnYU/3/workflows/" +
					"fda08377-fe7e-46b1-8992-3a7aaecac9c3",
			},
		},
		"Bitbucket push": {
			source: config.Bitbucket, kind: "repo:push", body: "bitbucket_push", delivery: "5f05f0d2-4c2f-4b5c-9b1c-2d1e9f2f7d5c",
			merge: `{ repository: team_name/repo_name, project: tracer, on: push, branch: name-of-branch, artifact: a }`,
			want: releasepb.MergeEvent{
				Commit: "709d658dc5b6d6afcd46049c2f332ee3f515a67d", Ref: "name-of-branch", Actor: "emmap1", Artifact: "a",
				URL: "https://bitbucket.org/user_name/repo_name/commits/709d658dc5b6d6afcd46049c2f332ee3f515a67d",
			},
		},
		"Bitbucket pull request": {
			source: config.Bitbucket, kind: "pullrequest:fulfilled", body: "bitbucket_fulfilled", delivery: "5f05f0d2-4c2f-4b5c-9b1c-2d1e9f2f7d5c",
			merge: `{ repository: team_name/repo_name, project: tracer, on: merge, artifact: "pr-{number}" }`,
			want: releasepb.MergeEvent{
				Commit: "764413d85e29", Ref: "main", Actor: "tutorials", Artifact: "pr-1",
				URL: "https://bitbucket.org/team_name/repo_name/pull-requests/1",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			body := example(t, c.body)
			if c.edit != nil {
				body = hooktest.Edit(t, body, c.edit)
			}
			h, d := parsed(t, c.source, c.merge), delivered(c.source, c.kind, body)
			out, err := hook.Read(t.Context(), h, secret, d)
			if err != nil || len(out.Merges) != 1 || out.Ignored != "" {
				t.Fatalf("%+v %v", out, err)
			}
			got := out.Merges[0]
			id := uuid.MustParse(got.Event.ID)
			if id.Version() != 7 || id.Variant() != uuid.RFC4122 {
				t.Errorf("id %s", id)
			}
			c.want.ID = got.Event.ID
			if want := fmt.Sprintf("%+v", c.want); got.Project != "tracer" || fmt.Sprintf("%+v", got.Event) != want {
				t.Errorf("project %s\n%+v\nwant\n%s", got.Project, got.Event, want)
			}
			if out.Delivery != c.delivery {
				t.Errorf("delivery %q", out.Delivery)
			}
			again, err := hook.Read(t.Context(), h, secret, hook.Delivery{Header: d.Header, Body: d.Body, At: now.Add(time.Hour)})
			if err != nil || again.Merges[0].Event.ID != got.Event.ID {
				t.Errorf("delivered again it is release %+v %v", again, err)
			}
		})
	}
}

func TestIgnored(t *testing.T) {
	const (
		github    = `{ repository: Codertocat/Hello-World, project: tracer, on: push, branch: master, artifact: a }`
		build     = `{ repository: octo-org/octo-repo, project: tracer, on: build, workflow: test.yml, branch: master, artifact: a }`
		pipeline  = `{ repository: gitlab-org/gitlab-test, project: tracer, on: build, branch: master, artifact: a }`
		circle    = `{ repository: github/circleci/webhook-service, project: tracer, on: build, workflow: build-test-deploy, artifact: a }`
		app       = `{ repository: circleci/GnTrqjRzCCPGzKsXKNhyFw/EpwYJ9DdmCFYDFhj1UFnYU, project: tracer, on: build, workflow: build, artifact: a }`
		bitbucket = `{ repository: team_name/repo_name, project: tracer, on: merge, artifact: a }`
	)
	for name, c := range map[string]struct {
		source     config.Source
		kind, body string
		edit       map[string]any
		merge, why string
	}{
		"ping":              {config.GitHub, "ping", "github_ping", nil, github, `the event "ping" makes no merge`},
		"no event":          {config.GitHub, "", "github_ping", nil, github, `the event "" makes no merge`},
		"a tag":             {config.GitHub, "push", "github_push_deleted_tag", nil, github, "which is no branch"},
		"a deleted branch":  {config.GitHub, "push", "github_push", map[string]any{"deleted": true}, github, "was deleted"},
		"another branch":    {config.GitHub, "push", "github_push", map[string]any{"ref": "refs/heads/feature"}, github, `is on branch master, this is on "feature"`},
		"another repo":      {config.GitHub, "push", "github_push", map[string]any{"repository.full_name": "eve/tracer"}, github, `for repository "eve/tracer"`},
		"another event":     {config.GitHub, "release", "github_release_prereleased", nil, github, "is a push, this is a release"},
		"not merged":        {config.GitHub, "pull_request", "github_pull_request_closed", nil, github, "is not merged by this"},
		"a final release":   {config.GitHub, "release", "github_release_prereleased", map[string]any{"action": "published"}, github, "is not prereleased"},
		"a failed workflow": {config.GitHub, "workflow_run", "github_workflow_run", map[string]any{"workflow_run.conclusion": "failure"}, build, "has not succeeded"},
		"another workflow":  {config.GitHub, "workflow_run", "github_workflow_run", map[string]any{"workflow_run.path": ".github/workflows/lint.yml"}, build, "is the workflow test.yml"},
		// Both are built on a branch that a stranger may call master.
		"a pull request's workflow": {config.GitHub, "workflow_run", "github_workflow_run", map[string]any{"workflow_run.event": "pull_request"}, build, "ran for a pull request"},
		"its review's":              {config.GitHub, "workflow_run", "github_workflow_run", map[string]any{"workflow_run.event": "pull_request_review"}, build, "ran for a pull request"},
		"a deleted fork's":          {config.GitHub, "workflow_run", "github_workflow_run", map[string]any{"workflow_run.head_repository": nil}, build, "ran for another repository"},
		"a fork's workflow": {
			config.GitHub, "workflow_run", "github_workflow_run", map[string]any{"workflow_run.head_repository.full_name": "eve/octo-repo"}, build,
			"ran for another repository",
		},
		"a failed pipeline":          {config.GitLab, "Pipeline Hook", "gitlab_pipeline", map[string]any{"object_attributes.status": "failed"}, pipeline, "has not succeeded"},
		"a merge request's pipeline": {config.GitLab, "Pipeline Hook", "gitlab_pipeline", map[string]any{"object_attributes.source": "merge_request_event"}, pipeline, "for a merge request"},
		"with its merge request":     {config.GitLab, "Pipeline Hook", "gitlab_pipeline", map[string]any{"merge_request": map[string]any{"id": 1}}, pipeline, "for a merge request"},
		"a part of a pipeline":       {config.GitLab, "Pipeline Hook", "gitlab_pipeline", map[string]any{"object_attributes.source": "parent_pipeline"}, pipeline, "is a part of another"},
		"a tag's pipeline":           {config.GitLab, "Pipeline Hook", "gitlab_pipeline", map[string]any{"object_attributes.tag": true}, pipeline, "is on branch master"},
		"a deleted branch there":     {config.GitLab, "Push Hook", "gitlab_push", map[string]any{"after": strings.Repeat("0", 40)}, pipeline, "was deleted"},
		"a comment":                  {config.GitLab, "Note Hook", "gitlab_push", nil, pipeline, `the event "Note Hook" makes no merge`},
		"an opened merge request":    {config.GitLab, "Merge Request Hook", "gitlab_merge_request", map[string]any{"object_attributes.action": "open"}, pipeline, "is not merged by this"},
		"a job":                      {config.CircleCI, "", "circleci_workflow_completed", map[string]any{"type": "job-completed"}, circle, "makes no merge"},
		"a cancelled workflow":       {config.CircleCI, "", "circleci_workflow_completed", map[string]any{"workflow.status": "canceled"}, circle, "has not succeeded"},
		"a fork's workflow there": {
			config.CircleCI, "", "circleci_workflow_completed",
			map[string]any{"pipeline.vcs.origin_repository_url": "https://github.com/eve/webhook-service"}, circle, "ran for another repository",
		},
		"a fork's merge request there": {
			config.CircleCI, "", "circleci_app_workflow_completed",
			map[string]any{"pipeline.trigger_parameters.gitlab.is_fork_merge_request": true}, app, "ran for a merge request",
		},
		"a fork's, in words": {
			config.CircleCI, "", "circleci_app_workflow_completed",
			map[string]any{"pipeline.trigger_parameters.gitlab.is_fork_merge_request": "true"}, app, "ran for a merge request",
		},
		"a merge request's there": {
			config.CircleCI, "", "circleci_app_workflow_completed",
			map[string]any{"pipeline.trigger_parameters.gitlab.type": "merge_request"}, app, "ran for a merge request",
		},
		"a pull request's there": {
			config.CircleCI, "", "circleci_app_workflow_completed",
			map[string]any{"pipeline.trigger_parameters.circleci.event_type": "pull_request"}, app, "ran for a merge request",
		},
		"the head of a pull request": {
			config.CircleCI, "", "circleci_app_workflow_completed",
			map[string]any{"pipeline.trigger_parameters.git.ref": "refs/pull/7/head"}, app, "ran for a merge request",
		},
		"a tag's workflow": {
			config.CircleCI, "", "circleci_app_workflow_completed",
			map[string]any{
				"pipeline.trigger_parameters.git.branch": "", "pipeline.trigger_parameters.git.tag": "v1",
				"pipeline.trigger_parameters.git.ref": "refs/tags/v1",
			}, app, "is on branch main",
		},
		"a declined pull request": {config.Bitbucket, "pullrequest:rejected", "bitbucket_fulfilled", nil, bitbucket, "makes no merge"},
		"one that is still open":  {config.Bitbucket, "pullrequest:fulfilled", "bitbucket_fulfilled", map[string]any{"pullrequest.state": "OPEN"}, bitbucket, "is not merged by this"},
		"only deleted branches":   {config.Bitbucket, "repo:push", "bitbucket_push", map[string]any{"push.changes": []any{}}, bitbucket, "changes no branch"},
	} {
		t.Run(name, func(t *testing.T) {
			body := example(t, c.body)
			if c.edit != nil {
				body = hooktest.Edit(t, body, c.edit)
			}
			out, err := hook.Read(t.Context(), parsed(t, c.source, c.merge), secret, delivered(c.source, c.kind, body))
			if err != nil || len(out.Merges) != 0 || !strings.Contains(out.Ignored, c.why) {
				t.Errorf("%+v %v, want ignored: …%s…", out, err, c.why)
			}
		})
	}
}

// TestOneRepositoryOfSeveralProjects: one delivery is a merge of each.
func TestOneRepositoryOfSeveralProjects(t *testing.T) {
	h := parsed(t, config.GitHub,
		`{ repository: Codertocat/Hello-World, project: api, on: push, branch: master, artifact: "api-{short}" }`,
		`{ repository: Codertocat/Hello-World, project: old, on: push, branch: legacy, artifact: "old-{short}" }`,
		`{ repository: Codertocat/Hello-World, project: web, on: push, branch: master, artifact: "web-{short}" }`)
	out, err := hook.Read(t.Context(), h, secret, delivered(config.GitHub, "push", example(t, "github_push")))
	if err != nil || len(out.Merges) != 2 || out.Ignored != "" || out.Merges[0].Project != "api" || out.Merges[1].Project != "web" {
		t.Fatalf("%+v %v", out, err)
	}
	if out.Merges[0].Event.ID == out.Merges[1].Event.ID {
		t.Error("two projects' merges are one release")
	}
}
