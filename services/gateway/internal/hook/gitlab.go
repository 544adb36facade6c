package hook

import (
	"encoding/json"
	"strings"

	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// gitlabBody is what is read of GitLab's bodies: https://docs.gitlab.com/user/project/integrations/webhook_events/
type gitlabBody struct {
	Project struct {
		Path string `json:"path_with_namespace"`
		URL  string `json:"web_url"`
	} `json:"project"`
	User struct {
		Name string `json:"username"`
	} `json:"user"`

	// push
	Ref      string `json:"ref"`
	After    string `json:"after"`
	UserName string `json:"user_username"`
	Commits  []struct {
		ID        string          `json:"id"`
		URL       string          `json:"url"`
		Timestamp json.RawMessage `json:"timestamp"`
	} `json:"commits"`

	// merge request or pipeline
	Attributes struct {
		IID         int64           `json:"iid"`
		Action      string          `json:"action"`
		State       string          `json:"state"`
		Target      string          `json:"target_branch"`
		MergeCommit string          `json:"merge_commit_sha"`
		URL         string          `json:"url"`
		UpdatedAt   json.RawMessage `json:"updated_at"`
		LastCommit  struct {
			ID string `json:"id"`
		} `json:"last_commit"`

		Ref        string          `json:"ref"`
		Tag        bool            `json:"tag"`
		Commit     string          `json:"sha"`
		Source     any             `json:"source"` // why it ran; of a merge request it is a project
		Status     string          `json:"status"`
		FinishedAt json.RawMessage `json:"finished_at"`
	} `json:"object_attributes"`
	MergeRequest *struct{} `json:"merge_request"` // of a pipeline that ran for one
}

func readGitLab(d Delivery) (told, error) {
	kind := d.Header.Get("X-Gitlab-Event")
	var b gitlabBody
	var err error
	switch kind {
	case "Push Hook", "Merge Request Hook", "Pipeline Hook":
		err = decode(d.Body, &b)
	default: // issues, comments and so on, whose bodies are of other shapes
		return ignore("the event %s makes no merge", quote(kind))
	}
	if err != nil {
		return told{}, err
	}
	switch kind {
	case "Push Hook":
		return b.push()
	case "Merge Request Hook":
		return b.mergeRequest()
	}
	return b.pipeline()
}

func (b gitlabBody) push() (told, error) {
	e := event{repository: b.Project.Path, commit: b.After, url: b.Project.URL, actor: b.UserName}
	for _, c := range b.Commits {
		if c.ID == b.After {
			e.url, e.at = c.URL, moment(c.Timestamp)
		}
	}
	return pushed(b.Ref, e)
}

func (b gitlabBody) mergeRequest() (told, error) {
	a := b.Attributes
	if a.Action != "merge" || a.State != "merged" {
		return ignore("the merge request is not merged by this: it is %s, %s", quote(a.Action), quote(a.State))
	}
	commit := a.MergeCommit
	if commit == "" { // a fast-forward merge has none: the branch's last commit is the target's, too
		commit = a.LastCommit.ID
	}
	return one(event{
		on: config.Merged, repository: b.Project.Path, branch: a.Target, commit: commit, number: number(a.IID), url: a.URL,
		actor: b.User.Name, at: moment(a.UpdatedAt),
	})
}

func (b gitlabBody) pipeline() (told, error) {
	a := b.Attributes
	source, _ := a.Source.(string)
	switch {
	case a.Status != "success":
		return ignore("the pipeline has not succeeded: it is %s", quote(a.Status))
	case b.MergeRequest != nil || strings.Contains(source, "merge_request_event") || strings.Contains(source, "pull_request_event"):
		return ignore("the pipeline ran for a merge request")
	case source == "parent_pipeline": // it may succeed while the rest of the build goes on, or fails
		return ignore("the pipeline is a part of another")
	}
	e := event{
		on: config.Build, repository: b.Project.Path, branch: a.Ref, commit: a.Commit, number: number(a.IID), url: a.URL,
		actor: b.User.Name, at: moment(a.FinishedAt),
	}
	if a.Tag {
		e.branch, e.tag = "", a.Ref
	}
	return one(e)
}
