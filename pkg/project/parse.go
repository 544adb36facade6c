package project

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/goccy/go-yaml/ast"
)

// Parse reads a project file and fills in the defaults. name is what errors call the file. The error is an [Errors] with
// everything that is wrong, and then there is no Project.
func Parse(name string, src []byte) (*Project, error) {
	d := &decoder{file: name, at: map[string]position{}}
	var p *Project
	if root := d.document(src); root != nil {
		p = d.project(root)
		p.inherit()
		p.fillIn()
		d.agree(p)
	}
	if len(d.errs) > 0 {
		return nil, d.errs.inOrder()
	}
	return p, nil
}

// project reads the fields as they stand in the file. What is not there stays zero, but for numbers, whose zero has a meaning.
func (d *decoder) project(root ast.Node) *Project {
	s, ok := d.section("", root, ofFile)
	if !ok {
		return &Project{}
	}
	s.require("project", "every project file names its project, as in `project: tracer`")
	name := s.text("project", Safe)
	soak, delay := d.soak(s)
	return &Project{
		Name:    name,
		Lane:    s.text("lane", Safe),
		Version: VersionRule(s.text("version", oneOf(FromArtifact, NextPatch))),
		Order:   Order(s.text("order", oneOf(BySemver, ByMerge))),
		Reasons: s.text("reasons", oneOf(reasonsOptional, reasonsRequired)) == reasonsRequired,
		Needs:   d.needs(s, name),
		Publish: d.action(s, "publish"),
		Stages:  d.stages(s, delay),
		Soak:    soak,
		Windows: d.windows(s),
		Promote: d.action(s, "promote"),
		Bake:    d.bake(s),
		Limits:  d.limits(s),
		Notify:  d.notify(s),
	}
}

func (d *decoder) action(s section, name string) *Action {
	if !s.has(name) {
		return nil
	}
	block, ok := d.section(s.at(name), s.values[name], ofAction)
	if !ok {
		return nil
	}
	block.exactlyOne(ofAction.fields()...)
	a := d.driver(block)
	return &a
}

// driver reads the driver that an action's block names.
func (d *decoder) driver(block section) Action {
	a := Action{Timeout: DefaultActionTimeout}
	timeout := between(minActionTimeout, maxActionTimeout)
	if s, ok := block.child("npm", ofNPM); ok {
		a.NPM = d.npm(s)
		a.Timeout = s.duration("timeout", DefaultActionTimeout, timeout)
	}
	if s, ok := block.child("oci", ofOCI); ok {
		a.OCI = d.oci(s)
		a.Timeout = s.duration("timeout", DefaultActionTimeout, timeout)
	}
	if s, ok := block.child("files", ofFiles); ok {
		a.Files = &Files{Dir: s.text("dir", checkPath), Channel: s.text("channel", checkChannel)}
		a.Timeout = s.duration("timeout", DefaultActionTimeout, timeout)
	}
	if s, ok := block.child("exec", ofExec); ok {
		a.Exec = d.exec(s)
		a.Timeout = s.duration("timeout", DefaultActionTimeout, timeout)
	}
	d.triggers(block, &a)
	d.taggers(block, &a)
	d.amazon(block, &a)
	return a
}

func (d *decoder) npm(s section) *NPM {
	n := &NPM{
		Registry:  s.text("registry", checkNPMRegistry),
		Package:   s.text("package", checkPackage),
		Tag:       s.text("tag", checkTag),
		Mode:      NPMMode(s.text("mode", oneOf(Retag, Republish, Staged))),
		Access:    s.text("access", oneOf("public", "restricted")),
		TokenEnv:  s.text("token_env", checkTokenEnv),
		TokenFile: s.text("token_file", checkPath),
		NPMRC:     s.text("npmrc", checkPath),
	}
	if s.has("token_env") && s.has("token_file") {
		d.fail(s.at("token_file"), "stands beside token_env: allowed is one of the two")
	}
	if s.has("npmrc") && (s.has("token_env") || s.has("token_file")) {
		d.fail(s.at("npmrc"), "stands beside token_env or token_file: allowed is one of them")
	}
	return n
}

