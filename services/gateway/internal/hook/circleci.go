package hook

import (
	"encoding/json"

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
	} `json:"pipeline"`
}

func readCircleCI(d Delivery) (told, error) {
	var b circleBody
	if err := decode(d.Body, &b); err != nil {
		return told{}, err
	}
	vcs := b.Pipeline.VCS
	switch {
	case b.Type != "workflow-completed":
		return ignore("the event %s makes no merge", quote(b.Type))
	case b.Workflow.Status != "success":
		return ignore("the workflow %s has not succeeded: it is %s", quote(b.Workflow.Name), quote(b.Workflow.Status))
	case vcs.Origin != vcs.Target:
		return ignore("the workflow %s ran for another repository, %s", quote(b.Workflow.Name), quote(vcs.Origin))
	}
	return one(event{
		on: config.Build, repository: b.Project.Slug, branch: vcs.Branch, tag: vcs.Tag, commit: vcs.Revision,
		workflow: workflowNames(b.Workflow.Name, ""), number: number(b.Pipeline.Number), url: b.Workflow.URL, actor: vcs.Commit.Author.Name,
		at: moment(b.HappenedAt),
	})
}
