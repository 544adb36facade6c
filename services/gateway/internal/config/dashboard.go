package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// DashboardListen is where the dashboard is served unless something else is said.
const DashboardListen = "127.0.0.1:8082"

// Dashboard is how people look at releases in a browser, and act on them.
type Dashboard struct {
	Listen string // host:port; a loopback address unless it is said who people are
	URL    string // where people reach it, without a slash at its end; empty: at Listen
	Tokens []Token
	OIDC   *OIDC

	Others []string // names that people have elsewhere, in Slack: nobody is called so by a claim

	Session time.Duration // after which people prove anew who they are

	SessionKeyEnv  string // at most one of the two is set; neither: sessions end with the process
	SessionKeyFile string
}

// Role is what somebody may do.
type Role string

// The roles, each with what the one before it may.
const (
	Viewer   Role = "viewer"   // looks
	Operator Role = "operator" // asks things of releases, and stops projects
	Admin    Role = "admin"    // forces releases through, and stops all projects at once
)

// Token is somebody who proves who they are by a secret.
type Token struct {
	Name string // under which requests are published
	Role Role
	Env  string // exactly one of the two is set
	File string
}

// OIDC is a provider of OpenID Connect that says who people are.
type OIDC struct {
	Issuer     string
	ClientID   string
	SecretEnv  string // exactly one of the two is set
	SecretFile string
	Name       string            // the claim that says who it is
	People     map[string]string // from what that claim has to the name under which requests are published, as a token or Slack has it
	Groups     string            // the claim with what a person is in
	Roles      map[Role][]string
	Recheck    time.Duration // after which the provider is asked again, and a role of before counts no more
}

const (
	// SessionLasts is how long a session lasts, at most and unless less is said.
	SessionLasts = 12 * time.Hour
	// Recheck is how long what a provider said of a person counts, unless something else is said.
	Recheck     = 15 * time.Minute
	leastWithin = time.Minute
	// DefaultName is the claim with the name: of the standard ones the only one that is people's own, once it is verified. Many providers let
	// them choose preferred_username and name. https://openid.net/specs/openid-connect-core-1_0.html#ClaimStability
	DefaultName = "email"
)

// tokens are those of a file, which may have no such section.
func (d *Dashboard) tokens() []Token {
	if d == nil {
		return nil
	}
	return d.Tokens
}

// Open tells whether nobody is asked who they are.
func (d *Dashboard) Open() bool { return len(d.Tokens) == 0 && d.OIDC == nil }

const maxPeople = 256

// dashboard reads the section of that name.
func (s section) dashboard() *Dashboard {
	const name = "dashboard"
	if !s.has(name) {
		return nil
	}
	in, ok := s.section(s.at(name), s.values[name], "listen", "url", "tokens", "oidc", "session", "session_key_env", "session_key_file")
	if !ok {
		return nil
	}
	out := &Dashboard{
		Listen: in.text("listen", checkListen), URL: in.text("url", checkBase),
		Session:       in.within("session", SessionLasts),
		SessionKeyEnv: in.text("session_key_env", checkVariable), SessionKeyFile: in.text("session_key_file", notEmpty),
	}
	if !in.has("listen") {
		out.Listen = DashboardListen
	}
	if in.has("session_key_env") && in.has("session_key_file") {
		in.fail(in.at("session_key_file"), "stands beside session_key_env: allowed is one of the two")
	}
	names := map[string]string{}
	for i, item := range in.list("tokens", maxPeople) {
		t := in.token(index(in.at("tokens"), i), item)
		in.unique(names, t.Name, index(in.at("tokens"), i)+".name", "the name of")
		out.Tokens = append(out.Tokens, t)
	}
	out.OIDC = in.oidc()
	in.reachable(out)
	return out
}

// reachable looks that nobody acts without saying who they are, and that no secret travels in clear.
func (s section) reachable(d *Dashboard) {
	here := d.Listen == "" || Loopback(d.Listen)
	asks := s.has("tokens") || s.has("oidc")
	switch {
	case !asks && !here:
		s.fail(s.at("listen"), "everybody who reaches %s could act: listen on 127.0.0.1, or say who people are with tokens or oidc",
			quote(d.Listen))
	case !asks && s.has("url"):
		s.fail(s.at("url"), "has no meaning without tokens or oidc, where only this machine is let in: remove it")
	case asks && !here && !s.has("url"):
		s.fail(s.at("url"), "is missing: where people reach it by https, as in https://sluice.example.com")
	case s.has("oidc") && !s.has("url"):
		s.fail(s.at("url"), "is missing: the provider sends people back there")
	}
}

// Loopback tells whether only this machine reaches an address.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (d *decoder) token(path string, node ast.Node) Token {
	s, ok := d.section(path, node, "name", "role", "token_env", "token_file")
	if !ok {
		return Token{}
	}
	s.need("name", "under which requests are published")
	s.need("role", "viewer, operator or admin")
	t := Token{
		Name: s.text("name", checkPerson), Role: Role(s.text("role", oneOf(Viewer, Operator, Admin))),
		Env: s.text("token_env", checkVariable), File: s.text("token_file", notEmpty),
	}
	s.one("token_env", "token_file", "the token")
	return t
}

