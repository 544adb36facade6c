package sluice_test

import (
	"bufio"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// watcher is a running `sluice status --watch`.
type watcher struct {
	cmd   *exec.Cmd
	lines chan string
}

func watch(ts *testscript.TestScript, _ bool, args []string) {
	path, err := exec.LookPath("sluice")
	ts.Check(err)
	cmd := command(ts, path, append([]string{"status", "--watch"}, args...)...)
	stdout, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	w := &watcher{cmd: cmd, lines: make(chan string, 1000)}
	go func() {
		defer close(w.lines)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			w.lines <- lines.Text()
		}
	}()
	worldOf(ts).watch = w
}

func saw(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile(args[0])
	timeout := time.After(patience)
	var had []string
	for {
		select {
		case line, ok := <-worldOf(ts).watch.lines:
			if ok && want.MatchString(line) {
				return
			}
			had = append(had, line)
			if ok {
				continue
			}
		case <-timeout:
		}
		ts.Fatalf("never saw %s in\n%s", args[0], strings.Join(had, "\n"))
	}
}

func unwatch(ts *testscript.TestScript, _ bool, _ []string) {
	w := worldOf(ts)
	ts.Check(w.watch.cmd.Process.Signal(os.Interrupt))
	ts.Check(w.watch.cmd.Wait())
	w.watch = nil
}
