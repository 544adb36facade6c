package project_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-gate/sluice/pkg/project"
)

// Each file in testdata/refuse has its errors beside it: they are what the user reads. UPDATE=1 writes them anew.
func TestRefusals(t *testing.T) {
	for _, path := range files(t, "testdata/refuse/*.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			p, err := project.Parse("sluice.yaml", read(t, path))
			if err == nil {
				t.Fatalf("accepted: %+v", p)
			}
			if p != nil {
				t.Error("a project beside the error")
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".txt", err.Error()+"\n")
		})
	}
}

func TestNoErrorRepeatsASecret(t *testing.T) {
	for _, path := range files(t, "testdata/refuse/*.yaml") {
		if _, err := project.Parse("sluice.yaml", read(t, path)); strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the secret is in the errors:\n%v", path, err)
		}
	}
}

func TestDesignExample(t *testing.T) {
	npm := project.NPM{Registry: "https://registry.example/", Mode: project.Republish, TokenEnv: "NPM_TOKEN"}
	beta, latest := npm, npm
	beta.Tag, latest.Tag = "beta", "latest"
	want := &project.Project{
		Name:    "tracer",
		Lane:    "tracer",
		Version: project.FromArtifact,
		Publish: &project.Action{NPM: &beta, Timeout: 10 * time.Minute},
		Stage: &project.Stage{
			Action:   project.Action{Exec: &project.Exec{Command: []string{"./deploy-staging"}}, Timeout: 10 * time.Minute},
			OnCancel: project.Restore,
		},
		Soak: project.Soak{Delay: 2 * time.Hour, Collision: project.Newest, MaxOverdue: 6 * time.Hour},
		Watch: []project.Check{
			{Name: "errors", Signal: &project.Signal{Max: 0}, Failures: 1},
			{
				Name: "health", HTTP: &project.HTTP{URL: "http://127.0.0.1:9000/healthz"},
				Interval: 10 * time.Second, Timeout: 5 * time.Second, Failures: 3,
			},
		},
		Promote: &project.Action{NPM: &latest, Timeout: 10 * time.Minute},
	}
	accept(t, "testdata/accept/design.yaml", want)
}

func TestEverythingInBlockStyle(t *testing.T) {
	accept(t, "testdata/accept/full.yaml", &project.Project{
		Name:    "site",
		Lane:    "web",
		Version: project.NextPatch,
		Publish: &project.Action{Files: &project.Files{Dir: "/srv/releases", Channel: "next"}, Timeout: 90 * time.Second},
		Stage: &project.Stage{
			Action:   project.Action{Files: &project.Files{Dir: "/srv/releases", Channel: "staging"}, Timeout: 10 * time.Minute},
			OnCancel: project.Leave,
		},
		Soak: project.Soak{Delay: 36 * time.Hour, Collision: project.Queue, MaxOverdue: 48 * time.Hour},
		Watch: []project.Check{
			{Name: "errors", Signal: &project.Signal{}, Failures: 1, Grace: 5 * time.Minute},
			{
				Name: "home", HTTP: &project.HTTP{URL: "https://staging.example/?probe=1", Status: 204},
				Interval: 1500 * time.Millisecond, Timeout: 500 * time.Millisecond, Failures: 10, Grace: time.Minute,
			},
			{
				Name: "smoke",
				Exec: &project.Exec{
					Command: []string{"./smoke", "--url", "several\nlines\n"},
					Env:     map[string]string{"MODE": "1", "EMPTY": ""},
					EnvFrom: []string{"HOME", "SMOKE_TOKEN"},
					Dir:     "tests",
				},
				Interval: 10 * time.Minute, Timeout: time.Minute, Failures: 3,
			},
		},
		Promote: &project.Action{Files: &project.Files{Dir: "/srv/releases", Channel: "stable"}, Timeout: 10 * time.Minute},
	})
}

func TestSmallestFile(t *testing.T) {
	accept(t, "testdata/accept/smallest.yaml", &project.Project{
		Name: "a", Lane: "a", Version: project.FromArtifact,
		Soak: project.Soak{Delay: project.DefaultDelay, Collision: project.Newest, MaxOverdue: project.DefaultMaxOverdue},
	})
}

