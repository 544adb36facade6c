package npmtest_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/npmtest"
)

func TestRegistry(t *testing.T) {
	t.Parallel()
	registry := npmtest.Start(t)
	front := npmtest.StartFront(t, registry.URL)
	dir := t.TempDir()
	tarball := npmtest.Pack(t, "@acme/tracer", "1.4.0", map[string]string{"index.js": "module.exports = 'hello'\n"})
	if err := os.WriteFile(filepath.Join(dir, "tracer.tgz"), tarball, 0o600); err != nil {
		t.Fatal(err)
	}

	// Packages that Pack built are packages to npm, and the registry keeps them to the byte.
	if _, err := registry.NPM(t.Context(), dir, "publish", "./tracer.tgz", "--registry", front.URL); err == nil {
		t.Error("npm published through the front, for which it has no token")
	}
	if _, err := registry.NPM(t.Context(), dir, "publish", "./tracer.tgz"); err != nil {
		t.Fatal(err)
	}
	if got := registry.Packument(t, "@acme/tracer").Tags["latest"]; got != "1.4.0" {
		t.Errorf("latest is %q", got)
	}
	if !slices.Equal(registry.Tarball(t, "@acme/tracer", "1.4.0"), tarball) {
		t.Error("the registry changed the tarball")
	}

	// Reads go through the front; a fault hits what it is meant for; writes are remembered.
	front.Faults(func(r *http.Request) npmtest.Fault {
		if r.Method == http.MethodDelete {
			return npmtest.Answer(http.StatusTeapot)
		}
		return nil
	})
	for method, want := range map[string]int{http.MethodGet: http.StatusOK, http.MethodDelete: http.StatusTeapot} {
		req, err := http.NewRequestWithContext(t.Context(), method, front.URL+"/@acme%2ftracer", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s through the front: %s", method, res.Status)
		}
	}
	if got := front.Writes(); !slices.Contains(got, "DELETE /@acme%2ftracer") || strings.Contains(strings.Join(got, " "), "GET") {
		t.Errorf("writes: %q", got)
	}
}
