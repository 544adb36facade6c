package exec

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

func shell(script string) project.Exec { return project.Exec{Command: []string{"sh", "-c", script}} }

func TestExitStatus(t *testing.T) {
	for script, want := range map[string]struct {
		refused bool
		message string
	}{
		"exit 0":                           {},
		"echo out; echo err >&2; exit 3":   {true, "the command \"sh\" failed with exit status 3; the end of its output:\nout\nerr"},
		"exit 1":                           {true, "the command \"sh\" failed with exit status 1"},
		"exit 75":                          {false, "the command \"sh\" failed with exit status 75"},
		"echo no such region >&2; exit 65": {true, "the command \"sh\" failed with exit status 65; the end of its output:\nno such region"},
		"exit 78":                          {true, "the command \"sh\" failed with exit status 78"},
		"kill -KILL $$":                    {false, "the command \"sh\" failed with signal: killed"},
	} {
		err := Run(t.Context(), shell(script), nil)
		if want.message == "" {
			if err != nil {
				t.Errorf("%s: %v", script, err)
			}
			continue
		}
		if err == nil || err.Error() != want.message || driver.IsRefused(err) != want.refused {
			t.Errorf("%s: %v, refused: %v; want %q, %v", script, err, driver.IsRefused(err), want.message, want.refused)
		}
		var failure *Failure
		if !errors.As(err, &failure) {
			t.Errorf("%s: %T is no Failure", script, err)
		}
	}
}

