package exec

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	osexec "os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
)

// seen is what a command found when it was started.
type seen struct {
	Args, Environ []string
	Dir           string
	Input         []byte
	Artifact      []byte
	ArtifactMode  os.FileMode
	DirMode       os.FileMode // of the directory that the artifact is in
}

// printEnviron writes what it sees to the file args[0].
func printEnviron(args []string) int {
	s := seen{Args: args[1:], Environ: os.Environ()}
	s.Dir, _ = os.Getwd()
	s.Input, _ = io.ReadAll(os.Stdin)
	if path := os.Getenv("SLUICE_ARTIFACT_PATH"); path != "" {
		s.Artifact, _ = os.ReadFile(path)
		if info, err := os.Stat(path); err == nil {
			s.ArtifactMode = info.Mode()
		}
		if info, err := os.Stat(filepath.Dir(path)); err == nil {
			s.DirMode = info.Mode()
		}
	}
	b, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(args[0], b, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// server is what a deploy leaves running: it connects to the socket args[0] and answers until the connection ends, so that whoever
// listens knows whether it lives. Told to, it fills its standard output first. It tells that it is ready on descriptor 3.
func server(args []string) int {
	if slices.Contains(args, "stubborn") {
		signal.Ignore(syscall.SIGTERM)
	}
	conn, err := net.Dial("unix", args[0])
	if err != nil {
		return 1
	}
	ready := os.NewFile(3, "ready")
	_, _ = ready.Write([]byte{0})
	_ = ready.Close()
	for question := make([]byte, 1); ; {
		if _, err := io.ReadFull(conn, question); err != nil {
			return 0
		}
		if question[0] == 'w' {
			if _, err := os.Stdout.Write(make([]byte, 1<<20)); err != nil {
				return 1
			}
		}
		if _, err := conn.Write(question); err != nil {
			return 0
		}
	}
}

// leaver starts a server, waits until it is ready, and ends as args[1] says: exits with that status, or "hangs". With "session"
// the server leaves the process group, as a daemon does; with "cleared" it has an empty environment.
func leaver(args []string) int {
	self, err := os.Executable()
	if err != nil {
		return 70
	}
	r, w, err := os.Pipe()
	if err != nil {
		return 70
	}
	cmd := osexec.Command(self, append([]string{strings.Replace(os.Args[1], "leaver", "server", 1), args[0]}, args[2:]...)...)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = os.Stdout, os.Stderr, []*os.File{w}
	if slices.Contains(args, "session") {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	}
	if slices.Contains(args, "cleared") {
		cmd.Env = []string{}
	}
	if err := cmd.Start(); err != nil {
		return 70
	}
	_ = w.Close()
	if _, err := io.ReadFull(r, make([]byte, 1)); err != nil {
		return 70
	}
	fmt.Println("the server runs")
	switch args[1] {
	case "0":
		return 0
	case "3":
		return 3
	default:
		_ = cmd.Wait()
		return 0
	}
}

// stubborn connects to the socket args[0], and on SIGTERM says goodbye and exits with 0.
func stubborn(args []string) int {
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	if _, err := net.Dial("unix", args[0]); err != nil {
		return 1
	}
	<-terms
	fmt.Println("goodbye")
	return 0
}

// flood writes 64 MiB and a last line, and fails.
func flood([]string) int {
	line := []byte(strings.Repeat("flood ", 1<<13) + "\n")
	for n := 0; n < 64<<20; n += len(line) {
		_, _ = os.Stdout.Write(line)
	}
	fmt.Fprintln(os.Stderr, "the last line")
	return 1
}

// watched is a socket that the children connect to.
type watched struct {
	*testing.T
	path  string
	conns chan net.Conn
}

func watch(t *testing.T) *watched {
	t.Helper()
	w := &watched{T: t, path: filepath.Join(t.TempDir(), "s"), conns: make(chan net.Conn)}
	l, err := net.Listen("unix", w.path)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(w.conns)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			w.conns <- conn
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		for conn := range w.conns { // until the listener has gone
			_ = conn.Close()
		}
	})
	return w
}

// connected waits for a child. The connection is closed with the test, which ends a server.
func (w *watched) connected() net.Conn {
	w.Helper()
	select {
	case conn := <-w.conns:
		w.Cleanup(func() { _ = conn.Close() })
		return conn
	case <-w.Context().Done():
		w.Fatal("no child has connected")
		return nil
	}
}

// wantAlive asks a server whether it lives; 'w' lets it write to its output first.
func (w *watched) wantAlive(conn net.Conn, question byte) {
	w.Helper()
	answer := []byte{0}
	_, err := conn.Write([]byte{question})
	if err == nil {
		_, err = io.ReadFull(conn, answer)
	}
	if err != nil || answer[0] != question {
		w.Errorf("the server does not answer: %v", err)
	}
}

// wantDead waits until a server is dead.
func (w *watched) wantDead(conn net.Conn) {
	w.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		w.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		w.Errorf("the server lives: %d bytes, %v", n, err)
	}
}

func (w *watched) command(name string, args ...string) []string {
	w.Helper()
	return drivertest.ChildCommand(w.T, name, append([]string{w.path}, args...)...)
}
