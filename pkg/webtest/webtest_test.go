package webtest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/webtest"
)

// TestBrowser: what a page does wrong is noticed, and people's input arrives.
func TestBrowser(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><html lang="en"><title>x</title><main><h1>x</h1><img src="http://elsewhere.example/x.png">
			<input id="a" aria-label="a"><button onclick="console.error('clicked ' + a.value)">Go</button></main></html>`))
	}))
	t.Cleanup(web.Close)
	p := webtest.Start(t).Open(t, web.URL, webtest.Size{Width: 400, Height: 300})
	p.Until("document.querySelector('button')")
	if found := strings.Join(p.Axe(), "\n"); !strings.Contains(found, "image-alt") {
		t.Errorf("axe finds %q", found)
	}
	p.Press("Tab")
	p.Type("by hand")
	p.Click("button")
	p.Press("Tab")
	said := ""
	for range 1000 {
		said += strings.Join(p.Problems(), "\n")
		if strings.Contains(said, "clicked by hand") && strings.Contains(said, "elsewhere.example") {
			return
		}
		p.Eval("new Promise((done) => setTimeout(done, 5))", nil)
	}
	t.Errorf("the console has %q", said)
}
