package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/notice"
	"github.com/sluice-gate/sluice/services/gateway/internal/tell"
)

// receiver takes what is posted to it, and answers as it is told.
type receiver struct {
	*httptest.Server
	answer func(n int, path string) (status int, header http.Header)

	mu   sync.Mutex
	got  map[string][]string // path → bodies that it has taken
	head map[string]http.Header
	n    int
}

func newReceiver(t testing.TB, answer func(n int, path string) (int, http.Header)) *receiver {
	t.Helper()
	r := &receiver{answer: answer, got: map[string][]string{}, head: map[string]http.Header{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		r.mu.Lock()
		r.n++
		status, header := http.StatusOK, http.Header(nil)
		if r.answer != nil {
			status, header = r.answer(r.n, q.URL.Path)
		}
		if err == nil && status < 300 {
			r.got[q.URL.Path] = append(r.got[q.URL.Path], string(body))
			r.head[q.URL.Path] = q.Header
		}
		r.mu.Unlock()
		for name := range header {
			w.Header().Set(name, header.Get(name))
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) taken(path string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.got[path]...)
}

// TestBodies: what each kind of target gets, of a text that would be a mention, a link and markdown.
func TestBodies(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t, nil)
	for _, name := range []string{"SLACK", "TEAMS", "DISCORD", "NTFY"} {
		t.Setenv(name, r.URL+"/"+strings.ToLower(name)+"/hunter2hunter2")
	}
	t.Setenv("NTFY", "generic+"+r.URL+"/ntfy/hunter2hunter2")
	t.Setenv("TOKEN", "token-of-the-webhook")
	w.applies("tracer", `
  - slack: { url_env: SLACK }
  - teams: { url_env: TEAMS }
  - discord: { url_env: DISCORD }
  - shoutrrr: { url_env: NTFY }
  - webhook: { url: "`+r.URL+`/webhook", token_env: TOKEN }
    name: own
    template: "{{.Event}} <{{.Why}}>"
`)
	w.begin("gateway-0", config.NotifyOut{
		Secrets: []string{"SLACK", "TEAMS", "DISCORD", "NTFY", "TOKEN"}, Dashboard: "https://sluice.example.com", Slack: &config.SlackActions{},
	}, nil)
	const hostile = "<!channel> *@everyone* [x](https://evil.example) \"'\u202e` & $(id)"
	s := w.fails("tracer", hostile+"\nBcc: all@example.com\r\n"+strings.Repeat("long ", 3000))
	bodies := map[string]string{}
	for _, path := range []string{"/slack/hunter2hunter2", "/teams/hunter2hunter2", "/discord/hunter2hunter2", "/ntfy/hunter2hunter2", "/webhook"} {
		w.eventually(path+" has it", func() error {
			if n := len(r.taken(path)); n != 1 {
				return fmt.Errorf("%d: %v", n, w.logs.All())
			}
			return nil
		})
		bodies[strings.Split(path, "/")[1]] = r.taken(path)[0]
	}
	w.eventually("all is acknowledged", w.acknowledged)

	for kind, wants := range map[string][]string{
		"slack": {
			`"text":"*tracer 1.4.0 failed: &lt;!channel&gt; *@everyone*`, `"verbatim":true`, `retry: sluice retry ` + s.Release,
			`"action_id":"sluice:retry","value":"` + s.Release + `"`, `https://sluice.example.com/releases/` + s.Release,
			`nats pub -J sluice.retry.` + s.Release + `.YOU WHY`,
		},
		"teams":   {`"type":"AdaptiveCard"`, `"type":"TextRun","text":"tracer 1.4.0 failed: <!channel> *@everyone*`, `"weight":"Bolder"`, `"type":"Action.OpenUrl"`},
		"discord": {`"allowed_mentions":{"parse":[]}`, `failed: \<!channel\> \*\@everyone\* \[x\]\(https`},
		"ntfy":    {`tracer 1.4.0 failed: <!channel>`, "sluice retry " + s.Release},
		"webhook": {`"event":"failed"`, `"attention":true`, `"text":"failed <<!channel>`, `"verb":"retry"`, `"key":"` + s.Release + `.`},
	} {
		body := bodies[kind]
		unescaped := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&", `\\`, `\`).Replace(body)
		for _, want := range wants {
			if !strings.Contains(unescaped, want) {
				t.Errorf("%s lacks %s:\n%s", kind, want, unescaped)
			}
		}
		if kind != "ntfy" && !json.Valid([]byte(body)) || len(body) > 8000 || strings.Contains(body, "\u202e") {
			t.Errorf("%s: %d bytes: %s", kind, len(body), body)
		}
		if strings.Contains(body, `\nBcc`) || strings.Contains(body, "\nBcc") {
			t.Errorf("%s: a reason has more than one line: %s", kind, body)
		}
	}
	h := r.head["/webhook"]
	if h.Get("Authorization") != "Bearer token-of-the-webhook" || !strings.HasPrefix(h.Get("Idempotency-Key"), `"`+s.Release) {
		t.Errorf("%v", h)
	}
	w.silent("hunter2", "token-of-the-webhook")
}

// reasons are those of all dead letters; each has its record and the notice.
func (w *world) reasons() string {
	w.Helper()
	stream, err := w.js.Stream(w.Context(), topology.StreamSluice)
	if err != nil {
		w.Fatal(err)
	}
	reasons := ""
	for seq := uint64(1); seq <= stream.CachedInfo().State.LastSeq; seq++ {
		m, err := stream.GetMsg(w.Context(), seq)
		if err != nil || !strings.HasPrefix(m.Subject, "sluice.dead.notify.") {
			continue
		}
		letter, err := releasepb.DecodeDeadLetter(m.Data)
		if err != nil || !strings.HasPrefix(letter.Subject, "sluice.release.") || letter.Seq == 0 || !strings.Contains(string(letter.Body), `"why":`) {
			w.Errorf("%+v %v", letter, err)
		}
		reasons += letter.Reason + "\n"
	}
	return reasons
}

// silent looks that no secret is in a log, or anywhere on the broker.
func (w *world) silent(secrets ...string) {
	w.Helper()
	var all strings.Builder
	for _, e := range w.logs.All() {
		fmt.Fprintln(&all, e.Message, e.ContextMap())
	}
	for _, name := range []string{topology.StreamSluice, topology.StreamEvidence} {
		s, err := w.js.Stream(w.Context(), name)
		if err != nil {
			w.Fatal(err)
		}
		for seq := uint64(1); seq <= s.CachedInfo().State.LastSeq; seq++ {
			if m, err := s.GetMsg(w.Context(), seq); err == nil {
				fmt.Fprintln(&all, m.Subject, string(m.Data), m.Header)
				if letter, err := releasepb.DecodeDeadLetter(m.Data); err == nil {
					fmt.Fprintln(&all, letter.Reason, string(letter.Body))
				}
			}
		}
	}
	for _, secret := range secrets {
		if at := strings.Index(all.String(), secret); at >= 0 {
			w.Errorf("a secret is told: …%s", all.String()[max(0, at-300):min(all.Len(), at+100)])
		}
	}
}

// TestRefused: what a target will never take, and what it has not taken often enough, is kept with the reason; none of it has a secret.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t, func(_ int, path string) (int, http.Header) {
		switch path {
		case "/never/hunter2hunter2":
			return http.StatusBadRequest, nil
		case "/redirects/hunter2hunter2":
			return http.StatusFound, http.Header{"Location": {"/elsewhere/hunter2hunter2"}}
		}
		return http.StatusOK, nil
	})
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	t.Setenv("NEVER", r.URL+"/never/hunter2hunter2")
	t.Setenv("REDIRECTS", r.URL+"/redirects/hunter2hunter2")
	t.Setenv("NOBODY", "http://"+closed.Addr().String()+"/hunter2hunter2?token=hunter2hunter2")
	t.Setenv("NO_URL", "hunter2hunter2")
	t.Setenv("PLAIN_HTTP", "http://example.com/hunter2hunter2")
	t.Setenv("SHOUT", "telegram://hunter2hunter2@telegram?chats=hunter2hunter2")
	t.Setenv("SHOUT_NOBODY", "generic+http://"+closed.Addr().String()+"/hunter2hunter2")
	t.Setenv("HIDDEN", r.URL+"/stolen")
	w.applies("tracer", `
  - { slack: { url_env: NEVER }, name: never }
  - { teams: { url_env: REDIRECTS }, name: redirects }
  - { discord: { url_env: NOBODY }, name: nobody }
  - { slack: { url_env: NO_URL }, name: no-url }
  - { slack: { url_env: PLAIN_HTTP }, name: plain-http }
  - { shoutrrr: { url_env: SHOUT }, name: shout }
  - { shoutrrr: { url_env: SHOUT_NOBODY }, name: shout-nobody }
  - { slack: { url_env: MISSING }, name: missing }
  - { slack: { url_env: HIDDEN }, name: hidden }
  - { email: { host: 127.0.0.1, port: 1, tls: none, from: a@b.c, to: [d@e.f] }, name: mail }
`)
	w.begin("gateway-0", config.NotifyOut{
		Attempts: 2, Secrets: []string{"NEVER", "REDIRECTS", "NOBODY", "NO_URL", "PLAIN_HTTP", "SHOUT", "SHOUT_NOBODY", "MISSING"},
	}, nil)
	s := w.fails("tracer", "the reason")
	w.eventually("all is kept", func() error {
		if n := w.stored(topology.StreamSluice, "sluice.dead.notify."+s.Release); n != 10 {
			return fmt.Errorf("%d", n)
		}
		return w.acknowledged()
	})
	reasons := w.reasons()
	for _, want := range []string{
		"never is not told, attempt 1: refused for what it is: Slack answers 400", "redirects is not told, attempt 2: Teams answers 302",
		"nobody is not told, attempt 2: send to Discord: dial tcp", "the address of Slack must be a URL with https",
		`the environment variable "MISSING"`, "does not let project files name the variable HIDDEN: add it to notify.secrets",
		"mail is not told, attempt 2: send to the mail server 127.0.0.1: dial tcp", "shout is not told, attempt 2: ", "shout-nobody is not told, attempt 2: send by shoutrrr to generic: ",
	} {
		if !strings.Contains(reasons, want) {
			t.Errorf("no reason is %q:\n%s", want, reasons)
		}
	}
	if len(r.taken("/stolen"))+len(r.taken("/elsewhere/hunter2hunter2")) != 0 {
		t.Error("a target was told that may not be")
	}
	w.silent("hunter2")
}

