package auth

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

const (
	// Callback is the path to which a provider sends people back: url + Callback is what is registered there.
	Callback = "/auth/callback"
	// answerWithin bounds what is asked of a provider.
	answerWithin = 10 * time.Second
	// signInWithin bounds how long somebody may take at the provider.
	signInWithin = 10 * time.Minute
	waitCookie   = "sluice-sign-in"
)

// ErrNobody: the provider knows the person, and the gateway's file gives them no role.
var ErrNobody = errors.New("no role is given to any group that you are in: ask whoever runs this gateway")

// provider is a provider of OpenID Connect. It is asked for its configuration when it is first needed, so that a gateway starts
// without it.
type provider struct {
	cfg    config.OIDC
	base   string
	secret string
	client *http.Client

	mu       sync.Mutex
	taken    []string // names of people that no claim makes anybody's
	known    *oidc.Provider
	verifier *oidc.IDTokenVerifier
	scopes   []string
}

func newProvider(cfg config.OIDC, base string) (*provider, error) {
	value, err := secret(cfg.SecretEnv, cfg.SecretFile, "the client's secret")
	cfg.Recheck = cmp.Or(cfg.Recheck, config.Recheck)
	return &provider{cfg: cfg, base: base, secret: value, client: &http.Client{Timeout: answerWithin}}, err
}

// discover reads the provider's configuration, once it is there.
func (p *provider) discover(ctx context.Context) (*oauth2.Config, *oidc.IDTokenVerifier, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		// The provider's keys are fetched later with this context: it must not end with the request.
		known, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.client), p.cfg.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("the provider does not answer: %w", err)
		}
		p.known, p.verifier = known, known.Verifier(&oidc.Config{ClientID: p.cfg.ClientID})
		p.scopes = scopes(known)
	}
	return &oauth2.Config{
		ClientID: p.cfg.ClientID, ClientSecret: p.secret, Endpoint: p.known.Endpoint(), RedirectURL: p.base + Callback,
		Scopes: p.scopes,
	}, p.verifier, nil
}

// scopes are what the provider is asked for. That of groups is in no specification: many providers put groups into tokens without it, and
// refuse everybody who is sent with a scope that they do not know (invalid_scope). So it is left out where the provider lists others.
func scopes(known *oidc.Provider) []string {
	const groups = "groups"
	out := []string{oidc.ScopeOpenID, "profile", "email"}
	var offered struct {
		Scopes []string `json:"scopes_supported"`
	}
	if err := known.Claims(&offered); err == nil && len(offered.Scopes) > 0 && !slices.Contains(offered.Scopes, groups) {
		return out
	}
	return append(out, groups)
}

// waiting is what is remembered of somebody who is at the provider, in their browser.
type waiting struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
	Next     string `json:"x"` // where they wanted to go
	Until    int64  `json:"u"`

	Again *session `json:"a,omitempty"` // that goes on, if the provider says so without asking anybody
}

// SignIn sends somebody to the provider. With again it asks them nothing, if they have a session that goes on.
func (g *Guard) SignIn(w http.ResponseWriter, r *http.Request, next string, again bool) error {
	if g.oidc == nil {
		return errors.New("no provider is configured")
	}
	flow, _, err := g.oidc.discover(r.Context())
	if err != nil {
		return err
	}
	until := g.now().Add(signInWithin)
	out := waiting{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: Local(next), Until: until.Unix()}
	options := []oauth2.AuthCodeOption{oidc.Nonce(out.Nonce), oauth2.S256ChallengeOption(out.Verifier)}
	if s, ok := g.provided(r); ok && again {
		out.Again = &s
		options = append(options, silently)
	}
	body, err := json.Marshal(out)
	if err != nil {
		return err
	}
	g.set(w, g.named(waitCookie), g.seal("sign-in", body), until)
	http.Redirect(w, r, flow.AuthCodeURL(out.State, options...), http.StatusFound)
	return nil
}

// Returned lets in who comes back from the provider, and returns where they wanted to go, also with an error if that is known.
func (g *Guard) Returned(w http.ResponseWriter, r *http.Request) (next string, err error) {
	if g.oidc == nil {
		return "", errors.New("no provider is configured")
	}
	c, err := r.Cookie(g.named(waitCookie))
	if err != nil {
		return "", errors.New("nobody was sent to the provider from this browser, or too long ago: try again")
	}
	g.set(w, g.named(waitCookie), "", time.Unix(1, 0))
	body, ok := g.open("sign-in", c.Value)
	var was waiting
	if !ok || json.Unmarshal(body, &was) != nil || !g.now().Before(time.Unix(was.Until, 0)) {
		return "", errors.New("that took too long: try again")
	}
	q := r.URL.Query()
	if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(was.State)) != 1 {
		return "", errors.New("what came back is not what was asked for: try again")
	}
	switch {
	case q.Get("error") != "" && was.Again != nil: // login_required, and others of that kind
		g.Logout(w)
		return was.Next, errors.New("the provider wants to see you again: sign in")
	case q.Get("error") != "":
		return was.Next, errors.New("the provider lets you not in")
	}
	p, err := g.oidc.person(r.Context(), q.Get("code"), was)
	if err == nil && was.Again != nil && was.Again.Name != p.Name {
		err = errors.New("somebody else is signed in at the provider now: sign in anew")
	}
	if err != nil {
		if was.Again != nil {
			g.Logout(w)
		}
		return was.Next, err
	}
	s := session{Name: p.Name, Role: p.Role, Check: g.now().Add(g.oidc.cfg.Recheck).Unix()}
	if was.Again != nil {
		s.ID, s.Until = was.Again.ID, was.Again.Until
	}
	g.begin(w, s)
	return was.Next, nil
}

// person is whom the provider names.
func (p *provider) person(ctx context.Context, code string, was waiting) (Person, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	flow, verifier, err := p.discover(ctx)
	if err != nil {
		return Person{}, err
	}
	token, err := flow.Exchange(oidc.ClientContext(ctx, p.client), code, oauth2.VerifierOption(was.Verifier))
	if err != nil {
		return Person{}, errors.New("the provider does not take its own code back: try again") // its answer may have secrets
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return Person{}, errors.New("the provider does not say who you are (no id_token)")
	}
	id, err := verifier.Verify(ctx, raw)
	if err != nil {
		return Person{}, fmt.Errorf("what the provider says does not hold: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(was.Nonce)) != 1 {
		return Person{}, errors.New("what the provider says is not about this sign-in: try again")
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return Person{}, fmt.Errorf("what the provider says can not be read: %w", err)
	}
	return personOf(p.cfg, p.taken, claims)
}

// personOf is who the claims are about, and their highest role.
func personOf(cfg config.OIDC, taken []string, claims map[string]any) (Person, error) {
	name, err := nameOf(cfg, taken, claims)
	if err != nil {
		return Person{}, fmt.Errorf("the claim %s: %w", cfg.Name, err)
	}
	var groups []string
	switch in := claims[cfg.Groups].(type) {
	case string:
		groups = []string{in}
	case []any:
		for _, one := range in {
			if group, ok := one.(string); ok {
				groups = append(groups, group)
			}
		}
	}
	for _, role := range []config.Role{config.Admin, config.Operator, config.Viewer} {
		if slices.ContainsFunc(cfg.Roles[role], func(g string) bool { return slices.Contains(groups, g) }) {
			return Person{Name: name, Role: role}, nil
		}
	}
	return Person{}, ErrNobody
}

// Local is a path of this site, and "/" for anything else that a link may have been made to say.
func Local(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return next
}