// one insists on exactly one of the places of a secret.
func (s section) one(env, file, what string) {
	switch {
	case s.has(env) && s.has(file):
		s.fail(s.at(file), "stands beside %s: allowed is one of the two", env)
	case !s.has(env) && !s.has(file):
		s.fail(s.at(env), "is missing: name the variable, or with %s the file, that holds %s", file, what)
	}
}

func (s section) oidc() *OIDC {
	if !s.has("oidc") {
		return nil
	}
	in, ok := s.section(s.at("oidc"), s.values["oidc"], "issuer", "client_id", "client_secret_env", "client_secret_file", "name", "groups",
		"viewers", "operators", "admins", "recheck", "people")
	if !ok {
		return nil
	}
	in.need("issuer", "the provider, as in https://id.example.com/realms/acme")
	in.need("client_id", "as the provider calls Sluice")
	out := &OIDC{
		Issuer: in.text("issuer", checkIssuer), ClientID: in.text("client_id", notEmpty),
		SecretEnv: in.text("client_secret_env", checkVariable), SecretFile: in.text("client_secret_file", notEmpty),
		Name: in.text("name", checkClaim), Groups: in.text("groups", checkClaim), Roles: map[Role][]string{},
		Recheck: in.within("recheck", Recheck),
	}
	in.one("client_secret_env", "client_secret_file", "the client's secret")
	if !in.has("name") {
		out.Name = DefaultName
	}
	in.people(out)
	if !in.has("groups") {
		out.Groups = "groups"
	}
	for field, role := range map[string]Role{"viewers": Viewer, "operators": Operator, "admins": Admin} {
		for i, item := range in.list(field, maxPeople) {
			out.Roles[role] = append(out.Roles[role], in.scalar(index(in.at(field), i), item, notEmpty))
		}
	}
	if !in.has("viewers") && !in.has("operators") && !in.has("admins") {
		in.fail(s.at("oidc"), "nobody has a role: name groups in viewers, operators or admins")
	}
	return out
}

// within is a time that somebody is known for.
func (s section) within(name string, unless time.Duration) time.Duration {
	out := unless
	s.text(name, func(text string) error {
		d, err := project.ParseDuration(text)
		if err == nil && (d < leastWithin || d > SessionLasts) {
			err = fmt.Errorf("%s: want %s to %s", quote(text), "1m", "12h")
		}
		out = d
		return err
	})
	return out
}

// people reads who has which name.
func (s section) people(out *OIDC) {
	if !s.has("people") {
		return
	}
	path := s.at("people")
	mapping, ok := s.values["people"].(*ast.MappingNode)
	if !ok || len(mapping.Values) > maxPeople {
		s.fail(path, "must be at most %d names by what the claim %s has, as in people: { ana@example.com: ana }", maxPeople, out.Name)
		return
	}
	out.People = map[string]string{}
	for _, entry := range mapping.Values {
		who, at := entry.Key.GetToken().Value, tokenPosition(entry.Key.GetToken())
		if _, twice := out.People[who]; twice || who == "" {
			s.failAt(at, path, "%s is there twice, or empty: remove one", quote(who))
			continue
		}
		field := path + "." + who
		s.place(field, at, entry.Value)
		out.People[who] = s.scalar(field, entry.Value, checkPerson)
	}
}

func checkListen(text string) error {
	_, port, err := net.SplitHostPort(text)
	if err != nil || !regexp.MustCompile(`^[0-9]{1,5}$`).MatchString(port) {
		return fmt.Errorf("%s: want host:port, such as %s", quote(text), DashboardListen)
	}
	return nil
}

// checkBase insists on https where others than this machine listen in.
func checkBase(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("%s: want a scheme and a host, such as https://sluice.example.com", quote(text))
	}
	return secure(u)
}

func checkIssuer(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil {
		return fmt.Errorf("%s: want a URL, such as https://id.example.com/realms/acme", quote(text))
	}
	return secure(u)
}

func secure(u *url.URL) error {
	if u.Scheme != "https" && !(u.Scheme == "http" && Loopback(u.Hostname())) {
		return errors.New("want https: secrets would travel in clear")
	}
	return nil
}

// checkPerson is a name in the subject of a request. Those of Sluice's own services are nobody's.
func checkPerson(name string) error {
	if err := topology.CheckActor(name); err != nil {
		return err
	}
	return NotOurs(name)
}

// NotOurs refuses the names under which services of Sluice publish requests.
func NotOurs(name string) error {
	switch name {
	case "publisher", "stager", "promoter", "watcher", "gateway", "sluice":
		return fmt.Errorf("%s is the name of a service of Sluice: choose another", quote(name))
	}
	return nil
}

func checkClaim(name string) error {
	if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_:/.-]{0,127}$`).MatchString(name) {
		return fmt.Errorf("%s: want the name of a claim, such as groups", quote(name))
	}
	return nil
}
