package hook

import (
	"encoding/json"

	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// bitbucketBody is what is read of Bitbucket Cloud's bodies: https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/
type bitbucketBody struct {
	Actor      bitbucketUser `json:"actor"`
	Repository struct {
		Name string `json:"full_name"`
	} `json:"repository"`
	Push struct {
		Changes []struct {
			New *struct { // null when the branch was deleted
				Type   string `json:"type"`
				Name   string `json:"name"`
				Target struct {
					Hash  string          `json:"hash"`
					Date  json.RawMessage `json:"date"`
					Links bitbucketLinks  `json:"links"`
				} `json:"target"`
			} `json:"new"`
		} `json:"changes"`
	} `json:"push"`
	PullRequest struct {
		ID          int64  `json:"id"`
		State       string `json:"state"`
		Destination struct {
			Branch struct {
				Name string `json:"name"`
			} `json:"branch"`
		} `json:"destination"`
		MergeCommit struct {
			Hash string `json:"hash"` // its first 12 digits
		} `json:"merge_commit"`
		UpdatedOn json.RawMessage `json:"updated_on"`
		ClosedBy  bitbucketUser   `json:"closed_by"`
		Links     bitbucketLinks  `json:"links"`
	} `json:"pullrequest"`
}

type bitbucketUser struct {
	Nickname string `json:"nickname"`
	Name     string `json:"display_name"`
}

func (u bitbucketUser) String() string {
	if u.Nickname != "" {
		return u.Nickname
	}
	return u.Name
}

type bitbucketLinks struct {
	HTML struct {
		Href string `json:"href"`
	} `json:"html"`
}

func readBitbucket(d Delivery) (told, error) {
	kind := d.Header.Get("X-Event-Key")
	if kind != "repo:push" && kind != "pullrequest:fulfilled" {
		return ignore("the event %s makes no merge", quote(kind))
	}
	var b bitbucketBody
	if err := decode(d.Body, &b); err != nil {
		return told{}, err
	}
	if kind == "repo:push" {
		return b.pushed()
	}
	return b.fulfilled()
}

// pushed is one event for each branch that was pushed at once.
func (b bitbucketBody) pushed() (told, error) {
	var events []event
	for _, c := range b.Push.Changes {
		if c.New == nil || c.New.Type != "branch" {
			continue
		}
		events = append(events, event{
			on: config.Push, repository: b.Repository.Name, branch: c.New.Name, commit: c.New.Target.Hash, url: c.New.Target.Links.HTML.Href,
			actor: b.Actor.String(), at: moment(c.New.Target.Date),
		})
	}
	return told{events: events, ignored: "the push changes no branch but to delete it"}, nil
}

func (b bitbucketBody) fulfilled() (told, error) {
	p := b.PullRequest
	if p.State != "MERGED" {
		return ignore("the pull request is not merged by this: it is %s", quote(p.State))
	}
	actor := p.ClosedBy.String()
	if actor == "" {
		actor = b.Actor.String()
	}
	return one(event{
		on: config.Merged, repository: b.Repository.Name, branch: p.Destination.Branch.Name, commit: p.MergeCommit.Hash, number: number(p.ID),
		url: p.Links.HTML.Href, actor: actor, at: moment(p.UpdatedOn),
	})
}
