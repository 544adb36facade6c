package npmtest

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
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

//go:embed serve.js
var serveJS []byte

// Install makes sure that the registry server is there and returns the folder that holds it. The first time takes half
// a minute, afterwards it takes nothing.
func Install(t testing.TB) string {
	t.Helper()
	dir, err := install(t.Context())
	if err != nil {
		t.Fatalf("install the npm registry server: %v", err)
	}
	return dir
}

func install(ctx context.Context) (string, error) {
	root, err := fetched.Root()
	if err != nil {
		return "", err
	}
	tmp := filepath.Join(root, ".tmp")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return "", err
	}
	unlock, err := fetched.Lock(filepath.Join(tmp, "verdaccio.lock"))
	if err != nil {
		return "", err
	}
	defer unlock()

	dir := filepath.Join(tmp, "verdaccio")
	stamp := filepath.Join(dir, "installed")
	want := stampOf()
	if got, err := os.ReadFile(stamp); err == nil && string(got) == want {
		return dir, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for name, content := range map[string][]byte{
		"package.json": packageJSON, "package-lock.json": packageLock, ".npmrc": npmrc, "serve.js": serveJS,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return "", err
		}
	}
	// The one call of npm that uses the machine's own registry, and so the machine's own settings.
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci in %s (it needs node and npm 10 or newer): %w\n%s", dir, err, out)
	}
	return dir, os.WriteFile(stamp, []byte(want), 0o644)
}

func stampOf() string {
	h := sha256.New()
	for _, b := range [][]byte{packageJSON, packageLock, npmrc, serveJS} {
		h.Write(b)
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil))
}
