package serve_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/hook"
	"github.com/sluice-gate/sluice/services/gateway/internal/serve"
)

const (
	secret = "It's a Secret to Everybody"
	hooks  = `
hooks:
  - path: /hooks/github
    source: github
    secret_env: TEST_WEBHOOK_SECRET
    merges:
      - { repository: acme/shop, project: api, on: push, artifact: "api-{short}" }
      - { repository: acme/shop, project: web, on: push, artifact: "web-{short}" }
  - { path: /hooks/alerts, source: alertmanager, auth: basic, secret_env: TEST_WEBHOOK_SECRET, projects: [api] }
  - path: /hooks/unset
    source: gitlab
    secret_env: TEST_WEBHOOK_SECRET_THAT_NOBODY_SET
    merges:
      - { repository: acme/shop, project: api, on: push, artifact: a }
`
	push = `{"ref":"refs/heads/main","after":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","repository":{"full_name":"acme/shop"}}`
)

// bundle is a handler, with what it hands over and says.
type bundle struct {
	*httptest.Server
	mu     sync.Mutex
	stored []string
	fail   map[string]error // by project
	counts map[string]int
	logs   *observer.ObservedLogs
}

func setup(t *testing.T) *bundle {
	t.Helper()
	t.Setenv("TEST_WEBHOOK_SECRET", secret)
	c, err := config.Parse("gateway.yaml", []byte(hooks))
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.DebugLevel)
	b := &bundle{fail: map[string]error{}, counts: map[string]int{}, logs: logs}
	h := serve.Handler{Config: c, Log: zap.New(core),
		Count: func(path string, status int) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.counts[fmt.Sprint(path, " ", status)]++
		},
		Alert: func(_ context.Context, a hook.Alert) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			if err := b.fail[a.Project]; err != nil {
				return err
			}
			b.stored = append(b.stored, a.Project+" "+a.Fingerprint+" "+string(a.Status))
			return nil
		},
		Store: func(_ context.Context, m hook.Merge) (serve.Stored, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if err := b.fail[m.Project]; err != nil {
				return serve.Stored{}, err
			}
			b.stored = append(b.stored, m.Project+" "+m.Event.Commit)
			return serve.Stored{Project: m.Project, Release: m.Event.ID}, nil
		}}
	b.Server = httptest.NewServer(h.Mux())
	t.Cleanup(b.Close)
	return b
}

func signed(body string) http.Header {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return http.Header{
		"Content-Type": {"application/json; charset=utf-8"}, "X-Github-Event": {"push"}, "X-Github-Delivery": {"d-1"},
		"X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(mac.Sum(nil))},
	}
}

type answer struct {
	status   int
	header   http.Header
	Delivery string
	Releases []serve.Stored
	Alerts   int
	Ignored  string
	Error    string
}

func (b *bundle) send(t *testing.T, method, path string, header http.Header, body io.Reader) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	res, err := b.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	a := answer{status: res.StatusCode, header: res.Header}
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil || res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("the answer is no JSON: %v", err)
	}
	return a
}

