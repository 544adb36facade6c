package exec

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
	"github.com/sluice-gate/sluice/pkg/project"
)

func TestMain(m *testing.M) {
	drivertest.Main(m, map[string]drivertest.Child{
		"program": program, "killed": killed, "environ": printEnviron, "leaver": leaver, "server": server, "stubborn": stubborn, "flood": flood,
	})
}

// killed is a service that makes the call on its standard input with the program that kills it.
func killed(args []string) int {
	call, err := drivertest.DecodeCall(os.Stdin)
	if err == nil {
		var d *Driver
		if d, err = New(project.Exec{Command: args[2:], Env: map[string]string{"PROGRAM_KILLS_AT": args[1]}}, driver.Role(args[0])); err == nil {
			_, err = call.Run(context.Background(), d)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func newPeer(t *testing.T, role driver.Role) drivertest.Peer {
	t.Helper()
	dir := t.TempDir()
	command := drivertest.ChildCommand(t, "program", dir)
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
			service := append(drivertest.ChildCommand(t, "killed", string(role), strconv.Itoa(n)), command...)
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
	h, err := readHolds(dir)
	if err != nil {
		t.Fatalf("the program's state is torn: %v", err)
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
		t.Run(string(role), func(t *testing.T) {
			drivertest.Run(t, drivertest.Subject{
				Role: role,
				New:  func(t *testing.T) drivertest.Peer { t.Helper(); return newPeer(t, role) },
				Lacks: map[drivertest.Check]string{
					drivertest.Look:       blind,
					drivertest.LostAnswer: "the exit status of a command is not lost while the service lives, and Killed is for when it does not",
				},
			})
		})
	}
}
