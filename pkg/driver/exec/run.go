package exec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	osexec "os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

// How long things are waited for.
const (
	grace     = 5 * time.Second        // between SIGTERM and SIGKILL
	lastWords = time.Second            // for output that is still in the pipe when a failed command is over
	lastPrint = 250 * time.Millisecond // the same for one that succeeded and left something running, which holds its output
	poll      = 20 * time.Millisecond  // between two looks at what is left of a command that is being stopped
	killing   = 500 * time.Millisecond // for processes to disappear after SIGKILL
)

const (
	exitTemporary = 75 // EX_TEMPFAIL: the command asks to be run again
	bySignal      = -1 // what os.ProcessState says of a command that a signal ended
)

// Failure is a command that did not succeed. A refusal wraps it too.
type Failure struct {
	Command string // its first word
	What    string // "failed with exit status 3"
	Output  string // the end of its output, masked; may be empty
	Cause   error  // the context's error, or the system's; nil when the command failed by itself
}

// Error is one line, and after it the output.
func (f *Failure) Error() string {
	text := fmt.Sprintf("the command %s %s", driver.Quote(f.Command), f.What)
	if f.Output != "" {
		text += "; the end of its output:\n" + f.Output
	}
	return text
}

// Unwrap is the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// Run runs a command of a project file to its end, with vars in its environment. The error is nil on exit status 0; otherwise
// it is, or wraps, a [*Failure], [driver.Refused] where trying again is pointless. When the context ends the command is
// stopped with its children, and the error is the context's too.
func Run(ctx context.Context, c project.Exec, vars []Var) error {
	return runFor(ctx, c, vars, grace)
}

// Ended is how a command ended by itself.
type Ended struct {
	Status int    // its exit status; -1 when a signal ended it
	How    string // the same in words: "exit status 3"
	Output string // the end of its output, masked; may be empty
}

// Read runs a command whose exit status says more than whether it succeeded, and whose output matters also when it did. Whatever it
// leaves running is ended. The error is as [Run]'s, but nil when the command ended by itself.
func Read(ctx context.Context, c project.Exec, vars []Var) (Ended, error) {
	return end(ctx, c, vars, grace, true)
}

// runFor is Run with the grace between SIGTERM and SIGKILL.
func runFor(ctx context.Context, c project.Exec, vars []Var, grace time.Duration) error {
	ended, err := end(ctx, c, vars, grace, false)
	if err != nil || ended.Status == 0 {
		return err
	}
	failed := &Failure{Command: c.Command[0], What: "failed with " + ended.How, Output: ended.Output}
	switch ended.Status {
	case exitTemporary, bySignal:
		return failed
	default:
		return driver.Refusef("%w", failed)
	}
}

// end runs a command to its end. Of one that succeeded, what it left running stays, unless its output is wanted.
func end(ctx context.Context, c project.Exec, vars []Var, grace time.Duration, wanted bool) (Ended, error) {
	if err := ctx.Err(); err != nil {
		return Ended{}, err
	}
	if err := checkSettings(c); err != nil {
		return Ended{}, err
	}
	mark := runVar + "=" + uuid.NewString()
	env, secrets, err := environ(c, vars)
	if err != nil {
		return Ended{}, err
	}
	cmd := osexec.Command(c.Command[0], c.Command[1:]...) //nolint:noctx // stopped below, with its children
	cmd.Dir, cmd.Env = c.Dir, append(env, mark)
	out, told := newOutput(secrets), driver.OutputOf(ctx)
	told.Hide(secrets...)
	failed := func(cause error, format string, args ...any) *Failure {
		return &Failure{Command: c.Command[0], What: fmt.Sprintf(format, args...), Output: out.String(), Cause: cause}
	}

	p, err := start(cmd, io.MultiWriter(out, told))
	if err != nil {
		return Ended{}, startError(failed(err, "could not be started: %v", err))
	}
	defer out.drop()
	select {
	case <-p.exited:
	case <-ctx.Done():
	}
	select {
	case <-p.exited: // perhaps at the same moment as the context: what is done is done
	default:
		p.stop(mark, grace)
		return Ended{}, failed(context.Cause(ctx), "was stopped with its children: %v", context.Cause(ctx))
	}
	ended := Ended{Status: p.state.ExitCode(), How: p.state.String()}
	if ended.Status == 0 && !wanted {
		if told != nil {
			p.hear(lastPrint)
		}
		return ended, nil
	}
	p.stop(mark, grace)
	ended.Output = out.String()
	return ended, nil
}

// startError sorts the reasons for which a command could not be started: missing and malformed ones will be so tomorrow.
func startError(f *Failure) error {
	for _, never := range []error{
		osexec.ErrNotFound, osexec.ErrDot, fs.ErrNotExist, fs.ErrPermission, syscall.ENOEXEC, syscall.ENOTDIR, syscall.E2BIG,
	} {
		if errors.Is(f.Cause, never) {
			return driver.Refusef("%w", f)
		}
	}
	return f
}

// process is a command that was started.
type process struct {
	group  int              // its id, and that of its process group
	exited chan struct{}    // closed when the command is over
	state  *os.ProcessState // how, then
	silent chan struct{}    // closed when nobody holds its output any more
}

// start starts the command in a process group of its own, and reads its output for as long as anybody holds it, which may be
// longer than the command runs. The thread that starts it is kept until it is over: its death would be taken for the service's.
func start(cmd *osexec.Cmd, out io.Writer) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = w, w
	setAttributes(cmd)
	p := &process{exited: make(chan struct{}), silent: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the state says it
			p.state = cmd.ProcessState
			close(p.exited)
		}
	}()
	err = <-started
	_ = w.Close() // the command has its own
	if err != nil {
		_ = r.Close() // nothing was written
		return nil, err
	}
	p.group = cmd.Process.Pid
	go func() {
		_, _ = io.Copy(out, r) // to the end; there is nobody to tell of an error
		_ = r.Close()
		close(p.silent)
	}()
	return p, nil
}

// stop ends what is left of the command: gently, and after the grace surely. Then it waits, not for long, for its last words.
// The id of the group can not be another's meanwhile: ids go round, and one is not given out while its group has members.
func (p *process) stop(mark string, grace time.Duration) {
	p.signal(mark, syscall.SIGTERM)
	if !p.gone(mark, grace) {
		p.signal(mark, syscall.SIGKILL)
		for range 3 { // a child may be born between looking and killing
			if p.gone(mark, killing) {
				break
			}
			p.signal(mark, syscall.SIGKILL)
		}
	}
	p.hear(lastWords)
}

// hear waits until all that was printed is read, or that long: somebody whom the command left running may still hold its output.
func (p *process) hear(within time.Duration) {
	select {
	case <-p.silent:
	case <-time.After(within):
	}
}

// gone waits until nothing of the command runs any more, or that long.
func (p *process) gone(mark string, within time.Duration) bool {
	deadline := time.After(within)
	for p.running(mark) {
		select {
		case <-time.After(poll):
		case <-deadline:
			return false
		}
	}
	return true
}
