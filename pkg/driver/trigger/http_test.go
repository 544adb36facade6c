package trigger

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

// sentBy is what an http action sends for a release, as it goes over the line.
func sentBy(t *testing.T, c project.Request, f driver.Facts) (*http.Request, string, error) {
	t.Helper()
	var last *http.Request
	var body string
	line := &front{answer: func(r *http.Request) *http.Response {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		last, body = r, string(b)
		return status(http.StatusOK, `{}`)
	}}
	c.Method = http.MethodPost
	d, err := HTTP(c, driver.Deploy, WithTransport(line), withWaits(quick()))
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Do(t.Context(), f)
	return last, body, err
}

// Fields of a release are data wherever they go.
func TestHostileValues(t *testing.T) {
	c := project.Request{
		URL:     origin + "/a/${release.ref}/b?q=${release.actor}",
		Body:    map[string]any{"ref": "${release.ref}", "n": []any{int64(1), 1.5, true, nil, "x ${release.actor}"}},
		Headers: map[string]string{"X-Commit": "${release.commit}"},
	}
	for _, value := range []string{
		"../../admin", "a/b?c=d&e#f", "%2e%2e", `"}, "admin": {"`, "$(touch x)", "a b+c", "ä\u2028", "@evil.example/", ";", "\\", "${release.id}", "",
	} {
		f := newCI().facts("1.4.0")
		f.Ref, f.Actor, f.Commit = value, value, "c0ffee"
		r, body, err := sentBy(t, c, f)
		if err != nil {
			t.Errorf("%q: %v", value, err)
			continue
		}
		if parts := strings.Split(r.URL.EscapedPath(), "/"); r.URL.Host != "ci.example" || len(parts) != 4 || parts[1] != "a" || parts[3] != "b" {
			t.Errorf("%q: the address is %s", value, r.URL)
		}
		if q := r.URL.Query(); len(q) != 1 || q.Get("q") != value || r.URL.Fragment != "" {
			t.Errorf("%q: the query is %s", value, r.URL.RawQuery)
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(body), &got); err != nil || got["ref"] != value || !slices.Equal(slices.Sorted(maps.Keys(got)), []string{"n", "ref"}) {
			t.Errorf("%q: the body is %s, %v", value, body, err)
		}
		if list, ok := got["n"].([]any); !ok || !slices.Equal(list, []any{1.0, 1.5, true, nil, "x " + value}) {
			t.Errorf("%q: the body is %s", value, body)
		}
		if key := r.Header.Get("Idempotency-Key"); key != f.Key()+"-deploy-staging" || r.Header.Get("X-Commit") != "c0ffee" {
			t.Errorf("%q: %v", value, r.Header)
		}
	}
	for _, value := range []string{"a\r\nX-Evil: 1", "a\x00b", "\x1b[2J", "a\u0085b"} {
		f := newCI().facts("1.4.0")
		f.Commit = value
		if r, _, err := sentBy(t, c, f); r != nil || !driver.IsRefused(err) || strings.ContainsAny(err.Error(), "\r\n\x00\x1b") {
			t.Errorf("%q in a header: %v", value, err)
		}
	}
	for _, value := range []string{".", "..", "\xff", strings.Repeat("x", mostValue+1)} {
		f := newCI().facts("1.4.0")
		f.Ref = value
		if r, _, err := sentBy(t, c, f); r != nil || !driver.IsRefused(err) {
			t.Errorf("%.20q in an address: %v", value, err)
		}
	}
	for _, id := range []string{"", "x", "01970000-0000-7000-8000-00000000000G", "{01970000-0000-7000-8000-000000000000}", "../x"} {
		f := newCI().facts("1.4.0")
		f.Release = id
		if r, _, err := sentBy(t, c, f); r != nil || !driver.IsRefused(err) {
			t.Errorf("the id %q: %v", id, err)
		}
	}
}

// heard is an answer.
type heard struct {
	code int
	body string
}

// Whatever an answer says, it does not lead elsewhere, and what can not be judged is said.
func TestAnswers(t *testing.T) {
	t.Setenv(tokenEnv, goodToken)
	poll := &project.Poll{URL: "body.next", Done: "body.ok", Failed: "status == 410"}
	for name, c := range map[string]struct {
		c       project.Request
		answers []heard
		want    string // in the refusal; empty for success
	}{
		"2xx":            {project.Request{}, []heard{{204, ""}}, ""},
		"4xx":            {project.Request{}, []heard{{422, `{"message":"no such\nproject"}`}}, "with 422: no such project"},
		"success":        {project.Request{Success: "status == 409 && body == 'there'"}, []heard{{409, "there"}}, ""},
		"no success":     {project.Request{Success: "body.ok"}, []heard{{200, `{"ok":false}`}}, "does not hold"},
		"lacking":        {project.Request{Success: "body.ok"}, []heard{{200, `{}`}}, "no such key"},
		"no address":     {project.Request{Poll: poll}, []heard{{200, `{}`}}, "the address to ask is not in it"},
		"elsewhere":      {project.Request{Poll: poll}, []heard{{200, `{"next":"https://evil.example/x?a=b"}`}}, "not an address on ci.example"},
		"other scheme":   {project.Request{Poll: poll}, []heard{{200, `{"next":"http://ci.example/x"}`}}, "not an address on ci.example"},
		"file":           {project.Request{Poll: poll}, []heard{{200, `{"next":"file:///etc/passwd"}`}}, "not an address on ci.example"},
		"done":           {project.Request{Poll: poll}, []heard{{200, `{"next":"x"}`}, {200, `{"ok":false}`}, {200, `{"ok":true}`}}, ""},
		"failed":         {project.Request{Poll: poll}, []heard{{200, `{"next":"/x?sig=1"}`}, {410, "gone\x1b[2J"}}, "https://ci.example/x ended"},
		"lacking later":  {project.Request{Poll: poll}, []heard{{200, `{"next":"x"}`}, {200, `{}`}}, "the condition for the end can not be asked"},
		"busy meanwhile": {project.Request{Poll: poll}, []heard{{200, `{"next":"x"}`}, {503, ""}, {429, ""}, {200, `{"ok":true}`}}, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			line := &front{answer: func(r *http.Request) *http.Response {
				if r.URL.Host != "ci.example" || r.Header.Get("Authorization") != "Bearer "+goodToken {
					t.Errorf("%s: %s with %v", name, r.URL, r.Header)
				}
				n++
				return status(c.answers[n-1].code, c.answers[n-1].body)
			}}
			c.c.URL, c.c.Method, c.c.Token = origin+"/hook", http.MethodPut, project.Token{Env: tokenEnv}
			d, err := HTTP(c.c, driver.Promote, WithTransport(line), withWaits(quick()))
			if err != nil {
				t.Fatal(err)
			}
			_, err = d.Do(t.Context(), newCI().facts("1.4.0"))
			if c.want == "" && err != nil || c.want != "" && (!driver.IsRefused(err) || !strings.Contains(err.Error(), c.want)) || n != len(c.answers) {
				t.Errorf("%s: %v after %d answers", name, err, n)
			}
			if err != nil && (strings.ContainsAny(err.Error(), "\n\x1b") || strings.Contains(err.Error(), "sig=1")) {
				t.Errorf("%s: %q", name, err)
			}
		})
	}
}
