package dash_test

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/webtest"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// withoutScripts: every page is whole and every action works as a plain form; and nobody else's form does.
func withoutScripts(t *testing.T, _ *world, _ *webtest.Browser, base string, ids releases) {
	get := func(path string) string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return fetch(t, req, http.StatusOK)
	}
	if text := get("/"); !strings.Contains(text, `href="/releases/`+ids.held+`"`) || !strings.Contains(text, "is held by dora since ") ||
		!strings.Contains(text, ": wait for QA") {
		t.Error("the board has not what is held")
	}
	form := get("/releases/" + ids.held + "/ask/resume")
	token := regexp.MustCompile(`name="token" value="([^"]+)"`).FindStringSubmatch(form)
	if token == nil {
		t.Fatal("the form has no token")
	}
	post := func(want int, token string, header ...string) string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/releases/"+ids.held+"/resume",
			strings.NewReader(url.Values{"token": {token}, "reason": {"QA is done"}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		return fetch(t, req, want)
	}
	post(http.StatusForbidden, "forged")
	post(http.StatusForbidden, token[1], "Sec-Fetch-Site", "cross-site")
	post(http.StatusForbidden, token[1], "Origin", "https://evil.example")
	post(http.StatusUnsupportedMediaType, token[1], "Content-Type", "application/json")
	if text := post(http.StatusOK, token[1], "Origin", base); !strings.Contains(text, "Soaking, due ") {
		t.Errorf("it is told %s", text)
	}
	if text := post(http.StatusConflict, token[1]); !strings.Contains(text, "it is not held") {
		t.Errorf("the second time it is told %s", text)
	}
}

// fetch makes a request and returns the answer's body.
func fetch(t *testing.T, req *http.Request, want int) string {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != want {
		t.Errorf("%s: %s, want %d\n%s", res.Request.URL, res.Status, want, text)
	}
	return string(text)
}

// recordOf looks for a refusal of a person's request.
func recordOf(found *bool, actor string) func(journal.Record) bool {
	return func(r journal.Record) bool {
		if e, ok := r.Event.(release.WasRefused); ok && e.Said.By == actor {
			*found = true
		}
		return !*found
	}
}

// login: a browser gets a session by a token, keeps it, may act with it, and loses it.
func login(t *testing.T, w *world, b *webtest.Browser, _ string, ids releases) {
	t.Setenv("TEST_TOKEN_OTTO", tokenOf("otto"))
	t.Setenv("TEST_TOKEN_VERA", tokenOf("vera"))
	_, base := w.dashboard(config.Dashboard{Listen: config.DashboardListen, Tokens: []config.Token{
		{Name: "otto", Role: config.Operator, Env: "TEST_TOKEN_OTTO"}, {Name: "vera", Role: config.Viewer, Env: "TEST_TOKEN_VERA"},
	}})
	p := b.Open(t, base+"/releases/"+ids.failed, desk)
	p.Until("location.pathname === '/login'")
	p.Click("input[name=token]")
	p.Type("a wrong one")
	p.Press("Enter")
	p.Until("document.body.innerText.includes('nobody’s token') || document.body.innerText.includes(\"nobody's token\")")
	p.Problems() // the browser notes the 401
	p.Click("input[name=token]")
	p.Type(tokenOf("vera"))
	p.Press("Enter")
	p.Until("location.pathname === '/releases/" + ids.failed + "' && document.querySelector('.person').textContent.includes('vera')")
	var asks int
	if p.Eval("document.querySelectorAll('[data-ask]').length", &asks); asks > 0 {
		t.Errorf("somebody who looks is offered %d actions", asks)
	}
	p.Click("button.link")
	p.Until("location.pathname === '/login'")
	p.Goto(base + "/releases/" + ids.failed)
	p.Until("location.pathname === '/login'")
	p.Click("input[name=token]")
	p.Type(tokenOf("otto"))
	p.Press("Enter")
	p.Until("document.querySelector('a[href$=retry]')")
	p.Click("a[href$=retry]")
	p.Until("document.querySelector('dialog[open] form.ask')")
	p.Type("the certificate is renewed")
	p.Press("Enter")
	p.Until("document.querySelector('dialog .answer.good')")
	for _, problem := range p.Problems() {
		t.Error(problem)
	}
}

// namesOfOthers: where nobody is asked who they are, a browser that was told that 127.0.0.1 is called otherwise gets nothing.
func namesOfOthers(t *testing.T, _ *world, _ *webtest.Browser, base string, _ releases) {
	for host, want := range map[string]int{
		"evil.example": 421, "evil.example:8082": 421, "localhost": 200, "127.0.0.1:1": 200, "[::1]:8082": 200, "127.0.0.1.evil.example": 421,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/api/v1/me", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		fetch(t, req, want)
	}
}
