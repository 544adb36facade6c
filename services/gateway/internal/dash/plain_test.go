package dash_test

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/webtest"
)

// withoutScripts: every page is whole and every action works as a plain form; and nobody else's form does.
func withoutScripts(t *testing.T, _ *world, _ *webtest.Browser, base string, ids releases) {
	get := func(path string) string {
		res, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		return body(t, res, http.StatusOK)
	}
	if text := get("/"); !strings.Contains(text, `href="/releases/`+ids.held+`"`) || !strings.Contains(text, "held by dora: wait for QA") {
		t.Error("the board has not what is held")
	}
	form := get("/releases/" + ids.held + "/ask/resume")
	token := regexp.MustCompile(`name="token" value="([^"]+)"`).FindStringSubmatch(form)
	if token == nil {
		t.Fatal("the form has no token")
	}
	post := func(token string, header ...string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/releases/"+ids.held+"/resume",
			strings.NewReader(url.Values{"token": {token}, "reason": {"QA is done"}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	body(t, post("forged"), http.StatusForbidden)
	body(t, post(token[1], "Sec-Fetch-Site", "cross-site"), http.StatusForbidden)
	body(t, post(token[1], "Origin", "https://evil.example"), http.StatusForbidden)
	if text := body(t, post(token[1], "Origin", base), http.StatusOK); !strings.Contains(text, "It soaks until") {
		t.Errorf("it is told %s", text)
	}
	if text := body(t, post(token[1]), http.StatusConflict); !strings.Contains(text, "it is not held") {
		t.Errorf("the second time it is told %s", text)
	}
}

func body(t *testing.T, res *http.Response, want int) string {
	t.Helper()
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
