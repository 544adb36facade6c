package drivers_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// script runs one that an example ships, with programs that stand in for those that it calls.
func script(t *testing.T, name string, programs map[string]string, env ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	for program, text := range programs {
		if err := os.WriteFile(filepath.Join(dir, program), []byte("#!/bin/sh\nset -eu\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	path, err := filepath.Abs(filepath.Join("..", "..", "..", "deploy", "examples", name))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path)
	cmd.Env = append([]string{"PATH=" + dir + string(filepath.ListSeparator) + os.Getenv("PATH"), "TMPDIR=" + dir}, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// What the example's job deploys is what was merged, or nothing.
func TestSameAsMerged(t *testing.T) {
	npm := map[string]string{"npm": `
test "$1 $2 $3 $5" = "pack --silent --pack-destination @acme/shop@1.4.0"
printf bytes >"$4/acme-shop-1.4.0.tgz"
`}
	for want, env := range map[string][]string{
		"":                     {"VERSION=1.4.0", "DIGEST=" + driver.Digest([]byte("bytes"))},
		"what was merged is x": {"VERSION=1.4.0", "DIGEST=x"},
		"$(touch hacked)":      {"VERSION=1.4.0", "DIGEST=$(touch hacked)"},
	} {
		out, err := script(t, "circleci/same-as-merged", npm, env...)
		if (err == nil) != (want == "") || !strings.Contains(out, want) {
			t.Errorf("%v: %v, %s", env, err, out)
		}
	}
	if out, err := script(t, "circleci/same-as-merged", map[string]string{"npm": "exit 1"}, "VERSION=", "DIGEST="); err != nil {
		t.Errorf("nothing to go back to: %v, %s", err, out)
	}
}
