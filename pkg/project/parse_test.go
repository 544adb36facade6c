package project_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/window"
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
		Order:   project.BySemver,
		Stages: []project.Stage{{
			Name:     "staging",
			Action:   &project.Action{Exec: &project.Exec{Command: []string{"./deploy-staging"}}, Timeout: 10 * time.Minute},
			OnCancel: project.Restore,
			Delay:    2 * time.Hour,
			Watch: []project.Check{
				{Name: "errors", Signal: &project.Signal{Max: 0}, Failures: 1},
				{
					Name: "health", HTTP: &project.HTTP{URL: "http://127.0.0.1:9000/healthz"},
					Interval: 10 * time.Second, Timeout: 5 * time.Second, Failures: 3,
				},
			},
		}},
		Soak: project.Soak{
			Collision: project.Newest, MaxOverdue: 6 * time.Hour,
			SupersedeLimit: 3, MaxWait: 24 * time.Hour, Coverage: 90, OnGap: project.HoldOnGap,
		},
		Promote: &project.Action{NPM: &latest, Timeout: 10 * time.Minute},
		Limits:  project.Limits{Phase: time.Hour, Hold: 168 * time.Hour},
	}
	accept(t, "testdata/accept/design.yaml", want)
}

func TestEverythingInBlockStyle(t *testing.T) {
	accept(t, "testdata/accept/full.yaml", &project.Project{
		Name:    "site",
		Lane:    "web",
		Version: project.NextPatch,
		Order:   project.BySemver,
		Publish: &project.Action{Files: &project.Files{Dir: "/srv/releases", Channel: "next"}, Timeout: 90 * time.Second},
		Stages: []project.Stage{{
			Name:     "staging",
			Action:   &project.Action{Files: &project.Files{Dir: "/srv/releases", Channel: "staging"}, Timeout: 10 * time.Minute},
			OnCancel: project.Leave,
			Delay:    36 * time.Hour,
			Watch: []project.Check{
				{Name: "errors", Signal: &project.Signal{}, Failures: 1, Grace: 5 * time.Minute},
				{
					Name: "home", HTTP: &project.HTTP{URL: "https://staging.example/?probe=1", Status: []project.Statuses{{From: 204, To: 204}}},
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
		}},
		Soak: project.Soak{
			Collision: project.Queue, MaxOverdue: 48 * time.Hour,
			SupersedeLimit: 3, MaxWait: 24 * time.Hour, Coverage: 90, OnGap: project.HoldOnGap,
		},
		Promote: &project.Action{Files: &project.Files{Dir: "/srv/releases", Channel: "stable"}, Timeout: 10 * time.Minute},
		Limits:  project.Limits{Phase: time.Hour, Hold: 168 * time.Hour},
	})
}

// What the smallest file leaves out.
func defaults() *project.Project {
	return &project.Project{
		Name: "a", Lane: "a", Version: project.FromArtifact, Order: project.BySemver,
		Stages: []project.Stage{{Name: project.OnlyStage, OnCancel: project.Restore, Delay: project.DefaultDelay}},
		Soak: project.Soak{
			Collision: project.Newest, MaxOverdue: project.DefaultMaxOverdue,
			SupersedeLimit: project.DefaultSupersedeLimit, MaxWait: project.DefaultMaxWait, Coverage: project.DefaultCoverage, OnGap: project.HoldOnGap,
		},
		Limits: project.Limits{Phase: project.DefaultPhase, Hold: project.DefaultHold},
	}
}

func TestSmallestFile(t *testing.T) {
	accept(t, "testdata/accept/smallest.yaml", defaults())
}

// Everything that goes beyond one stage.
func TestManyStages(t *testing.T) {
	berlin, err := window.Zone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	health := project.Check{
		Name: "health", HTTP: &project.HTTP{URL: "https://staging.example/healthz"},
		Interval: 10 * time.Second, Timeout: 5 * time.Second, Failures: 3,
	}
	production := health
	production.HTTP = &project.HTTP{URL: "https://www.example/healthz"}
	accept(t, "testdata/accept/stages.yaml", &project.Project{
		Name: "tracer", Lane: "tracer", Version: project.FromArtifact, Order: project.ByMerge,
		Needs:   []project.Need{{"api", "1.4.0"}, {"db-schema", "2.0.0-rc.1"}},
		Publish: &project.Action{Files: &project.Files{Dir: "/srv", Channel: "beta"}, Timeout: 10 * time.Minute},
		Stages: []project.Stage{
			{
				Name:     "staging",
				Action:   &project.Action{Exec: &project.Exec{Command: []string{"./deploy"}}, Timeout: 15 * time.Minute},
				OnCancel: project.Leave, Delay: 30 * time.Minute, Watch: []project.Check{health}, Approvals: 1,
			},
			{
				Name:     "canary",
				Action:   &project.Action{Files: &project.Files{Dir: "/srv", Channel: "canary"}, Timeout: 3 * time.Hour},
				OnCancel: project.Restore, Delay: 4 * time.Hour, Watch: []project.Check{health},
			},
			{Name: "people", OnCancel: project.Restore, Approvals: 2},
		},
		Soak: project.Soak{
			Collision: project.Supersede, MaxOverdue: 6 * time.Hour,
			SupersedeLimit: 5, MaxWait: 12 * time.Hour, Coverage: 90, OnGap: project.HoldOnGap,
		},
		Windows: window.Schedule{
			Zone: berlin,
			Open: []window.Range{
				made(t)(window.Weekly("", "Mon-Thu 09:00-16:00")),
				made(t)(window.Cron("", "0 9 * * 1-5", 7*time.Hour)),
			},
			Freeze: []window.Range{
				made(t)(window.Weekly("weekend", "Fri 16:00 - Mon 09:00")),
				made(t)(window.Dates("new-year", "2026-12-20", "2027-01-04")),
				made(t)(window.Dates("", "2026-11-27 09:00", "2026-11-27 12:00")),
			},
		},
		Promote: &project.Action{Files: &project.Files{Dir: "/srv", Channel: "latest"}, Timeout: 10 * time.Minute},
		Bake:    &project.Bake{For: 30 * time.Minute, Watch: []project.Check{production}},
		Limits:  project.Limits{Phase: 3 * time.Hour, Hold: 14 * 24 * time.Hour},
		Reasons: true,
	})
}

// made unwraps a range.
func made(t *testing.T) func(window.Range, error) window.Range {
	return func(r window.Range, err error) window.Range {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

// The two ways to say the same.
func TestOneStageIsTheSimpleFile(t *testing.T) {
	const tail = "\nsoak: {delay: 1h, collision: queue}\npublish: {files: {dir: /srv}}\n"
	simple, err := project.Parse("sluice.yaml", []byte(`project: a
stage: {files: {timeout: 1m}, on_cancel: leave}
approvals: 2
watch: [{name: c, signal: {}}]`+tail))
	if err != nil {
		t.Fatal(err)
	}
	listed, err := project.Parse("sluice.yaml", []byte(`project: a
stages: [{name: staging, files: {}, timeout: 1m, on_cancel: leave, approvals: 2, watch: [{name: c, signal: {}}]}]`+tail))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(simple, listed, sameSchedule()); diff != "" {
		t.Errorf("-simple +listed\n%s", diff)
	}
	if s := simple.Stages[0]; s.Approvals != 2 || s.Delay != time.Hour || s.Action.Files.Channel != "staging" {
		t.Errorf("%+v", s)
	}
}

// An old file with a timeout of hours is not failed by the limit of a phase that it does not know.
func TestPhaseIsNoShorterThanATimeout(t *testing.T) {
	for src, want := range map[string]time.Duration{
		"project: a": time.Hour,
		"project: a\npublish: {exec: {command: [x], timeout: 90m}}":                                                    90 * time.Minute,
		"project: a\nstage: {exec: {command: [x], timeout: 2h}}\npromote: {exec: {command: [x], timeout: 3h}}":         3 * time.Hour,
		"project: a\nstages: [{name: a}, {name: b, exec: {command: [x]}, timeout: 5h}]":                                5 * time.Hour,
		"project: a\nstages: [{name: a}, {name: b, exec: {command: [x]}, timeout: 5m}]\nlimits: {phase: 5m, hold: 1h}": 5 * time.Minute,
	} {
		p, err := project.Parse("sluice.yaml", []byte(src))
		if err != nil || p.Limits.Phase != want {
			t.Errorf("%s: %+v, %v", src, p, err)
		}
	}
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
	if diff := cmp.Diff(want, got, sameSchedule()); diff != "" {
		t.Errorf("%s: -want +got\n%s", path, diff)
	}
}

// sameSchedule compares schedules with what they keep to themselves.
func sameSchedule() cmp.Option {
	return cmp.Comparer(func(a, b window.Schedule) bool { return reflect.DeepEqual(a, b) })
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