// ended waits for the end of whoever writes to a pipe. A child that was ended before it had opened the pipe never lets the reader in, so
// it is let in here.
func ended(gone <-chan error, pipe string) error {
	for {
		if w, err := os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			_ = w.Close()
		}
		select {
		case err := <-gone:
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Read tells how a command ended and what it said last, also when it did well. What it leaves running is ended.
func TestRead(t *testing.T) {
	t.Setenv("READ_TOKEN", "hunter2")
	left := filepath.Join(t.TempDir(), "left")
	if err := syscall.Mkfifo(left, 0o600); err != nil {
		t.Fatal(err)
	}
	for script, want := range map[string]Ended{
		"echo well; echo err >&2":          {0, "exit status 0", "well\nerr"},
		"exit 3":                           {3, "exit status 3", ""},
		`echo "with $READ_TOKEN"; exit 75`: {75, "exit status 75", "with ***"},
		"kill -KILL $$":                    {-1, "signal: killed", ""},
		"sleep 60 >" + left + " & echo ok": {0, "exit status 0", "ok"},
	} {
		gone := make(chan error, 1)
		if strings.Contains(script, left) {
			go func() {
				f, err := os.Open(left) // waits for the child
				if err == nil {
					_, err = f.Read(make([]byte, 1)) // waits for its end
					_ = f.Close()
				}
				gone <- err
			}()
		} else {
			gone <- nil
		}
		c := shell(script)
		c.EnvFrom = []string{"READ_TOKEN"}
		got, err := Read(t.Context(), c, nil)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", script, got, err, want)
		}
		if err := ended(gone, left); err != nil && !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	}
	if got, err := Read(t.Context(), project.Exec{Command: []string{"/no/such/command"}}, nil); !driver.IsRefused(err) {
		t.Errorf("%+v, %v", got, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got, err := Read(ctx, shell("sleep 60"), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestCanNotBeStarted(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	program := plain + "-program"
	if err := os.WriteFile(program, []byte("no program"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]project.Exec{
		"missing":            {Command: []string{"/no/such/command"}},
		"not in PATH":        {Command: []string{"no-such-command-anywhere"}},
		"not executable":     {Command: []string{plain}},
		"no program":         {Command: []string{program}},
		"no directory":       {Command: []string{"true"}, Dir: "/no/such/directory"},
		"file for directory": {Command: []string{"true"}, Dir: plain},
		"no such variable":   {Command: []string{"true"}, EnvFrom: []string{"SURELY_NOT_SET"}},
		"no command":         {},
		"empty command":      {Command: []string{""}},
		"NUL":                {Command: []string{"true", "\x00"}},
		"NUL in env":         {Command: []string{"true"}, Env: map[string]string{"A": "\x00"}},
		"a name with =":      {Command: []string{"true"}, Env: map[string]string{"A=B": ""}},
		"one of ours":        {Command: []string{"true"}, Env: map[string]string{"SLUICE_DIGEST": "x"}},
		"one of ours, from":  {Command: []string{"true"}, EnvFrom: []string{"SLUICE_DIGEST"}},
	} {
		err := Run(t.Context(), c, nil)
		if !driver.IsRefused(err) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want a refusal of one line", name, err)
		}
	}
	if _, err := New(project.Exec{Command: []string{"true"}}, "watch"); !driver.IsRefused(err) {
		t.Errorf("an unknown role: %v", err)
	}
}

// After a success what the command left running stays, in its process group or not, and Run does not wait for it, although
// it holds the command's output. What it writes there goes nowhere, but it goes.
func TestServerIsLeftRunning(t *testing.T) {
	for _, mode := range []string{"group", "session"} {
		w := watch(t)
		ended := make(chan error)
		go func() { ended <- Run(t.Context(), project.Exec{Command: w.command("leave", "0", mode)}, nil) }()
		conn := w.connected()
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		exitThreads()
		w.wantAlive(conn, 'p')
		w.wantAlive(conn, 'w')
		w.wantAlive(conn, 'w')
	}
}

// After a failure nothing of the command stays.
func TestChildrenOfAFailedCommandAreStopped(t *testing.T) {
	for _, mode := range []string{"group", "session", "cleared"} {
		w := watch(t)
		ended := make(chan error)
		go func() { ended <- Run(t.Context(), project.Exec{Command: w.command("leave", "3", mode)}, nil) }()
		w.wantDead(w.connected())
		if err := <-ended; err == nil || !strings.HasSuffix(err.Error(), "exit status 3; the end of its output:\nthe server runs") {
			t.Errorf("%s: %v", mode, err)
		}
	}
}

func TestStoppedWithItsChildren(t *testing.T) {
	for _, mode := range []string{"group", "session", "cleared"} {
		w := watch(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- Run(ctx, project.Exec{Command: w.command("leave", "hang", mode)}, nil) }()
		conn := w.connected()
		w.wantAlive(conn, 'p')
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) || driver.IsRefused(err) || !strings.Contains(err.Error(), "was stopped with its children") {
			t.Errorf("%s: %v", mode, err)
		}
		w.wantDead(conn)
	}
}

// Whoever does not listen to SIGTERM gets SIGKILL after the grace.
func TestStubbornChildrenAreKilled(t *testing.T) {
	for _, mode := range []string{"group", "session"} {
		w := watch(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- runFor(ctx, project.Exec{Command: w.command("leave", "hang", mode, "stubborn")}, nil, 10*time.Millisecond)
		}()
		conn := w.connected()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", mode, err)
		}
		w.wantDead(conn)
	}
}

// A command that ends well because it was told to end has not done its work.
func TestExitZeroAfterSIGTERMIsNoSuccess(t *testing.T) {
	w := watch(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error)
	go func() { ended <- Run(ctx, project.Exec{Command: w.command("obey")}, nil) }()
	w.connected()
	shutdown := errors.New("the service shuts down")
	cancel(shutdown)
	if err := <-ended; !errors.Is(err, shutdown) || !strings.HasSuffix(err.Error(), "the service shuts down; the end of its output:\ngoodbye") {
		t.Errorf("%v", err)
	}
}

func TestTimeout(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := Run(ctx, shell("echo begun; sleep 600"), nil)
	if !errors.Is(err, context.DeadlineExceeded) || driver.IsRefused(err) {
		t.Errorf("%v, want the deadline's error", err)
	}
}

// The command lives as long as the thread that started it, so that thread is kept. Here threads come and go while commands are
// started and run: each must end by itself.
func TestTheStartingThreadIsKept(t *testing.T) {
	stop := make(chan struct{})
	var churn, runs sync.WaitGroup
	churn.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				exitThreads()
			}
		}
	})
	for range 8 {
		runs.Go(func() {
			for range 20 {
				if err := Run(t.Context(), shell("i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done; exit 3"), nil); err == nil || !strings.Contains(err.Error(), "exit status 3") {
					t.Errorf("the command died with a thread: %v", err)
				}
			}
		})
	}
	runs.Wait()
	close(stop)
	churn.Wait()
}

