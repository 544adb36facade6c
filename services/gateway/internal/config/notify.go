package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/sluice-gate/sluice/pkg/project"
)

// NotifyOut says how those are told whom the project files name under notify.
type NotifyOut struct {
	Secrets     []string      // the environment variables that project files may name; all others are the gateway's own
	SecretFiles []string      // and the files
	Dashboard   string        // where people reach the dashboard, no slash at its end; that of dashboard.url unless set; empty: no link
	MaxAge      time.Duration // what is older is passed over, as when a project begins to notify
	Attempts    int           // after so many a notification is kept as a dead letter
	Slack       *SlackActions // nil: messages to Slack have no buttons
}

// SlackActions lets people act by the buttons in messages to Slack.
type SlackActions struct {
	SecretEnv  string // of the signing secret; exactly one of the two is set
	SecretFile string
	Users      map[string]SlackUser // by Slack's id of a user; nobody else may act
}

// SlackUser is somebody who may press buttons, or, as a viewer, may not.
type SlackUser struct {
	Name string // under which requests are published
	Role Role
}

const (
	defaultNotifyAge      = 24 * time.Hour
	defaultNotifyAttempts = 100 // the pauses grow to five minutes: eight hours
	mostNotifySecrets     = 256
	mostSlackUsers        = 1024
)

// notify reads the section of that name.
func (s section) notify() *NotifyOut {
	if !s.has("notify") {
		return nil
	}
	in, ok := s.section(s.at("notify"), s.values["notify"], "secrets", "secret_files", "dashboard", "max_age", "attempts", "slack")
	if !ok {
		return nil
	}
	out := &NotifyOut{Dashboard: in.text("dashboard", checkDashboard), MaxAge: defaultNotifyAge, Attempts: defaultNotifyAttempts}
	for i, item := range in.list("secrets", mostNotifySecrets) {
		out.Secrets = append(out.Secrets, in.scalar(index(in.at("secrets"), i), item, checkVariable))
	}
	for i, item := range in.list("secret_files", mostNotifySecrets) {
		out.SecretFiles = append(out.SecretFiles, in.scalar(index(in.at("secret_files"), i), item, notEmpty))
	}
	in.text("max_age", func(text string) (err error) {
		out.MaxAge, err = project.ParseDuration(text)
		return err
	})
	if in.has("attempts") {
		out.Attempts = int(in.count("attempts", mostAttempts)) //nolint:gosec // at most a million
	}
	if in.has("slack") {
		out.Slack = in.slack()
	}
	return out
}

// May tells whether project files may name the secret in that variable, or in that file.
func (n *NotifyOut) May(env, file string) error {
	if env != "" && !slices.Contains(n.Secrets, env) {
		return fmt.Errorf("the gateway's file does not let project files name the variable %s: add it to notify.secrets", env)
	}
	if file != "" && !slices.Contains(n.SecretFiles, file) {
		return fmt.Errorf("the gateway's file does not let project files name the file %s: add it to notify.secret_files", quote(file))
	}
	return nil
}

func (s section) slack() *SlackActions {
	in, ok := s.section(s.at("slack"), s.values["slack"], "secret_env", "secret_file", "users")
	if !ok {
		return nil
	}
	out := &SlackActions{
		SecretEnv: in.text("secret_env", checkVariable), SecretFile: in.text("secret_file", notEmpty), Users: map[string]SlackUser{},
	}
	switch {
	case in.has("secret_env") && in.has("secret_file"):
		s.fail(in.at("secret_file"), "stands beside secret_env: allowed is one of the two")
	case !in.has("secret_env") && !in.has("secret_file"):
		s.fail(in.at("secret_env"), "is missing: name the variable, or with secret_file the file, that holds the app's signing secret")
	}
	in.need("users", "who may act, as in users: { U024BE7LH: { name: ana, role: operator } }")
	path := in.at("users")
	mapping, ok := in.values["users"].(*ast.MappingNode)
	if in.has("users") && (!ok || len(mapping.Values) == 0 || len(mapping.Values) > mostSlackUsers) {
		s.fail(path, "must be 1 to %d of Slack's ids of users with the names under which they act", mostSlackUsers)
		return out
	}
	if mapping == nil {
		return out
	}
	for _, entry := range mapping.Values {
		id, value := entry.Key.GetToken().Value, entry.Value
		field := path + "." + id
		if !slackUser.MatchString(id) {
			s.failAt(tokenPosition(entry.Key.GetToken()), path, "%s is not Slack's id of a user, such as U024BE7LH", quote(id))
			continue
		}
		s.place(field, tokenPosition(entry.Key.GetToken()), value)
		out.Users[id] = s.slackUser(field, value)
	}
	return out
}

// slackUser reads a name, or a name and a role.
func (d *decoder) slackUser(path string, node ast.Node) SlackUser {
	if _, ok := node.(*ast.MappingNode); !ok {
		return SlackUser{Name: d.scalar(path, node, checkPerson)}
	}
	in, ok := d.section(path, node, "name", "role")
	if !ok {
		return SlackUser{}
	}
	in.need("name", "under which requests are published")
	return SlackUser{Name: in.text("name", checkPerson), Role: Role(in.text("role", oneOf(Viewer, Operator, Admin)))}
}

// slackRoles gives everybody in Slack a role: what they have by a token of the dashboard they have there, too, and who has none operates.
func (s section) slackRoles(n *NotifyOut, d *Dashboard) {
	if n == nil || n.Slack == nil {
		return
	}
	for id, user := range n.Slack.Users {
		known := Role("")
		for _, t := range d.tokens() {
			if t.Name == user.Name {
				known = t.Role
			}
		}
		if known != "" && user.Role != "" && user.Role != known {
			s.fail("notify.slack.users."+id, "%s is %s here, and %s in dashboard.tokens: make it the same", user.Name, user.Role, known)
		}
		if d != nil {
			d.Others = append(d.Others, user.Name)
		}
		user.Role = cmp.Or(user.Role, known, Operator)
		n.Slack.Users[id] = user
	}
}

// slackUser is an id as https://docs.slack.dev/reference/objects/user-object has it.
var slackUser = regexp.MustCompile(`^[UW][A-Z0-9]{2,20}$`)

func checkDashboard(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" || u.User != nil ||
		text[len(text)-1] == '/' {
		return errors.New("must be where people reach the dashboard, such as https://sluice.example.com, without a slash at its end")
	}
	return nil
}

// Here tells whether a host is this machine.
func Here(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
