package auth

import (
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"
)

// silently has the provider ask nobody anything: https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest
var silently = oauth2.SetAuthURLParam("prompt", "none") //nolint:gochecknoglobals // a constant

// Lapsed tells whether whoever asks has a session that goes on as soon as the provider says so.
func (g *Guard) Lapsed(r *http.Request) bool {
	s, ok := g.provided(r)
	return ok && g.lapsed(s)
}

// Again is where a browser with such a session goes, to come back to the page that it asked for.
func (g *Guard) Again(r *http.Request) string {
	return "/auth/start?again=1&next=" + url.QueryEscape(r.URL.RequestURI())
}

// provided is the session of whoever asks, if it came by the provider and has not ended.
func (g *Guard) provided(r *http.Request) (session, bool) {
	c, err := r.Cookie(g.cookie())
	if err != nil || g.oidc == nil {
		return session{}, false
	}
	s, ok := g.sessionOf(c.Value)
	return s, ok && s.Kind == ""
}

// lapsed tells whether what the provider said was too long ago. Sessions from before that was kept have no time.
func (g *Guard) lapsed(s session) bool { return !g.now().Before(time.Unix(s.Check, 0)) }
