// Package fetched is where tests keep what they download: .tmp below the repository's root, which several of them share.
package fetched

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// Root finds the repository's root: the folder with go.work above the test's working directory.
func Root() (string, error) {
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

// Lock takes an exclusive lock on a file, which ends with the process that holds it, and returns what gives it back.
func Lock(path string) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil // closing unlocks
}
