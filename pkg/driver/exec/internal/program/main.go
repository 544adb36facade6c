// Command program is what the tests of package exec run. It is a program of its own, and not the test binary, because it is started
// some thousand times.
//
//	program keep DIR             a well-behaved publish, deploy or promote command with its state in DIR
//	program serve ROLE N CMD…    a service that makes the call on its standard input by CMD, which kills it before its N-th write
//	program report FILE ARGS…    writes what it sees to FILE
//	program leave SOCKET END …   leaves a server running, then exits with the status END, or hangs
//	program server SOCKET …      that server
//	program obey SOCKET          says goodbye on SIGTERM and exits with 0
//	program flood                writes 64 MiB and fails
package main

import (
	"context"
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
	"strconv"
	"strings"
	"syscall"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
	"github.com/sluice-gate/sluice/pkg/driver/exec"
	"github.com/sluice-gate/sluice/pkg/project"
)

func main() {
	err := run(os.Args[1], os.Args[2:])
	var status exit
	switch {
	case err == nil:
	case errors.As(err, &status):
		if err.Error() != status.Error() {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(int(status))
	default:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// exit is an error with an exit status.
type exit int

func (e exit) Error() string { return "exit " + strconv.Itoa(int(e)) }

func run(mode string, args []string) error {
	switch mode {
	case "keep":
		return (&keeper{dir: args[0]}).run()
	case "serve":
		return serve(args)
	case "report":
		return report(args)
	case "leave":
		return leave(args)
	case "server":
		return server(args)
	case "obey":
		return obey(args)
	case "flood":
		return flood()
	default:
		return fmt.Errorf("there is no mode %q", mode)
	}
}

func serve(args []string) error {
	call, err := drivertest.DecodeCall(os.Stdin)
	if err != nil {
		return err
	}
	c := project.Exec{Command: args[2:], Env: map[string]string{"PROGRAM_KILLS_AT": args[1]}}
	d, err := exec.New(c, driver.Role(args[0]))
	if err != nil {
		return err
	}
	_, err = call.Run(context.Background(), d)
	return err
}

// seen is what a command found when it was started.
type seen struct {
	Args, Environ []string
	Dir           string
	Input         []byte
	Artifact      []byte
	ArtifactMode  os.FileMode
	DirMode       os.FileMode // of the directory that the artifact is in
}

func report(args []string) error {
	s := seen{Args: args[1:], Environ: os.Environ()}
	var err, err2, err3, err4 error
	s.Dir, err = os.Getwd()
	s.Input, err2 = io.ReadAll(os.Stdin)
	if path := os.Getenv("SLUICE_ARTIFACT_PATH"); path != "" {
		s.Artifact, err3 = os.ReadFile(path)
		s.ArtifactMode, s.DirMode, err4 = modes(path)
	}
	b, err5 := json.Marshal(s)
	return errors.Join(err, err2, err3, err4, err5, os.WriteFile(args[0], b, 0o600))
}

func modes(path string) (file, dir os.FileMode, err error) {
	f, err := os.Stat(path)
	if err != nil {
		return 0, 0, err
	}
	d, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return 0, 0, err
	}
	return f.Mode(), d.Mode(), nil
}

// server connects to the socket args[0] and answers until the connection ends, so that whoever listens knows whether it lives. To a
// 'w' it fills its standard output first. It tells that it is ready on descriptor 3.
func server(args []string) error {
	if slices.Contains(args, "stubborn") {
		signal.Ignore(syscall.SIGTERM)
	}
	conn, err := dial(args[0])
	if err != nil {
		return err
	}
	ready := os.NewFile(3, "ready")
	if _, err := ready.Write([]byte{0}); err != nil {
		return err
	}
	if err := ready.Close(); err != nil {
		return err
	}
	for question := make([]byte, 1); ; {
		if _, err := io.ReadFull(conn, question); err != nil {
			return nil //nolint:nilerr // this is how the test ends it
		}
		if question[0] == 'w' {
			if _, err := os.Stdout.Write(make([]byte, 1<<20)); err != nil {
				return err
			}
		}
		if _, err := conn.Write(question); err != nil {
			return err
		}
	}
}

// leave starts a server, waits until it is ready, and ends as args[1] says. With "session" the server leaves the process group, as
// a daemon does; with "cleared" it has an empty environment.
func leave(args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := osexec.Command(self, append([]string{"server", args[0]}, args[2:]...)...) //nolint:noctx // it is to outlive this
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = os.Stdout, os.Stderr, []*os.File{w}
	if slices.Contains(args, "session") {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	}
	if slices.Contains(args, "cleared") {
		cmd.Env = []string{}
	}
	if err := errors.Join(cmd.Start(), w.Close()); err != nil {
		return err
	}
	if _, err := io.ReadFull(r, make([]byte, 1)); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(os.Stdout, "the server runs"); err != nil {
		return err
	}
	switch args[1] {
	case "0":
		return nil
	case "3":
		return exit(3)
	default:
		return cmd.Wait()
	}
}

func obey(args []string) error {
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	if _, err := dial(args[0]); err != nil {
		return err
	}
	<-terms
	_, err := fmt.Fprintln(os.Stdout, "goodbye")
	return err
}

func flood() error {
	line := []byte(strings.Repeat("flood ", 1<<13) + "\n")
	for n := 0; n < 64<<20; n += len(line) {
		if _, err := os.Stdout.Write(line); err != nil {
			return err
		}
	}
	return errors.New("the last line")
}

func dial(socket string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(context.Background(), "unix", socket)
}