func TestPromoteTakesFromPublish(t *testing.T) {
	const registry = `registry: "https://a.example"`
	for _, c := range []struct {
		name, publish, promote string
		want                   project.NPM
	}{
		{
			"everything but the tag",
			registry + `, package: "@a/b", mode: retag, tag: next, token_env: T`, ``,
			project.NPM{Registry: "https://a.example", Package: "@a/b", Mode: project.Retag, Tag: "latest", TokenEnv: "T"},
		},
		{
			"a token of its own",
			registry + `, token_env: T`, `token_file: /f`,
			project.NPM{Registry: "https://a.example", Mode: project.Republish, Tag: "latest", TokenFile: "/f"},
		},
		{
			"the token, for the same registry written otherwise",
			registry + `, token_file: /f`, `registry: "https://a.example/"`,
			project.NPM{Registry: "https://a.example/", Mode: project.Republish, Tag: "latest", TokenFile: "/f"},
		},
		{
			"no token for another registry",
			registry + `, token_env: T`, `registry: "https://b.example"`,
			project.NPM{Registry: "https://b.example", Mode: project.Republish, Tag: "latest"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := "project: a\npublish: { npm: {" + c.publish + "} }\npromote: { npm: {" + c.promote + "} }\n"
			p, err := project.Parse("sluice.yaml", []byte(src))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, *p.Promote.NPM); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestSizeIsBounded(t *testing.T) {
	const head = "project: a\n#"
	for _, c := range []struct {
		size    int
		refused bool
	}{{project.MaxSize, false}, {project.MaxSize + 1, true}, {2 << 20, true}} {
		_, err := project.Parse("sluice.yaml", []byte(head+strings.Repeat("x", c.size-len(head))))
		if refused := err != nil && strings.Contains(err.Error(), "allowed are 65536"); refused != c.refused {
			t.Errorf("%d bytes: %v", c.size, err)
		}
	}
}

// A hostile file of the largest size is refused for what it is before it costs anything: with one line, not with thousands.
func TestBombs(t *testing.T) {
	const n = project.MaxSize - 100
	for name, c := range map[string]struct{ src, want string }{
		"brackets":  {strings.Repeat("[", n/2) + strings.Repeat("]", n/2), "nested too deeply"},
		"braces":    {strings.Repeat("{a: ", n/5) + strings.Repeat("}", n/5), "nested too deeply"},
		"dashes":    {strings.Repeat("- ", n/2), "nested too deeply"},
		"questions": {strings.Repeat("? ", n/2), "question mark"},
		"aliases":   {"a: &a [x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b]", "write the value out"},
		"keys":      {strings.Repeat("a: b\n", n/5), "has 13087 fields"},
		"indents":   {indents(n), "unknown field"},
		"checks":    {"watch:\n" + strings.Repeat("- {}\n", n/5), "allowed are 32"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := project.Parse("sluice.yaml", []byte(c.src))
			var errs project.Errors
			if !errors.As(err, &errs) || len(errs) > 50 || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want %q, got %d errors: %.300v", c.want, len(errs), err)
			}
		})
	}
}

func indents(n int) string {
	var b strings.Builder
	for depth := 0; b.Len()+depth < n; depth++ {
		b.WriteString(strings.Repeat(" ", depth) + "a:\n")
	}
	return b.String()
}

func TestErrorsUnwrap(t *testing.T) {
	_, err := project.Parse("f.yaml", []byte("project: a\nlane: B\n"))
	var one *project.Error
	if !errors.As(err, &one) {
		t.Fatalf("no *Error in %v", err)
	}
	one.Problem = ""
	if diff := cmp.Diff(&project.Error{File: "f.yaml", Line: 2, Column: 7, Field: "lane"}, one); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func accept(t *testing.T, path string, want *project.Project) {
	t.Helper()
	got, err := project.Parse("sluice.yaml", read(t, path))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: -want +got\n%s", path, diff)
	}
}

func files(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(paths), err)
	}
	return paths
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(read(t, path)), got); diff != "" {
		t.Errorf("%s: -want +got (UPDATE=1 writes it anew)\n%s", path, diff)
	}
}