func TestAnswers(t *testing.T) {
	b := setup(t)
	unsigned := signed(push)
	unsigned.Del("X-Hub-Signature-256")
	formed := "payload=" + url.QueryEscape(push)
	form := signed(formed)
	form.Set("Content-Type", "application/x-www-form-urlencoded")
	text := signed(push)
	text.Set("Content-Type", "text/plain")
	untyped := signed(push)
	untyped.Del("Content-Type")
	ping := signed(push)
	ping.Set("X-Github-Event", "ping")
	large := strings.Repeat(" ", 2<<20)
	edge := push + strings.Repeat(" ", serve.MaxBody-len(push))
	bad := strings.Replace(push, "6113728f", "$(reboot)", 1)
	for name, c := range map[string]struct {
		method, path string
		header       http.Header
		body         string
		status       int
		says         string
	}{
		"a push":              {"POST", "/hooks/github", signed(push), push, 200, ""},
		"of exactly 1 MiB":    {"POST", "/hooks/github", signed(edge), edge, 200, ""},
		"of nothing to do":    {"POST", "/hooks/github", ping, push, 202, `the event "ping" makes no merge`},
		"no such path":        {"POST", "/hooks/gitlab", signed(push), push, 404, "no hook is configured"},
		"a path below":        {"POST", "/hooks/github/x", signed(push), push, 404, "no hook is configured"},
		"a look":              {"GET", "/hooks/github", signed(push), "", 405, "a webhook is a POST"},
		"a put":               {"PUT", "/hooks/github", signed(push), push, 405, "a webhook is a POST"},
		"a form":              {"POST", "/hooks/github", form, formed, 200, ""},
		"a text":              {"POST", "/hooks/github", text, push, 415, "want Content-Type application/json or application/x-www-form-urlencoded"},
		"no type":             {"POST", "/hooks/github", untyped, push, 415, "want Content-Type application/json"},
		"unsigned":            {"POST", "/hooks/github", unsigned, push, 401, "X-Hub-Signature-256 is missing"},
		"signed as another":   {"POST", "/hooks/github", signed(push + " "), push, 401, "is not of this body"},
		"2 MB":                {"POST", "/hooks/github", signed(large), large, 413, "larger than 1 MiB"},
		"no JSON":             {"POST", "/hooks/github", signed("{"), "{", 400, "malformed"},
		"a command as commit": {"POST", "/hooks/github", signed(bad), bad, 422, "commit"},
		"no secret here":      {"POST", "/hooks/unset", signed(push), push, 503, "secret can not be read"},
	} {
		t.Run(name, func(t *testing.T) {
			b.mu.Lock()
			b.stored = nil
			b.mu.Unlock()
			a := b.send(t, c.method, c.path, c.header, strings.NewReader(c.body))
			if a.status != c.status || !strings.Contains(a.Error+a.Ignored, c.says) {
				t.Errorf("%+v", a)
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			if want := map[bool]int{true: 2}[c.status == 200]; len(b.stored) != want || len(a.Releases) != want {
				t.Errorf("stored %v, told %v", b.stored, a.Releases)
			}
			if c.status == 200 && (a.Delivery != "d-1" || len(a.Releases[0].Release) != 36) {
				t.Errorf("%+v", a)
			}
		})
	}
	for _, entry := range b.logs.All() {
		if text := fmt.Sprint(entry.Message, entry.ContextMap()); strings.Contains(text, "Everybody") {
			t.Errorf("the log has the secret: %s", text)
		}
	}
	if b.counts["/hooks/github 401"] != 2 || b.counts["/hooks/github 413"] != 1 || len(b.counts) != 9 {
		t.Errorf("counted %v", b.counts)
	}
}

// TestTruncated: a body that does not come whole is no webhook, whatever it is signed with.
func TestTruncated(t *testing.T) {
	b := setup(t)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/hooks/github", io.MultiReader(strings.NewReader(push[:40]), failing{}))
	r.Header = signed(push)
	w := httptest.NewRecorder()
	b.Config.Handler.ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "did not come whole") || len(b.stored) != 0 {
		t.Errorf("%d %s, stored %v", w.Code, w.Body, b.stored)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestBrokerFails: as long as one merge of a delivery is not stored the source is told to send it again.
func TestBrokerFails(t *testing.T) {
	b := setup(t)
	b.fail["web"] = errors.New("nats: no responders, password hunter2")
	a := b.send(t, http.MethodPost, "/hooks/github", signed(push), bytes.NewBufferString(push))
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || len(a.Releases) != 0 || strings.Contains(a.Error, "hunter2") {
		t.Errorf("%+v", a)
	}
	b.fail["web"] = fmt.Errorf("%w %q", catalog.ErrUnknownProject, "web")
	if a = b.send(t, http.MethodPost, "/hooks/github", signed(push), bytes.NewBufferString(push)); a.status != http.StatusUnprocessableEntity {
		t.Errorf("%+v", a)
	}
	delete(b.fail, "web")
	if a = b.send(t, http.MethodPost, "/hooks/github", signed(push), bytes.NewBufferString(push)); a.status != http.StatusOK || len(a.Releases) != 2 {
		t.Errorf("%+v", a)
	}
}

// TestAlerts: an answer of 200 says that all alerts are stored; whoever forgot the password is asked for it.
func TestAlerts(t *testing.T) {
	const body = `{"alerts":[{"status":"firing","labels":{},"annotations":{},"startsAt":"","generatorURL":"","fingerprint":"1a30ba71cca2921f"},
		{"status":"resolved","labels":{},"annotations":{},"startsAt":"","generatorURL":"","fingerprint":"2a30ba71cca2921f"}]}`
	b := setup(t)
	header := http.Header{"Content-Type": {"application/json"}}
	a := b.send(t, http.MethodPost, "/hooks/alerts", header, strings.NewReader(body))
	if a.status != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") != `Basic realm="sluice"` || len(b.stored) != 0 {
		t.Errorf("%+v, stored %v", a, b.stored)
	}
	(&http.Request{Header: header}).SetBasicAuth("anybody", secret)
	b.fail["api"] = errors.New("nats: no responders, password hunter2")
	a = b.send(t, http.MethodPost, "/hooks/alerts", header, strings.NewReader(body))
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || strings.Contains(a.Error, "hunter2") {
		t.Errorf("%+v", a)
	}
	delete(b.fail, "api")
	a = b.send(t, http.MethodPost, "/hooks/alerts", header, strings.NewReader(body))
	if got, want := strings.Join(b.stored, ", "), "api 1a30ba71cca2921f firing, api 2a30ba71cca2921f resolved"; a.status != http.StatusOK || got != want || a.Alerts != 2 {
		t.Errorf("%+v, stored %s", a, got)
	}
}
