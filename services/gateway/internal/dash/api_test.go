package dash_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/webtest"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// described is a client of the API that holds every answer to the document that describes it.
type described struct {
	*testing.T
	base   string
	token  string
	header http.Header
	routes routers.Router
	seen   map[string]bool // the operations and statuses that were tried
}

func describe(t *testing.T, base string) *described {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/api/openapi.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData([]byte(fetch(t, req, http.StatusOK)))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	doc.Servers = openapi3.Servers{{URL: base}}
	routes, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return &described{T: t, base: base, routes: routes, seen: map[string]bool{}}
}

// call makes a request and returns the answer's body.
func (d *described) call(method, path, send string, want int) map[string]any {
	d.Helper()
	req, err := http.NewRequestWithContext(d.Context(), method, d.base+path, strings.NewReader(send))
	if err != nil {
		d.Fatal(err)
	}
	if send != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, values := range d.header {
		req.Header[name] = values
	}
	if d.token != "" {
		req.Header.Set("Authorization", "Bearer "+d.token)
	}
	route, params, err := d.routes.FindRoute(req)
	if err != nil {
		d.Fatalf("%s %s is not described: %v", method, path, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		d.Fatal(err)
	}
	if res.StatusCode != want {
		d.Errorf("%s %s: %s, want %d: %s", method, path, res.Status, want, text)
	}
	in := &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route}
	if err := openapi3filter.ValidateResponse(d.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: res.StatusCode, Header: res.Header, Body: io.NopCloser(bytes.NewReader(text)),
	}); err != nil {
		d.Errorf("%s %s: what is answered is not what is described: %v", method, path, err)
	}
	d.seen[fmt.Sprintf("%s %s", method, route.Path)] = true
	out := map[string]any{}
	if err := json.Unmarshal(text, &out); err != nil {
		d.Errorf("%s %s: %v", method, path, err)
	}
	return out
}

// api: programs get what people see, and may ask the same.
func api(t *testing.T, w *world, _ *webtest.Browser, base string, ids releases) {
	d := describe(t, base)
	if me := d.call(http.MethodGet, "/api/v1/me", "", 200); me["role"] != "admin" || me["name"] != "ana" {
		t.Errorf("who asks is %v", me)
	}
	if n := len(d.call(http.MethodGet, "/api/v1/board", "", 200)["releases"].([]any)); n < 15 {
		t.Errorf("%d releases are on the board", n)
	}
	d.call(http.MethodGet, "/api/v1/projects", "", 200)
	d.call(http.MethodGet, "/api/v1/projects/shop", "", 200)
	d.call(http.MethodGet, "/api/v1/projects/nobody", "", 404)
	for _, id := range []string{ids.cancelled, ids.failed, ids.soaking, ids.queued} {
		story := d.call(http.MethodGet, "/api/v1/releases/"+id, "", 200)
		if len(story["timeline"].([]any)) < 5 {
			t.Errorf("the story of %s is %v", id, story)
		}
	}
	d.call(http.MethodGet, "/api/v1/releases/01900000-0000-7000-8000-000000000000", "", 404)
	d.call(http.MethodGet, "/api/v1/releases/01900000-0000-7000-8000-000000000000/output", "", 404)
	if none := d.call(http.MethodGet, "/api/v1/releases/"+ids.queued+"/output", "", 200)["outputs"].([]any); len(none) != 0 {
		t.Errorf("nothing was printed for it: %v", none)
	}
	printed := d.call(http.MethodGet, "/api/v1/releases/"+ids.failed+"/output", "", 200)["outputs"].([]any)
	if len(printed) != 1 || printed[0].(map[string]any)["ended"] != "refused" || len(fmt.Sprint(printed[0])) < 30_000 {
		t.Errorf("%.1000v was printed", printed)
	}
	found := d.call(http.MethodGet, "/api/v1/audit?since=5h&event=cancelled&actor=watcher", "", 200)["entries"].([]any)
	if len(found) != 2 {
		t.Errorf("the watcher has cancelled %v", found)
	}
	d.call(http.MethodGet, "/api/v1/audit?since=yesterday", "", 422)
	if proof := d.call(http.MethodGet, "/api/v1/audit/verify", "", 200); fmt.Sprint(proof["intact"]) != "true" || len(proof["projects"].([]any)) != 8 {
		t.Errorf("what services wrote is broken: %v", proof)
	}
	hold := "/api/v1/releases/" + ids.frozen + "/hold"
	w.requiresReasons("payments")
	d.call(http.MethodPost, hold, `{"reason":" "}`, 422)
	d.call(http.MethodPost, "/api/v1/projects/payments/pause", `{}`, 422)
	if a := d.call(http.MethodPost, hold, `{"reason":"the fair"}`, 200); fmt.Sprint(a["done"]) != "true" {
		t.Errorf("it is told %v", a)
	}
	if s := w.becomes(ids.frozen, release.Held); s.Held.By != "ana" || s.Held.Reason != "the fair" {
		t.Errorf("it is held by %+v", s.Held)
	}
	d.call(http.MethodPost, hold, `{"reason":"again"}`, 409)
	d.call(http.MethodPost, hold, `{"why":"again"}`, 400)
	d.call(http.MethodPost, "/api/v1/releases/"+ids.frozen+"/extend", `{"by":"soon"}`, 422)
	d.call(http.MethodPost, "/api/v1/releases/"+ids.frozen+"/expedite", `{"force":true}`, 422)
	d.call(http.MethodPost, "/api/v1/releases/"+ids.cancelled+"/cancel", `{}`, 409)
	d.call(http.MethodPost, "/api/v1/projects/search/freeze", `{}`, 422)
	d.call(http.MethodPost, "/api/v1/projects/search/freeze", `{"reason":"the fair","for":"2h"}`, 200)
	d.call(http.MethodPost, "/api/v1/projects/search/unfreeze", `{}`, 200)
	d.call(http.MethodPost, "/api/v1/projects/_all/pause", `{"reason":"an incident"}`, 200)
	d.call(http.MethodPost, "/api/v1/projects/_all/unpause", `{}`, 200)
	d.call(http.MethodPost, "/api/v1/projects/nobody/pause", `{}`, 404)
	if len(d.seen) != 10 { // what is exported is no JSON; see TestAuditPages
		t.Errorf("of the 10 operations these were tried: %v", d.seen)
	}
}

