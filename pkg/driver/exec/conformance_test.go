package exec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
	"github.com/sluice-gate/sluice/pkg/project"
)

// TestMain builds the program that the tests run, beside the test binary, where [program] finds it.
func TestMain(m *testing.M) {
	path, err := programPath()
	if err != nil {
		panic(err)
	}
	build := osexec.Command("go", "build", "-o", path, "./internal/program")
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("go build ./internal/program: %v\n%s", err, out))
	}
	status := m.Run()
	_ = os.Remove(path)
	os.Exit(status)
}

func programPath() (string, error) {
	self, err := os.Executable()
	return filepath.Join(filepath.Dir(self), "exec-test-program"), err
}

// program is a command line of the program.
func program(t *testing.T, args ...string) []string {
	t.Helper()
	path, err := programPath()
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{path}, args...)
}

// holds is what the program keeps.
type holds struct {
	Channel  *struct{ Release, Content string }
	Versions map[string]string
}

func newPeer(t *testing.T, role driver.Role) drivertest.Peer {
	t.Helper()
	dir := t.TempDir()
	command := program(t, "keep", dir)
	open := func(t *testing.T, c project.Exec) *Driver {
		t.Helper()
		c.Command = command
		d, err := New(c, role)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	return drivertest.Peer{
		Open: func(t *testing.T) driver.Driver { t.Helper(); return open(t, project.Exec{}) },
		State: func(t *testing.T) drivertest.State {
			t.Helper()
			return state(t, dir)
		},
		OnWrite: func(t *testing.T, before func(int)) driver.Driver {
			t.Helper()
			c := &controlled{before: before}
			socket := c.listen(t)
			c.Driver = open(t, project.Exec{Env: map[string]string{"PROGRAM_CONTROL": socket}})
			return c
		},
		Kill: func(t *testing.T, n int, call drivertest.Call) bool {
			t.Helper()
			service := append(program(t, "serve", string(role), strconv.Itoa(n)), command...)
			end, out, err := drivertest.RunChild(t.Context(), call, service)
			if err != nil {
				t.Fatal(err)
			}
			status, ok := end.Sys().(syscall.WaitStatus)
			if !ok || !end.Success() && (!status.Signaled() || status.Signal() != syscall.SIGKILL) {
				t.Fatalf("%s: %s\n%s", call, end, out)
			}
			return !end.Success()
		},
		WrongSecret: func(t *testing.T) (driver.Driver, string) {
			t.Helper()
			t.Setenv("PROGRAM_TOKEN", "the-wrong-one")
			return open(t, project.Exec{
				Env: map[string]string{"PROGRAM_WANTS_TOKEN": "the-right-one"}, EnvFrom: []string{"PROGRAM_TOKEN"},
			}), "the-wrong-one"
		},
		Outage: func(t *testing.T) driver.Driver {
			t.Helper()
			return open(t, project.Exec{Env: map[string]string{"PROGRAM_OUTAGE": "yes"}})
		},
	}
}

func state(t *testing.T, dir string) drivertest.State {
	t.Helper()
	h := holds{Versions: map[string]string{}}
	b, err := os.ReadFile(filepath.Join(dir, "state.json"))
	if err == nil {
		err = json.Unmarshal(b, &h)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the program's state is torn: %v\n%s", err, b)
	}
	s := drivertest.State{Stored: h.Versions}
	if h.Channel != nil {
		s.Channel = h.Channel.Content
		s.Stored["the release on the channel"] = h.Channel.Release
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Name() != "state.json" {
			s.Stored[entry.Name()] = "a leftover"
		}
	}
	return s
}

// controlled is a driver whose program asks before each write. When the context has ended by then it gets no answer: to a command
// the end of a context is the signal that is on its way.
type controlled struct {
	driver.Driver
	before func(n int)

	mu  sync.Mutex
	ctx context.Context // that of the call under way
}

func (c *controlled) Do(ctx context.Context, f driver.Facts) (driver.Done, error) {
	c.use(ctx)
	return c.Driver.Do(ctx, f)
}

func (c *controlled) Undo(ctx context.Context, f driver.Facts, back driver.Back) (driver.Done, error) {
	c.use(ctx)
	return c.Driver.Undo(ctx, f, back)
}

func (c *controlled) use(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ctx = ctx
}

func (c *controlled) ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ctx.Err() != nil
}

// listen answers the program on a socket, until the test is over.
func (c *controlled) listen(t *testing.T) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		n := 0
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			for question := make([]byte, 1); ; {
				if _, err := io.ReadFull(conn, question); err != nil {
					break
				}
				n++
				c.before(n)
				if !c.ended() {
					_, _ = conn.Write(question) // the program may be gone
				}
			}
			_ = conn.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); conns.Wait() })
	return socket
}

func TestConformance(t *testing.T) {
	const blind = "a command can not be asked without being run"
	for _, role := range []driver.Role{driver.Publish, driver.Deploy, driver.Promote} {
		lacks := map[drivertest.Check]string{
			drivertest.Look:       blind,
			drivertest.LostAnswer: "the exit status of a command is not lost while the service lives, and Killed is for when it does not",
		}
		if role != driver.Deploy {
			lacks[drivertest.Hostile] = "the fields reach the command in the same way in every role: it is shown for deploy"
		}
		t.Run(string(role), func(t *testing.T) {
			drivertest.Run(t, drivertest.Subject{
				Role: role, Lacks: lacks,
				New: func(t *testing.T) drivertest.Peer { t.Helper(); return newPeer(t, role) },
			})
		})
	}
}
