// Package config is the gateway's file: which paths take webhooks of which source, how they are signed, which deliveries are
// merges of which project, and where releases are told of.
//
// [Parse] is authoritative and strict, as that of a project file is: unknown fields, wrong kinds of values and rules that can
// not both hold are errors, all reported at once as [project.Errors], each with file, line, column and field.
//
// # Shape
//
//	hooks:
//	  - path: /hooks/github
//	    source: github                      # github, gitlab, circleci, bitbucket, generic or cdevents
//	    secret_env: GITHUB_WEBHOOK_SECRET   # the variable, or with secret_file the file, that holds the secret
//	    merges:
//	      - repository: acme/tracer         # as the source calls it
//	        project: tracer
//	        on: build                       # push, merge, build or release
//	        workflow: build.yml             # for a build of github or circleci: which one, by name or by file
//	        branch: main                    # main unless set; a release has none
//	        version: "{tag}"                # unless the artifact or the project says it
//	        artifact: "tracer-{commit}.tgz"
//	  - path: /hooks/generic
//	    source: generic
//	    auth: signature                     # or bearer
//	    secret_file: /run/secrets/generic
//	    projects: [tracer]                  # what the expression project may name
//	    when: body.status == "passed"       # CEL, as all below
//	    project: body.project
//	    commit: body.sha
//	    artifact: '"tracer-" + body.sha + ".tgz"'
//	  - path: /hooks/cdevents
//	    source: cdevents                    # the same fields, of which the event itself gives most
//	    secret_env: CDEVENTS_SECRET
//	    projects: [tracer]
//	    events: [artifact.published]        # or change.merged, artifact.packaged
//	    project: '{"pkg:npm/tracer": "tracer"}[purl.id]'
//
//	  - path: /hooks/alertmanager
//	    source: alertmanager                # alerts, for checks of alerts: also grafana, sentry, datadog, pagerduty, cloudwatch, lumigo, …
//	    auth: bearer                        # or basic; sentry and pagerduty sign in their own way
//	    secret_env: ALERTMANAGER_SECRET
//	    projects: [tracer]
//	    project: alert.labels.team          # CEL over alert, body and header; every source but alerts has expressions for all fields
//	queues:                                 # of SQS; each message is a merge event, or with expressions as above anything else
//	  - queue: https://sqs.eu-central-1.amazonaws.com/123456789012/merges
//	    projects: [tracer]
//	sinks:                                  # topics of SNS and queues of SQS that are told what journals record
//	  - topic: arn:aws:sns:eu-central-1:123456789012:releases
//	    attempts: 1000                      # then a record is kept on sluice.dead.aws.<release>
//
//	cdevents:                               # releases are told of as CDEvents
//	  source: https://sluice.example.com    # with which the source of every event begins; /sluice unless set
//	  nats: true                            # on sluice.cdevents.<release>
//	  sink: { url: "https://events.example.com", token_env: CDEVENTS_TOKEN, attempts: 1000 }
//	  since: 2026-03-02T15:00:00Z           # what happened before is not told
//
//	dashboard:                              # for people, in a browser, and the same for programs as JSON
//	  listen: 127.0.0.1:8082                # this machine only, without asking who it is; or, with tokens or oidc, any address
//	  url: https://sluice.example.com       # where people reach it then
//	  tokens:
//	    - { name: ana, role: operator, token_env: ANA_TOKEN }  # viewer, operator or admin
//	  oidc: { issuer: "https://id.example.com", client_id: sluice, client_secret_env: OIDC_SECRET, operators: [release-team] }
//
//	notify:                                 # those are told whom project files name under notify
//	  secrets: [SLACK_URL]                  # the variables that project files may name
//	  dashboard: https://sluice.example.com
//	  slack:                                # messages to Slack have buttons, which come to /slack/actions
//	    secret_env: SLACK_SIGNING_SECRET
//	    users: { U024BE7LH: ana }
//
// A template ("{commit}") may name commit, short (its first 12 digits), branch, tag, number (of the build or pull request) and
// any field of the body, as in {body.release.tag_name}.
package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/sluice-gate/sluice/pkg/cdevents"
	"github.com/sluice-gate/sluice/pkg/expr"
	"github.com/sluice-gate/sluice/pkg/project"
)

// Config is a parsed and validated file.
type Config struct {
	Hooks    []Hook       // paths are unique; there is at least one if there is nothing else
	CDEvents *CDEventsOut // nil: releases are not told of as CDEvents
	Queues   []Queue
	Sinks    []AWSSink
	Notify   *NotifyOut // nil: nobody is notified, whatever project files say

	Dashboard *Dashboard // nil: there is none
}

