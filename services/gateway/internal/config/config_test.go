package config_test

import (
	"errors"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// TestExample holds the example that is shipped to what the gateway takes: every source, and nothing else.
func TestExample(t *testing.T) {
	src, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "deploy", "gateway.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("gateway.yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[config.Source]bool{}
	for _, h := range c.Hooks {
		seen[h.Source] = true
		if h.Path != "/hooks/"+string(h.Source) {
			t.Errorf("%s is at %s", h.Source, h.Path)
		}
	}
	if len(seen) != 6+len(config.AlertSources()) || len(c.Hooks) != len(seen) {
		t.Errorf("it shows %v", seen)
	}
	if out := c.CDEvents; out == nil || !out.NATS || out.Since.IsZero() || out.Source != "https://sluice.example.com" ||
		*out.Sink != (config.Sink{URL: "https://events.example.com/cdevents", TokenEnv: "CDEVENTS_SINK_TOKEN", Attempts: 1000}) {
		t.Errorf("%+v", out)
	}
	if m := c.Hooks[0].Merges[0]; m.Project != "tracer" || m.On != config.Build || m.Branch != "main" || m.Artifact.String() != "tracer-{commit}.tgz" {
		t.Errorf("%+v", m)
	}
	if m := c.Hooks[0].Merges[1]; m.Branch != "" {
		t.Errorf("a release is on branch %s", m.Branch)
	}
	if len(c.Queues) != 2 || c.Queues[0].Mapping != nil || c.Queues[1].Mapping.When == nil || c.Queues[1].AWS.Region != "eu-central-1" ||
		len(c.Sinks) != 2 || !c.Sinks[0].FIFO() || c.Sinks[0].AWS.Region != "eu-central-1" || c.Sinks[1].Name() != "promotions" {
		t.Errorf("queues %+v, sinks %+v", c.Queues, c.Sinks)
	}
	if m := c.Hooks[4].Generic; m.Auth != config.Signature || len(m.Projects) != 2 || m.When == nil || m.Actor == nil {
		t.Errorf("%+v", m)
	}
}

const wrong = `hooks:
  - path: hooks/github
    source: githup
    secret: hunter2hunter2
  - path: /hooks/a
    source: github
    secret_env: ghp_abcdefghijklmnop
    merges:
      - repository: acme/tracer
        project: Tracer
        on: build
        artifact: "t-{comit}.tgz"
      - { repository: acme/tracer, project: api, on: push, workflow: x, artifact: "a}" }
      - { repository: acme/tracer, project: api, on: release, branch: main, artifact: 7 }
      - { repository: acme/tracer, project: web, on: deploy, version: "{body..x}" }
      - nothing
  - path: /hooks/a
    source: gitlab
    secret_env: A
    secret_file: b
    when: "true"
    merges: []
    merges: []
  - path: /hooks/generic
    source: generic
    auth: none
    when: body.a ==
    project: 1 + 1
    commit: header.x + 1
    unknown: 1
more: 1
`

// TestAllErrorsAtOnce: every error has its line and field, and none repeats what may be a secret.
func TestAllErrorsAtOnce(t *testing.T) {
	_, err := config.Parse("g.yaml", []byte(wrong))
	var all project.Errors
	if !errors.As(err, &all) {
		t.Fatal(err)
	}
	got := err.Error()
	for _, want := range []string{
		`g.yaml:2:11: hooks[0].path: "hooks/github": want a path such as /hooks/github`,
		`g.yaml:3:13: hooks[0].source: "githup" is unknown, did you mean github?`,
		`g.yaml:4:5: hooks[0].secret: secrets are never written here`,
		`hooks[0].secret_env: is missing`,
		`g.yaml:7:17: hooks[1].secret_env: must be the name of an environment variable`,
		`g.yaml:10:18: hooks[1].merges[0].project: "Tracer" is not a name`,
		`hooks[1].merges[0].workflow: is missing: a commit has several builds`,
		`g.yaml:12:19: hooks[1].merges[0].artifact: {comit} is unknown, did you mean {commit}?`,
		`hooks[1].merges[1].workflow: has no meaning here`,
		`hooks[1].merges[1].artifact: has a } without a {`,
		`hooks[1].merges[2]: "acme/tracer for project api" is in hooks[1].merges[1] too`,
		`hooks[1].merges[2].branch: has no meaning for a release`,
		`hooks[1].merges[2].artifact: must be text`,
		`hooks[1].merges[3].on: "deploy" is unknown; allowed: push, merge, build, release`,
		`hooks[1].merges[3].version: {body..x} names no field`,
		`hooks[1].merges[3].artifact: is missing`,
		`g.yaml:16:9: hooks[1].merges[4]: must be fields with values`,
		`g.yaml:17:11: hooks[2].path: "/hooks/a" is the path of hooks[1].path too`,
		`hooks[2].secret_file: stands beside secret_env`,
		`hooks[2].when: is for a generic hook`,
		`g.yaml:22:5: hooks[2].merges: is missing or empty`,
		`g.yaml:23:5: hooks[2].merges: is there twice, first on line 22`,
		`hooks[3].auth: "none" is unknown; allowed: signature, bearer`,
		`hooks[3].when: at character`,
		`hooks[3].project: the expression is of type int; it must be string`,
		`hooks[3].commit: at character`,
		`hooks[3].artifact: is missing`,
		`hooks[3].projects: is missing or empty`,
		`g.yaml:30:5: hooks[3].unknown: unknown field; allowed: path,`,
		`g.yaml:31:1: more: unknown field; allowed: hooks, cdevents`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %s", want)
		}
	}
	for _, secret := range []string{"hunter2", "ghp_"} {
		if strings.Contains(got, secret) {
			t.Errorf("it repeats %s", secret)
		}
	}
	for i, one := range all {
		if one.Line < 1 || strings.ContainsAny(one.Error(), "\n") || i > 0 && one.Line < all[i-1].Line {
			t.Errorf("%d: %v", i, one)
		}
	}
	if t.Failed() {
		t.Log("\n" + got)
	}
}

