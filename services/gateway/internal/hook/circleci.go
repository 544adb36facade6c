package hook

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// circleBody is what is read of CircleCI's bodies: https://circleci.com/docs/guides/integration/webhooks/
type circleBody struct {
	Type       string          `json:"type"`
	HappenedAt json.RawMessage `json:"happened_at"`
	Project    struct {
		Slug string `json:"slug"`
	} `json:"project"`
	Workflow struct {
		Name   string `json:"name"`
		Status string `json:"status"`
		URL    string `json:"url"`
	} `json:"workflow"`
	Pipeline struct {
		Number int64 `json:"number"`
		VCS    struct {
			Origin   string `json:"origin_repository_url"`
			Target   string `json:"target_repository_url"`
			Revision string `json:"revision"`
			Branch   string `json:"branch"`
			Tag      string `json:"tag"`
			Commit   struct {
				Author struct {
					Name string `json:"name"`
				} `json:"author"`
			} `json:"commit"`
		} `json:"vcs"`
		Parameters circleParameters `json:"trigger_parameters"`
	} `json:"pipeline"`
}

// circleParameters is what stands in the place of vcs for projects of GitLab, of the GitHub App and of Bitbucket Data Center:
// https://circleci.com/docs/webhooks-reference/, "workflow-completed for GitLab, GitHub App and Bitbucket Data Center".
type circleParameters struct {
	CircleCI struct {
		EventType string `json:"event_type"`
	} `json:"circleci"`
	Git struct {
		Ref    string `json:"ref"`
		Branch string `json:"branch"`
		Tag    string `json:"tag"`
		Commit string `json:"checkout_sha"`
		Author string `json:"commit_author_name"`
	} `json:"git"`
	GitLab struct {
		Type   string `json:"type"`
		Author string `json:"commit_author_name"`
		Fork   any    `json:"is_fork_merge_request"` // a truth value, or the word for it
	} `json:"gitlab"`
	GitHub struct {
		Author string `json:"commit_author_name"`
	} `json:"github_app"`
}

// proposes tells that what ran is a merge request's or a pull request's, which may be a stranger's.
func (p circleParameters) proposes() bool {
	kind, ref := p.CircleCI.EventType+" "+p.GitLab.Type, p.Git.Ref
	return strings.Contains(kind, "request") || fmt.Sprint(p.GitLab.Fork) == "true" ||
		ref != "" && !strings.HasPrefix(ref, "refs/heads/") && !strings.HasPrefix(ref, "refs/tags/")
}

func readCircleCI(d Delivery) (told, error) {
	var b circleBody
	if err := decode(d.Body, &b); err != nil {
		return told{}, err
	}
	vcs, app := b.Pipeline.VCS, b.Pipeline.Parameters
	switch {
	case b.Type != "workflow-completed":
		return ignore("the event %s makes no merge", quote(b.Type))
	case b.Workflow.Status != "success":
		return ignore("the workflow %s has not succeeded: it is %s", quote(b.Workflow.Name), quote(b.Workflow.Status))
	case vcs.Origin != vcs.Target:
		return ignore("the workflow %s ran for another repository, %s", quote(b.Workflow.Name), quote(vcs.Origin))
	case app.proposes():
		return ignore("the workflow %s ran for a merge request or a pull request", quote(b.Workflow.Name))
	}
	return one(event{
		on: config.Build, repository: config.CircleSlug(b.Project.Slug), branch: cmp.Or(vcs.Branch, app.Git.Branch),
		tag: cmp.Or(vcs.Tag, app.Git.Tag), commit: cmp.Or(vcs.Revision, app.Git.Commit),
		workflow: workflowNames(b.Workflow.Name, ""), number: number(b.Pipeline.Number), url: b.Workflow.URL,
		actor: cmp.Or(vcs.Commit.Author.Name, app.Git.Author, app.GitLab.Author, app.GitHub.Author), at: moment(b.HappenedAt),
	})
}
