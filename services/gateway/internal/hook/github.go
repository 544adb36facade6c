package hook

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// githubBody is what is read of GitHub's bodies: https://docs.github.com/en/webhooks/webhook-events-and-payloads
type githubBody struct {
	Action     string     `json:"action"`
	Repository githubRepo `json:"repository"`
	Sender     githubUser `json:"sender"`

	// push
	Ref        string `json:"ref"`
	After      string `json:"after"`
	Deleted    bool   `json:"deleted"`
	HeadCommit struct {
		URL       string          `json:"url"`
		Timestamp json.RawMessage `json:"timestamp"`
	} `json:"head_commit"`

	PullRequest struct {
		Number   int64           `json:"number"`
		Merged   bool            `json:"merged"`
		MergedAt json.RawMessage `json:"merged_at"`
		MergedBy githubUser      `json:"merged_by"`
		Commit   string          `json:"merge_commit_sha"`
		URL      string          `json:"html_url"`
		Base     struct {
			Ref string `json:"ref"`
		} `json:"base"`
	} `json:"pull_request"`

	WorkflowRun struct {
		Name       string          `json:"name"`
		Path       string          `json:"path"`
		Number     int64           `json:"run_number"`
		Conclusion string          `json:"conclusion"`
		Event      string          `json:"event"`
		Branch     string          `json:"head_branch"`
		Commit     string          `json:"head_sha"`
		Head       githubRepo      `json:"head_repository"`
		UpdatedAt  json.RawMessage `json:"updated_at"`
		URL        string          `json:"html_url"`
		Actor      githubUser      `json:"actor"`
	} `json:"workflow_run"`

	Release struct {
		Tag         string          `json:"tag_name"`
		Target      string          `json:"target_commitish"`
		URL         string          `json:"html_url"`
		PublishedAt json.RawMessage `json:"published_at"`
		Author      githubUser      `json:"author"`
	} `json:"release"`
}

type githubRepo struct {
	Name string `json:"full_name"`
}

type githubUser struct {
	Login string `json:"login"`
}

func readGitHub(d Delivery) (told, error) {
	var b githubBody
	if err := decode(d.Body, &b); err != nil {
		return told{}, err
	}
	switch kind := d.Header.Get("X-Github-Event"); kind {
	case "push":
		return b.push()
	case "pull_request":
		return b.pullRequest()
	case "workflow_run":
		return b.workflowRun()
	case "release":
		return b.release()
	default:
		return ignore("the event %s makes no merge", quote(kind))
	}
}

func (b githubBody) push() (told, error) {
	if b.Deleted {
		b.After = ""
	}
	return pushed(b.Ref, event{
		repository: b.Repository.Name, commit: b.After, url: b.HeadCommit.URL, actor: b.Sender.Login, at: moment(b.HeadCommit.Timestamp),
	})
}

func (b githubBody) pullRequest() (told, error) {
	p := b.PullRequest
	if b.Action != "closed" || !p.Merged {
		return ignore("the pull request is not merged by this: it is %s", quote(b.Action))
	}
	actor := p.MergedBy.Login
	if actor == "" {
		actor = b.Sender.Login
	}
	return one(event{
		on: config.Merged, repository: b.Repository.Name, branch: p.Base.Ref, commit: p.Commit, number: number(p.Number), url: p.URL,
		actor: actor, at: moment(p.MergedAt),
	})
}

func (b githubBody) workflowRun() (told, error) {
	w := b.WorkflowRun
	switch {
	case b.Action != "completed" || w.Conclusion != "success":
		return ignore("the workflow %s has not succeeded: it is %s, %s", quote(w.Name), quote(b.Action), quote(w.Conclusion))
	case strings.HasPrefix(w.Event, "pull_request"): // or pull_request_target, pull_request_review, …
		return ignore("the workflow %s ran for a pull request", quote(w.Name))
	case w.Head.Name != b.Repository.Name:
		return ignore("the workflow %s ran for another repository, %s", quote(w.Name), quote(w.Head.Name))
	}
	return one(event{
		on: config.Build, repository: b.Repository.Name, branch: w.Branch, commit: w.Commit, workflow: workflowNames(w.Name, w.Path),
		number: number(w.Number), url: w.URL, actor: w.Actor.Login, at: moment(w.UpdatedAt),
	})
}

// release has the commit only when the release was made of one: a release of a branch, or of a tag that was there, tells the
// branch. Then the tag, which a release has for good, is the merge's identity.
func (b githubBody) release() (told, error) {
	r := b.Release
	if b.Action != "prereleased" {
		return ignore("the release %s is not prereleased by this: it is %s", quote(r.Tag), quote(b.Action))
	}
	commit := r.Target
	if !regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`).MatchString(commit) {
		commit = tagIdentity(r.Tag)
	}
	return one(event{
		on: config.Release, repository: b.Repository.Name, tag: r.Tag, commit: commit, url: r.URL, actor: r.Author.Login,
		at: moment(r.PublishedAt),
	})
}

// tagIdentity is a tag as it may stand in place of a commit, which has no dots.
func tagIdentity(tag string) string {
	return "tag-" + strings.ReplaceAll(tag, ".", "_")
}
