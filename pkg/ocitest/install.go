package ocitest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sluice-gate/sluice/pkg/internal/fetched"
)

// Install makes sure that the registry server is there and returns its path. The first time takes some seconds, where it has to be
// downloaded.
func Install(t testing.TB) string {
	t.Helper()
	path, err := install(t.Context())
	if err != nil {
		t.Fatalf("get the registry server: %v", err)
	}
	return path
}

func install(ctx context.Context) (string, error) {
	if path, err := exec.LookPath("docker-registry"); err == nil {
		return path, nil
	}
	root, err := fetched.Root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, ".tmp", "docker-registry")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := fetched.Lock(dir + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()

	path := filepath.Join(dir, "usr", "bin", "docker-registry")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, download(ctx, dir)
}

// download unpacks the package into dir.
func download(ctx context.Context, dir string) error {
	packages, err := os.MkdirTemp(dir, "package-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(packages) }() // unpacked, or of no use
	get := func() error { return run(ctx, packages, "apt-get", "download", "docker-registry") }
	if err := get(); err != nil { // the lists may be old, or missing
		if err := errors.Join(run(ctx, packages, "apt-get", "update"), get()); err != nil {
			return err
		}
	}
	found, err := filepath.Glob(filepath.Join(packages, "*.deb"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("apt-get download left %d packages: %w", len(found), err)
	}
	return run(ctx, dir, "dpkg-deb", "--extract", found[0], dir)
}

func run(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return nil
}
