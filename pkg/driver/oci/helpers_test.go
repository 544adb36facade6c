package oci

import (
	"bytes"
	"context"
	"io"
	"log" //nolint:depguard // the registry in memory takes no other logger, and is to be silent
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
)

// quick are waits for a registry on this machine.
func quick() waits {
	return waits{Policy: retry.Policy{First: time.Millisecond, Tries: 4}, answer: 10 * time.Second, settle: 2 * time.Millisecond, jobs: 1}
}

func withWaits(w waits) Option { return func(o *options) { o.waits = w } }

func withTransport(rt http.RoundTripper) Option { return func(o *options) { o.transport = rt } }

// direct is a way to a server without a network, so that it works in a bubble too.
type direct struct{ http.Handler }

func (d direct) RoundTrip(req *http.Request) (*http.Response, error) {
	served := req.Clone(req.Context())
	if served.Body == nil {
		served.Body = http.NoBody
	}
	answer := httptest.NewRecorder()
	d.ServeHTTP(answer, served)
	res := answer.Result()
	res.Request = req
	return res, nil
}

// memory is a registry in memory, whose repositories keep their blobs apart as a real one's do, and which has one user.
func memory(user, password string) http.Handler {
	pass := registry.New(registry.WithBlobHandler(&apart{repos: map[string]registry.BlobHandler{}}), registry.Logger(log.New(io.Discard, "", 0)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != user || p != password {
			w.Header().Set("Www-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		pass.ServeHTTP(w, r)
	})
}

// apart keeps the blobs of each repository.
type apart struct {
	mu    sync.Mutex
	repos map[string]registry.BlobHandler
}

func (a *apart) of(repo string) registry.BlobHandler {
	repo = strings.TrimSuffix(repo, "/blobs") // as which the registry knows it where a blob is uploaded
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.repos[repo] == nil {
		a.repos[repo] = registry.NewInMemoryBlobHandler()
	}
	return a.repos[repo]
}

func (a *apart) Get(ctx context.Context, repo string, h v1.Hash) (io.ReadCloser, error) {
	return a.of(repo).Get(ctx, repo, h)
}

func (a *apart) Stat(ctx context.Context, repo string, h v1.Hash) (int64, error) {
	return a.of(repo).(registry.BlobStatHandler).Stat(ctx, repo, h)
}

func (a *apart) Put(ctx context.Context, repo string, h v1.Hash, rc io.ReadCloser) error {
	return a.of(repo).(registry.BlobPutHandler).Put(ctx, repo, h, rc)
}

// pushable is an image or an index.
type pushable interface {
	remote.Taggable
	partial.Describable
}

// imageOf is always the same image for the same contents.
func imageOf(t *testing.T, content string) v1.Image {
	t.Helper()
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.AppendLayers(base, static.NewLayer([]byte(content), types.OCILayer))
	if err != nil {
		t.Fatal(err)
	}
	return mutate.Annotations(image, map[string]string{"content": content}).(v1.Image)
}

// indexOf is an index for two platforms.
func indexOf(t *testing.T, content string) v1.ImageIndex {
	t.Helper()
	index := v1.ImageIndex(empty.Index)
	for _, arch := range []string{"amd64", "arm64"} {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        imageOf(t, content+" for "+arch),
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	return mutate.Annotations(index, map[string]string{"content": content}).(v1.ImageIndex)
}

func digestOf(t *testing.T, p pushable) string {
	t.Helper()
	digest, err := p.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

// push puts an image into a repository, by its digest, and under tags, as CI does.
func push(t *testing.T, repo name.Repository, p pushable, opts []remote.Option, tags ...string) {
	t.Helper()
	for _, ref := range append([]string{digestOf(t, p)}, tags...) {
		to := name.Reference(repo.Tag(ref))
		if strings.HasPrefix(ref, "sha256:") {
			to = repo.Digest(ref)
		}
		if err := remote.Push(to, p, opts...); err != nil {
			t.Fatal(err)
		}
	}
}

// facts is a release of what CI pushed. For what is not planned the beta is the default's.
func facts(t *testing.T, version string, p pushable) driver.Facts {
	t.Helper()
	raw, err := p.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	return driver.Facts{
		Release: "01970000-0000-7000-8000-000000000001", Project: "app", Attempt: 1,
		Commit: strings.Repeat("a", 40), Version: version, Beta: version + "-beta",
		Artifact: driver.Artifact{
			Name: "app-" + version + ".json", Digest: driver.Digest(raw),
			Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil },
		},
	}
}

// tokenFile is a file with a password, for tests that run in parallel and so can not set the environment.
func tokenFile(t *testing.T, token string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func wantRefused(t *testing.T, err error, want string) {
	t.Helper()
	if !driver.IsRefused(err) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 600 {
		t.Errorf("the error is %v, want a refusal with %q", err, want)
	}
}

// wantAgain checks that the error is one to try again after.
func wantAgain(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || driver.IsRefused(err) || !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %v, want one that is no refusal, with %q", err, want)
	}
}
