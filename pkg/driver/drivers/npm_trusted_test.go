package drivers_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/npmtest"
)

// The script of the example npm-trusted's job publishes the package that soaked, once, and no other. Only the script runs here; the whole of the
// example is TestTrustedPublishingByDispatch's. The registry is a real one, and takes a token where npm would take the job's
// identity, which no test has.
func TestTrustedPublishing(t *testing.T) {
	registry := npmtest.Start(t)
	dir := t.TempDir()
	settings := filepath.Join(dir, "npmrc")
	packed := npmtest.Pack(t, "@acme/tracer", "1.4.0", nil)
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write("npmrc", []byte("registry="+registry.URL+"/\n"+strings.TrimPrefix(registry.URL, "http:")+"/:_authToken="+registry.Token+"\n"))
	write("release", []byte(example(t, "npm-trusted/release")))
	write("package.tgz", packed)
	run := func(env ...string) (string, error) {
		job := exec.CommandContext(t.Context(), "./release", "package.tgz")
		job.Dir = dir
		job.Env = append([]string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "npm_config_userconfig=" + settings, "npm_config_cache=" + filepath.Join(dir, "cache"),
			"PACKAGE=@acme/tracer", "VERSION=1.4.0", "ACTION=promote", "DIGEST=" + driver.Digest(packed),
		}, env...)
		out, err := job.CombinedOutput()
		return string(out), err
	}
	for want, env := range map[string][]string{
		"soaked":               {"DIGEST=sha256:00"},
		"$(touch hacked)":      {"DIGEST=$(touch hacked)"},
		"A maintainer does it": {"ACTION=restore"},
	} {
		if out, err := run(env...); err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v, %s", env, err, out)
		}
	}
	if shown := registry.Packument(t, "@acme/tracer"); len(shown.Versions) > 0 {
		t.Errorf("it published %v", shown.Versions)
	}
	for _, want := range []string{"+ @acme/tracer@1.4.0", "is published already"} {
		if out, err := run(); err != nil || !strings.Contains(out, want) {
			t.Errorf("%v, want %q: %s", err, want, out)
		}
	}
	if got := registry.Tarball(t, "@acme/tracer", "1.4.0"); string(got) != string(packed) || registry.Packument(t, "@acme/tracer").Tags["latest"] != "1.4.0" {
		t.Error("it is not the package that soaked")
	}
	other := npmtest.Pack(t, "@acme/tracer", "1.4.0", map[string]string{"a": "b"})
	write("package.tgz", other)
	if out, err := run("DIGEST=" + driver.Digest(other)); err == nil || !strings.Contains(out, "with other contents") {
		t.Errorf("%v, %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "hacked")); err == nil {
		t.Error("a value was a command")
	}
}
