package rig

import (
	"errors"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// TestFileSizeLimit: where no file system can be mounted, a program that writes on is ended by the limit.
func TestFileSizeLimit(t *testing.T) {
	cmd := exec.Command("sh", "-c", `while :; do echo more >> "$0"; done`, filepath.Join(t.TempDir(), "file"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &disk{}
	if err := d.fill(cmd.Process.Pid); err != nil {
		_ = cmd.Process.Kill()
		t.Fatal(err)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGXFSZ {
		t.Errorf("it ended by %v", err)
	}
	if err := d.free(); err != nil {
		t.Error(err)
	}
}