// exitThreads ends many of the threads of this process: a goroutine that ends without unlocking its thread takes that along.
func exitThreads() {
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			runtime.LockOSThread()
			runtime.Gosched()
		})
	}
	all.Wait()
}

func TestOutputIsBounded(t *testing.T) {
	err := Run(t.Context(), project.Exec{Command: program(t, "flood")}, nil)
	var failure *Failure
	if !errors.As(err, &failure) {
		t.Fatal(err)
	}
	if n := len(failure.Output); n > mostOutput+len("…") || n < mostOutput-64 || !strings.HasSuffix(failure.Output, "flood \nthe last line") || !strings.HasPrefix(failure.Output, "…") {
		t.Errorf("%d bytes of output: %.40q…", n, failure.Output)
	}
}

func TestSecretsAreMaskedInTheError(t *testing.T) {
	t.Setenv("DEPLOY_TOKEN", "hush-hush-hush")
	t.Setenv("DEPLOY_KEY", "-----BEGIN KEY-----\nc2VjcmV0\n-----END KEY-----\n")
	c := shell(`echo "token: $DEPLOY_TOKEN."; echo "key: $DEPLOY_KEY"; printf 'Bearer %s' "$DEPLOY_TOKEN" >&2; exit 1`)
	c.EnvFrom = []string{"DEPLOY_TOKEN", "DEPLOY_KEY"}
	err := Run(t.Context(), c, nil)
	if err == nil || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "c2VjcmV0") || !strings.Contains(err.Error(), "token: ***.\nkey: ***") || !strings.HasSuffix(err.Error(), "Bearer ***") {
		t.Errorf("the error is %v", err)
	}
}

// What a running command's directory for the artifact is, a sweep leaves alone; what a killed service left, it removes.
func TestScratch(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	mine, err := newScratch()
	if err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(os.TempDir(), scratchPrefix+"left")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	link := filepath.Join(os.TempDir(), scratchPrefix+"link")
	open := filepath.Join(os.TempDir(), scratchPrefix+"open")
	if err := errors.Join(os.WriteFile(filepath.Join(left, "artifact"), nil, 0o600), os.Symlink(elsewhere, link), os.Mkdir(open, 0o755), os.Chmod(open, 0o777)); err != nil {
		t.Fatal(err)
	}
	other, err := newScratch()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{mine.dir: true, other.dir: true, left: false, link: true, elsewhere: true, open: true} {
		if _, err := os.Lstat(path); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %v", path, err, want)
		}
	}
	mine.remove()
	other.remove()
	if _, err := os.Stat(mine.dir); err == nil {
		t.Errorf("%s is still there", mine.dir)
	}
}

// Many runs make and sweep at once: each gets a directory of its own that stays.
func TestScratchesAtOnce(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 15 {
				s, err := newScratch()
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(s.dir, "artifact"), nil, 0o600); err != nil {
					t.Error(err)
				}
				s.remove()
			}
		})
	}
	all.Wait()
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestAStoppedCommandIsNotStarted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	canary := filepath.Join(t.TempDir(), "canary")
	if err := Run(ctx, project.Exec{Command: []string{"touch", canary}}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(canary); err == nil {
		t.Error("the command ran")
	}
}

func TestMarked(t *testing.T) {
	w := watch(t)
	ended := make(chan error)
	vars := []Var{{"SLUICE_RELEASE", "a=b"}}
	go func() { ended <- Run(t.Context(), project.Exec{Command: w.command("leave", "0", "session")}, vars) }()
	conn := w.connected()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	// Nothing of this command is known by another's mark, nor by a part of its own variables.
	for _, mark := range []string{runVar + "=other", "RELEASE=a=b", "SLUICE_RELEASE=a="} {
		if members := (&process{group: os.Getpid() + 1<<21}).members(mark); len(members) > 0 {
			t.Errorf("%s is taken to be on %v", mark, members)
		}
	}
	members := (&process{group: os.Getpid() + 1<<21}).members("SLUICE_RELEASE=a=b")
	if len(members) != 1 || syscall.Kill(members[0], 0) != nil {
		t.Errorf("the server is not found: %v", members)
	}
	w.wantAlive(conn, 'p')
}
