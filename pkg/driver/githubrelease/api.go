package githubrelease

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/internal/line"
)

// How many pages of 100 releases are looked through.
const mostPages = 10

// release is one as the API tells it: https://docs.github.com/en/rest/releases/releases#get-a-release.
type release struct {
	ID         int64   `json:"id"`
	Tag        string  `json:"tag_name"`
	Draft      bool    `json:"draft"`
	Prerelease bool    `json:"prerelease"`
	UploadURL  string  `json:"upload_url"`
	Assets     []asset `json:"assets"`
}

// asset is a file of a release: https://docs.github.com/en/rest/releases/assets#get-a-release-asset.
type asset struct {
	ID     int64  `json:"id"`
	Name   string `json:"name"`
	State  string `json:"state"`
	Digest string `json:"digest"` // "sha256:…"; empty for one that is older than digests are
}

// What an asset's state is once all of it is there, and while it is not.
const (
	uploaded = "uploaded"
	starter  = "starter"
)

// repo is a repository at GitHub.
type repo struct {
	line        *line.Line
	owner, name string
}

func (r *repo) shown() string { return r.owner + "/" + r.name }

func (r *repo) address(query url.Values, elements ...string) string {
	return r.line.Address(query, append([]string{"repos", r.owner, r.name, "releases"}, elements...)...)
}

// get reads a release; nil for none.
func (r *repo) get(ctx context.Context, elements ...string) (*release, error) {
	to := r.address(nil, elements...)
	a, err := r.line.Send(ctx, line.Request{Method: http.MethodGet, URL: to})
	if err != nil || a.Status == http.StatusNotFound {
		return nil, err
	}
	var found release
	return &found, a.JSON("GET "+to, &found)
}

// latest is everybody's release: https://docs.github.com/en/rest/releases/releases#get-the-latest-release.
func (r *repo) latest(ctx context.Context) (*release, error) { return r.get(ctx, "latest") }

// tagged is the release of a tag, unless that is a draft.
func (r *repo) tagged(ctx context.Context, tag string) (*release, error) {
	return r.get(ctx, "tags", tag)
}

func (r *repo) numbered(ctx context.Context, id int64) (*release, error) {
	return r.get(ctx, strconv.FormatInt(id, 10))
}

// list is all releases, drafts too where the token may write: https://docs.github.com/en/rest/releases/releases#list-releases.
func (r *repo) list(ctx context.Context) ([]release, error) {
	var found []release
	for page := range mostPages {
		to := r.address(url.Values{"per_page": {"100"}, "page": {strconv.Itoa(page + 1)}})
		a, err := r.line.Send(ctx, line.Request{Method: http.MethodGet, URL: to})
		if err != nil {
			return nil, err
		}
		if a.Status == http.StatusNotFound {
			return nil, driver.Refusef("%w; there is no such repository, or not for this token", a.Err("GET the releases of "+r.shown()))
		}
		var some []release
		if err := a.JSON("GET the releases of "+r.shown(), &some); err != nil {
			return nil, err
		}
		if found = append(found, some...); len(some) < 100 {
			break
		}
	}
	return found, nil
}

// commit is the one that a tag is on; empty for no tag: https://docs.github.com/en/rest/commits/commits#get-a-commit, which answers with
// nothing but the name to the media type sha.
func (r *repo) commit(ctx context.Context, tag string) (string, error) {
	to := r.line.Address(nil, "repos", r.owner, r.name, "commits", "tags/"+tag)
	a, err := r.line.Send(ctx, line.Request{Method: http.MethodGet, URL: to, Accept: "application/vnd.github.sha"})
	if err != nil || a.Status == http.StatusNotFound || a.Status == http.StatusUnprocessableEntity {
		return "", err
	}
	if at := strings.TrimSpace(string(a.Body)); a.OK() && commitName.MatchString(at) {
		return at, nil
	}
	return "", driver.Refusef("%w; that is no name of a commit", a.Err("GET "+to))
}

// write sends a value, and reads what the release, or the asset, has become.
func (r *repo) write(ctx context.Context, method, to string, value, into any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode a release: %w", err)
	}
	return r.send(ctx, line.Request{Method: method, URL: to, Type: "application/json", Body: body}, into)
}

// send makes a write. Codes of 422 are https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#validation-failed.
func (r *repo) send(ctx context.Context, request line.Request, into any) error {
	a, err := r.line.Send(ctx, request)
	if err != nil {
		return err
	}
	to, _, _ := strings.Cut(request.URL, "?")
	what := request.Method + " " + to
	if a.Status == http.StatusUnprocessableEntity {
		var said struct {
			Errors []struct {
				Resource, Code, Field, Message string
			}
		}
		_ = json.Unmarshal(a.Body, &said) // what can not be read says nothing
		var words []string
		for _, one := range said.Errors {
			if one.Code == "already_exists" {
				return a.Err(what) // somebody was faster: the next look finds what there is
			}
			words = append(words, one.Resource, one.Field, one.Code, one.Message)
		}
		return driver.Refusef("%w (%s)", a.Err(what), line.OneLine(strings.Join(words, " ")))
	}
	if into == nil && a.OK() {
		return nil
	}
	return a.JSON(what, into)
}

// create makes a prerelease, and with it the tag where there is none: https://docs.github.com/en/rest/releases/releases#create-a-release.
func (r *repo) create(ctx context.Context, tag, commit, id string) (*release, error) {
	var made release
	err := r.write(ctx, http.MethodPost, r.address(nil), map[string]any{
		"tag_name": tag, "target_commitish": commit, "name": tag, "body": "Sluice-Release: " + id,
		"draft": false, "prerelease": true, "make_latest": "false",
	}, &made)
	return &made, err
}

// edit changes a release: https://docs.github.com/en/rest/releases/releases#update-a-release.
func (r *repo) edit(ctx context.Context, id int64, fields map[string]any) (*release, error) {
	var now release
	err := r.write(ctx, http.MethodPatch, r.address(nil, strconv.FormatInt(id, 10)), fields, &now)
	return &now, err
}

// upload adds a file to a release: https://docs.github.com/en/rest/releases/assets#upload-a-release-asset.
func (r *repo) upload(ctx context.Context, to *release, name, path string) (*asset, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the artifact: %w", err)
	}
	address, _, _ := strings.Cut(to.UploadURL, "{") // it ends with {?name,label}
	var made asset
	err = r.send(ctx, line.Request{
		Method: http.MethodPost, URL: address + "?" + url.Values{"name": {name}}.Encode(), Type: "application/octet-stream", Size: info.Size(),
		File: func() (io.ReadCloser, error) { return os.Open(path) },
	}, &made)
	return &made, err
}

// remove takes an asset away that never was all there: https://docs.github.com/en/rest/releases/assets#delete-a-release-asset.
func (r *repo) remove(ctx context.Context, a asset) error {
	return r.send(ctx, line.Request{Method: http.MethodDelete, URL: r.address(nil, "assets", strconv.FormatInt(a.ID, 10))}, nil)
}
