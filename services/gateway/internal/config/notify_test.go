package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

func TestNotify(t *testing.T) {
	src, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "deploy", "gateway.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("gateway.yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	n := c.Notify
	if n == nil || n.Dashboard != "https://sluice.example.com" || n.MaxAge != 24*time.Hour || n.Attempts != 100 || n.Slack.SecretEnv != "SLACK_SIGNING_SECRET" ||
		len(n.Slack.Users) != 2 || n.Slack.Users["U024BE7LH"] != (config.SlackUser{Name: "ana", Role: config.Operator}) ||
		n.Slack.Users["W1234567890"] != (config.SlackUser{Name: "ben", Role: config.Operator}) {
		t.Errorf("%+v", n)
	}
	if n.May("SLACK_URL", "") != nil || n.May("", "") != nil {
		t.Error("what is listed may not be named")
	}
	for _, err := range []error{n.May("NATS_PASSWORD", ""), n.May("", "/run/secrets/nats")} {
		if err == nil || !strings.Contains(err.Error(), "add it to notify.secret") {
			t.Errorf("%v", err)
		}
	}
	const both = `notify: {}
dashboard: { url: "https://sluice.example.com", tokens: [ { name: ana, role: operator, token_env: ANA_TOKEN } ] }
`
	if c, err := config.Parse("gateway.yaml", []byte(both)); err != nil || c.Notify.Dashboard != "https://sluice.example.com" {
		t.Errorf("the link is to %+v %v", c, err)
	}
	if c, err := config.Parse("gateway.yaml", []byte("notify: {}")); err != nil || c.Notify == nil || c.Notify.Slack != nil {
		t.Errorf("%+v %v", c, err)
	}
}

func TestNotifyErrors(t *testing.T) {
	_, err := config.Parse("gateway.yaml", []byte(`notify:
  secrets: [slack-url]
  secret_files: [""]
  dashboard: https://sluice.example.com/
  max_age: soon
  attempts: 0
  token: hunter2hunter2
  slack:
    secret_env: A
    secret_file: b
    users: { ana: ana, U024BE7LH: watcher, W1: "a.b" }
`))
	if err == nil {
		t.Fatal("it is taken")
	}
	want := `gateway.yaml:2:13: notify.secrets[0]: must be the name of an environment variable in upper case, such as GITHUB_WEBHOOK_SECRET, never the secret itself
gateway.yaml:3:18: notify.secret_files[0]: must be one line that is not empty
gateway.yaml:4:14: notify.dashboard: must be where people reach the dashboard, such as https://sluice.example.com, without a slash at its end
gateway.yaml:5:12: notify.max_age: "soon" is not a duration: write it like 2h, 30m, 1h30m, 2d or 0s
gateway.yaml:6:3: notify.attempts: must be a whole number from 1 to 1000000
gateway.yaml:7:3: notify.token: secrets are never written here: name the variable with secret_env, or the file with secret_file
gateway.yaml:10:18: notify.slack.secret_file: stands beside secret_env: allowed is one of the two
gateway.yaml:11:14: notify.slack.users: "ana" is not Slack's id of a user, such as U024BE7LH
gateway.yaml:11:35: notify.slack.users.U024BE7LH: "watcher" is the name of a service of Sluice: choose another
gateway.yaml:11:44: notify.slack.users: "W1" is not Slack's id of a user, such as U024BE7LH`
	if got := err.Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, src := range []string{"notify: { slack: {} }", "notify: { slack: { secret_env: A } }", "notify: { slack: { secret_env: A, users: [] } }", "notify: 1"} {
		if _, err := config.Parse("gateway.yaml", []byte(src)); err == nil {
			t.Errorf("%s is taken", src)
		}
	}
}

// TestSlackRoles: somebody has one role, by whichever way they come.
func TestSlackRoles(t *testing.T) {
	const file = `dashboard: { tokens: [ { name: vera, role: viewer, token_env: A }, { name: ada, role: admin, token_env: B } ] }
notify: { slack: { secret_env: S, users: { U11: vera, U12: ada, U13: ben, U14: { name: cleo, role: viewer }, U15: { name: ada, role: admin } } } }
`
	c, err := config.Parse("gateway.yaml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]config.Role{
		"U11": config.Viewer, "U12": config.Admin, "U13": config.Operator, "U14": config.Viewer, "U15": config.Admin,
	} {
		if got := c.Notify.Slack.Users[id]; got.Role != want {
			t.Errorf("%s is %+v, want %s", id, got, want)
		}
	}
	for users, want := range map[string]string{
		"{ U11: { name: ada, role: viewer } }": "gateway.yaml:2:44: notify.slack.users.U11: ada is viewer here, and admin in dashboard.tokens",
		"{ U11: { role: viewer } }":            "users.U11.name: is missing",
		"{ U11: { name: ada, role: owner } }":  "allowed: viewer, operator, admin",
		"{ U11: [ada] }":                       "must be text",
	} {
		src := file[:strings.Index(file, "notify:")] + "notify: { slack: { secret_env: S, users: " + users + " } }\n"
		if _, err := config.Parse("gateway.yaml", []byte(src)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", users, err)
		}
	}
}
