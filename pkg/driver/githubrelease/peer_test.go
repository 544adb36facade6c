package githubrelease

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
	"github.com/sluice-gate/sluice/pkg/project"
)

const (
	goodToken = "hunter2-of-github"
	home      = "https://api.github.example"
	uploads   = "https://uploads.github.example"
)

func quick() waits {
	return waits{retry.Policy{First: time.Millisecond, Tries: 8}, 2 * time.Millisecond}
}

// hub is a repository at GitHub, after the vendor's reference, https://docs.github.com/en/rest/releases. It speaks to a test without a
// socket: it is an http.RoundTripper.
type hub struct {
	mux http.ServeMux

	mu       sync.Mutex
	releases []*item
	tags     map[string]string // to commits
	latest   *item
	last     int64
	corrupt  bool // of an upload another file arrives
}

type item struct {
	id                int64
	tag, body         string
	draft, prerelease bool
	assets            []*file
}

type file struct {
	id                           int64
	name, state, digest, content string
}

func newHub() *hub {
	h := &hub{tags: map[string]string{}}
	h.reads()
	h.writes()
	return h
}

// RoundTrip answers a request in this process.
func (h *hub) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	h.mux.ServeHTTP(w, in)
	res := w.Result()
	res.Request = r
	return res, nil
}

// handle registers a route for those who have the token, as a bearer's:
// https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api
func (h *hub) handle(pattern string, serve func(w http.ResponseWriter, r *http.Request)) {
	h.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if got := r.Header.Get("Authorization"); got != "Bearer "+goodToken {
			reply(w, http.StatusUnauthorized, map[string]any{"message": "Bad credentials\x1b[2J\n" + got})
			return
		}
		// https://docs.github.com/en/rest/about-the-rest-api/api-versions
		if r.Header.Get("X-GitHub-Api-Version") != "2022-11-28" || r.Header.Get("User-Agent") == "" {
			reply(w, http.StatusBadRequest, map[string]any{"message": "which version?"})
			return
		}
		serve(w, r)
	})
}

func reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

func missing(w http.ResponseWriter) {
	reply(w, http.StatusNotFound, map[string]any{"message": "Not Found"})
}

// invalid is https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#validation-failed: resource, code, field
func invalid(w http.ResponseWriter, resource, code, field string) {
	reply(w, http.StatusUnprocessableEntity, map[string]any{
		"message": "Validation Failed", "errors": []any{map[string]any{"resource": resource, "code": code, "field": field}},
	})
}

// show is .../rest/releases/releases#get-a-release: id, tag_name, draft, prerelease, upload_url, assets
func (i *item) show() map[string]any {
	assets := []any{}
	for _, f := range i.assets {
		assets = append(assets, f.show())
	}
	return map[string]any{
		"id": i.id, "tag_name": i.tag, "draft": i.draft, "prerelease": i.prerelease, "assets": assets, "body": i.body,
		"upload_url": fmt.Sprintf("%s/repos/acme/tracer/releases/%d/assets{?name,label}", uploads, i.id),
	}
}

// show is .../rest/releases/assets#get-a-release-asset: id, name, state, digest (null for old ones:
// https://github.blog/changelog/2025-06-03-releases-now-expose-digests-for-release-assets/)
func (f *file) show() map[string]any {
	out := map[string]any{"id": f.id, "name": f.name, "state": f.state, "digest": nil}
	if f.digest != "" {
		out["digest"] = f.digest
	}
	return out
}

func (h *hub) find(id string) *item {
	for _, one := range h.releases {
		if strconv.FormatInt(one.id, 10) == id {
			return one
		}
	}
	return nil
}

func (h *hub) published(tag string) *item {
	for _, one := range h.releases {
		if one.tag == tag && !one.draft {
			return one
		}
	}
	return nil
}

func (h *hub) reads() {
	one := func(w http.ResponseWriter, found *item) {
		if found == nil {
			missing(w)
			return
		}
		reply(w, http.StatusOK, found.show())
	}
	// .../rest/releases/releases#list-releases: per_page (to 100), page; drafts for those with push access
	h.handle("GET /repos/acme/tracer/releases", func(w http.ResponseWriter, r *http.Request) {
		size, _ := strconv.Atoi(r.URL.Query().Get("per_page"))
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		out := []any{}
		all := slices.Clone(h.releases)
		slices.Reverse(all)
		for _, found := range all[min((page-1)*size, len(all)):min(page*size, len(all))] {
			out = append(out, found.show())
		}
		reply(w, http.StatusOK, out)
	})
	// .../rest/releases/releases#get-the-latest-release: 404 without one
	h.handle("GET /repos/acme/tracer/releases/latest", func(w http.ResponseWriter, _ *http.Request) { one(w, h.latest) })
	// .../rest/releases/releases#get-a-release-by-tag-name: "Get a published release with the specified tag."
	h.handle("GET /repos/acme/tracer/releases/tags/{tag}", func(w http.ResponseWriter, r *http.Request) { one(w, h.published(r.PathValue("tag"))) })
	h.handle("GET /repos/acme/tracer/releases/{id}", func(w http.ResponseWriter, r *http.Request) { one(w, h.find(r.PathValue("id"))) })
	// .../rest/commits/commits#get-a-commit: ref may be tags/TAG_NAME; application/vnd.github.sha answers with the name alone; 422 for none
	h.handle("GET /repos/acme/tracer/commits/{ref}", func(w http.ResponseWriter, r *http.Request) {
		commit := h.tags[strings.TrimPrefix(r.PathValue("ref"), "tags/")]
		if commit == "" || r.Header.Get("Accept") != "application/vnd.github.sha" {
			reply(w, http.StatusUnprocessableEntity, map[string]any{"message": "No commit found for SHA: " + r.PathValue("ref")})
			return
		}
		_, _ = io.WriteString(w, commit)
	})
}

