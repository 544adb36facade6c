package drivertest

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// Call is one call of a driver, Do or Undo, in a form that can be sent to another process.
type Call struct {
	Undo     bool
	Facts    driver.Facts // without the artifact's Open
	Artifact []byte       // what Open reads
	Value    string       // Back.Value
	Earlier  *Call        // whose facts are Back.Release
}

// Release is the facts of the call, the artifact included.
func (c Call) Release() driver.Facts {
	f := c.Facts
	f.Artifact.Open = func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c.Artifact)), nil }
	return f
}

// Back is where an undo goes back to.
func (c Call) Back() driver.Back {
	back := driver.Back{Value: c.Value}
	if c.Earlier != nil {
		f := c.Earlier.Release()
		back.Release = &f
	}
	return back
}

// Run makes the call.
func (c Call) Run(ctx context.Context, d driver.Driver) (driver.Done, error) {
	if c.Undo {
		return d.Undo(ctx, c.Release(), c.Back())
	}
	return d.Do(ctx, c.Release())
}

// String names the call for a test's message.
func (c Call) String() string {
	action := "do"
	if c.Undo {
		action = "undo"
	}
	return fmt.Sprintf("%s %.40q, attempt %d", action, c.Facts.Version, c.Facts.Attempt)
}

// next is the call as the next attempt, of an instance that takes over.
func (c Call) next() Call { c.Facts.Attempt++; return c }

// undo is the call that takes this one back, to what it found: value, and earlier when that was a release.
func (c Call) undo(value string, earlier *Call) Call {
	c.Undo, c.Value, c.Earlier = true, value, earlier
	return c
}

// Encode writes the call for [DecodeCall].
func (c Call) Encode(w io.Writer) error { return gob.NewEncoder(w).Encode(c) }

// DecodeCall reads a call that another process wrote.
func DecodeCall(r io.Reader) (Call, error) {
	var c Call
	err := gob.NewDecoder(r).Decode(&c)
	return c, err
}

// A Child is a program that a test starts as a process of its own; it returns its exit status.
type Child func(args []string) int

const childMark = "drivertest-child:"

// Main is the TestMain of a package whose tests start processes: when the test binary was started by the command of [ChildCommand], it
// is that child, otherwise it runs the tests.
func Main(m *testing.M, children map[string]Child) {
	if len(os.Args) > 1 {
		if name, ok := strings.CutPrefix(os.Args[1], childMark); ok {
			child := children[name]
			if child == nil {
				fmt.Fprintf(os.Stderr, "there is no child %q\n", name)
				os.Exit(70)
			}
			os.Exit(child(os.Args[2:]))
		}
	}
	os.Exit(m.Run())
}

// ChildCommand is the command line that starts this test binary as the child with that name.
func ChildCommand(t *testing.T, name string, args ...string) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{self, childMark + name}, args...)
}

// RunChild runs the child to its end, with the call on its standard input, and returns the state it ended in and its output. The
// error is that of a child that could not be started.
func RunChild(ctx context.Context, call Call, command []string, env ...string) (*os.ProcessState, string, error) {
	var in bytes.Buffer
	if err := call.Encode(&in); err != nil {
		return nil, "", err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin = &in
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		return nil, "", err
	}
	return cmd.ProcessState, string(out), nil
}

func sorted(m map[string]string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}
