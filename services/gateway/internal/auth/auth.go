// Package auth says who uses the dashboard, and what they may do.
//
// There are three ways. On a loopback address nobody is asked, and everybody is an admin under one name: whoever reaches it can act on
// the broker anyway. The host that the browser believes to talk to must then be this machine, too, or any site could resolve its own
// name to 127.0.0.1 and act from a visitor's browser (DNS rebinding). Otherwise people prove who they are by a token of the gateway's
// file, or a provider of OpenID Connect says so (authorization code flow with PKCE, state and nonce).
//
// Whoever came in by a browser has a session: a cookie with name, role and end, signed (HMAC-SHA256), HttpOnly, SameSite=Lax, and
// Secure with the prefix __Host- where people come by https. Nothing is kept here, so every gateway with the same session key knows
// the session. It ends after twelve hours, or what is configured; one by a token also as soon as the token is another one or is gone from
// the file. What a provider said of a person, their role above all, counts for a quarter of an hour (`recheck`). Then it lapses, and the
// next page sends the browser by the provider, which asks the person nothing (prompt=none): it has new claims, or it refuses. So whoever
// is removed there, or from a group, is out here within that time; a page that is open is told, too. No refresh token is kept: a cookie
// is no place for one, several gateways would use it up for each other, and many providers give none.
//
// What changes something must come from our own pages: net/http.CrossOriginProtection refuses other origins, and a form carries a
// token made of the session, which no other page can read. Requests with a bearer token have no need of either.
package auth

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

const (
	// leastToken is the fewest characters of a token or a key: shorter ones can be guessed.
	leastToken = 24
	cookieName = "sluice-session"
)

// Person is somebody who is let in.
type Person struct {
	Name string // under which requests are published
	Role config.Role

	session string // what the form token is made of
	bearer  bool   // proved by a token in this very request
	until   time.Time
}

// May tells whether the person may do what a role may.
func (p Person) May(role config.Role) bool { return rank(p.Role) >= rank(role) }

func rank(r config.Role) int {
	switch r {
	case config.Viewer:
		return 1
	case config.Operator:
		return 2
	case config.Admin:
		return 3
	}
	return 0
}

// Guard lets people in.
type Guard struct {
	cfg    config.Dashboard
	key    []byte
	tokens []known
	name   string // of everybody, where nobody is asked
	now    func() time.Time
	oidc   *provider
}

// known is a token of the file.
type known struct {
	sum  [sha256.Size]byte
	name string
	role config.Role
}

// New reads the secrets. It refuses a configuration with one that is missing or short.
func New(cfg config.Dashboard) (*Guard, error) {
	cfg.Session = cmp.Or(cfg.Session, config.SessionLasts)
	g := &Guard{cfg: cfg, key: make([]byte, 32), name: here(os.Getenv("USER")), now: time.Now}
	_, _ = rand.Read(g.key) // it never fails
	var wrong []error
	if cfg.SessionKeyEnv+cfg.SessionKeyFile != "" {
		key, err := secret(cfg.SessionKeyEnv, cfg.SessionKeyFile, "the session key")
		wrong = append(wrong, err)
		sum := sha256.Sum256([]byte(key))
		g.key = sum[:]
	}
	for _, t := range cfg.Tokens {
		token, err := secret(t.Env, t.File, "the token of "+t.Name)
		wrong = append(wrong, err)
		g.tokens = append(g.tokens, known{sha256.Sum256([]byte(token)), t.Name, t.Role})
	}
	for i, a := range g.tokens {
		for _, b := range g.tokens[:i] {
			if a.sum == b.sum && errors.Join(wrong...) == nil {
				wrong = append(wrong, fmt.Errorf("%s and %s have the same token", b.name, a.name))
			}
		}
	}
	if cfg.OIDC != nil {
		p, err := newProvider(*cfg.OIDC, cfg.URL)
		wrong = append(wrong, err)
		p.taken = taken(cfg)
		g.oidc = p
	}
	return g, errors.Join(wrong...)
}

