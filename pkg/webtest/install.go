package webtest

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sluice-gate/sluice/pkg/internal/fetched"
)

//go:embed package.json
var packageJSON []byte

//go:embed package-lock.json
var packageLock []byte

//go:embed .npmrc
var npmrc []byte

// program is the browser's path.
func program(ctx context.Context) (string, error) {
	const name = "chromium"
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	root, err := fetched.Root()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Join(root, ".tmp"), 0o755); err != nil {
		return "", err
	}
	unlock, err := fetched.Lock(filepath.Join(root, ".tmp", "chromium.lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if path, err := exec.LookPath(name); err == nil { // another test has installed it meanwhile
		return path, nil
	}
	for _, args := range [][]string{
		{"update", "-qq"},
		{"install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-inter", "fonts-dejavu-core"},
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("install chromium (or do so by hand): %w\n%s", err, out)
		}
	}
	return exec.LookPath(name)
}

// axe is the source of axe-core.
func axe(t testing.TB) string {
	t.Helper()
	dir, err := fetched.NPM(t.Context(), "axe", map[string][]byte{
		"package.json": packageJSON, "package-lock.json": packageLock, ".npmrc": npmrc,
	})
	if err != nil {
		t.Fatalf("install axe-core: %v", err)
	}
	src, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}
