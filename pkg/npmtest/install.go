package npmtest

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
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
	root, err := root()
	if err != nil {
		return "", err
	}
	tmp := filepath.Join(root, ".tmp")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(tmp, "verdaccio.lock"))
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

// lock takes an exclusive lock on a file, which ends with the process that holds it, and returns what gives it back.
func lock(path string) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil // closing unlocks
}

// root finds the repository's root: the folder with go.work above the test's working directory.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.work above the working directory: tests run inside the repository")
		}
		dir = parent
	}
}
