package e2e_test

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const tailedProject = `project: tracer
publish: { files: { dir: "DIR" } }
promote: { files: { dir: "DIR" } }
soak: { delay: 1h }
watch:
  - { name: news, signal: { level: error, new_only: true } }
`

// crashing is a program that serves for a while, and then does not.
const crashing = `import sys
print("listening on :8080", flush=True)
print('{"level": "info", "msg": "warm"}', file=sys.stderr)

def charge(order):
    raise KeyError("no price of " + order)

charge("order 4711")
`

// TestACrashCancels: a real program crashes in staging. Its stack trace becomes one signal, and that the end of its release.
func TestACrashCancels(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	u := newUp(t, map[string]string{"tracer": strings.ReplaceAll(tailedProject, "DIR", filepath.Join(dir, "channels"))})
	u.start()
	u.ready("tracer")
	n := &npmWorld{up: u, project: "tracer"}
	id, code := u.sluice("merge", "tracer", "--commit", "c1", "--version", "1.4.0", "--artifact", writeFile(t, dir, "tracer.bin", "anything"))
	if code != 0 {
		t.Fatalf("merge exited with %d", code)
	}
	n.until(id, "soaking")

	cmd := u.tail("tracer", id, "python3", writeFile(t, dir, "app.py", crashing))
	out, err := cmd.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("it ended with %v, Python with 1", err)
	}
	if string(out) != "listening on :8080\n" || !strings.HasSuffix(string(exit.Stderr), "KeyError: 'no price of order 4711'\n") {
		t.Errorf("what it printed is not passed on as it was: %q, %q", out, exit.Stderr)
	}
	n.until(id, "cancelled")
	story, _ := u.sluice("log", id)
	if want := "check news: 1 unusual error during the soak, 0 allowed: new error: KeyError: <str>; for example: KeyError: 'no price of order 4711'"; !strings.Contains(strings.Join(strings.Fields(story), " "), want) {
		t.Errorf("%q is not told:\n%s", want, story)
	}
}

// tail runs a program whose errors become signals.
func (u *up) tail(project, id string, command ...string) *exec.Cmd {
	cmd := exec.CommandContext(u.t.Context(), filepath.Join(binaries(u.t), "sluice"), append([]string{"tail", "--"}, command...)...)
	cmd.Env = append(os.Environ(), "NATS_URL="+u.url(), "SLUICE_PROJECT="+project, "SLUICE_RELEASE="+id)
	return cmd
}

// TestAProgramStartsWithoutTheBroker: it runs, and what is wrong with it is told as soon as there is somebody to tell.
func TestAProgramStartsWithoutTheBroker(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	u := newUp(t, map[string]string{"tracer": strings.ReplaceAll(tailedProject, "DIR", filepath.Join(dir, "channels"))})
	u.start()
	u.ready("tracer")
	n := &npmWorld{up: u, project: "tracer"}
	id, code := u.sluice("merge", "tracer", "--commit", "c1", "--version", "1.4.0", "--artifact", writeFile(t, dir, "tracer.bin", "anything"))
	if code != 0 {
		t.Fatalf("merge exited with %d", code)
	}
	n.until(id, "soaking")
	u.kill()

	cmd := u.tail("tracer", id, "sh", "-c", `echo "ERROR boom" >&2; read line; echo "$line"`)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(errs)
	for lines.Scan() && !strings.Contains(lines.Text(), "can not store signals for now") {
		t.Log(lines.Text())
	}
	u.start()
	n.until(id, "cancelled")
	if _, err := in.Write([]byte("it lives\n")); err != nil {
		t.Error(err)
	}
	for lines.Scan() {
		t.Errorf("it says %s", lines.Text())
	}
	if err := cmd.Wait(); err != nil || out.String() != "it lives\n" {
		t.Errorf("the program ended with %v, and printed %q", err, out.String())
	}
}