// requiresReasons has the project ask why from now on.
func (w *world) requiresReasons(name string) {
	w.Helper()
	src, _, err := w.catalog.Source(w.Context(), name)
	if err == nil {
		_, _, err = w.catalog.Apply(w.Context(), name+".yaml", append(src, "\nreasons: required\n"...))
	}
	if err != nil {
		w.Fatal(err)
	}
}

// roles: who looks can not act, who operates can not force, and who is nobody sees nothing.
func roles(t *testing.T, w *world, _ *webtest.Browser, _ string, ids releases) {
	tokens := []config.Token{}
	for name, role := range map[string]config.Role{"vera": config.Viewer, "otto": config.Operator, "ada": config.Admin} {
		t.Setenv("TEST_TOKEN_"+strings.ToUpper(name), tokenOf(name))
		tokens = append(tokens, config.Token{Name: name, Role: role, Env: "TEST_TOKEN_" + strings.ToUpper(name)})
	}
	_, base := w.dashboard(config.Dashboard{Listen: config.DashboardListen, Tokens: tokens})
	d := describe(t, base)
	cancel, force := "/api/v1/releases/"+ids.cancelled+"/cancel", "/api/v1/releases/"+ids.cancelled+"/expedite"
	for _, one := range []struct {
		token                     string
		look, act, force, stopAll int
	}{
		{"", 401, 401, 401, 401}, {tokenOf("nobody"), 401, 401, 401, 401}, {tokenOf("vera"), 200, 403, 403, 403},
		{tokenOf("otto"), 200, 409, 403, 403}, {tokenOf("ada"), 200, 409, 409, 200},
	} {
		d.token = one.token
		d.call(http.MethodGet, "/api/v1/board", "", one.look)
		d.call(http.MethodGet, "/api/v1/audit/verify?project=docs", "", one.look)
		d.call(http.MethodPost, cancel, `{"reason":"x"}`, one.act)
		d.call(http.MethodPost, force, `{"reason":"x","force":true}`, one.force)
		d.call(http.MethodPost, "/api/v1/projects/_all/unpause", `{}`, one.stopAll)
	}
	found := false
	if err := w.journal.Follow(t.Context(), ids.cancelled, 0, recordOf(&found, "ada"), func(error) error { return nil }); err != nil || !found {
		t.Errorf("the journal does not tell who asked: %v", err)
	}
}

func tokenOf(name string) string { return strings.Repeat(name+"-", 8) }
