package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/natstest"
)

// binaries builds every command of the services once, and returns the directory that they are in.
func binaries(t testing.TB) string {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

//nolint:gochecknoglobals // built once for all tests of the process
var built = sync.OnceValues(func() (string, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, ".tmp", "e2e")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	args := []string{"build", "-o", dir + string(filepath.Separator)}
	for _, name := range []string{"publisher", "stager", "promoter", "watcher", "gateway"} {
		args = append(args, "./services/"+name+"/cmd/sluice-"+name)
	}
	args = append(args, "./services/sluice/cmd/sluice")
	cmd := exec.Command("go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as they are shipped
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return dir, nil
})

// up is a running `sluice up` on a data directory and a port that stay the same over restarts.
type up struct {
	t       testing.TB
	dir     string
	address string
	args    []string
	env     []string
	cmd     *exec.Cmd
	log     *os.File
}

func newUp(t testing.TB, projects map[string]string) *up {
	t.Helper()
	u := &up{t: t, dir: t.TempDir(), address: natstest.FreeAddress(t)}
	for name, text := range projects {
		file := filepath.Join(u.dir, name+".yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		u.args = append(u.args, "--project", file)
	}
	var err error
	if u.log, err = os.Create(filepath.Join(u.dir, "up.log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		u.kill()
		if t.Failed() {
			text, _ := os.ReadFile(u.log.Name())
			t.Logf("the end of its log:\n%s", text[max(0, len(text)-8<<10):])
		}
		_ = u.log.Close()
	})
	return u
}

func (u *up) url() string { return "nats://" + u.address }

func (u *up) start() {
	u.t.Helper()
	args := append([]string{"up", "--data", filepath.Join(u.dir, "data"), "--listen", u.address, "--log", "json"}, u.args...)
	u.cmd = exec.Command(filepath.Join(binaries(u.t), "sluice"), args...)
	u.cmd.Stdout, u.cmd.Stderr = u.log, u.log
	u.cmd.Env = append(os.Environ(), u.env...)
	if err := u.cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
}

// kill is kill -9.
func (u *up) kill() {
	if u.cmd == nil {
		return
	}
	_ = u.cmd.Process.Signal(syscall.SIGKILL)
	_ = u.cmd.Wait()
	u.cmd = nil
}

// connect is a client as anybody on the machine: without credentials. It comes back after every kill.
func (u *up) connect() (*nats.Conn, jetstream.JetStream) {
	u.t.Helper()
	nc, err := nats.Connect(u.url(), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true), nats.ReconnectWait(20*time.Millisecond),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		u.t.Fatal(err)
	}
	return nc, js
}

// sluice runs a command of the command line against it, and logs what it said.
func (u *up) sluice(args ...string) (stdout string, code int) {
	u.t.Helper()
	stdout, stderr, code := u.command(args...)
	u.t.Logf("$ sluice %s\n%s%s", strings.Join(args, " "), stdout, stderr)
	return strings.TrimSpace(stdout), code
}

// sluiceQuiet is sluice for what is asked again and again.
func (u *up) sluiceQuiet(args ...string) (stdout string, code int) {
	u.t.Helper()
	stdout, _, code = u.command(args...)
	return stdout, code
}

func (u *up) command(args ...string) (stdout, stderr string, code int) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(binaries(u.t), "sluice"), args...)
	cmd.Env = append(os.Environ(), append(u.env, "NATS_URL="+u.url())...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		u.t.Fatalf("sluice %s: %v", strings.Join(args, " "), err)
	}
	return string(out), errs.String(), cmd.ProcessState.ExitCode()
}

// ready waits until it answers.
func (u *up) ready(project string) {
	u.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		cmd := exec.CommandContext(u.t.Context(), filepath.Join(binaries(u.t), "sluice"), "status", project)
		cmd.Env = append(os.Environ(), "NATS_URL="+u.url())
		if cmd.Run() == nil {
			return
		}
		if time.Now().After(deadline) {
			u.t.Fatal("sluice up does not answer")
		}
		<-time.After(50 * time.Millisecond)
	}
}

func writeFile(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
