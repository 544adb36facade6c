package project_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sluice-gate/sluice/pkg/project"
)

// Whatever the bytes: no panic; every error stands in the file, on one line, in order; what is accepted is complete, is read
// the same again, and fits the schema.
func FuzzParse(f *testing.F) {
	seeds := append(files(f, "testdata/accept/*.yaml"), files(f, "testdata/refuse/*.yaml")...)
	for _, path := range append(seeds, files(f, "../../deploy/examples/*/project.yaml")...) {
		f.Add(read(f, path))
	}
	schema := compile(f)
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := project.Parse("sluice.yaml", src)
		if err != nil {
			var errs project.Errors
			if !errors.As(err, &errs) || len(errs) == 0 {
				t.Fatalf("%T: %v", err, err)
			}
			checkErrors(t, src, errs)
			return
		}
		checkProject(t, p)
		again, err := project.Parse("sluice.yaml", src)
		if err != nil || !reflect.DeepEqual(p, again) {
			t.Errorf("read again: %+v, %v", again, err)
		}
		if !schema.accepts(t, src) {
			t.Errorf("the schema refuses what the parser accepts")
		}
	})
}

func FuzzParseDuration(f *testing.F) {
	for _, text := range []string{"2h", "1d", "1d12h", "0s", "1.5h", "99999d99999999h", "-1h", "", "5", "1h1d", "9999999999999999999h"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := project.ParseDuration(text)
		if d < 0 || err != nil && d != 0 {
			t.Errorf("%q: %v, %v", text, d, err)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\r") {
			t.Errorf("%q: an error of two lines: %v", text, err)
		}
		if d, err := project.ParseDelay(text); d < 0 || d > project.MaxDelay {
			t.Errorf("%q: %v, %v", text, d, err)
		}
	})
}

func checkErrors(t *testing.T, src []byte, errs project.Errors) {
	t.Helper()
	lines := strings.Split(string(src), "\n")
	for _, e := range errs {
		if e.Line < 1 || e.Line > len(lines) {
			t.Fatalf("%v: the file has %d lines", e, len(lines))
		}
		if most := utf8.RuneCountInString(lines[e.Line-1]) + 1; e.Column < 1 || e.Column > most {
			t.Errorf("%v: the line has %d columns", e, most)
		}
		if e.Problem == "" || strings.ContainsAny(e.Error(), "\n\r\x00") {
			t.Errorf("%q: not one clear line", e.Error())
		}
	}
	if !slices.IsSortedFunc(errs, func(a, b *project.Error) int { return a.Line - b.Line }) {
		t.Errorf("not in order:\n%v", errs)
	}
}

func checkProject(t *testing.T, p *project.Project) {
	t.Helper()
	if err := errors.Join(project.Safe(p.Name), project.Safe(p.Lane)); err != nil {
		t.Error(err)
	}
	actions := []*project.Action{p.Publish, p.Promote}
	if len(p.Stages) == 0 {
		t.Error("no stage")
	}
	for _, s := range p.Stages {
		actions = append(actions, s.Action)
		checkChecks(t, s.Watch)
		if project.Safe(s.Name) != nil || s.OnCancel == "" || s.Delay < 0 || s.Delay > project.MaxDelay || s.Approvals < 0 || s.Approvals > 16 {
			t.Errorf("stage %+v", s)
		}
	}
	for _, a := range actions {
		if a == nil {
			continue
		}
		drivers := count(a.NPM != nil, a.OCI != nil, a.Files != nil, a.Exec != nil,
			a.HTTP != nil, a.CircleCI != nil, a.GitHub != nil, a.GitLab != nil, a.Git != nil, a.Release != nil,
			a.AWSLambda != nil, a.AWSStepFunctions != nil, a.AWSCodeBuild != nil, a.AWSCodePipeline != nil, a.AWSS3 != nil)
		if drivers != 1 || a.Timeout <= 0 || a.Timeout > p.Limits.Phase {
			t.Errorf("action %+v", a)
		}
		if a.Files != nil && (a.Files.Dir == "" || a.Files.Channel == "") {
			t.Errorf("files %+v", a.Files)
		}
		if a.OCI != nil && (a.OCI.Image == "" || a.OCI.Tag == "") {
			t.Errorf("oci %+v", a.OCI)
		}
		if a.Git != nil && (a.Git.Remote == "" || a.Git.Tag == "") {
			t.Errorf("git %+v", a.Git)
		}
		if a.Release != nil && (a.Release.URL == "" || a.Release.Repo == "" || a.Release.Tag == "") {
			t.Errorf("github_release %+v", a.Release)
		}
	}
	if s := p.Soak; s.MaxOverdue <= 0 || s.Collision == "" || s.SupersedeLimit < 1 || s.SupersedeLimit > 100 || s.MaxWait <= 0 {
		t.Errorf("soak %+v", s)
	}
	for _, n := range p.Needs {
		if project.Safe(n.Project) != nil || n.Version == "" || n.Project == p.Name {
			t.Errorf("need %+v", n)
		}
	}
	if p.Bake != nil {
		checkChecks(t, p.Bake.Watch)
		if p.Bake.For <= 0 || p.Bake.For > project.MaxDelay || len(p.Bake.Watch) == 0 {
			t.Errorf("bake %+v", p.Bake)
		}
	}
	if p.Order == "" || p.Limits.Phase <= 0 || p.Limits.Hold <= 0 || p.Windows.Never() {
		t.Errorf("order %q, limits %+v, windows %+v", p.Order, p.Limits, p.Windows)
	}
}

func checkChecks(t *testing.T, checks []project.Check) {
	t.Helper()
	for _, c := range checks {
		probe := c.Signal == nil && c.Alert == nil
		if count(c.Signal != nil, c.Alert != nil, c.HTTP != nil, c.Exec != nil, c.Metric != nil) != 1 || c.Of != 0 && c.Of < c.Failures || project.Safe(c.Name) != nil || c.Failures < 1 || c.Grace < 0 ||
			(c.Interval > 0) != probe || (c.Timeout > 0) != probe {
			t.Errorf("check %+v", c)
		}
		if m := c.Metric; m != nil {
			sources := count(m.Prometheus != nil, m.JSON != nil, m.CloudWatch != nil, m.Logs != nil, m.Plugin != nil)
			if sources != 1 || m.NoData == "" || (m.Condition == "") != (c.Compares() || c.Scores() || m.Plugin != nil && m.Condition == "") {
				t.Errorf("check %s: %+v", c.Name, m)
			}
		}
	}
}

func count(flags ...bool) int {
	n := 0
	for _, flag := range flags {
		if flag {
			n++
		}
	}
	return n
}
