package probe_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/services/watcher/internal/probe"
)

// These look at real servers and run real commands.

func server(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, err := strconv.Atoi(r.PathValue("code"))
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Location", "/status/200")
		w.WriteHeader(code)
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/headers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 1<<20))
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func open(c project.Check) probe.Probe { return probe.Tools{}.Open(c, driver.Facts{}, time.Now()) }

func get(url string, status int, timeout time.Duration) probe.Probe {
	h := &project.HTTP{URL: url}
	if status != 0 {
		h.Status = []project.Statuses{{From: status, To: status}}
	}
	return open(project.Check{Name: "health", HTTP: h, Timeout: timeout})
}

func TestHTTP(t *testing.T) {
	s := server(t)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for name, c := range map[string]struct {
		url     string
		status  int
		timeout time.Duration
		ok      bool
		said    string
	}{
		"200":                  {url: s.URL + "/status/200", ok: true, said: "answered 200"},
		"204":                  {url: s.URL + "/status/204", ok: true, said: "answered 204"},
		"500":                  {url: s.URL + "/status/500", said: "answered 500"},
		"404":                  {url: s.URL + "/nowhere", said: "answered 404"},
		"401, which is wanted": {url: s.URL + "/status/401", status: 401, ok: true, said: "answered 401"},
		"200, 401 is wanted":   {url: s.URL + "/status/200", status: 401, said: "answered 200"},
		"a redirect":           {url: s.URL + "/status/302", said: "answered 302"},
		"a wanted redirect":    {url: s.URL + "/status/302", status: 302, ok: true, said: "answered 302"},
		"an endless body":      {url: s.URL + "/endless", ok: true, said: "answered 200"},
		"endless headers":      {url: s.URL + "/headers", said: "server response headers exceeded"},
		"no answer in time":    {url: s.URL + "/hangs", timeout: 50 * time.Millisecond, said: "did not answer within 50ms"},
		"connection refused":   {url: closed.URL, said: "connection refused"},
		"no such host":         {url: "http://nowhere.invalid/", said: "nowhere.invalid"},
		"not HTTP":             {url: "http://" + notHTTP(t), said: "GET http://127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.timeout == 0 {
				c.timeout = 20 * time.Second
			}
			seen, err := get(c.url, c.status, c.timeout)(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if seen.OK != c.ok || !strings.Contains(seen.Said, c.said) || strings.Contains(seen.Said, "\n") {
				t.Errorf("%+v, want %t and %q", seen, c.ok, c.said)
			}
		})
	}
}

// notHTTP is the address of a server that talks of something else.
func notHTTP(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("SSH-2.0-OpenSSH_9.6\r\n"))
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

