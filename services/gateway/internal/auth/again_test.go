package auth

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// TestRecheck: what a provider said counts for a quarter of an hour. Then it is asked again, asks nobody, and who is removed there, is
// somebody else, or has another role, is that here, too; and after twelve hours everybody signs in anew.
func TestRecheck(t *testing.T) {
	const minute = time.Minute
	claims := func(name string, groups ...string) map[string]any {
		return map[string]any{"preferred_username": name, "groups": groups}
	}
	for _, c := range []struct {
		what   string
		after  time.Duration
		change func(p *peer)
		code   int
		want   string
		silent int
	}{
		{"soon", 14 * minute, func(p *peer) { p.gone = true }, 200, "/ ana admin", 0},
		{"as before", 16 * minute, func(*peer) {}, 200, "/ ana admin", 1},
		{"with less", 16 * minute, func(p *peer) { p.claims = claims("ana", "staff") }, 200, "/ ana viewer", 1},
		{"in no group", 16 * minute, func(p *peer) { p.claims = claims("ana") }, 403, ErrNobody.Error(), 1},
		{"removed", 16 * minute, func(p *peer) { p.gone = true }, 403, "wants to see you again", 1},
		{"somebody else", 16 * minute, func(p *peer) { p.claims = claims("ben", "owners") }, 403, "somebody else", 1},
		{"after a day", 13 * 60 * minute, func(*peer) {}, 401, "nobody", 0},
	} {
		p := newPeer(t)
		p.claims = claims("ana", "owners")
		web, g := site(t, p.URL)
		client := browser(t)
		if code, text := get(t, client, web.URL+"/auth/start"); code != 200 || text != "/ ana admin" {
			t.Fatalf("%d %s", code, text)
		}
		g.now = func() time.Time { return time.Now().Add(c.after) }
		c.change(p)
		if code, text := get(t, client, web.URL+"/"); code != c.code || !strings.Contains(text, c.want) || p.silent != c.silent {
			t.Errorf("%s: %d %s, after asking %d times", c.what, code, text, p.silent)
		}
		if code, _ := get(t, client, web.URL+"/"); c.code == 403 && code != 401 {
			t.Errorf("%s: afterwards %d", c.what, code)
		}
	}
}

// TestRecheckEndsNoSession and prolongs none: forms that are open go on, and after twelve hours it is over, however often it was asked.
func TestRecheckEndsNoSession(t *testing.T) {
	p := newPeer(t)
	p.claims = map[string]any{"preferred_username": "ana", "groups": "owners"}
	web, g := site(t, p.URL)
	client := browser(t)
	get(t, client, web.URL+"/auth/start")
	form := func() string {
		r := request()
		for _, c := range client.Jar.Cookies(mustParse(t, web.URL)) {
			r.AddCookie(c)
		}
		p, ok := g.Who(r)
		return fmt.Sprint(ok, g.FormToken(p), !p.Until().After(g.now().Add(config.Recheck)))
	}
	before := form()
	began := time.Now()
	for after := 10 * time.Minute; after < config.SessionLasts; after += 20 * time.Minute {
		g.now = func() time.Time { return began.Add(after) }
		if code, _ := get(t, client, web.URL+"/"); code != 200 {
			t.Fatalf("after %s: %d", after, code)
		}
		if now := form(); now != before {
			t.Fatalf("after %s: %s, before %s", after, now, before)
		}
	}
	g.now = func() time.Time { return began.Add(config.SessionLasts + time.Minute) }
	if code, _ := get(t, client, web.URL+"/"); code != 401 {
		t.Errorf("a session does not end: %d", code)
	}
}
