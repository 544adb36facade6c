package exec

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

// seen is what the program reports.
type seen struct {
	Args, Environ         []string
	Dir                   string
	Input, Artifact       []byte
	ArtifactMode, DirMode os.FileMode
}

// watchedRun runs the driver's command that reports what it saw.
func watchedRun(t *testing.T, c project.Exec, role driver.Role, call func(d *Driver) error, args ...string) (seen, map[string]string) {
	t.Helper()
	report := filepath.Join(t.TempDir(), "seen.json")
	c.Command = program(t, append([]string{"report", report}, args...)...)
	d, err := New(c, role)
	if err != nil {
		t.Fatal(err)
	}
	if err := call(d); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var s seen
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for _, entry := range s.Environ {
		name, value, _ := strings.Cut(entry, "=")
		if _, twice := env[name]; twice {
			t.Errorf("%s is there twice", name)
		}
		env[name] = value
	}
	if env[runVar] == "" {
		t.Errorf("%s is missing", runVar)
	}
	delete(env, runVar)
	return s, env
}

func facts(version, content string) driver.Facts {
	return driver.Facts{
		Release: "release-of-" + version, Project: "tracer", Attempt: 2, Try: 1, Commit: "c0ffee", Ref: "refs/heads/main", URL: "https://git.example/tracer",
		Actor: "ana", Version: version, Beta: version + "-beta.0", Stage: "eu",
		Artifact: driver.Artifact{Name: "tracer-" + version + ".tgz", Digest: driver.Digest([]byte(content)), Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(content)), nil
		}},
	}
}

// clearEnviron leaves a service's environment with just what the test sets.
func clearEnviron(t *testing.T, keep map[string]string) {
	t.Helper()
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		t.Setenv(name, "") // so that it is put back
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range keep {
		t.Setenv(name, value)
	}
}

func wantEnviron(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%s: %s is %.100q, want %.100q", what, name, got[name], want[name])
		}
		delete(got, name)
	}
	for name, value := range got {
		t.Errorf("%s: %s=%.100q is not for the command", what, name, value)
	}
}

func TestWhatTheCommandSees(t *testing.T) {
	temp, here := t.TempDir(), t.TempDir()
	clearEnviron(t, map[string]string{
		"PATH": "/usr/bin:/bin", "HOME": "/root", "LC_ALL": "C", "TMPDIR": temp, "LANG": "en",
		"NPM_TOKEN": "the service's secret", "DEPLOY_TOKEN": "the command's", "NATS_CREDS": "x", "SLUICE_RELEASE": "a service's own",
	})
	f := facts("1.4.0", "bytes of tracer")
	c := project.Exec{Env: map[string]string{"REGION": "eu $HOME", "LANG": "de"}, EnvFrom: []string{"DEPLOY_TOKEN"}, Dir: here}
	s, env := watchedRun(t, c, driver.Deploy, func(d *Driver) error {
		done, err := d.Do(t.Context(), f)
		if done != (driver.Done{Value: "1.4.0-beta.0"}) {
			t.Errorf("done: %+v", done)
		}
		return err
	}, "$(touch canary)", "two words")
	path := env["SLUICE_ARTIFACT_PATH"]
	wantEnviron(t, "deploy", env, map[string]string{
		"PATH": "/usr/bin:/bin", "HOME": "/root", "LC_ALL": "C", "TMPDIR": temp, "LANG": "de", "REGION": "eu $HOME", "DEPLOY_TOKEN": "the command's",
		"SLUICE_ACTION": "deploy", "SLUICE_RELEASE": f.Release, "SLUICE_PROJECT": "tracer", "SLUICE_STAGE": "eu", "SLUICE_VERSION": "1.4.0", "SLUICE_BETA": "1.4.0-beta.0",
		"SLUICE_COMMIT": "c0ffee", "SLUICE_REF": f.Ref, "SLUICE_URL": f.URL, "SLUICE_ACTOR": "ana", "SLUICE_ARTIFACT": "tracer-1.4.0.tgz",
		"SLUICE_DIGEST": f.Artifact.Digest, "SLUICE_ATTEMPT": "2", "SLUICE_IDEMPOTENCY_KEY": "release-of-1.4.0-1-deploy",
		"SLUICE_ARTIFACT_PATH": path,
	})
	if filepath.Base(path) != "tracer-1.4.0.tgz" || !strings.HasPrefix(path, temp) || string(s.Artifact) != "bytes of tracer" || s.ArtifactMode.Perm() != 0o600 || s.DirMode.Perm() != 0o700 {
		t.Errorf("the artifact %s: %q, %v in %v", path, s.Artifact, s.ArtifactMode, s.DirMode)
	}
	if _, err := os.Stat(filepath.Dir(path)); err == nil {
		t.Errorf("%s is still there", path)
	}
	if !slices.Equal(s.Args, []string{"$(touch canary)", "two words"}) || s.Dir != here || len(s.Input) != 0 {
		t.Errorf("the arguments are %q, the directory %s, the input %q", s.Args, s.Dir, s.Input)
	}
}

