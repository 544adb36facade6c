package sluice_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
	"github.com/sluice-gate/sluice/services/sluice"
	"github.com/sluice-gate/sluice/services/sluice/internal/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"sluice":        func() { os.Exit(sluice.Main()) },
		"sluice-client": func() { os.Exit(int(cli.Main(cli.Up{}))) },
	})
}

// patience bounds every wait of a script. It is generous: two slow cores may run the race detector.
const patience = 60 * time.Second

// TestScripts runs testdata/script over the real binary. Scripts have these commands of their own:
//
//	start ARG...      runs `sluice up --data data` on free ports until it is up, and sets NATS_URL, HTTP_URL and HOOKS_URL
//	down [HOW]        sends it SIGTERM, or INT or KILL, or SIGTERM twice (TWICE), and waits for its end, which must be in
//	                  order unless it was killed; its error output is then in up.err
//	broker [KIND]     runs a broker without services: as `sluice up` has it, or "users" (nobody is let in without a password),
//	                  or "plain" (no accounts, no streams), or "tls" (see secure); "broker stop" ends it
//	until ID PHASE    waits for a phase of a release, or with "?" after it for a record
//	code N CMD ARG…   runs a command that must end with that exit code, which the help of a command of sluice must document
//	valid SCHEMA      holds what the last command printed to a schema
//	term HOW …        runs a program in a terminal
//	becomes RE CMD…   runs a command again and again until it prints that
//	let NAME          sets a variable to what the last command printed
//	later NAME TIME   sets a variable to the time after that duration
//	get URL           prints what is there
//	send URL FILE     sends a webhook signed with $WEBHOOK_SECRET, as the generic source is, and prints the answer
//	watch ARG…        runs `sluice status --watch`
//	saw REGEXP        waits until it has printed that
//	unwatch           interrupts it, which must end it without an error
func TestScripts(t *testing.T) {
	cli := natstest.CLI(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, "TZ="+noon(time.Now()), "USER=ana", "HOME="+e.WorkDir, "GORACE="+os.Getenv("GORACE"))
			for i, v := range e.Vars {
				if path, ok := strings.CutPrefix(v, "PATH="); ok {
					e.Vars[i] = "PATH=" + path + string(os.PathListSeparator) + filepath.Dir(cli)
				}
			}
			w := &world{t: t}
			e.Values[w.key()] = w
			e.Defer(w.end)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start":  start,
			"down":   down,
			"broker": broker,
			"until":  until,
			"code":   code,
			"let":    let,
			"later":  later,

			"becomes": becomes, "valid": valid, "term": term,

			"get": get, "post": post, "send": send,

			"watch": watch, "saw": saw, "unwatch": unwatch,
		},
	})
}

// noon is a zone where the day is half over, so that what is due in some hours is due today.
func noon(now time.Time) string {
	switch ahead := 12 - now.UTC().Hour(); {
	case ahead > 0:
		return fmt.Sprintf("Etc/GMT-%d", ahead) // in these names the sign is the other way round
	case ahead < 0:
		return fmt.Sprintf("Etc/GMT+%d", -ahead)
	}
	return "Etc/UTC"
}

// world is what runs for one script.
type world struct {
	t      *testing.T
	up     *process
	broker *natstest.Server
	watch  *watcher

	terminal *terminal
}

type worldKey struct{}

func (*world) key() any { return worldKey{} }

func worldOf(ts *testscript.TestScript) *world {
	w, ok := ts.Value(worldKey{}).(*world)
	if !ok {
		ts.Fatalf("no world")
	}
	return w
}

func (w *world) end() {
	w.terminal.close()
	if w.up != nil {
		_ = w.up.cmd.Process.Kill()
		<-w.up.done
	}
	if w.watch != nil {
		_ = w.watch.cmd.Process.Kill()
		_ = w.watch.cmd.Wait()
	}
	if w.broker != nil {
		w.broker.Stop()
	}
}

