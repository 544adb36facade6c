package npm

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
	"github.com/sluice-gate/sluice/pkg/npmtest"
	"github.com/sluice-gate/sluice/pkg/project"
)

// quick are waits for a registry on the loopback.
func quick() waits {
	return waits{retry.Policy{First: 4 * time.Millisecond, Tries: 5}, 5 * time.Second, 5 * time.Millisecond}
}

func withWaits(w waits) Option { return func(o *options) { o.waits = w } }

func withTransport(rt http.RoundTripper) Option { return func(o *options) { o.transport = rt } }

// tokenFile is a file with a token, for tests that run in parallel and so can not set the environment.
func tokenFile(t *testing.T, token string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// facts is a release of the given package. For what is not planned the beta is the version.
func facts(version string, packed []byte) driver.Facts {
	return driver.Facts{
		Release: "01970000-0000-7000-8000-000000000001", Project: "tracer", Attempt: 1,
		Commit: strings.Repeat("a", 40), Version: version, Beta: version,
		Artifact: driver.Artifact{
			Name: "tracer-" + version + ".tgz", Digest: driver.Digest(packed),
			Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed)), nil },
		},
	}
}

// seed publishes 0.0.1 of a package, which latest points to then.
func seed(t *testing.T, registry *npmtest.Registry, name string) {
	t.Helper()
	put(t, registry, npmtest.Pack(t, name, "0.0.1", map[string]string{"content": "first"}), latest)
}

// put publishes a package as somebody else would.
func put(t *testing.T, registry *npmtest.Registry, packed []byte, tag string) {
	t.Helper()
	tb, err := openTarball(packed)
	if err != nil {
		t.Fatal(err)
	}
	if err := direct(t, registry).publish(t.Context(), tb, tag, "", ""); err != nil {
		t.Fatal(err)
	}
}

// tag moves a tag as somebody else would.
func tag(t *testing.T, registry *npmtest.Registry, name, tag, version string) {
	t.Helper()
	if err := direct(t, registry).point(t.Context(), name, tag, version, func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

func direct(t *testing.T, registry *npmtest.Registry) *registry {
	t.Helper()
	r, err := newRegistry(project.NPM{Registry: registry.URL, TokenFile: tokenFile(t, registry.Token)}, http.DefaultTransport, quick())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bench is a project with one package, its registry behind a front, and both of its drivers.
type bench struct {
	*testing.T
	registry *npmtest.Registry
	front    *npmtest.Front
	cfg      project.NPM
	publish  driver.Publisher
	promote  driver.Driver
}

func newBench(t *testing.T, registry *npmtest.Registry, name string, mode project.NPMMode, opts ...Option) *bench {
	t.Helper()
	b := &bench{T: t, registry: registry, front: npmtest.StartFront(t, registry.URL)}
	b.cfg = project.NPM{Registry: b.front.URL, Package: name, Mode: mode, TokenFile: tokenFile(t, registry.Token)}
	opts = append([]Option{withWaits(quick())}, opts...)
	var err error
	if b.publish, err = Publish(b.cfg, opts...); err != nil {
		t.Fatal(err)
	}
	if b.promote, err = Promote(b.cfg, opts...); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) pack(version string, files map[string]string) []byte {
	b.Helper()
	return npmtest.Pack(b.T, b.cfg.Package, version, files)
}

// plan plans a release of a package.
func (b *bench) plan(version string, packed []byte) driver.Facts {
	b.Helper()
	f := facts(version, packed)
	plan, err := b.publish.Plan(b.Context(), f)
	if err != nil {
		b.Fatal(err)
	}
	f.Version, f.Beta = plan.Version, plan.Beta
	return f
}

// beta publishes a release's beta.
func (b *bench) beta(f driver.Facts) driver.Done {
	b.Helper()
	done, err := b.publish.Do(b.Context(), f)
	if err != nil {
		b.Fatal(err)
	}
	return done
}

// release takes a release all the way.
func (b *bench) release(version string) {
	b.Helper()
	f := b.plan(version, b.pack(version, map[string]string{"content": version}))
	b.beta(f)
	if _, err := b.promote.Do(b.Context(), f); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) shown() npmtest.Packument {
	b.Helper()
	return b.registry.Packument(b.T, b.cfg.Package)
}

// wantTags checks the dist-tags: "latest", "1.4.0", "beta", "1.5.0-beta.0".
func (b *bench) wantTags(tagVersion ...string) {
	b.Helper()
	got := b.shown().Tags
	for i := 0; i < len(tagVersion); i += 2 {
		if got[tagVersion[i]] != tagVersion[i+1] {
			b.Errorf("%s is %q, want %q", tagVersion[i], got[tagVersion[i]], tagVersion[i+1])
		}
	}
	if len(got) != len(tagVersion)/2 {
		b.Errorf("the tags are %v, want %q", got, tagVersion)
	}
}

func (b *bench) wantRefused(err error, want string) {
	b.Helper()
	wantRefused(b.T, err, want)
}

func wantRefused(t *testing.T, err error, want string) {
	t.Helper()
	if !driver.IsRefused(err) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 600 {
		t.Errorf("the error is %v, want a refusal with %q", err, want)
	}
}

// wantAgain checks that the error is one to try again after.
func (b *bench) wantAgain(err error, want string) {
	b.Helper()
	if err == nil || driver.IsRefused(err) || !strings.Contains(err.Error(), want) {
		b.Errorf("the error is %v, want one that is no refusal, with %q", err, want)
	}
}

// once lets a fault happen to the first request that matches, and counts the requests that do.
func (b *bench) once(method, path string, fault npmtest.Fault) (count func() int) {
	return b.times(1, method, path, fault)
}

// times is once for the first n requests.
func (b *bench) times(n int, method, path string, fault npmtest.Fault) (count func() int) {
	seen := 0
	b.front.Faults(func(r *http.Request) npmtest.Fault {
		if r.Method != method || !strings.HasSuffix(r.URL.Path, path) {
			return nil
		}
		if seen++; seen > n {
			return nil
		}
		return fault
	})
	return func() int { b.front.Faults(nil); return seen }
}