func TestRestore(t *testing.T) {
	one, two := facts("1.3.0", "one"), facts("1.4.0", "two")
	one.Attempt, two.Attempt, two.Try = 7, 3, 2
	undo := func(back driver.Back, value string) (seen, map[string]string) {
		return watchedRun(t, project.Exec{}, driver.Deploy, func(d *Driver) error {
			done, err := d.Undo(t.Context(), two, back)
			if done != (driver.Done{Value: value}) {
				t.Errorf("done: %+v, want %q", done, value)
			}
			return err
		})
	}
	undone := map[string]string{
		"SLUICE_ACTION": "restore", "SLUICE_PROJECT": "tracer", "SLUICE_STAGE": "eu", "SLUICE_ATTEMPT": "3", "SLUICE_IDEMPOTENCY_KEY": "release-of-1.4.0-2-restore",
		"SLUICE_UNDO_RELEASE": two.Release, "SLUICE_UNDO_VERSION": "1.4.0", "SLUICE_UNDO_BETA": "1.4.0-beta.0", "SLUICE_UNDO_DIGEST": two.Artifact.Digest,
	}
	ours := func(env map[string]string) map[string]string {
		maps.DeleteFunc(env, func(name, _ string) bool { return !strings.HasPrefix(name, reserved) })
		return env
	}

	s, env := undo(driver.Back{Release: &one}, "1.3.0-beta.0")
	want := maps.Clone(undone)
	maps.Copy(want, map[string]string{
		"SLUICE_RELEASE": one.Release, "SLUICE_VERSION": "1.3.0", "SLUICE_BETA": "1.3.0-beta.0", "SLUICE_COMMIT": "c0ffee", "SLUICE_REF": one.Ref,
		"SLUICE_URL": one.URL, "SLUICE_ACTOR": "ana", "SLUICE_ARTIFACT": "tracer-1.3.0.tgz", "SLUICE_DIGEST": one.Artifact.Digest,
		"SLUICE_ARTIFACT_PATH": env["SLUICE_ARTIFACT_PATH"],
	})
	wantEnviron(t, "restore", ours(env), want)
	if string(s.Artifact) != "one" {
		t.Errorf("the artifact is %q", s.Artifact)
	}

	_, env = undo(driver.Back{}, "")
	want = maps.Clone(undone)
	for _, name := range []string{"RELEASE", "VERSION", "BETA", "COMMIT", "REF", "URL", "ACTOR", "ARTIFACT", "DIGEST", "ARTIFACT_PATH"} {
		want[reserved+name] = ""
		if _, there := env[reserved+name]; !there {
			t.Errorf("%s%s is not even empty", reserved, name)
		}
	}
	wantEnviron(t, "restore to nothing", ours(env), want)
}

// Whatever is in a field arrives as it is.
func TestFieldsArriveAsTheyAre(t *testing.T) {
	for _, value := range []string{"", "$(touch canary)", "a\nb=c\n", "--flag", "\x1b[2J", "\xff\xfe", "ünï", strings.Repeat("x", mostValue)} {
		f := facts("1.4.0", "x")
		f.Ref, f.Actor = value, value
		f.Artifact = driver.Artifact{Name: "registry.example/tracer@sha256:0", Digest: "sha256:0"} // an image has no bytes of ours
		s, env := watchedRun(t, project.Exec{}, driver.Promote, func(d *Driver) error { _, err := d.Do(t.Context(), f); return err })
		for name, want := range map[string]string{"SLUICE_REF": value, "SLUICE_ACTOR": value, "SLUICE_ARTIFACT": f.Artifact.Name, "SLUICE_ARTIFACT_PATH": ""} {
			// JSON has no invalid UTF-8: compare what it makes of it.
			if got, ok := env[name]; !ok || got != strings.ToValidUTF8(strings.ReplaceAll(want, "\xff\xfe", "\uFFFD\uFFFD"), "") {
				t.Errorf("%s is %.40q, want %.40q", name, got, want)
			}
		}
		if s.Artifact != nil {
			t.Errorf("an artifact appeared: %q", s.Artifact)
		}
	}
}

func TestPlan(t *testing.T) {
	d, err := New(project.Exec{Command: []string{"false"}}, driver.Publish)
	if err != nil {
		t.Fatal(err)
	}
	f := facts("v1.4.0", "x")
	if plan, err := d.Plan(t.Context(), f); err != nil || plan != (driver.Plan{Version: "1.4.0", Beta: "1.4.0"}) {
		t.Errorf("%+v, %v", plan, err)
	}
	if seen, err := d.Look(t.Context(), f); err != nil || seen != (driver.Seen{}) {
		t.Errorf("look: %+v, %v", seen, err)
	}
}

func ExampleDriver_Do() {
	d, err := New(project.Exec{Command: []string{"sh", "-c", `test "$SLUICE_VERSION" = 1.4.0 && grep -q soaked "$SLUICE_ARTIFACT_PATH"`}}, driver.Promote)
	if err != nil {
		panic(err)
	}
	content := []byte("what soaked")
	done, err := d.Do(context.Background(), driver.Facts{
		Release: "01970000-0000-7000-8000-000000000001", Project: "tracer", Attempt: 1, Version: "1.4.0",
		Artifact: driver.Artifact{Name: "tracer-1.4.0.tgz", Digest: driver.Digest(content), Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(content)), nil
		}},
	})
	fmt.Println(done.Value, err)
	// Output: 1.4.0 <nil>
}