// TestRetryAfter: a target that says when to come back is asked then, and not before.
func TestRetryAfter(t *testing.T) {
	w := newWorld(t)
	var first time.Time
	r := newReceiver(t, nil)
	r.answer = func(n int, _ string) (int, http.Header) {
		if n == 1 {
			first = time.Now()
			return http.StatusTooManyRequests, http.Header{"Retry-After": {"2"}}
		}
		return http.StatusOK, nil
	}
	t.Setenv("SLACK", r.URL+"/slack")
	w.applies("tracer", "  - slack: { url_env: SLACK }\n")
	w.begin("gateway-0", config.NotifyOut{Secrets: []string{"SLACK"}}, nil)
	w.cancels("tracer", "why")
	w.eventually("it is told", func() error {
		if len(r.taken("/slack")) != 1 {
			return errors.New("not yet")
		}
		return w.acknowledged()
	})
	if took := time.Since(first); took < 2*time.Second || r.n != 2 {
		t.Errorf("it was asked %d times, the last time after %s", r.n, took)
	}
}

// TestSilentServer: a target that takes the connection and says nothing is given up in time, whatever it speaks.
func TestSilentServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	address := ln.Addr().(*net.TCPAddr)
	t.Setenv("SILENT", "http://"+address.String()+"/hunter2hunter2")
	t.Setenv("SHOUT", "generic+http://"+address.String()+"/hunter2hunter2")
	out := newOutside(config.NotifyOut{Secrets: []string{"SILENT", "SHOUT"}}, zap.NewNop())
	m := notice.Message{Notices: []project.Notice{project.SampleNotice()}, Zone: time.UTC}
	for name, to := range map[string]project.Notify{
		"slack":    {Slack: &project.Hook{URLEnv: "SILENT"}},
		"shoutrrr": {Shoutrrr: &project.Hook{URLEnv: "SHOUT"}},
		"mail":     {Email: &project.Email{Host: "127.0.0.1", Port: address.Port, From: "a@b.c", To: []string{"d@e.f"}, TLS: project.NoTLS}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		began := time.Now()
		err := out.Send(ctx, to, m)
		cancel()
		if took := time.Since(began); err == nil || took > 3*time.Second || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v after %s", name, err, took)
		}
	}
}

// TestSecretFiles: a secret in a file is read when it is used.
func TestSecretFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "slack")
	r := newReceiver(t, nil)
	out := newOutside(config.NotifyOut{SecretFiles: []string{file}}, zap.NewNop())
	m := notice.Message{Notices: []project.Notice{project.SampleNotice()}, Zone: time.UTC}
	to := project.Notify{Slack: &project.Hook{URLFile: file}}
	if err := out.Send(t.Context(), to, m); err == nil || errors.Is(err, tell.ErrFinal) || errors.As(err, new(*react.LaterError)) {
		t.Errorf("without the file: %v", err)
	}
	if err := os.WriteFile(file, []byte(r.URL+"/slack\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := out.Send(t.Context(), to, m); err != nil || len(r.taken("/slack")) != 1 {
		t.Errorf("%v, %v", err, r.got)
	}
}
