package cli

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/pin"
	"github.com/sluice-gate/sluice/pkg/project"
)

// The registry that the lock file has the package from is asked, with the token of .npmrc, and answers in a way that pkg/pin tests
// against a real one.
func TestPinLock(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("SLUICE_TEST_PIN", "hunter2")
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != "/npm/@acme%2ftracer" || r.Header.Get("Authorization") != "Bearer hunter2" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"versions":{"1.4.0":{"version":"1.4.0","dist":{"integrity":"sha512-new","tarball":"http://` + r.Host + `/npm/@acme/tracer/-/tracer-1.4.0.tgz"}}}}`))
	}))
	t.Cleanup(registry.Close)
	dir := t.TempDir()
	lock := filepath.Join(dir, "package-lock.json")
	src := strings.ReplaceAll(`{"lockfileVersion":3,"packages":{"":{"dependencies":{"@acme/tracer":"1.3.0"}},"node_modules/@acme/tracer":
		{"version":"1.3.0","resolved":"URL/npm/@acme/tracer/-/tracer-1.3.0.tgz","integrity":"sha512-old"}}}`, "URL", registry.URL)
	settings := strings.TrimPrefix(registry.URL, "http:") + "/npm/:_authToken=${SLUICE_TEST_PIN}\n"
	for name, text := range map[string]string{lock: src, filepath.Join(dir, ".npmrc"): settings} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := strings.NewReplacer("1.3.0", "1.4.0", "sha512-old", "sha512-new").Replace(src)
	for range 2 {
		change, err := pinFile(t.Context(), lock, pin.Pin{Name: "@acme/tracer", Value: "1.4.0"}, project.NPM{})
		if err != nil || change.Now != `"1.4.0"` {
			t.Errorf("%+v, %v", change, err)
		}
		if got, err := os.ReadFile(lock); err != nil || string(got) != want {
			t.Errorf("%v, got\n%s\nwant\n%s", err, got, want)
		}
	}
	for value, cfg := range map[string]project.NPM{
		"is not on the registry " + registry.URL: {},
		"does not accept the token":              {Registry: registry.URL},
	} {
		_, err := pinFile(t.Context(), lock, pin.Pin{Name: "@acme/tracer", Value: "1.5.0"}, cfg)
		if err == nil || !strings.Contains(err.Error(), value) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v, want %q", err, value)
		}
	}
	if got, err := os.ReadFile(lock); err != nil || string(got) != want {
		t.Errorf("%v, it is\n%s", err, got)
	}
}