// process is a running `sluice up`.
type process struct {
	cmd  *exec.Cmd
	up   chan struct{} // closed when it says that it is up
	down chan struct{} // closed when it says that it stops
	done chan struct{} // closed when it has ended
	err  error

	mu     sync.Mutex
	stderr bytes.Buffer
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// read keeps what the process says, and closes up at the end of the greeting.
func (p *process) read(lines *bufio.Scanner) {
	defer close(p.done)
	greeted, stopping := false, false
	for lines.Scan() {
		p.mu.Lock()
		p.stderr.WriteString(lines.Text() + "\n")
		p.mu.Unlock()
		if !greeted && strings.HasPrefix(lines.Text(), "Ctrl-C stops it") {
			greeted = true
			close(p.up)
		}
		if !stopping && strings.Contains(lines.Text(), "with a second signal") {
			stopping = true
			close(p.down)
		}
	}
	p.err = p.cmd.Wait()
}

func start(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	if w.up != nil {
		ts.Fatalf("sluice up runs already")
	}
	path, err := exec.LookPath("sluice")
	ts.Check(err)
	cmd := command(ts, path, append([]string{"up", "--data", "data", "--listen", "127.0.0.1:0"}, args...)...)
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	p := &process{cmd: cmd, up: make(chan struct{}), down: make(chan struct{}), done: make(chan struct{})}
	go p.read(bufio.NewScanner(stderr))
	select {
	case <-p.up:
	case <-p.done:
		if !neg {
			ts.Fatalf("sluice up ended: %v\n%s", p.err, p.said())
		}
		ts.Check(os.WriteFile(ts.MkAbs("up.err"), []byte(p.said()), 0o600))
		return
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		ts.Fatalf("sluice up is not up after %s\n%s", patience, p.said())
	}
	w.up = p
	if neg {
		ts.Fatalf("sluice up is up")
	}
	data, err := os.ReadFile(ts.MkAbs("data/up.json"))
	ts.Check(err)
	var at struct{ NATS, HTTP, Hooks, Dashboard string }
	ts.Check(json.Unmarshal(data, &at))
	ts.Setenv("NATS_URL", at.NATS)
	ts.Setenv("HTTP_URL", at.HTTP)
	ts.Setenv("HOOKS_URL", at.Hooks)
	ts.Setenv("DASHBOARD_URL", at.Dashboard)
	ts.Setenv("PORT", strings.TrimPrefix(at.NATS, "nats://"))
	ts.Setenv("UP_PID", strconv.Itoa(cmd.Process.Pid))
}

// command is a process with the script's directory and environment.
func command(ts *testscript.TestScript, path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.Dir = ts.Getenv("WORK")
	for _, name := range []string{"PATH", "HOME", "TZ", "USER", "TMPDIR", "GORACE", "NATS_URL", "WEBHOOK_SECRET", "DEPLOY_TOKEN"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	return cmd
}

func down(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	if w.up == nil {
		ts.Fatalf("sluice up does not run")
	}
	how := strings.Join(args, " ")
	sig, ok := map[string]syscall.Signal{
		"": syscall.SIGTERM, "TWICE": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL,
	}[how]
	if !ok {
		ts.Fatalf("down %s: which signal?", how)
	}
	ts.Check(w.up.cmd.Process.Signal(sig))
	if how == "TWICE" {
		select {
		case <-w.up.down:
		case <-time.After(patience):
			ts.Fatalf("sluice up does not say that it stops\n%s", w.up.said())
		}
		ts.Check(w.up.cmd.Process.Signal(sig))
	}
	select {
	case <-w.up.done:
	case <-time.After(patience):
		ts.Fatalf("sluice up does not stop\n%s", w.up.said())
	}
	p := w.up
	w.up = nil
	ts.Check(os.WriteFile(ts.MkAbs("up.err"), []byte(p.said()), 0o600))
	killed := how == "TWICE" || how == "KILL"
	var exit *exec.ExitError
	switch {
	case killed && errors.As(p.err, &exit) && !exit.Exited(): // by the signal
	case killed || p.err != nil:
		ts.Fatalf("sluice up ended with %v\n%s", p.err, p.said())
	}
}

func broker(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	kind := strings.Join(args, " ")
	if kind == "stop" {
		w.broker.Stop()
		w.broker = nil
		return
	}
	options := []natstest.Option{natstest.Listen(), natstest.Dir(ts.MkAbs("data/jetstream"))}
	var as []nats.Option
	if kind == "tls" {
		secured, with := secure(ts)
		options, as = append(options, secured), with
	}
	if kind != "plain" {
		options = append(options, natstest.Configure(func(o *server.Options) error {
			return accounts.Embed(o, kind != "users", func(user string) string { return "secret-of-" + user })
		}))
	}
	w.broker = natstest.One(w.t, options...)
	ts.Setenv("NATS_URL", w.broker.URL())
	if kind == "plain" {
		return
	}
	nc, err := w.broker.Connect(append(as, nats.UserInfo(accounts.Admin, "secret-of-admin"))...)
	ts.Check(err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ts.Check(topology.Ensure(ctx, js, topology.Options{}))
}

func until(ts *testscript.TestScript, _ bool, args []string) {
	nc, err := nats.Connect(ts.Getenv("NATS_URL"))
	ts.Check(err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	j, err := journal.Open(ctx, js, "test")
	ts.Check(err)
	var story []string
	err = j.Follow(ctx, args[0], 0, func(r journal.Record) bool {
		story = append(story, r.Type)
		event, ok := strings.CutSuffix(args[1], "?")
		return ok && r.Type != event || !ok && string(r.State.Phase) != args[1]
	}, func(error) error { return nil })
	if err != nil {
		said := ""
		if up := worldOf(ts).up; up != nil {
			said = up.said()
		}
		ts.Fatalf("%s never became %s: %s: %v\n%s", args[0], args[1], strings.Join(story, ", "), err, said)
	}
}

func code(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s\n[stdout]\n%s[stderr]\n%s", got, args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
	if !strings.HasPrefix(args[1], "sluice") || len(args) < 3 || args[2] == "tail" { // whose code is that of what it runs
		return
	}
	if help := helpOf(ts, args[1], args[2:]); !strings.Contains(" "+help, " "+args[0]+" ") {
		ts.Fatalf("exit code %d of %s is not in its help: %s", got, args[2], help)
	}
}

// helps is the exit codes that each command documents, as far as they were asked for.
var helps sync.Map //nolint:gochecknoglobals // all scripts ask for the same ones

func helpOf(ts *testscript.TestScript, program string, args []string) string {
	words := []string{args[0]}
	if len(args) > 1 && !strings.HasPrefix(args[1], "-") { // a command below it, or an argument
		words = args[:2]
	}
	key := strings.Join(words, " ")
	if known, ok := helps.Load(key); ok {
		return known.(string)
	}
	help, err := command(ts, program, append(words[:len(words):len(words)], "--help")...).Output()
	ts.Check(err)
	_, codes, _ := strings.Cut(string(help), "Exit codes: ")
	helps.Store(key, codes)
	return codes
}

func becomes(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile(args[0])
	for begun := time.Now(); ; {
		err := ts.Exec(args[1], args[2:]...)
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Since(begun) > patience {
			ts.Fatalf("it never printed %s (%v), but\n%s", args[0], err, ts.ReadFile("stdout"))
		}
	}
}

func let(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

func later(ts *testscript.TestScript, _ bool, args []string) {
	d, err := time.ParseDuration(args[1])
	ts.Check(err)
	ts.Setenv(args[0], time.Now().Add(d).UTC().Format(time.RFC3339))
}

func get(ts *testscript.TestScript, _ bool, args []string) {
	resp, err := http.Get(args[0])
	ts.Check(err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if resp.StatusCode != http.StatusOK {
		ts.Fatalf("%s: %s\n%s", args[0], resp.Status, body)
	}
	_, err = ts.Stdout().Write(body)
	ts.Check(err)
}
