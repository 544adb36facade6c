package files

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
	"github.com/sluice-gate/sluice/pkg/project"
)

func TestMain(m *testing.M) {
	drivertest.Main(m, map[string]drivertest.Child{"killed": killed})
}

// killed makes the call on its standard input and is killed, as a process, before its n-th write.
func killed(args []string) int {
	call, err := drivertest.DecodeCall(os.Stdin)
	if err != nil {
		return fail(err)
	}
	last, err := strconv.Atoi(args[2])
	if err != nil {
		return fail(err)
	}
	d, err := New(project.Files{Dir: args[0]}, driver.Role(args[1]))
	if err != nil {
		return fail(err)
	}
	n := 0
	d.step = func(string) {
		if n++; n == last {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	if _, err := call.Run(context.Background(), d); err != nil {
		return fail(err)
	}
	return 0
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func newPeer(t *testing.T, role driver.Role) drivertest.Peer {
	t.Helper()
	parent := memory(t)
	dir := filepath.Join(parent, "served")
	open := func(t *testing.T, dir string) *Driver {
		t.Helper()
		d, err := New(project.Files{Dir: dir}, role)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	return drivertest.Peer{
		Open:  func(t *testing.T) driver.Driver { t.Helper(); return open(t, dir) },
		State: func(t *testing.T) drivertest.State { t.Helper(); return state(t, parent, role) },
		OnWrite: func(t *testing.T, before func(int)) driver.Driver {
			t.Helper()
			d, n := open(t, dir), 0
			d.step = func(string) { n++; before(n) }
			return d
		},
		Kill: func(t *testing.T, n int, call drivertest.Call) bool {
			t.Helper()
			end, out, err := drivertest.RunChild(t.Context(), call, drivertest.ChildCommand(t, "killed", dir, string(role), strconv.Itoa(n)))
			if err != nil {
				t.Fatal(err)
			}
			status, ok := end.Sys().(syscall.WaitStatus)
			if !ok || !end.Success() && (!status.Signaled() || status.Signal() != syscall.SIGKILL) {
				t.Fatalf("%s: %s\n%s", call, end, out)
			}
			return !end.Success()
		},
		Outage: func(t *testing.T) driver.Driver {
			t.Helper()
			inTheWay := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(inTheWay, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return open(t, filepath.Join(inTheWay, "served"))
		},
	}
}

// memory is a folder of the test's where the machine has one in memory, since the suite waits for the disk thousands of times. What is lost when a
// machine stops is not what it shows: TestManyProcesses and the others of this package are on a disk.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "sluice-files-") //nolint:usetesting // a disk has the folder of t.TempDir
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// state reads the directory as a web server's users see it: the channel file, what it leads to, and every file there is.
func state(t *testing.T, parent string, role driver.Role) drivertest.State {
	t.Helper()
	root := filepath.Join(parent, "served")
	channel := map[driver.Role]string{driver.Publish: "beta", driver.Deploy: "staging", driver.Promote: "latest"}[role]
	s := drivertest.State{Stored: map[string]string{}}
	b, err := os.ReadFile(filepath.Join(root, "channels", "tracer", channel+".json"))
	if err == nil {
		var c struct {
			Version, Digest, Name, Path string
			Size                        int64
		}
		if err := json.Unmarshal(b, &c); err != nil {
			t.Fatalf("the channel file is torn: %v\n%s", err, b)
		}
		content, err := os.ReadFile(filepath.Join(root, c.Path))
		if err != nil || driver.Digest(content) != c.Digest || int64(len(content)) != c.Size || c.Name != "tracer-"+c.Version+".tgz" {
			t.Fatalf("the channel file leads to other bytes, %q, %v:\n%s", content, err, b)
		}
		s.Channel = string(content)
	}
	err = filepath.WalkDir(parent, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(parent, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path) // follows a link, which must not dangle
		if entry.Type() == fs.ModeSymlink {
			name += " (link)"
		}
		s.Stored[name] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func lacks(role driver.Role) map[drivertest.Check]string {
	lacks := map[drivertest.Check]string{
		drivertest.LostAnswer:  "a call of the file system that has happened has answered",
		drivertest.Credentials: "a directory has no credentials; the permissions of its files come as errors",
	}
	if role != driver.Promote {
		lacks[drivertest.Hostile] = "fields are checked in the same way in every role: it is shown for promote"
	}
	return lacks
}

func TestConformancePublish(t *testing.T) {
	drivertest.Run(t, drivertest.Subject{
		Role: driver.Publish, Lacks: lacks(driver.Publish),
		New: func(t *testing.T) drivertest.Peer { t.Helper(); return newPeer(t, driver.Publish) },
	})
}

func TestConformanceDeploy(t *testing.T) {
	drivertest.Run(t, drivertest.Subject{
		Role: driver.Deploy, Lacks: lacks(driver.Deploy),
		New: func(t *testing.T) drivertest.Peer { t.Helper(); return newPeer(t, driver.Deploy) },
	})
}

func TestConformancePromote(t *testing.T) {
	drivertest.Run(t, drivertest.Subject{
		Role: driver.Promote, Lacks: lacks(driver.Promote),
		New: func(t *testing.T) drivertest.Peer { t.Helper(); return newPeer(t, driver.Promote) },
	})
}