// Source is who sends a webhook.
type Source string

// The sources.
const (
	GitHub    Source = "github"
	GitLab    Source = "gitlab"
	CircleCI  Source = "circleci"
	Bitbucket Source = "bitbucket"
	Generic   Source = "generic"
	CDEvents  Source = "cdevents"
)

// On is what happened, in the words that all sources share.
type On string

// What can happen. GitHub: push, pull_request closed as merged, workflow_run completed with success, release prereleased.
// GitLab: push, merge request merged, pipeline succeeded. CircleCI: workflow completed with success. Bitbucket: push, pull
// request fulfilled.
const (
	Push    On = "push"
	Merged  On = "merge"
	Build   On = "build"
	Release On = "release"
)

// events is what a source can tell of.
func (s Source) events() []On {
	switch s { //nolint:exhaustive // the others tell of alerts
	case GitHub:
		return []On{Push, Merged, Build, Release}
	case GitLab:
		return []On{Push, Merged, Build}
	case CircleCI:
		return []On{Build}
	case Bitbucket:
		return []On{Push, Merged}
	case Generic, CDEvents:
	}
	return nil
}

// mapped tells whether expressions say what a merge is, and not a list of merges.
func (s Source) mapped() bool { return s == Generic || s == CDEvents }

// workflows tells whether a commit has several builds that end one by one, so that the one that makes the artifact is named.
func (s Source) workflows() bool { return s == GitHub || s == CircleCI }

// Auth is how a generic hook proves who sent it.
type Auth string

// A signature over the body, or the secret itself: as a bearer token, or, of alerts, as the password of any user.
const (
	Signature Auth = "signature"
	Bearer    Auth = "bearer"
	Basic     Auth = "basic"
)

// Hook is one path that takes webhooks.
type Hook struct {
	Path       string
	Source     Source
	SecretEnv  string // exactly one of the two is set
	SecretFile string
	Merges     []Merge // at least one, unless expressions say what a merge is
	Generic    Mapping // of a hook whose source is generic or cdevents
	Alarm      *Alarm  // of a hook whose source tells of alerts
}

// Merge says which deliveries are merges of a project.
type Merge struct {
	Repository string
	Project    string
	On         On
	Workflow   string   // the name or the file of the build; empty where a source has one build a commit
	Branch     string   // empty for a release
	Version    Template // may be none
	Artifact   Template
}

// Mapping is how a generic hook makes a merge of any body.
type Mapping struct {
	Auth     Auth
	Delivery string   // the header with the delivery's id, for the log; may be empty
	Projects []string // what Project may give
	Events   []string // of source cdevents: which are merges
	When     *expr.Condition
	Project  *expr.Text
	Commit   *expr.Text
	Artifact *expr.Text
	Version  *expr.Text
	Ref      *expr.Text
	URL      *expr.Text
	Actor    *expr.Text
	At       *expr.Text // when it happened, as in 2026-03-02T15:00:00Z: releases are listed by age
}

const (
	maxHooks  = 64
	maxMerges = 1024

	defaultBranch = "main"
)

// Parse reads a file. name is what errors call it. The error is a [project.Errors] with everything that is wrong.
func Parse(name string, src []byte) (*Config, error) {
	d := &decoder{file: name, at: map[string]position{}}
	c := &Config{}
	if root := d.document(src); root != nil {
		c = d.config(root)
	}
	if len(d.errs) > 0 {
		return nil, d.inOrder()
	}
	return c, nil
}

func (d *decoder) config(root ast.Node) *Config {
	c := &Config{}
	s, ok := d.section("", root, "hooks", "cdevents", "queues", "sinks", "notify", "dashboard")
	if !ok {
		return c
	}
	for i, item := range s.list("queues", maxHooks) {
		c.Queues = append(c.Queues, d.queue(index("queues", i), item))
	}
	for i, item := range s.list("sinks", maxHooks) {
		c.Sinks = append(c.Sinks, d.sink(index("sinks", i), item))
	}
	c.Notify, c.Dashboard = s.notify(), s.dashboard()
	if c.Notify != nil && c.Notify.Dashboard == "" && c.Dashboard != nil {
		c.Notify.Dashboard = c.Dashboard.URL
	}
	s.slackRoles(c.Notify, c.Dashboard)
	items := s.list("hooks", maxHooks)
	others := s.has("cdevents") || s.has("notify") || s.has("dashboard") || len(c.Queues)+len(c.Sinks) > 0
	if c.CDEvents = s.cdevents(); !others {
		s.needItems("hooks", "at least one")
	}
	paths := map[string]string{}
	for i, item := range items {
		h := d.hook(index("hooks", i), item)
		d.unique(paths, h.Path, index("hooks", i)+".path", "the path of")
		c.Hooks = append(c.Hooks, h)
	}
	return c
}

