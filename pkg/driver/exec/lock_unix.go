//go:build unix && !solaris && !illumos && !aix

package exec

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// flock takes the lock on an open directory; false when another has it. It goes with the process, however that dies.
func flock(dir *os.File) (bool, error) {
	err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// own tells whether a directory is this user's and nobody else's.
func own(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid() && info.Mode().Perm()&0o077 == 0
}
