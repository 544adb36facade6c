package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

func TestDashboard(t *testing.T) {
	c, err := config.Parse("gateway.yaml", []byte("dashboard: {}\n"))
	if err != nil || c.Dashboard == nil || c.Dashboard.Listen != config.DashboardListen || !c.Dashboard.Open() {
		t.Fatalf("%+v, %v", c, err)
	}
	c, err = config.Parse("gateway.yaml", []byte(`dashboard:
  listen: 0.0.0.0:8082
  url: https://sluice.example.com
  session_key_env: SESSION_KEY
  tokens: [ { name: ana, role: operator, token_env: ANA_TOKEN } ]
  oidc: { issuer: "https://id.example.com", client_id: sluice, client_secret_file: /run/secrets/oidc, name: email, admins: [owners] }
`))
	if err != nil {
		t.Fatal(err)
	}
	d := c.Dashboard
	if d.Open() || d.Tokens[0] != (config.Token{Name: "ana", Role: config.Operator, Env: "ANA_TOKEN"}) || d.OIDC.Groups != "groups" ||
		d.Session != 12*time.Hour || d.OIDC.Recheck != 15*time.Minute || d.OIDC.Name != "email" || d.OIDC.Roles[config.Admin][0] != "owners" {
		t.Errorf("%+v %+v", d, d.OIDC)
	}
}

// TestNamesOfPeople: unless another claim is named, who somebody is is their verified address; and those of Slack are known to the dashboard.
func TestNamesOfPeople(t *testing.T) {
	c, err := config.Parse("gateway.yaml", []byte(`dashboard:
  url: https://s.example
  oidc: { issuer: "https://i.example", client_id: a, client_secret_env: B, admins: [o], people: { ana@corp.example: ana, "a b": ben } }
notify: { slack: { secret_env: S, users: { U11: cleo } } }
`))
	if err != nil {
		t.Fatal(err)
	}
	if o := c.Dashboard.OIDC; o.Name != "email" || len(o.People) != 2 || o.People["ana@corp.example"] != "ana" || o.People["a b"] != "ben" {
		t.Errorf("%+v", o)
	}
	if o := c.Dashboard.Others; len(o) != 1 || o[0] != "cleo" {
		t.Errorf("%v", o)
	}
}

// TestDashboardThatIsOpen: nobody acts from elsewhere without saying who they are, and no secret travels in clear.
func TestDashboardThatIsOpen(t *testing.T) {
	const token = "tokens: [ { name: ana, role: admin, token_env: A } ]"
	for src, want := range map[string]string{
		"{ listen: \"0.0.0.0:8082\" }":                                                                                            "everybody who reaches \"0.0.0.0:8082\" could act",
		"{ listen: \":8082\" }":                                                                                                   "everybody who reaches",
		"{ listen: \"sluice.example.com:80\" }":                                                                                   "everybody who reaches",
		"{ listen: nowhere }":                                                                                                     "want host:port",
		"{ url: \"https://sluice.example.com\" }":                                                                                 "has no meaning without tokens or oidc",
		"{ listen: \"0.0.0.0:1\", " + token + " }":                                                                                "dashboard.url: is missing",
		"{ url: \"http://sluice.example.com\", " + token + " }":                                                                   "want https",
		"{ url: \"https://sluice.example.com/x\", " + token + " }":                                                                "want a scheme and a host",
		"{ tokens: [ { name: watcher, role: admin, token_env: A } ] }":                                                            "the name of a service",
		"{ tokens: [ { name: a.b, role: admin, token_env: A } ] }":                                                                "want 1 to 64",
		"{ tokens: [ { name: a, role: owner, token_env: A } ] }":                                                                  "allowed: viewer, operator, admin",
		"{ tokens: [ { name: a, role: admin } ] }":                                                                                "token_env: is missing",
		"{ tokens: [ { name: a, role: admin, token: abc } ] }":                                                                    "secrets are never written here",
		"{ tokens: [ { name: a, role: admin, token_env: A, token_file: /b } ] }":                                                  "allowed is one of the two",
		"{ tokens: [ { name: a, role: admin, token_env: A }, { name: a, role: viewer, token_env: B } ] }":                         "is the name of dashboard.tokens[0].name too",
		"{ oidc: { issuer: \"https://i.example\", client_id: a, client_secret_env: B, admins: [o] } }":                            "dashboard.url: is missing",
		"{ url: \"https://s.example\", oidc: { issuer: \"http://i.example\", client_id: a, client_secret_env: B, admins: [o] } }": "want https",
		"{ url: \"https://s.example\", oidc: { issuer: \"https://i.example\", client_id: a, client_secret_env: B } }":             "nobody has a role",
		"{ session_key_env: A, session_key_file: /b }":                                                                            "allowed is one of the two",
		"{ url: \"https://s.example\", oidc: { issuer: \"https://i.example\", client_id: a, client_secret_env: B, admins: [o], people: [ana] } }":          "people: { ana@example.com: ana }",
		"{ url: \"https://s.example\", oidc: { issuer: \"https://i.example\", client_id: a, client_secret_env: B, admins: [o], people: { a: a.b } } }":     "want 1 to 64",
		"{ url: \"https://s.example\", oidc: { issuer: \"https://i.example\", client_id: a, client_secret_env: B, admins: [o], people: { a: b, a: c } } }": "is there twice",
		"{ session: 13h }": "want 1m to 12h",
		"{ session: 0s }":  "want 1m to 12h",
		"{ url: \"https://s.example\", oidc: { issuer: \"https://i.example\", client_id: a, client_secret_env: B, admins: [o], recheck: soon } }": "is not a duration",
		"{ lissten: x }": "did you mean listen",
	} {
		_, err := config.Parse("gateway.yaml", []byte("dashboard: "+src+"\n"))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "gateway.yaml:1:") {
			t.Errorf("%s: %v, want %s", src, err, want)
		}
	}
	for address, want := range map[string]bool{"127.0.0.1:1": true, "[::1]:1": true, "localhost:1": true, ":1": false, "0.0.0.0:1": false, "127.0.0.1.example:1": false} {
		if config.Loopback(address) != want {
			t.Errorf("loopback of %s is %t", address, !want)
		}
	}
}

// TestExampleOfADashboard: what the example has as comments is a section that is right.
func TestExampleOfADashboard(t *testing.T) {
	src, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "deploy", "gateway.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(src), "\n# dashboard:\n")
	if !found {
		t.Fatal("the example has no dashboard")
	}
	c, err := config.Parse("example", []byte("dashboard:\n"+strings.ReplaceAll("\n"+section, "\n# ", "\n")))
	if err != nil || c.Dashboard.Open() || len(c.Dashboard.OIDC.Roles) != 3 {
		t.Errorf("%+v, %v", c, err)
	}
}