func (d *decoder) hook(path string, node ast.Node) Hook {
	s, ok := d.section(path, node, "path", "source", "secret_env", "secret_file", "merges",
		"auth", "delivery", "projects", "events", "when", "project", "commit", "artifact", "version", "ref", "url", "actor", "at",
		"each", "status", "fingerprint", "since", "labels", "heartbeat", "name", "summary")
	if !ok {
		return Hook{}
	}
	s.need("path", "where the webhooks come in, as in /hooks/github")
	s.need("source", "who sends them")
	sources := append([]Source{GitHub, GitLab, CircleCI, Bitbucket, Generic, CDEvents}, AlertSources()...)
	h := Hook{
		Path:       s.text("path", checkPath),
		Source:     Source(s.text("source", oneOf(sources...))),
		SecretEnv:  s.text("secret_env", checkVariable),
		SecretFile: s.text("secret_file", notEmpty),
	}
	switch {
	case s.has("secret_env") && s.has("secret_file"):
		d.fail(s.at("secret_file"), "stands beside secret_env: allowed is one of the two")
	case !s.has("secret_env") && !s.has("secret_file"):
		d.fail(s.at("secret_env"), "is missing: name the variable, or with secret_file the file, that holds the secret")
	}
	if h.Source != "" && !h.Source.Tells() {
		s.refuse("is for a hook of alerts: remove it", "each", "status", "fingerprint", "since", "labels", "heartbeat", "name", "summary")
	}
	switch {
	case h.Source.Tells():
		s.refuse("has no meaning for alerts, which are no merges: remove it", "merges", "events", "commit", "artifact", "version", "ref",
			"actor", "at")
		h.Alarm = s.alarm(h.Source)
	case h.Source.mapped():
		s.refuse("has no meaning here, where expressions say what a merge is: remove it", "merges")
		h.Generic = s.mapping(h.Source)
	case h.Source != "":
		s.refuse("is for a generic hook; here merges says what a merge is", "auth", "delivery", "projects", "events", "when", "project",
			"commit", "artifact", "version", "ref", "url", "actor", "at")
		h.Merges = s.merges(h.Source)
	}
	return h
}

// CircleSlug is a project's slug with the provider's name in full. CircleCI takes and tells both, gh/acme/tracer and github/acme/tracer:
// https://circleci.com/docs/guides/toolkit/api-developers-guide/#getting-started-with-the-api
func CircleSlug(slug string) string {
	provider, rest, _ := strings.Cut(slug, "/")
	switch provider {
	case "gh":
		return "github/" + rest
	case "bb":
		return "bitbucket/" + rest
	}
	return slug
}

func (s section) merges(source Source) []Merge {
	items := s.list("merges", maxMerges)
	s.needItems("merges", "which deliveries are merges of which project")
	var out []Merge
	known := map[string]string{}
	for i, item := range items {
		path := index(s.at("merges"), i)
		m := s.merge(path, item, source)
		if m.Project != "" && m.Repository != "" {
			// Two events of one commit would race for being its merge, and the slower one would be lost.
			s.unique(known, m.Repository+" for project "+m.Project, path, "in")
		}
		out = append(out, m)
	}
	return out
}

func (d *decoder) merge(path string, node ast.Node, source Source) Merge {
	s, ok := d.section(path, node, "repository", "project", "on", "workflow", "branch", "version", "artifact")
	if !ok {
		return Merge{}
	}
	s.need("repository", "as the source calls it, as in acme/tracer")
	s.need("project", "the project that its merges are of")
	s.need("on", "what makes a merge")
	s.need("artifact", "the object of sluice-artifacts that was built, as in tracer-{commit}.tgz")
	m := Merge{
		Repository: s.text("repository", checkRepository),
		Project:    s.text("project", project.Safe),
		On:         On(s.text("on", oneOf(source.events()...))),
		Workflow:   s.text("workflow", notEmpty),
		Branch:     s.text("branch", notEmpty),
		Version:    s.template("version"),
		Artifact:   s.template("artifact"),
	}
	switch named := m.On == Build && source.workflows(); {
	case named && !s.has("workflow"):
		d.fail(s.at("workflow"), "is missing: a commit has several builds, name the one that hands in the artifact")
	case !named && m.On != "" && s.has("workflow"):
		d.fail(s.at("workflow"), "has no meaning here: remove it")
	}
	if m.On == Release && s.has("branch") {
		d.fail(s.at("branch"), "has no meaning for a release, which is of a tag: remove it")
	}
	if source == CircleCI {
		m.Repository = CircleSlug(m.Repository)
	}
	if m.Branch == "" && m.On != Release {
		m.Branch = defaultBranch
	}
	return m
}

