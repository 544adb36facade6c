package tail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	ossignal "os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-gate/sluice/pkg/signal"
)

// Lines of real crashes, between lines of a log: each error is one.
func TestLinesOfOneErrorAreOneSignal(t *testing.T) {
	const (
		golang = "panic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:5 +0x1d\nexit status 2"
		python = "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    f()\nValueError: no\n\n" +
			"During handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"a.py\", line 3\nKeyError: 1"
		node = "/app/server.js:10\n    throw new Error('boom');\n    ^\n\nError: boom\n    at Object.<anonymous> (/app/server.js:10:9)\n\nNode.js v20.1.0"
		java = "Exception in thread \"main\" java.lang.IllegalStateException: no\n\tat a.B.c(B.java:1)\nCaused by: java.io.IOException: gone\n\t... 3 more"
		rust = "thread 'main' panicked at src/main.rs:2:5:\nboom\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace"
	)
	for name, want := range map[string][]string{
		"lines":         {"one", "two", "three"},
		"json":          {`{"level":"error","msg":"a"}`, `{"level":"error","msg":"b"}`},
		"go":            {"hello", golang},
		"python":        {"INFO hello", python, "after it"},
		"node":          {"hello", node},
		"java":          {"2026 INFO hello", java, "INFO next"},
		"rust":          {rust},
		"json after go": {golang, `{"level":"error","msg":"a"}`},
		"log after go":  {golang, "2026-11-23 ERROR next"},
		"indented":      {"a:\n  b\n\tc", "d"},
	} {
		var g group
		var got []string
		for line := range strings.SplitSeq(strings.Join(want, "\n"), "\n") {
			if done, ok := g.add(line); ok {
				got = append(got, done)
			}
		}
		if done, ok := g.flush(); ok {
			got = append(got, done)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

// broker keeps what it is sent. While away is open it takes nothing.
type broker struct {
	mu   sync.Mutex
	all  []string
	away chan struct{}
	most int
}

func (b *broker) store(ctx context.Context, message []byte) error {
	if b.away != nil {
		select {
		case <-b.away:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.most = max(b.most, len(message))
	for line := range strings.Lines(string(message)) {
		b.all = append(b.all, strings.TrimSuffix(line, "\n"))
	}
	return nil
}

// TestMain lets the test binary be the program that is run.
func TestMain(m *testing.M) {
	switch os.Getenv("TAIL_TEST") {
	case "panics":
		fmt.Println("on its standard output")
		fmt.Println(`{"level":"error","msg":"in the log"}`)
		panic("of its own")
	case "exits":
		os.Exit(7)
	case "dies":
		p, _ := os.FindProcess(os.Getpid())
		_ = p.Kill()
		select {}
	case "waits":
		told := make(chan os.Signal, 1)
		ossignal.Notify(told, syscall.SIGTERM)
		fmt.Println("ready")
		<-told
		os.Exit(5)
	case "floods":
		line := []byte(strings.Repeat("x", 99) + "\n")
		for range 100_000 {
			_, _ = os.Stderr.Write(line)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func run(t *testing.T, what string, b *broker) (code int, out, errs, said string) {
	t.Helper()
	t.Setenv("TAIL_TEST", what)
	var o, e, s bytes.Buffer
	code, err := Run(t.Context(), Config{
		Command: []string{os.Args[0]}, Out: &o, Err: &e, Least: signal.Error, Plain: signal.Error, Store: b.store,
		Say: func(format string, args ...any) { fmt.Fprintf(&s, format+"\n", args...) }, Flush: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	return code, o.String(), e.String(), s.String()
}

func TestACrash(t *testing.T) {
	var b broker
	code, out, errs, said := run(t, "panics", &b)
	if code != 2 || !strings.HasPrefix(out, "on its standard output\n{") || !strings.HasPrefix(errs, "panic: of its own") || said != "" {
		t.Errorf("exit code %d, %q, %q, %q", code, out, errs, said)
	}
	if len(b.all) != 2 || b.all[0] != `{"level":"error","msg":"in the log"}` || !strings.HasPrefix(b.all[1], `{"level":"fatal","message":"panic: of its own\n\ngoroutine 1`) {
		t.Errorf("signals: %q", b.all)
	}
}

func TestAnEndWithoutAWord(t *testing.T) {
	for what, want := range map[string]struct {
		code int
		says string
	}{"exits": {7, "exited with status 7"}, "dies": {137, "was killed by signal killed"}} {
		var b broker
		code, _, _, _ := run(t, what, &b)
		if code != want.code || len(b.all) != 1 || !strings.Contains(b.all[0], want.says) || !strings.Contains(b.all[0], `"level":"fatal"`) {
			t.Errorf("%s: exit code %d, %q", what, code, b.all)
		}
	}
}

// onWrite does something when something is written.
type onWrite func()

func (f onWrite) Write(p []byte) (int, error) {
	f()
	return len(p), nil
}

// What tells this command to stop tells the program, which decides. How it ends then is nobody's error.
func TestAskedToStop(t *testing.T) {
	t.Setenv("TAIL_TEST", "waits")
	var b broker
	code, err := Run(t.Context(), Config{
		Command: []string{os.Args[0]}, Err: io.Discard, Least: signal.Error, Plain: signal.Error, Store: b.store, Flush: time.Second,
		Out: onWrite(func() { _ = syscall.Kill(os.Getpid(), syscall.SIGTERM) }),
	})
	if err != nil || code != 5 || len(b.all) != 0 {
		t.Errorf("exit code %d, signals %q: %v", code, b.all, err)
	}
}

// A program is not held up by a broker that is away. What finds no room is counted, and the count comes first when it is back.
func TestWhatFindsNoRoomIsAGap(t *testing.T) {
	b := &broker{away: make(chan struct{})} // for ever
	code, _, errs, said := run(t, "floods", b)
	if code != 0 || len(errs) != 100_000*100 || !strings.Contains(said, "signals were not stored within 1s of the end") {
		t.Errorf("exit code %d, %d bytes passed on, it says %q", code, len(errs), said)
	}

	back := newBuffer()
	for i := range mostSignals + 5 {
		back.put(fmt.Appendf(nil, `{"level":"error","message":"%d"}`, i))
	}
	back.close()
	var got broker
	Config{Store: got.store}.send(t.Context(), back)
	if len(got.all) != mostSignals+1 || got.all[0] != `{"gap":5}` || got.all[1] != `{"level":"error","message":"0"}` || got.most > mostMessage {
		t.Errorf("%d signals, the first %q, the largest message %d bytes", len(got.all), got.all[0], got.most)
	}
}

// What the broker does not take is sent again, in the same order.
func TestSentAgain(t *testing.T) {
	b := newBuffer()
	b.put([]byte("1"))
	b.close()
	var got broker
	var said []string
	n := 0
	Config{
		Say: func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) },
		Store: func(ctx context.Context, m []byte) error {
			if n++; n < 3 {
				return errors.New("no NATS server answers")
			}
			return got.store(ctx, m)
		},
	}.send(t.Context(), b)
	if n != 3 || len(got.all) != 1 || len(said) != 1 || !strings.Contains(said[0], "no NATS server answers") {
		t.Errorf("%d times, %q, %q", n, got.all, said)
	}
}

// What is passed on is what was written, byte for byte; what is sent is JSON on one line, and fits.
func TestHostileLogs(t *testing.T) {
	for name, in := range map[string]string{
		"a long line":       strings.Repeat("x", 1<<20) + "\nnext\n",
		"no end":            strings.Repeat("y", 100_000),
		"control":           strings.Repeat("\x01", 20_000) + "\n\x00\xff\n",
		"10 MB of one line": strings.Repeat("z", 10<<20),
		"json, too long":    `{"level":"error","msg":"` + strings.Repeat("w", 15_000) + "\"}\n",
		"commands":          "$(reboot)\n`reboot`\n../../etc/passwd\n",
	} {
		var out bytes.Buffer
		var b broker
		if _, err := Run(t.Context(), Config{
			In: strings.NewReader(in), Out: &out, Least: signal.Error, Plain: signal.Error, Store: b.store, Flush: time.Minute,
		}); err != nil {
			t.Fatal(err)
		}
		if out.String() != in {
			t.Errorf("%s: %d bytes of %d are passed on", name, out.Len(), len(in))
		}
		if len(b.all) == 0 || b.most > mostMessage+1 {
			t.Errorf("%s: %d signals, the largest message is of %d bytes", name, len(b.all), b.most)
		}
		for _, line := range b.all {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s: %.80q is no JSON", name, line)
			}
		}
	}
}

// Only what is bad enough is sent.
func TestLevelsOfALog(t *testing.T) {
	const in = "INFO a\nERROR b\n{\"level\":\"info\",\"msg\":\"c\"}\nd\nlevel=warn msg=e\n"
	for _, c := range []struct {
		least, plain signal.Level
		want         []string
	}{
		{signal.Error, signal.Error, []string{"ERROR b", "d"}},
		{signal.Error, signal.Info, []string{"ERROR b"}},
		{signal.Warn, signal.Info, []string{"ERROR b", "e"}},
		{signal.Fatal, signal.Error, nil},
	} {
		var b broker
		if _, err := Run(t.Context(), Config{
			In: strings.NewReader(in), Out: io.Discard, Least: c.least, Plain: c.plain, Store: b.store, Flush: time.Minute,
		}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, line := range b.all {
			got = append(got, signal.Parse([]byte(line))[0].Text)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s, plain %s: -want +got\n%s", c.least, c.plain, diff)
		}
	}
}
