package project

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/sluice-gate/sluice/pkg/expr"
)

// DefaultPoll is the time between two looks at something that was triggered.
const DefaultPoll = 10 * time.Second

// Where the vendors' own services are.
const (
	CircleCIHome = "https://circleci.com"
	GitHubHome   = "https://api.github.com"
	GitLabHome   = "https://gitlab.com"
)

// Token names the secret of an action that goes to the outside by HTTP. One of the two at most is set.
type Token struct {
	Env  string // the environment variable that holds it
	File string // the path of the file that holds it
}

// Request triggers an action by one HTTP request. Texts marked as templates may have expressions in them: package expr.
type Request struct {
	Method  string            // POST unless set
	URL     string            // a template after its host
	Headers map[string]string // templates
	Body    any               // of maps, lists, templates, numbers, true, false and nil; sent as JSON; nil for none
	Success string            // a condition; any status of 2xx when empty
	Poll    *Poll             // nil: the answer is the end of it
	Token   Token
	Header  string // that the token goes in, as it is; "Authorization: Bearer" when empty
}

// Poll asks what became of a request, until it is done or has failed.
type Poll struct {
	URL      string // an expression: text in the answer to the request; resolved against the request's own URL
	Interval time.Duration
	Done     string // a condition
	Failed   string // a condition; none when empty
}

// CircleCI triggers a pipeline.
type CircleCI struct {
	URL        string // of CircleCI, without /api/v2
	Project    string // the slug: gh/acme/tracer
	Branch     string // a template; the default branch when empty
	Parameters map[string]string
	Token      Token
	Interval   time.Duration
}

// GitHub dispatches a workflow.
type GitHub struct {
	URL      string // of the API: https://git.example.com/api/v3 for a server of one's own
	Repo     string // acme/tracer
	Workflow string // its file name, deploy.yml, or its number
	Ref      string // a template: the branch or tag that the workflow is taken from; main unless set
	Inputs   map[string]string
	Token    Token
	Interval time.Duration
}

// GitLab creates a pipeline.
type GitLab struct {
	URL       string // of GitLab, without /api/v4
	Project   string // its path, acme/tracer, or its number
	Ref       string // a template: branch or tag; main unless set
	Variables map[string]string
	Token     Token
	Interval  time.Duration
}

var (
	slugName   = regexp.MustCompile(`^[a-z]{2,16}/[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}$`)
	repoName   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}$`)
	groupName  = regexp.MustCompile(`^([0-9]{1,18}|[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)+)$`)
	flowName   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,255}$`)
	headerName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,63}$`)
	inputName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,99}$`)
)

// triggers reads the drivers that start something elsewhere.
func (d *decoder) triggers(block section, a *Action) {
	timeout := between(minActionTimeout, maxActionTimeout)
	if s, ok := block.child("http", ofRequest); ok {
		a.HTTP = d.request(s)
		a.Timeout = s.duration("timeout", DefaultActionTimeout, timeout)
	}
	if s, ok := block.child("circleci", ofCircleCI); ok {
		s.require("project", "the project's slug, such as gh/acme/tracer")
		a.CircleCI = &CircleCI{
			URL: s.home(CircleCIHome), Project: s.text("project", matches(slugName, "a project's slug, such as gh/acme/tracer")),
			Branch: s.text("branch", checkTemplate), Parameters: s.templates("parameters", checkInput), Token: s.token(), Interval: s.interval(),
		}
		a.Timeout = s.duration("timeout", DefaultActionTimeout, timeout)
	}
	if s, ok := block.child("github", ofGitHub); ok {
		s.require("repo", "the repository, such as acme/tracer")
		s.require("workflow", "the workflow's file name, such as deploy.yml")
		a.GitHub = &GitHub{
			URL: s.home(GitHubHome), Repo: s.text("repo", matches(repoName, "a repository, such as acme/tracer")),
			Workflow: s.text("workflow", matches(flowName, "a workflow's file name, such as deploy.yml")), Ref: s.text("ref", checkTemplate),
			Inputs: s.templates("inputs", checkInput), Token: s.token(), Interval: s.interval(),
		}
		setUnset(&a.GitHub.Ref, "main")
		a.Timeout = s.duration("timeout", DefaultActionTimeout, timeout)
	}
	if s, ok := block.child("gitlab", ofGitLab); ok {
		s.require("project", "the project's path or number, such as acme/tracer")
		a.GitLab = &GitLab{
			URL: s.home(GitLabHome), Project: s.text("project", matches(groupName, "a project's path or number, such as acme/tracer")),
			Ref: s.text("ref", checkTemplate), Variables: s.templates("variables", checkInput), Token: s.token(), Interval: s.interval(),
		}
		setUnset(&a.GitLab.Ref, "main")
		a.Timeout = s.duration("timeout", DefaultActionTimeout, timeout)
	}
}

func (d *decoder) request(s section) *Request {
	s.require("url", "the address that the request goes to")
	r := &Request{
		Method:  s.text("method", oneOf("POST", "PUT", "PATCH")),
		URL:     s.text("url", checkURLTemplate),
		Headers: s.templates("headers", checkHeader),
		Success: s.text("success", checkCondition),
		Token:   s.token(),
		Header:  s.text("token_header", matches(headerName, "the name of a header, such as X-Api-Key")),
	}
	setUnset(&r.Method, "POST")
	if s.has("body") {
		r.Body = d.body(s.at("body"), s.values["body"])
	}
	if s.has("token_header") && r.Token == (Token{}) {
		d.fail(s.at("token_header"), "has no meaning without token_env or token_file: remove it")
	}
	poll, ok := s.child("poll", ofPoll)
	if !ok {
		return r
	}
	poll.require("url", "an expression for the address to ask, as in url: body.status_url")
	poll.require("done", "a condition, as in done: body.state == 'success'")
	r.Poll = &Poll{
		URL:      poll.text("url", checkText),
		Interval: poll.interval(),
		Done:     poll.text("done", checkCondition),
		Failed:   poll.text("failed", checkCondition),
	}
	return r
}