func (s section) mapping(source Source) Mapping {
	s.needItems("projects", "which projects the expression project may name")
	s.need("project", "an expression, as in body.project")
	if source == CDEvents {
		s.needItems("events", "which events are merges: "+strings.Join(cdevents.Types(), ", "))
		s.refuse("has no meaning for CDEvents, which have an id: remove it", "delivery")
	} else {
		s.need("commit", "an expression, as in body.sha")
		s.need("artifact", "an expression: the object of sluice-artifacts that was built")
		s.refuse("is for CDEvents: remove it", "events")
	}
	text := func(name string) *expr.Text { return program(s, name, expr.ParseText) }
	m := Mapping{
		Auth: Auth(s.text("auth", oneOf(Signature, Bearer))), Delivery: s.text("delivery", checkHeader),
		When: program(s, "when", expr.ParseCondition), Project: text("project"), Commit: text("commit"), Artifact: text("artifact"),
		Version: text("version"), Ref: text("ref"), URL: text("url"), Actor: text("actor"), At: text("at"),
	}
	if m.Auth == "" {
		m.Auth = Signature
	}
	for i, item := range s.list("projects", maxMerges) {
		m.Projects = append(m.Projects, s.scalar(index(s.at("projects"), i), item, project.Safe))
	}
	for i, item := range s.list("events", maxMerges) {
		m.Events = append(m.Events, s.scalar(index(s.at("events"), i), item, oneOf(cdevents.Types()...)))
	}
	return m
}

func (s section) template(name string) (t Template) {
	s.text(name, func(text string) (err error) {
		t, err = ParseTemplate(text)
		return err
	})
	return t
}

func program[P any](s section, name string, parse func(expr.Scope, string) (*P, error)) (p *P) {
	s.text(name, func(text string) (err error) {
		p, err = parse(expr.Delivery, text)
		return err
	})
	return p
}

func checkPath(path string) error {
	if !regexp.MustCompile(`^(/[A-Za-z0-9._-]{1,64}){1,8}$`).MatchString(path) || strings.Contains(path, "/.") {
		return fmt.Errorf("%s: want a path such as /hooks/github, of letters, digits, dot, dash and underscore", quote(path))
	}
	return nil
}

func checkRepository(name string) error {
	if !regexp.MustCompile(`^[A-Za-z0-9._/-]{1,255}$`).MatchString(name) {
		return fmt.Errorf("%s: want a repository as the source calls it, such as acme/tracer", quote(name))
	}
	return nil
}

func checkHeader(name string) error {
	if !regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,63}$`).MatchString(name) {
		return fmt.Errorf("%s: want the name of a header, such as X-Request-Id", quote(name))
	}
	return nil
}

// checkVariable insists on upper case and repeats nothing: a secret pasted in the place of its name hardly ever passes.
func checkVariable(name string) error {
	if !regexp.MustCompile(`^[A-Z_][A-Z0-9_]{0,127}$`).MatchString(name) {
		return errors.New("must be the name of an environment variable in upper case, such as GITHUB_WEBHOOK_SECRET, never the secret itself")
	}
	return nil
}

func notEmpty(text string) error {
	if strings.TrimSpace(text) == "" || strings.ContainsAny(text, "\r\n") {
		return errors.New("must be one line that is not empty")
	}
	return nil
}

func oneOf[T ~string](values ...T) func(string) error {
	return func(text string) error {
		if slices.Contains(values, T(text)) {
			return nil
		}
		words := make([]string, len(values))
		for i, v := range values {
			words[i] = string(v)
		}
		if near, ok := project.Nearest(text, words); ok {
			return fmt.Errorf("%s is unknown, did you mean %s? allowed: %s", quote(text), near, strings.Join(words, ", "))
		}
		return fmt.Errorf("%s is unknown; allowed: %s", quote(text), strings.Join(words, ", "))
	}
}