// fields are .../rest/releases/releases#update-a-release: draft, prerelease, make_latest (true, false or legacy, as text)
type fields struct {
	Tag        string `json:"tag_name"`
	Commit     string `json:"target_commitish"`
	Body       string `json:"body"`
	Draft      *bool  `json:"draft"`
	Prerelease *bool  `json:"prerelease"`
	MakeLatest string `json:"make_latest"`
}

func read(r *http.Request, into any) {
	b, err := io.ReadAll(r.Body)
	if err = errors.Join(err, json.Unmarshal(b, into)); err != nil {
		panic(err)
	}
}

// set changes a release. "Drafts and prereleases cannot be set as latest." What was the latest and is one of these any more is
// followed by the most recent of the others (.../rest/releases/releases#get-the-latest-release).
func (h *hub) set(one *item, in fields) {
	if in.Draft != nil {
		one.draft = *in.Draft
	}
	if in.Prerelease != nil {
		one.prerelease = *in.Prerelease
	}
	if in.MakeLatest == "true" && !one.draft && !one.prerelease {
		h.latest = one
	}
	if h.latest == one && (one.draft || one.prerelease) {
		h.latest = nil
		for _, other := range h.releases {
			if !other.draft && !other.prerelease {
				h.latest = other
			}
		}
	}
	if !one.draft && h.tags[one.tag] == "" {
		h.tags[one.tag] = in.Commit
	}
}

func (h *hub) writes() {
	// .../rest/releases/releases#create-a-release: tag_name, target_commitish, draft, prerelease, make_latest; 201
	h.handle("POST /repos/acme/tracer/releases", func(w http.ResponseWriter, r *http.Request) {
		var in fields
		read(r, &in)
		if h.published(in.Tag) != nil {
			invalid(w, "Release", "already_exists", "tag_name")
			return
		}
		h.last++
		made := &item{id: h.last, tag: in.Tag, body: in.Body}
		h.releases = append(h.releases, made)
		h.set(made, in)
		reply(w, http.StatusCreated, made.show())
	})
	h.handle("PATCH /repos/acme/tracer/releases/{id}", func(w http.ResponseWriter, r *http.Request) {
		one := h.find(r.PathValue("id"))
		if one == nil {
			missing(w)
			return
		}
		var in fields
		read(r, &in)
		if other := h.published(one.tag); other != nil && other != one && in.Draft != nil && !*in.Draft {
			invalid(w, "Release", "already_exists", "tag_name")
			return
		}
		h.set(one, in)
		reply(w, http.StatusOK, one.show())
	})
	// .../rest/releases/assets#upload-a-release-asset: at the host of upload_url; name; the bytes as they are; 201, and 422 for a name twice
	h.handle("POST uploads.github.example/repos/acme/tracer/releases/{id}/assets", func(w http.ResponseWriter, r *http.Request) {
		one, name := h.find(r.PathValue("id")), r.URL.Query().Get("name")
		if one == nil {
			missing(w)
			return
		}
		if slices.ContainsFunc(one.assets, func(f *file) bool { return f.name == name }) {
			invalid(w, "ReleaseAsset", "already_exists", "name")
			return
		}
		b, err := io.ReadAll(r.Body)
		if err != nil || r.ContentLength != int64(len(b)) || r.Header.Get("Content-Type") == "" {
			reply(w, http.StatusBadRequest, map[string]any{"message": "Bad Content-Length"})
			return
		}
		if h.corrupt {
			b = append(b, '!')
		}
		made := h.attach(one, name, string(b))
		reply(w, http.StatusCreated, made.show())
	})
	// .../rest/releases/assets#delete-a-release-asset: 204
	h.handle("DELETE /repos/acme/tracer/releases/assets/{id}", func(w http.ResponseWriter, r *http.Request) {
		for _, one := range h.releases {
			one.assets = slices.DeleteFunc(one.assets, func(f *file) bool { return strconv.FormatInt(f.id, 10) == r.PathValue("id") })
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

func (h *hub) attach(to *item, name, content string) *file {
	h.last++
	made := &file{id: h.last, name: name, state: uploaded, digest: driver.Digest([]byte(content)), content: content}
	to.assets = append(to.assets, made)
	return made
}

// ci makes a prerelease, as CI does.
func (h *hub) ci(tag, commit, name, content string) *item {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	made := &item{id: h.last, tag: tag, prerelease: true}
	h.releases, h.tags[tag] = append(h.releases, made), commit
	if name != "" {
		h.attach(made, name, content)
	}
	return made
}

func settings(t *testing.T) project.GitHubRelease {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(goodToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return project.GitHubRelease{URL: home, Repo: "acme/tracer", Token: project.Token{File: path}}
}
