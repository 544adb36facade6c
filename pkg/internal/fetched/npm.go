package fetched

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// NPM makes sure that what the package.json and package-lock.json among the files name is installed, by npm ci, in the folder of that
// name, beside the files, and returns the folder. Several test binaries may want that at once: the first one installs and the others
// wait. When it is there already it takes nothing.
func NPM(ctx context.Context, name string, files map[string][]byte) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	tmp := filepath.Join(root, ".tmp")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return "", err
	}
	unlock, err := Lock(filepath.Join(tmp, name+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()

	dir := filepath.Join(tmp, name)
	stamp, want := filepath.Join(dir, "installed"), stampOf(files)
	if got, err := os.ReadFile(stamp); err == nil && string(got) == want {
		return dir, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for file, content := range files {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o644); err != nil {
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

func stampOf(files map[string][]byte) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h.Write(files[name])
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil))
}
