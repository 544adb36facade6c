package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

const (
	clientID     = "sluice"
	clientSecret = "what the provider knows Sluice by"
)

// peer is a provider of OpenID Connect, from the specifications: https://openid.net/specs/openid-connect-core-1_0.html (3.1, the code
// flow), openid-connect-discovery-1_0.html (4) and RFC 7636 (PKCE). It lets everybody in as whoever the test says.
type peer struct {
	*httptest.Server
	t      *testing.T
	key    *ecdsa.PrivateKey
	claims map[string]any // that it adds, or changes
	scopes []string       // that it says it knows; nil: it does not say
	codes  map[string]url.Values
	gone   bool // nobody has a session there
	silent int  // how often it was asked to ask nobody
}

func newPeer(t *testing.T) *peer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, key: key, codes: map[string]url.Values{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		about := map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"ES256"},
		}
		if p.scopes != nil {
			about["scopes_supported"] = p.scopes
		}
		p.answer(w, about)
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		point, err := key.PublicKey.ECDH()
		if err != nil {
			t.Error(err)
			return
		}
		raw := point.Bytes() // 4, x, y
		p.answer(w, map[string]any{"keys": []any{map[string]string{
			"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "1", "x": encode(raw[1:33]), "y": encode(raw[33:]),
		}}})
	})
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("response_type") != "code" || q.Get("client_id") != clientID || q.Get("code_challenge_method") != "S256" ||
			!strings.Contains(q.Get("scope"), "openid") || q.Get("state") == "" || q.Get("nonce") == "" {
			t.Errorf("it is asked %v", q)
		}
		for scope := range strings.FieldsSeq(q.Get("scope")) {
			if p.scopes != nil && !slices.Contains(p.scopes, scope) {
				http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"error": {"invalid_scope"}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
				return
			}
		}
		if q.Get("prompt") == "none" {
			if p.silent++; p.gone {
				http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"error": {"login_required"}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
				return
			}
		}
		code := rand.Text()
		p.codes[code] = q
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("/token", p.token)
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (p *peer) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		p.t.Error(err)
	}
}

