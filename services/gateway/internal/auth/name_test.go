package auth

import (
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// TestMailOfOthers: an address is a name only when the provider says that it has looked whose it is.
func TestMailOfOthers(t *testing.T) {
	cfg := config.OIDC{Name: "email", Groups: "groups", Roles: map[config.Role][]string{config.Admin: {"owners"}}}
	for _, c := range []struct {
		verified any
		ok       bool
	}{{true, true}, {"true", true}, {nil, false}, {false, false}, {"false", false}, {1, false}} {
		p, err := personOf(cfg, nil, map[string]any{"email": "ana@corp.example", "email_verified": c.verified, "groups": "owners"})
		if (err == nil) != c.ok || (p.Name != "") != c.ok {
			t.Errorf("%v: %+v, %v", c.verified, p, err)
		}
		if err != nil && !strings.Contains(err.Error(), "such as sub, in dashboard.oidc.name") {
			t.Errorf("%v: it is told %v", c.verified, err)
		}
	}
}

// TestNamesOfOthers: nobody becomes one who comes by a token, or from Slack, by choosing a name; and who is the same person in the file has
// one name by every way, and so approves once.
func TestNamesOfOthers(t *testing.T) {
	cfg := config.Dashboard{
		Tokens: []config.Token{{Name: "ana"}, {Name: "ben"}}, Others: []string{"cleo"},
		OIDC: &config.OIDC{Name: "preferred_username", Groups: "groups", Roles: map[config.Role][]string{config.Admin: {"owners"}},
			People: map[string]string{"a.lovelace": "ana", "dora.d": "dora"}},
	}
	for claim, want := range map[string]string{
		"a.lovelace": "ana", "dora.d": "dora", "emil": "emil", // as the file says, or as they are
		"ana": "", "ben": "", "cleo": "", "dora": "", "watcher": "", "": "", // somebody else's
	} {
		p, err := personOf(*cfg.OIDC, taken(cfg), map[string]any{"preferred_username": claim, "groups": "owners"})
		if p.Name != want || (err == nil) != (want != "") {
			t.Errorf("%s is %q: %v", claim, p.Name, err)
		}
	}
}