func secret(env, file, what string) (string, error) {
	value, err := driver.Secret(env, file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	if len(value) < leastToken {
		return "", fmt.Errorf("%s has fewer than %d characters: make one with openssl rand -hex 32", what, leastToken)
	}
	return value, nil
}

// here is the name of everybody on a machine.
func here(user string) string {
	name := strings.Map(func(r rune) rune {
		if topology.CheckActor(string(r)) == nil {
			return r
		}
		return '-'
	}, user)
	name = name[:min(len(name), 64)]
	if name == "" || config.NotOurs(name) != nil {
		return "somebody"
	}
	return name
}

// Ways are how people may prove who they are.
func (g *Guard) Ways() (token, oidc bool) { return len(g.tokens) > 0, g.oidc != nil }

// Open tells whether nobody is asked.
func (g *Guard) Open() bool { return g.cfg.Open() }

// Who is whoever asks, if they are let in.
func (g *Guard) Who(r *http.Request) (Person, bool) {
	if g.Open() {
		return Person{Name: g.name, Role: config.Admin, session: "open", until: g.now().Add(g.cfg.Session)}, true
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		p, ok := g.byToken(strings.TrimSpace(token))
		p.bearer = true
		return p, ok
	}
	c, err := r.Cookie(g.cookie())
	if err != nil {
		return Person{}, false
	}
	return g.bySession(c.Value)
}

// Here tells whether whoever asks is on this machine, and believes to talk to it: what comes through a proxy comes from anywhere. Where
// people prove who they are it does not matter.
func (g *Guard) Here(r *http.Request) bool {
	if !g.Open() {
		return true
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return config.Loopback(strings.Trim(host, "[]"))
}

func (g *Guard) byToken(token string) (Person, bool) {
	sum := sha256.Sum256([]byte(token))
	found := Person{}
	for _, t := range g.tokens { // all of them, so that the time tells nothing
		if subtle.ConstantTimeCompare(sum[:], t.sum[:]) == 1 {
			found = Person{Name: t.name, Role: t.role}
		}
	}
	return found, found.Name != ""
}

// session is what the cookie says.
type session struct {
	ID    string      `json:"i"`
	Name  string      `json:"n"`
	Role  config.Role `json:"r"`
	Until int64       `json:"u"`           // unix
	Kind  string      `json:"k,omitempty"` // of a token: which one
	Check int64       `json:"c,omitempty"` // unix; by a provider: when what it said counts no more
}

// sessionOf is the session of a cookie, if it has not ended.
func (g *Guard) sessionOf(cookie string) (s session, ok bool) {
	body, ok := g.open("session", cookie)
	if !ok || json.Unmarshal(body, &s) != nil || !g.now().Before(time.Unix(s.Until, 0)) {
		return session{}, false
	}
	return s, true
}

func (g *Guard) bySession(cookie string) (Person, bool) {
	s, ok := g.sessionOf(cookie)
	if !ok {
		return Person{}, false
	}
	p := Person{Name: s.Name, Role: s.Role, session: s.ID, until: time.Unix(s.Until, 0)}
	if s.Kind == "" {
		p.until = time.Unix(min(s.Until, s.Check), 0)
		return p, g.oidc != nil && rank(p.Role) > 0 && !g.lapsed(s)
	}
	for _, t := range g.tokens {
		if t.name == s.Name && g.kind(t) == s.Kind { // its role is the file's
			p.Role = t.role
			return p, true
		}
	}
	return Person{}, false
}

// kind is which token a session is by, without telling it.
func (g *Guard) kind(t known) string { return g.mac("token", t.sum[:])[:16] }

// Until is how long the person is known; zero, of a token in every request: as long as that is in the file.
func (p Person) Until() time.Time { return p.until }

// Login lets in whoever has the token, and gives the browser a session.
func (g *Guard) Login(w http.ResponseWriter, token string) (Person, bool) {
	p, ok := g.byToken(strings.TrimSpace(token))
	if !ok {
		return Person{}, false
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	g.begin(w, session{Name: p.Name, Role: p.Role, Kind: g.kind(known{sum: sum})})
	return p, true
}

// begin gives the browser a session, or one that goes on under the same id to the same end.
func (g *Guard) begin(w http.ResponseWriter, s session) {
	if s.ID == "" {
		s.ID, s.Until = rand.Text(), g.now().Add(g.cfg.Session).Unix()
	}
	if body, err := json.Marshal(s); err == nil {
		g.set(w, g.cookie(), g.seal("session", body), time.Unix(s.Until, 0))
	}
}

// Logout ends the session of this browser.
func (g *Guard) Logout(w http.ResponseWriter) { g.set(w, g.cookie(), "", time.Unix(1, 0)) }

func (g *Guard) secure() bool { return strings.HasPrefix(g.cfg.URL, "https://") }

// cookie is the session's name.
func (g *Guard) cookie() string { return g.named(cookieName) }

// named is a cookie's name. With the prefix a browser takes it only by https, from this host, for all of it: another host of the same
// domain can not set it, and so not sign somebody in as somebody else.
func (g *Guard) named(name string) string {
	if g.secure() {
		return "__Host-" + name
	}
	return name
}

func (g *Guard) set(w http.ResponseWriter, name, value string, until time.Time) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", Expires: until, HttpOnly: true, Secure: g.secure(), SameSite: http.SameSiteLaxMode,
	})
}

// FormToken is what a form of this person's carries.
func (g *Guard) FormToken(p Person) string { return g.mac("form", []byte(p.session)) }

// Meant tells whether a request that changes something was meant by the person: it has the token of the form, or a token of its own.
// Programs on a machine where nobody is asked send JSON, which no page of another origin can without asking first.
func (g *Guard) Meant(p Person, r *http.Request, form string) bool {
	if p.bearer || g.Open() && strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return true
	}
	return subtle.ConstantTimeCompare([]byte(form), []byte(g.FormToken(p))) == 1
}

func (g *Guard) mac(what string, data []byte) string {
	h := hmac.New(sha256.New, g.key)
	h.Write([]byte(what + "\x00"))
	h.Write(data)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// seal signs what a browser keeps for us.
func (g *Guard) seal(what string, body []byte) string {
	text := base64.RawURLEncoding.EncodeToString(body)
	return text + "." + g.mac(what, []byte(text))
}

func (g *Guard) open(what, sealed string) ([]byte, bool) {
	text, mac, ok := strings.Cut(sealed, ".")
	if !ok || subtle.ConstantTimeCompare([]byte(mac), []byte(g.mac(what, []byte(text)))) != 1 {
		return nil, false
	}
	body, err := base64.RawURLEncoding.DecodeString(text)
	return body, err == nil
}
