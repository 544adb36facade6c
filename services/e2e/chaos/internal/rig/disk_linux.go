package rig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// disk is where one node stores, and how it gets full.
type disk struct {
	dir     string
	mounted bool
}

// newDisk mounts a small file system where that is allowed; bytes is its size.
func newDisk(dir string, bytes int64) *disk {
	err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d", bytes))
	return &disk{dir: dir, mounted: err == nil}
}

func (d *disk) says() string {
	if d.mounted {
		return "a small file system is filled up"
	}
	return "the node may not make a file longer, because no file system can be mounted here; it dies of that, and starts again"
}

func (d *disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// fill leaves no room. pid is the node's process.
func (d *disk) fill(pid int) error {
	if !d.mounted {
		limit := unix.Rlimit{Cur: 1, Max: unix.RLIM_INFINITY}
		if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, nil, &limit); err != nil {
			return fmt.Errorf("read the file-size limit: %w", err)
		}
		limit.Cur = 1
		return unix.Prlimit(pid, unix.RLIMIT_FSIZE, &limit, nil)
	}
	file, err := os.Create(d.ballast())
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	piece := make([]byte, 1<<20)
	for len(piece) > 0 {
		switch _, err := file.Write(piece); {
		case errors.Is(err, syscall.ENOSPC):
			piece = piece[:len(piece)/2]
		case err != nil:
			return err
		}
	}
	return nil
}

// free makes room again. A node that met a full disk has switched its storage off until it is started again.
func (d *disk) free() error {
	if !d.mounted {
		return nil
	}
	return os.Remove(d.ballast())
}

func (d *disk) close() error {
	if !d.mounted {
		return nil
	}
	return unix.Unmount(d.dir, unix.MNT_DETACH)
}