// token gives an id token for a code, once, to who has its verifier.
func (p *peer) token(w http.ResponseWriter, r *http.Request) {
	asked, ok := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	id, secret, basic := r.BasicAuth()
	if unescaped, err := url.QueryUnescape(secret); basic && err == nil {
		secret = unescaped
	}
	if !ok || encode(sum[:]) != asked.Get("code_challenge") || id != clientID || secret != clientSecret ||
		r.PostFormValue("redirect_uri") != asked.Get("redirect_uri") {
		w.WriteHeader(http.StatusBadRequest)
		p.answer(w, map[string]string{"error": "invalid_grant"})
		return
	}
	claims := map[string]any{
		"iss": p.URL, "aud": clientID, "sub": "1", "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(), "nonce": asked.Get("nonce"),
	}
	maps.Copy(claims, p.claims)
	p.answer(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": p.sign(claims)})
}

func (p *peer) sign(claims map[string]any) string {
	body, err := json.Marshal(claims)
	if err != nil {
		p.t.Error(err)
	}
	text := encode([]byte(`{"alg":"ES256","kid":"1"}`)) + "." + encode(body)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, sum[:])
	if err != nil {
		p.t.Error(err)
	}
	return text + "." + encode(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// site is a gateway's part of it.
func site(t *testing.T, issuer string) (*httptest.Server, *Guard) {
	t.Helper()
	t.Setenv("TEST_OIDC", clientSecret)
	var g *Guard
	mux := http.NewServeMux()
	mux.HandleFunc("/auth/start", func(w http.ResponseWriter, r *http.Request) {
		if err := g.SignIn(w, r, r.URL.Query().Get("next"), r.URL.Query().Get("again") != ""); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	})
	mux.HandleFunc(Callback, func(w http.ResponseWriter, r *http.Request) {
		next, err := g.Returned(w, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		http.Redirect(w, r, next, http.StatusSeeOther)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		p, ok := g.Who(r)
		if !ok && g.Lapsed(r) { // as the dashboard does
			http.Redirect(w, r, g.Again(r), http.StatusSeeOther)
			return
		}
		if !ok {
			http.Error(w, "nobody", http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(r.URL.Path + " " + p.Name + " " + string(p.Role)))
	})
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	var err error
	g, err = New(config.Dashboard{URL: web.URL, OIDC: &config.OIDC{
		Issuer: issuer, ClientID: clientID, SecretEnv: "TEST_OIDC", Name: "preferred_username", Groups: "groups",
		People: map[string]string{"a.lovelace": "ada"},
		Roles:  map[config.Role][]string{config.Viewer: {"staff"}, config.Operator: {"release-team"}, config.Admin: {"owners"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return web, g
}

func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

func mustParse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func get(t *testing.T, c *http.Client, address string) (int, string) {
	t.Helper()
	res, err := c.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text := make([]byte, 1000)
	n, _ := res.Body.Read(text)
	return res.StatusCode, strings.TrimSpace(string(text[:n]))
}

func TestSignIn(t *testing.T) {
	p := newPeer(t)
	web, _ := site(t, p.URL)
	for _, c := range []struct {
		what   string
		claims map[string]any
		code   int
		want   string
	}{
		{"in one group", map[string]any{"preferred_username": "ana", "groups": []string{"staff", "release-team"}}, 200, "/releases/1 ana operator"},
		{"in the highest", map[string]any{"preferred_username": "eli", "groups": "owners"}, 200, "/releases/1 eli admin"},
		{"under the file's name", map[string]any{"preferred_username": "a.lovelace", "groups": "owners"}, 200, "/releases/1 ada admin"},
		{"as one whom the file names", map[string]any{"preferred_username": "ada", "groups": "owners"}, 403, "known otherwise"},
		{"in none", map[string]any{"preferred_username": "eve", "groups": []string{"guests"}}, 403, ErrNobody.Error()},
		{"without a name", map[string]any{"groups": "owners"}, 403, "the claim preferred_username: it is empty"},
		{"as the watcher", map[string]any{"preferred_username": "watcher", "groups": "owners"}, 403, "is the name of a service"},
		{"for another client", map[string]any{"preferred_username": "ana", "groups": "owners", "aud": "other"}, 403, "does not hold"},
		{"of another provider", map[string]any{"preferred_username": "ana", "groups": "owners", "iss": "https://evil.example"}, 403, "does not hold"},
		{"too late", map[string]any{"preferred_username": "ana", "groups": "owners", "exp": time.Now().Add(-time.Hour).Unix()}, 403, "does not hold"},
		{"of another sign-in", map[string]any{"preferred_username": "ana", "groups": "owners", "nonce": "other"}, 403, "not about this sign-in"},
	} {
		p.claims = c.claims
		client := browser(t)
		code, text := get(t, client, web.URL+"/auth/start?next=/releases/1")
		if code != c.code || !strings.Contains(text, c.want) {
			t.Errorf("%s: %d %s", c.what, code, text)
		}
		if again, _ := get(t, client, web.URL+"/"); (again == 200) != (c.code == 200) {
			t.Errorf("%s: afterwards %d", c.what, again)
		}
	}
}

// TestSignInOfOthers: what one browser was sent away with does not let another in, nor a second time.
func TestSignInOfOthers(t *testing.T) {
	p := newPeer(t)
	p.claims = map[string]any{"preferred_username": "ana", "groups": "owners"}
	web, _ := site(t, p.URL)
	stay := browser(t)
	var back *url.URL
	stay.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == Callback {
			back = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}
	get(t, stay, web.URL+"/auth/start?next=//evil.example")
	if back == nil {
		t.Fatal("nobody was sent back")
	}
	if code, text := get(t, browser(t), back.String()); code != 403 || !strings.Contains(text, "from this browser") {
		t.Errorf("another browser: %d %s", code, text)
	}
	forged := *back
	forged.RawQuery = strings.Replace(back.RawQuery, "state=", "state=x", 1)
	other := &http.Client{Jar: stay.Jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if code, text := get(t, other, forged.String()); code != 403 || !strings.Contains(text, "not what was asked for") {
		t.Errorf("another state: %d %s", code, text)
	}
	if code, _ := get(t, other, back.String()); code != 403 {
		t.Errorf("what was answered once is answered again: %d", code)
	}
}

// TestScopes: a provider that says which scopes it knows is asked for no other one, which it would refuse.
func TestScopes(t *testing.T) {
	for _, scopes := range [][]string{nil, {"openid", "profile", "email"}, {"openid", "profile", "email", "groups"}} {
		p := newPeer(t)
		p.scopes, p.claims = scopes, map[string]any{"preferred_username": "ana", "groups": "owners"}
		web, _ := site(t, p.URL)
		if code, text := get(t, browser(t), web.URL+"/auth/start"); code != 200 || text != "/ ana admin" {
			t.Errorf("%v: %d %s", scopes, code, text)
		}
	}
}

// TestProviderIsAway: a gateway starts without its provider, and says so to whoever wants to sign in.
func TestProviderIsAway(t *testing.T) {
	p := newPeer(t)
	p.Close()
	web, _ := site(t, p.URL)
	if code, text := get(t, browser(t), web.URL+"/auth/start"); code != http.StatusBadGateway || !strings.Contains(text, "does not answer") {
		t.Errorf("%d %s", code, text)
	}
}