func (d *decoder) exec(s section) *Exec {
	s.require("command", `the program and its arguments, as in command: ["./deploy", "--fast"]`)
	e := &Exec{
		Command: s.texts("command", func(string) error { return nil }),
		Env:     d.env(s),
		EnvFrom: s.texts("env_from", checkVariable),
		Dir:     s.text("dir", checkPath),
	}
	switch path := s.at("command"); {
	case !s.has("command") || !d.clean(path):
	case len(e.Command) == 0:
		d.fail(path, "must not be empty: the program and its arguments")
	case strings.TrimSpace(e.Command[0]) == "":
		d.fail(index(path, 0), "must be the program to run; it is empty")
	}
	for i, name := range e.EnvFrom {
		if _, both := e.Env[name]; both {
			d.fail(index(s.at("env_from"), i), "%s is in env too: remove one", name)
		}
	}
	return e
}

func (d *decoder) env(s section) map[string]string {
	if !s.has("env") {
		return nil
	}
	path := s.at("env")
	mapping, ok := s.values["env"].(*ast.MappingNode)
	if !ok {
		d.fail(path, "must be names with values; it is %s", kindOf(s.values["env"]))
		return nil
	}
	if len(mapping.Values) > maxWords {
		d.fail(path, "has %d variables; allowed are %d", len(mapping.Values), maxWords)
		return nil
	}
	env := make(map[string]string, len(mapping.Values))
	for _, entry := range mapping.Values {
		at := tokenPosition(entry.Key.GetToken())
		key, ok := entry.Key.(*ast.StringNode)
		if !ok {
			d.failAt(at, path, "a variable's name must be text")
			continue
		}
		field := join(path, printable(key.Value))
		if err := checkEnv(key.Value); err != nil {
			d.failAt(at, field, "%s", err)
			continue
		}
		if _, twice := env[key.Value]; twice {
			d.failAt(at, field, "is there twice: remove one")
			continue
		}
		d.place(field, at, entry.Value)
		env[key.Value] = d.scalar(field, entry.Value, func(string) error { return nil })
	}
	return env
}

// soak also reads the delay of the stages that have none of their own.
func (d *decoder) soak(s section) (Soak, time.Duration) {
	block, _ := s.child("soak", ofSoak)
	return Soak{
		Collision:      Collision(block.text("collision", oneOf(Newest, Queue, Supersede, Reject))),
		MaxOverdue:     block.duration("max_overdue", DefaultMaxOverdue, between(minOverdue, MaxDelay)),
		SupersedeLimit: block.number("supersede_limit", DefaultSupersedeLimit, 1, maxSupersede),
		MaxWait:        block.duration("max_wait", DefaultMaxWait, between(minLimit, MaxDelay)),
		Coverage:       block.percent("coverage", DefaultCoverage, minCoverage),
		OnGap:          OnGap(block.text("on_gap", oneOf(HoldOnGap, ExtendOnGap))),
	}, block.duration("delay", DefaultDelay, ParseDelay)
}

// watch reads the checks of a section. One that can not be read keeps its place.
func (d *decoder) watch(s section) []Check {
	var checks []Check
	names := map[string]string{} // to the path of the check that has it
	for i, item := range s.list("watch", maxChecks) {
		path := index(s.at("watch"), i)
		block, ok := d.section(path, item, ofCheck)
		if !ok {
			checks = append(checks, Check{})
			continue
		}
		check := d.check(block)
		d.unique(names, check.Name, block.at("name"), path)
		checks = append(checks, check)
	}
	return checks
}

// unique reports a name that another has already, at the path of the name, and remembers that this path has it.
func (d *decoder) unique(names map[string]string, name, at, path string) {
	if name == "" {
		return
	}
	if first, twice := names[name]; twice {
		d.fail(at, "%s is the name of %s too: names are unique", quote(name), first)
		return
	}
	names[name] = path
}