func TestHTTPSaysNoSecret(t *testing.T) {
	s := server(t)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for _, url := range []string{s.URL, closed.URL} {
		url = strings.Replace(url, "http://", "http://ana:hunter2@", 1)
		for _, query := range []string{"?token=hunter2", "?hunter2", "?a=1&b=hunter2", "?x=%zzhunter2"} {
			seen, err := get(url+"/status/500"+query, 0, 10*time.Second)(t.Context())
			if strings.Contains(seen.Said+fmt.Sprint(err), "hunter2") {
				t.Errorf("%s tells: %+v %v", query, seen, err)
			}
		}
	}
}

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		"nothing to hide":                         "nothing to hide",
		"GET http://a:b@h/p?x=1&y=2 failed":       "GET http://***@h/p?x=***&y=*** failed",
		`see "postgres://u:p@ss@db:5432/x"`:       `see "postgres://***@db:5432/x"`,
		"mail ana@example.test":                   "mail ana@example.test",
		"https://h/p?flag&token=abc#top":          "https://h/p?flag&token=***#top",
		"redis://:pw@h and amqp://u@h":            "redis://***@h and amqp://***@h",
		`{"url":"http://h/?key=abc","n":"a=b"}`:   `{"url":"http://h/?key=***","n":"a=b"}`,
		"is it so? a = b":                         "is it so? a = b",
		"http://h/path@version?sig=x%2Fy+z&e=1 .": "http://h/path@version?sig=***&e=*** .",
	} {
		if got := probe.Mask(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// What is wrong with this host says nothing about staging.
func TestOursIsNotStagings(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL} {
		tools := probe.Tools{Transport: failing{&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", errno)}}}
		check := project.Check{HTTP: &project.HTTP{URL: "http://h/?token=hunter2"}, Timeout: time.Second}
		if seen, err := tools.Open(check, driver.Facts{}, time.Now())(t.Context()); !errors.Is(err, errno) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %+v, %v", errno, seen, err)
		}
	}
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func TestAProbeThatIsBrokenOffSaysNothing(t *testing.T) {
	s := server(t)
	for name, look := range map[string]probe.Probe{
		"http": get(s.URL+"/hangs", 0, time.Minute),
		"exec": command(time.Minute, nil, "sleep", "60"),
	} {
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() {
			_, err := look(ctx)
			result <- err
		}()
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func command(timeout time.Duration, envFrom []string, words ...string) probe.Probe {
	return probe.Tools{}.Open(
		project.Check{Name: "smoke", Exec: &project.Exec{Command: words, EnvFrom: envFrom}, Timeout: timeout},
		driver.Facts{Release: "r1", Project: "tracer", Version: "1.4.0", Beta: "1.4.0-beta.0", Attempt: 1}, time.Now())
}

func TestExec(t *testing.T) {
	t.Setenv("SMOKE_TOKEN", "hunter2")
	t.Setenv("SECRET_OF_THE_SERVICE", "hunter3")
	for name, c := range map[string]struct {
		timeout time.Duration
		from    []string
		words   []string
		ok      bool
		said    string
	}{
		"exit 0": {words: []string{"true"}, ok: true},
		"exit 3 and its last line": {
			words: []string{"sh", "-c", "echo one; echo two >&2; exit 3"}, said: "sh failed with exit status 3: two",
		},
		"a refusal is a failure too": {words: []string{"sh", "-c", "exit 65"}, said: "exit status 65"},
		"killed":                     {words: []string{"sh", "-c", "kill -9 $$"}, said: "signal: killed"},
		"the release's facts": {
			words: []string{"sh", "-c", `echo "$SLUICE_ACTION $SLUICE_CHECK $SLUICE_PROJECT $SLUICE_BETA"; exit 1`},
			said:  "watch smoke tracer 1.4.0-beta.0",
		},
		"a clean environment": {words: []string{"sh", "-c", `echo "[$SECRET_OF_THE_SERVICE]"; exit 1`}, said: "[]"},
		"a secret is masked":  {from: []string{"SMOKE_TOKEN"}, words: []string{"sh", "-c", `echo "used $SMOKE_TOKEN"; exit 1`}, said: "used ***"},
		"too slow":            {timeout: 100 * time.Millisecond, words: []string{"sleep", "60"}, said: "sleep did not end within 100ms"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.timeout == 0 {
				c.timeout = 20 * time.Second
			}
			seen, err := command(c.timeout, c.from, c.words...)(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if seen.OK != c.ok || !strings.Contains(seen.Said, c.said) || strings.Contains(seen.Said, "\n") {
				t.Errorf("%+v, want %t and %q", seen, c.ok, c.said)
			}
		})
	}
}

func TestExecThatCanNotRun(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("not a program"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, look := range map[string]probe.Probe{
		"not there":         command(time.Second, nil, "./not-there"),
		"not executable":    command(time.Second, nil, plain),
		"a variable unset":  command(time.Second, []string{"SMOKE_UNSET"}, "true"),
		"a NUL in its name": command(time.Second, nil, "tr\x00ue"),
	} {
		seen, err := look(t.Context())
		if err == nil || seen.OK {
			t.Errorf("%s: %+v", name, seen)
		}
	}
}

// A timeout kills the children too: the pipe that the child holds is closed when it is gone.
func TestATimeoutKillsTheChildren(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "alive")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() {
		f, err := os.Open(fifo) // waits for the child
		if err == nil {
			_, err = f.Read(make([]byte, 1)) // waits for its end
			_ = f.Close()
		}
		gone <- err
	}()
	look := command(500*time.Millisecond, nil, "sh", "-c", `sleep 60 >"$0" & wait`, fifo)
	seen, err := look(t.Context())
	if err != nil || seen.OK {
		t.Fatalf("%+v, %v", seen, err)
	}
	if err := <-gone; err != nil && !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}
