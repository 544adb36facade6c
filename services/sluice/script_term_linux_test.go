package sluice_test

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// terminal is a program that runs in a terminal of its own.
type terminal struct {
	cmd  *exec.Cmd
	ptmx *os.File
	done chan struct{} // closed when it has ended, and all that it printed is there
	err  error

	mu      sync.Mutex
	printed bytes.Buffer
	seen    int // what of it was looked at
}

// term runs a program in a terminal:
//
//	term run CMD ARG…  starts it
//	term type TEXT…    types that; \t, \r and \x03 are keys
//	term sees REGEXP   waits until it has printed that, since what was seen last
//	term tab REGEXP    the same, and presses the tabulator until then: a completion gives up after two seconds on a busy machine
//	term ends [CODE]   waits until it ends, with that exit code
func term(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	switch args[0] {
	case "run":
		w.terminal = openTerminal(ts, args[1:])
	case "type":
		keys, err := strconv.Unquote(`"` + strings.ReplaceAll(strings.Join(args[1:], " "), `"`, `\"`) + `"`)
		ts.Check(err)
		_, err = w.terminal.ptmx.WriteString(keys)
		ts.Check(err)
	case "sees":
		w.terminal.sees(ts, regexp.MustCompile(args[1]), "")
	case "tab":
		w.terminal.sees(ts, regexp.MustCompile(args[1]), "\t")
	case "ends":
		w.terminal.ends(ts, append(args[1:], "0")[0])
	default:
		ts.Fatalf("term %s: run, type, sees, tab or ends?", args[0])
	}
}

// openTerminal starts a program in a pseudoterminal of 140 by 30 (pty(7), ioctl_tty(2)).
func openTerminal(ts *testscript.TestScript, args []string) *terminal {
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	ts.Check(err)
	fd := int(ptmx.Fd())
	ts.Check(unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	ts.Check(err)
	ts.Check(unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 140}))
	tty, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	ts.Check(err)
	path, err := exec.LookPath(args[0])
	ts.Check(err)
	cmd := command(ts, path, args[1:]...)
	cmd.Env = append(cmd.Env, "TERM=xterm-256color", "PS1=ready> ")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	ts.Check(cmd.Start())
	_ = tty.Close() // it is the program's
	t := &terminal{cmd: cmd, ptmx: ptmx, done: make(chan struct{})}
	go t.read()
	return t
}

func (t *terminal) read() {
	defer close(t.done)
	for buffer := make([]byte, 4096); ; {
		n, err := t.ptmx.Read(buffer)
		t.mu.Lock()
		t.printed.Write(buffer[:n])
		t.mu.Unlock()
		if err != nil { // nobody has the other end open any more
			break
		}
	}
	t.err = t.cmd.Wait()
}

// text is what it has printed since what was seen last.
func (t *terminal) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.printed.String()[t.seen:]
}

// sees waits until it has printed something, and presses a key until then.
func (t *terminal) sees(ts *testscript.TestScript, want *regexp.Regexp, key string) {
	const answered = 3 * time.Second // the key was
	late := time.After(patience)
	var pressed time.Time
	for again := time.NewTicker(10 * time.Millisecond); ; {
		if key != "" && time.Since(pressed) > answered {
			pressed = time.Now()
			_, err := t.ptmx.WriteString(key)
			ts.Check(err)
		}
		if at := want.FindStringIndex(t.text()); at != nil {
			again.Stop()
			t.mu.Lock()
			t.seen += at[1]
			t.mu.Unlock()
			return
		}
		select {
		case <-again.C:
		case <-late:
			ts.Fatalf("the terminal never shows %s, but\n%q", want, t.text())
		}
	}
}

func (t *terminal) ends(ts *testscript.TestScript, code string) {
	select {
	case <-t.done:
	case <-time.After(patience):
		ts.Fatalf("it goes on: %q", t.text())
	}
	if got := strconv.Itoa(t.cmd.ProcessState.ExitCode()); got != code {
		ts.Fatalf("exit code %s, want %s (%v)\n%q", got, code, t.err, t.text())
	}
}

// close ends it.
func (t *terminal) close() {
	if t == nil {
		return
	}
	_ = t.cmd.Process.Kill()
	<-t.done
	_ = t.ptmx.Close()
}
