package fetched

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Deb is the path of a program of Debian's: the machine's own, or else that of a package which is downloaded with apt-get and unpacked
// into .tmp; nothing is installed, and no service is started. Several test binaries may want that at once: the first one downloads
// and the others wait.
func Deb(ctx context.Context, program, of string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, ".tmp", of)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := Lock(dir + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()

	path := filepath.Join(dir, "usr", "bin", program)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, unpack(ctx, of, dir)
}

// unpack downloads the package and unpacks it into dir.
func unpack(ctx context.Context, of, dir string) error {
	packages, err := os.MkdirTemp(dir, "package-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(packages) }() // unpacked, or of no use
	get := func() error { return run(ctx, packages, "apt-get", "download", of) }
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
