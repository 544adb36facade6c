package dash_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/webtest"
)

// once: a form, or a request by the API, that is sent again extends a release once, and a new one once more.
func once(t *testing.T, w *world, _ *webtest.Browser, base string, ids releases) {
	const day = 24 * time.Hour // which a release is not extended by elsewhere
	extra := func() time.Duration {
		e, err := w.journal.Load(t.Context(), ids.frozen)
		if err != nil {
			t.Fatal(err)
		}
		return e.State.Extra
	}
	before := extra()
	request := func(method, path, kind, body string, header ...string) *http.Request {
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", kind)
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		return req
	}
	hidden := func(form, name string) string {
		found := regexp.MustCompile(`name="` + name + `" value="([^"]+)"`).FindStringSubmatch(form)
		if found == nil {
			t.Fatalf("the form has no %s", name)
		}
		return found[1]
	}
	page := "/releases/" + ids.frozen
	form := fetch(t, request(http.MethodGet, page+"/ask/extend", "", ""), http.StatusOK)
	send := func(by string, want int) string {
		values := url.Values{"token": {hidden(form, "token")}, "key": {hidden(form, "key")}, "by": {by}, "reason": {"a quiet night"}}
		return fetch(t, request(http.MethodPost, page+"/extend", "application/x-www-form-urlencoded", values.Encode()), want)
	}
	for range 2 {
		if text := send("1d", http.StatusOK); !strings.Contains(text, "Extended by") {
			t.Errorf("it is told %s", text)
		}
	}
	if text := send("2d", http.StatusUnprocessableEntity); !strings.Contains(text, "was sent before") {
		t.Errorf("it is told %s", text)
	}
	if got := extra() - before; got != day {
		t.Errorf("one form, sent twice, extends by %s", got)
	}
	d := describe(t, base)
	for key, times := range map[string]int{"": 2, `"8e03978e-40d5-43dd-bc93-6894a57f9324"`: 1} {
		before = extra()
		for range 2 {
			d.header = http.Header{"Idempotency-Key": {key}}
			if a := d.call(http.MethodPost, "/api/v1"+page+"/extend", `{"by":"1d","reason":"a quiet night"}`, 200); fmt.Sprint(a["done"]) != "true" {
				t.Errorf("it is told %v", a)
			}
		}
		if got := extra() - before; got != time.Duration(times)*day {
			t.Errorf("with the key %q it is extended by %s", key, got)
		}
	}
	d.header = http.Header{"Idempotency-Key": {"a b"}}
	d.call(http.MethodPost, "/api/v1"+page+"/extend", `{"by":"1d","reason":"a quiet night"}`, 400)
}