// body reads a value of JSON whose texts are templates.
func (d *decoder) body(path string, node ast.Node) any {
	switch node := node.(type) {
	case *ast.NullNode:
		return nil
	case *ast.BoolNode:
		return node.Value
	case *ast.IntegerNode:
		return node.Value
	case *ast.FloatNode:
		return node.Value
	case *ast.SequenceNode:
		list := make([]any, 0, len(node.Values))
		for i, item := range node.Values {
			d.at[index(path, i)] = d.start(item)
			list = append(list, d.body(index(path, i), item))
		}
		return list
	case *ast.MappingNode:
		fields := map[string]any{}
		d.each(path, node, checkField, func(name, field string, value ast.Node) { fields[name] = d.body(field, value) })
		return fields
	default:
		return d.scalar(path, node, checkTemplate)
	}
}

// each visits the entries of a mapping whose names are the user's own; check is for the names.
func (d *decoder) each(path string, mapping *ast.MappingNode, check func(string) error, visit func(name, field string, value ast.Node)) {
	if len(mapping.Values) > maxWords {
		d.fail(path, "has %d entries; allowed are %d", len(mapping.Values), maxWords)
		return
	}
	seen := map[string]bool{}
	for _, entry := range mapping.Values {
		at := tokenPosition(entry.Key.GetToken())
		key, ok := entry.Key.(*ast.StringNode)
		if !ok {
			d.failAt(at, path, "a name must be text")
			continue
		}
		field := join(path, printable(key.Value))
		if err := check(key.Value); err != nil {
			d.failAt(at, field, "%s", err)
			continue
		}
		if seen[key.Value] {
			d.failAt(at, field, "is there twice: remove one")
			continue
		}
		seen[key.Value] = true
		d.place(field, at, entry.Value)
		visit(key.Value, field, entry.Value)
	}
}

// templates is the field as names with templates.
func (s section) templates(name string, check func(string) error) map[string]string {
	if !s.has(name) {
		return nil
	}
	mapping, ok := s.values[name].(*ast.MappingNode)
	if !ok {
		s.fail(s.at(name), "must be names with values; it is %s", kindOf(s.values[name]))
		return nil
	}
	values := make(map[string]string, len(mapping.Values))
	s.each(s.at(name), mapping, check, func(key, field string, value ast.Node) {
		values[key] = s.scalar(field, value, checkTemplate)
	})
	return values
}

func (s section) token() Token {
	if s.has("token_env") && s.has("token_file") {
		s.fail(s.at("token_file"), "stands beside token_env: allowed is one of the two")
	}
	return Token{Env: s.text("token_env", checkTokenEnv), File: s.text("token_file", checkPath)}
}

func (s section) interval() time.Duration {
	return s.duration("interval", DefaultPoll, between(time.Second, time.Hour))
}

func (s section) home(unset string) string {
	url := s.text("url", checkRegistry)
	setUnset(&url, unset)
	return strings.TrimRight(url, "/")
}

func matches(pattern *regexp.Regexp, what string) func(string) error {
	return func(text string) error {
		for _, element := range strings.Split(text, "/") {
			if element == "." || element == ".." || !pattern.MatchString(text) {
				return fmt.Errorf("%s is not %s", quote(text), what)
			}
		}
		return nil
	}
}

// checkInput is for the names of what a CI gets, all of which its users can read.
func checkInput(name string) error {
	switch {
	case !inputName.MatchString(name):
		return errors.New("must be a name of letters, digits, _ and -")
	case strings.EqualFold(name, "sluice_key"):
		return errors.New("is set by Sluice: choose another name")
	case secretField.MatchString(name):
		return errors.New("looks like a secret, which is never written here: keep it among the CI's own secrets")
	}
	return nil
}

// checkField is for the names in a body. What goes there is what the file says, so there can be no secret.
func checkField(name string) error {
	if secretField.MatchString(name) {
		return errors.New("looks like a secret, which is never written here: name it with token_env or token_file, it goes in a header")
	}
	return nil
}

func checkHeader(name string) error {
	switch {
	case !headerName.MatchString(name):
		return errors.New("must be the name of a header: letters, digits and -")
	case strings.EqualFold(name, "authorization"), strings.EqualFold(name, "cookie"),
		secretField.MatchString(strings.ReplaceAll(name, "-", "_")):
		return errors.New("looks like a secret, which is never written here: name it with token_env or token_file, and its header with token_header")
	case strings.EqualFold(name, "idempotency-key"), strings.EqualFold(name, "content-length"), strings.EqualFold(name, "host"),
		strings.EqualFold(name, "content-type"):
		return errors.New("is set by Sluice: remove it")
	}
	return nil
}

func checkTemplate(text string) error {
	_, err := expr.ParseTemplate(text)
	return err
}

func checkCondition(text string) error {
	_, err := expr.ParseCondition(expr.Answer, text)
	return err
}

func checkText(text string) error {
	_, err := expr.ParseText(expr.Answer, text)
	return err
}

// checkURLTemplate wants the host written out: nothing of a release decides where the token goes.
func checkURLTemplate(text string) error {
	fixed, _, _ := strings.Cut(text, "$")
	if u, err := url.Parse(fixed); err != nil || u.Host == "" || fixed != text && u.Path == "" {
		return errors.New("must be a URL: http:// or https://, a host without expressions, a path")
	}
	if _, err := checkAddress(fixed); err != nil {
		return err
	}
	return checkTemplate(text)
}
