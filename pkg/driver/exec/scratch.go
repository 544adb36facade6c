package exec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// scratchPrefix begins the names of the private directories, in the directory for temporary files.
const scratchPrefix = "sluice-exec-"

// scratch is a private directory for one run. It is locked for as long as the process that made it lives, so that the next run can tell
// what a killed service left from what is in use.
type scratch struct {
	dir  string
	lock *os.File
}

// newScratch makes a private directory, and removes those that nobody uses any more.
func newScratch() (*scratch, error) {
	sweep()
	for {
		dir, err := os.MkdirTemp("", scratchPrefix+"*")
		if err != nil {
			return nil, fmt.Errorf("exec: a directory for the artifact: %w", err)
		}
		lock, err := tryLock(dir)
		if err != nil {
			_ = os.RemoveAll(dir) // the error that matters is the other
			return nil, fmt.Errorf("exec: a directory for the artifact: %w", err)
		}
		if lock != nil {
			return &scratch{dir: dir, lock: lock}, nil
		}
		// A sweep came between making and locking it, and removes it.
	}
}

// remove removes the directory. What can not be removed now is left to a later sweep.
func (s *scratch) remove() {
	_ = os.RemoveAll(s.dir)
	_ = s.lock.Close()
}

// sweep removes the directories of runs whose service was killed. It is housekeeping: a run does not fail because of it.
func sweep() {
	left, err := filepath.Glob(filepath.Join(os.TempDir(), scratchPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range left {
		lock, err := tryLock(dir)
		if err != nil || lock == nil {
			continue
		}
		(&scratch{dir: dir, lock: lock}).remove()
	}
}

// tryLock locks a private directory of this user's; nil when another has it, or when it is gone.
func tryLock(dir string) (*os.File, error) {
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.IsDir() || !own(info) {
		return nil, fmt.Errorf("%s is not a directory of this user's", dir)
	}
	file, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	locked, err := flock(file)
	if err == nil && locked {
		now, err2 := os.Lstat(dir) // whoever had the lock before may have removed it
		opened, err3 := file.Stat()
		locked = err2 == nil && err3 == nil && os.SameFile(now, opened) && os.SameFile(info, opened)
	}
	if err != nil || !locked {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}