func TestNoFile(t *testing.T) {
	for _, src := range []string{
		"", "hooks:", "hooks: []", "- a", "hooks: {", "a: &x b\nhooks: *x", "hooks: !!seq []", "\xff", "---\nhooks: []\n---\nhooks: []",
		strings.Repeat("#", config.MaxSize+1), "hooks:\n  - &a { path: /x }\n  - *a",
	} {
		if c, err := config.Parse("g.yaml", []byte(src)); err == nil {
			t.Errorf("%.30q is %+v", src, c)
		} else if !strings.HasPrefix(err.Error(), "g.yaml:") {
			t.Errorf("%.30q: %v", src, err)
		}
	}
}

func TestTemplate(t *testing.T) {
	values := map[string]string{"commit": "c0ffee", "tag": "v1", "body.a.b": "x"}
	for text, want := range map[string]string{
		"plain": "plain", "{commit}": "c0ffee", "a-{commit}-{tag}.tgz": "a-c0ffee-v1.tgz", "{body.a.b}{tag}": "xv1", "{number}": "!", "{body.c}": "!",
	} {
		tp, err := config.ParseTemplate(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := tp.Fill(func(name string) string { return values[name] })
		if (want == "!") != (err != nil) || err == nil && got != want {
			t.Errorf("%s: %q %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", " ", "{", "}", "{}", "{commit", "commit}", "{{commit}}", "{body}", "{body.}", "{Commit}", "{a b}"} {
		if tp, err := config.ParseTemplate(text); err == nil {
			t.Errorf("%q is %+v", text, tp)
		}
	}
	if got, err := (config.Template{}).Fill(nil); got != "" || err != nil {
		t.Errorf("none is %q %v", got, err)
	}
}

// FuzzParse: whatever the file is, it is a configuration that can be used, or errors with their places.
func FuzzParse(f *testing.F) {
	src, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "deploy", "gateway.example.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(src)
	f.Add([]byte(wrong))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := config.Parse("g.yaml", src)
		var all project.Errors
		switch {
		case err == nil && (len(c.Hooks) == 0 || c.Hooks[0].Path == "" || (c.Hooks[0].SecretEnv == "") == (c.Hooks[0].SecretFile == "")):
			t.Errorf("%+v", c)
		case err != nil && (!errors.As(err, &all) || len(all) == 0):
			t.Errorf("%T %v", err, err)
		}
	})
}

// TestQueuesAndSinks: what is wrong with them is told with its place, and no secret that was put in the wrong place.
func TestQueuesAndSinks(t *testing.T) {
	const src = `queues:
  - projects: []
  - queue: "https://me:hunter2@sqs.eu-central-1.amazonaws.com/1/q"
    projects: [Tracer]
    key_env: AKIA
    endpoint: ftp://x
  - queue: https://sqs.eu-central-1.amazonaws.com/1/q
    projects: [tracer]
    commit: body.sha
    secret: hunter2
sinks:
  - topic: releases
    queue: https://sqs.eu-central-1.amazonaws.com/1/q
  - { events: ["$(x)"], max_age: soon, region: "eu central" }
`
	_, err := config.Parse("gateway.yaml", []byte(src))
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Fatalf("%v", err)
	}
	for _, want := range []string{
		"2:5: queues[0].queue: is missing", "2:5: queues[0].projects: is missing or empty", "queues[1].queue: must be a queue's URL",
		`queues[1].projects[0]: "Tracer" is not a name`, "queues[1].endpoint: must be a URL", "queues[1]: names a part of its credentials only",
		"queues[2].project: is missing", "queues[2].artifact: is missing", "queues[2].secret: secrets are never written here",
		"sinks[0].topic: \"releases\": want a topic's ARN", "sinks[0].queue: stands beside topic", "sinks[1].topic: is missing",
		"sinks[1].events[0]", "sinks[1].max_age", "sinks[1].region",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in\n%v", want, err)
		}
	}
	if _, err := config.Parse("gateway.yaml", []byte("sinks: []\n")); err == nil {
		t.Error("a file with nothing to do")
	}
}

// TestDocumentedShape: what the package's documentation shows is a file that is accepted as it stands.
func TestDocumentedShape(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	var shape strings.Builder
	for line := range strings.Lines(f.Doc.Text()) {
		if code, ok := strings.CutPrefix(line, "\t"); ok {
			shape.WriteString(code)
		} else if strings.TrimSpace(line) == "" {
			shape.WriteString("\n")
		}
	}
	c, err := config.Parse("gateway.yaml", []byte(shape.String()))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Hooks) != 4 || len(c.Queues) != 1 || len(c.Sinks) != 1 || c.CDEvents == nil {
		t.Errorf("%+v", c)
	}
}
