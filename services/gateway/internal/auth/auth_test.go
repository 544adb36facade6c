package auth

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

const (
	anas = "the token of ana, which is long"
	bens = "the token of ben, which is long"
)

func people() config.Dashboard {
	return config.Dashboard{Listen: "127.0.0.1:0", URL: "https://sluice.example.com", Tokens: []config.Token{
		{Name: "ana", Role: config.Operator, Env: "TEST_ANA"}, {Name: "ben", Role: config.Viewer, Env: "TEST_BEN"},
	}}
}

func guard(t *testing.T, cfg config.Dashboard) *Guard {
	t.Helper()
	t.Setenv("TEST_ANA", anas)
	t.Setenv("TEST_BEN", bens)
	t.Setenv("TEST_KEY", "a key that several gateways have")
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func request(header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "https://sluice.example.com/", nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// loggedIn logs in and returns the cookie.
func loggedIn(t *testing.T, g *Guard, token string) *http.Cookie {
	t.Helper()
	w := httptest.NewRecorder()
	if _, ok := g.Login(w, token); !ok {
		t.Fatal("not let in")
	}
	return w.Result().Cookies()[0]
}

func with(c *http.Cookie) *http.Request {
	r := request()
	r.AddCookie(c)
	return r
}

func TestTokens(t *testing.T) {
	g := guard(t, people())
	for token, want := range map[string]string{anas: "ana", bens: "ben", "": "", "Bearer": "", anas + "x": "", "the token": ""} {
		p, ok := g.Who(request("Authorization", "Bearer "+token))
		if p.Name != want || ok != (want != "") {
			t.Errorf("%q is %q, %t", token, p.Name, ok)
		}
	}
	if _, ok := g.Login(httptest.NewRecorder(), "nobody's"); ok {
		t.Error("let in without a token")
	}
	for role, may := range map[config.Role]bool{config.Viewer: true, config.Operator: true, config.Admin: false} {
		if p, _ := g.Who(request("Authorization", "Bearer "+anas)); p.May(role) != may {
			t.Errorf("an operator may what a %s may: %t", role, !may)
		}
	}
	if (Person{Role: "owner"}).May(config.Viewer) {
		t.Error("a role that there is not may look")
	}
}

// Where nobody is asked, only who is on this machine is let in: no site that resolves its name to it, and nobody by a proxy.
func TestHere(t *testing.T) {
	open, asking := guard(t, config.Dashboard{Listen: config.DashboardListen}), guard(t, people())
	for name, r := range map[string]*http.Request{
		"another host": request(), "by a proxy": request("X-Forwarded-For", "192.0.2.1"), "by a modern one": request("Forwarded", "for=192.0.2.1"),
	} {
		if name != "another host" {
			r.Host = "127.0.0.1:8082"
		}
		if open.Here(r) || !asking.Here(r) {
			t.Errorf("%s: let in where nobody is asked, or not let in where everybody is", name)
		}
	}
	r := request()
	if r.Host = "localhost:8082"; !open.Here(r) {
		t.Error("who is here is not let in")
	}
}

func TestSession(t *testing.T) {
	cfg := people()
	cfg.SessionKeyEnv = "TEST_KEY"
	g := guard(t, cfg)
	c := loggedIn(t, g, anas)
	if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || !strings.HasPrefix(c.Name, "__Host-") || strings.Contains(c.Value, anas) {
		t.Errorf("the cookie is %+v", c)
	}
	p, ok := g.Who(with(c))
	if !ok || p.Name != "ana" {
		t.Fatalf("%+v, %t", p, ok)
	}
	if other, ok := guard(t, cfg).Who(with(c)); !ok || other.Name != "ana" {
		t.Error("another gateway with the same key does not know the session")
	}
	without := people()
	if _, ok := guard(t, without).Who(with(c)); ok {
		t.Error("a gateway with another key knows the session")
	}
	for what, forge := range map[string]func(string) string{
		"cut":         func(v string) string { return v[:len(v)-1] },
		"without mac": func(v string) string { head, _, _ := strings.Cut(v, "."); return head },
		"other body":  func(v string) string { return "e30" + v[strings.Index(v, "."):] },
		"empty":       func(string) string { return "" },
		"of a form":   func(string) string { return g.seal("sign-in", []byte(`{"n":"ana","r":"admin","u":9999999999}`)) },
	} {
		bad := *c
		if bad.Value = forge(c.Value); bad.Value == c.Value {
			t.Fatal(what)
		}
		if _, ok := g.Who(with(&bad)); ok {
			t.Errorf("a cookie that is %s is believed", what)
		}
	}
	later := guard(t, cfg)
	later.now = func() time.Time { return time.Now().Add(config.SessionLasts + time.Second) }
	if _, ok := later.Who(with(c)); ok {
		t.Error("a session does not end")
	}
	t.Setenv("TEST_ANA", "another token of ana's, as long")
	if rotated, err := New(cfg); err != nil {
		t.Error(err)
	} else if _, ok := rotated.Who(with(c)); ok {
		t.Error("a session outlives its token")
	}
	fewer := cfg
	fewer.Tokens = cfg.Tokens[1:]
	if _, ok := guard(t, fewer).Who(with(c)); ok {
		t.Error("a session outlives its person")
	}
	lower := cfg
	lower.Tokens = []config.Token{{Name: "ana", Role: config.Viewer, Env: "TEST_ANA"}}
	if p, _ := guard(t, lower).Who(with(c)); p.Role != config.Viewer {
		t.Errorf("its role is not the file's: %s", p.Role)
	}
	w := httptest.NewRecorder()
	g.Logout(w)
	if gone := w.Result().Cookies()[0]; gone.Value != "" || !gone.Expires.Before(time.Now()) {
		t.Errorf("logged out: %+v", gone)
	}
}

func TestMeant(t *testing.T) {
	g := guard(t, people())
	ana, _ := g.Who(with(loggedIn(t, g, anas)))
	again, _ := g.Who(with(loggedIn(t, g, anas)))
	program, _ := g.Who(request("Authorization", "Bearer "+anas))
	for _, c := range []struct {
		what   string
		person Person
		form   string
		header []string
		want   bool
	}{
		{"its own form", ana, g.FormToken(ana), nil, true},
		{"no token", ana, "", nil, false},
		{"the form of another session", ana, g.FormToken(again), nil, false},
		{"JSON with a session", ana, "", []string{"Content-Type", "application/json"}, false},
		{"a program", program, "", nil, true},
	} {
		if got := g.Meant(c.person, request(c.header...), c.form); got != c.want {
			t.Errorf("%s: %t", c.what, got)
		}
	}
	open := guard(t, config.Dashboard{Listen: "127.0.0.1:0"})
	somebody, _ := open.Who(request())
	if open.Meant(somebody, request(), "") || !open.Meant(somebody, request("Content-Type", "application/json"), "") ||
		!open.Meant(somebody, request(), open.FormToken(somebody)) {
		t.Error("where nobody is asked, a form needs its token, and a program sends JSON")
	}
}

func TestSecretsThatAreMissing(t *testing.T) {
	t.Setenv("TEST_SHORT", "short")
	t.Setenv("TEST_SAME", anas)
	t.Setenv("TEST_ANA", anas)
	for want, cfg := range map[string]config.Dashboard{
		`the token of ana: the environment variable "TEST_NOBODY"`: {Tokens: []config.Token{{Name: "ana", Env: "TEST_NOBODY"}}},
		"the token of ana has fewer than 24":                       {Tokens: []config.Token{{Name: "ana", Env: "TEST_SHORT"}}},
		"ana and ben have the same token":                          {Tokens: []config.Token{{Name: "ana", Env: "TEST_ANA"}, {Name: "ben", Env: "TEST_SAME"}}},
		"the session key has fewer than 24":                        {SessionKeyEnv: "TEST_SHORT"},
		"the client's secret: ":                                    {OIDC: &config.OIDC{SecretEnv: "TEST_NOBODY"}},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), anas) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestNames(t *testing.T) {
	seen := map[string]string{}
	for text, want := range map[string]string{
		"ana": "ana", "Ana_B-1": "Ana_B-1", "ana@corp.example": "ana-corp-example-", "ana.corp@example": "ana-corp-example-", "": "", "watcher": "", "stager": "",
		"аna": "-na-", strings.Repeat("x", 200): strings.Repeat("x", 47) + "-", "a\nb": "a-b-",
	} {
		name, err := Name(text)
		if (err == nil) != (want != "") || !strings.HasPrefix(name, want) || len(name) > 64 {
			t.Errorf("%q is called %q, %v", text, name, err)
		}
		if other, twice := seen[name]; twice && name != "" {
			t.Errorf("%q and %q are both called %s", text, other, name)
		}
		seen[name] = text
	}
	made, err := Name("ana@corp.example")
	if err != nil {
		t.Fatal(err)
	}
	if forged, err := Name(made); err != nil || forged == made || !strings.HasPrefix(forged, made+"-") {
		t.Errorf("who is called %s by the provider is called %s, %v", made, forged, err)
	}
	for text, want := range map[string]string{"ana": "ana", "": "somebody", "watcher": "somebody", "a.b": "a-b"} {
		if got := here(text); got != want {
			t.Errorf("%q is called %q here", text, got)
		}
	}
}

func TestLocal(t *testing.T) {
	for next, want := range map[string]string{
		"/releases/1?q=a": "/releases/1?q=a", "": "/", "//evil.example": "/", "https://evil.example": "/", "/\\evil.example": "/", "/\t/evil.example": "/",
	} {
		if got := Local(next); got != want {
			t.Errorf("%q leads to %q", next, got)
		}
		if u, err := url.Parse(Local(next)); err != nil || u.Host != "" {
			t.Errorf("%q leads to %v", next, u)
		}
	}
}