func (d *decoder) bake(s section) *Bake {
	if !s.has("bake") {
		return nil
	}
	block, ok := s.child("bake", ofBake)
	if !ok {
		return nil
	}
	block.require("for", "how long production is watched after promotion, as in for: 30m")
	b := &Bake{For: block.duration("for", 0, between(minBake, MaxDelay)), Watch: d.watch(block)}
	if len(b.Watch) == 0 && d.clean(block.at("watch")) {
		d.fail(block.at("watch"), "is missing or empty: without a check nothing could roll the release back")
	}
	for i, c := range b.Watch {
		if c.RequireHuman {
			d.fail(index(block.at("watch"), i)+".require_human",
				"has no meaning in a bake, where everybody has the release already: remove it, or severity: warn")
		}
	}
	return b
}

func (d *decoder) limits(s section) Limits {
	block, _ := s.child("limits", ofLimits)
	return Limits{
		Phase: block.duration("phase", 0, between(minLimit, MaxDelay)),
		Hold:  block.duration("hold", DefaultHold, between(minLimit, MaxHold)),
	}
}

func (d *decoder) needs(s section, self string) []Need {
	var needs []Need
	names := map[string]string{}
	for i, item := range s.list("needs", maxNeeds) {
		path := index(s.at("needs"), i)
		var need Need
		d.scalar(path, item, func(text string) (err error) {
			need, err = parseNeed(text)
			return err
		})
		if need.Project != "" && need.Project == self {
			d.fail(path, "is this project itself: remove it")
		}
		d.unique(names, need.Project, path, path)
		needs = append(needs, need)
	}
	return needs
}

func parseNeed(text string) (Need, error) {
	name, version, _ := strings.Cut(text, "@")
	if _, err := semver.StrictNewVersion(version); err != nil || Safe(name) != nil {
		return Need{}, fmt.Errorf("%s is not a project and a version: write it like api@1.4.0", quote(text))
	}
	return Need{name, version}, nil
}

func (d *decoder) check(s section) Check {
	s.require("name", "every check has one, for the evidence and the log")
	s.exactlyOne("signal", "http", "exec", "prometheus", "json", "cloudwatch", "cloudwatch_logs", "alert")
	c := Check{
		Name:     s.text("name", Safe),
		Interval: s.duration("interval", 0, between(minProbeInterval, maxProbeInterval)),
		Failures: s.number("failures", 0, 1, maxFailures),
		Grace:    s.duration("grace", 0, between(0, MaxDelay)),

		Warns:        s.text("severity", oneOf(severityError, severityWarn)) == severityWarn,
		RequireHuman: s.flag("require_human"),
		Link:         s.text("link", checkURL),
	}
	if c.RequireHuman && c.Warns {
		d.fail(s.at("require_human"), "has no meaning for a check that only warns: remove it, or severity: warn")
	}
	if block, ok := s.child("signal", ofSignal); ok {
		c.Signal = d.signal(s, block)
	}
	d.http(s, &c)
	d.metric(s, &c)
	d.alert(s, &c)
	d.of(s, &c)
	return c
}

// checkEnv is for the names of literal variables, whose values everybody who may read the file can read.
func checkEnv(name string) error {
	if err := checkVariable(name); err != nil {
		return err
	}
	if secretField.MatchString(name) {
		return errors.New("looks like a secret, which is never written here: name it in env_from and set it in the service's environment")
	}
	return nil
}

// child is the mapping in the field name, if the file has it.
func (s section) child(name string, of kind) (section, bool) {
	if !s.has(name) {
		return section{decoder: s.decoder, path: s.at(name)}, false
	}
	return s.section(s.at(name), s.values[name], of)
}

// exactlyOne reports that none of the names is there, or more than one.
func (s section) exactlyOne(names ...string) {
	var there []string
	for _, name := range names {
		if s.has(name) {
			there = append(there, name)
		}
	}
	switch len(there) {
	case 0:
		s.fail(s.path, "needs exactly one of %s; it has none", strings.Join(names, ", "))
	case 1:
	default:
		s.fail(s.path, "needs exactly one of %s; it has %s", strings.Join(names, ", "), strings.Join(there, " and "))
	}
}

// texts is the field as a list of texts that all pass check.
func (s section) texts(name string, check func(string) error) []string {
	var values []string
	for i, item := range s.list(name, maxWords) {
		values = append(values, s.scalar(index(s.at(name), i), item, check))
	}
	return values
}
