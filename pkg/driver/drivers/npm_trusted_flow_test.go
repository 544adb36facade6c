package drivers_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivers"
	"github.com/sluice-gate/sluice/pkg/npmtest"
	"github.com/sluice-gate/sluice/pkg/project"
)

// trusted is the example npm-trusted between its peers: two real registries, of which everybody's takes from its token what npm's takes from
// the identity of a job (https://docs.npmjs.com/trusted-publishers), publishes and nothing else; and a GitHub that runs the example's workflow.
type trusted struct {
	betas, everybody *npmtest.Registry
	front            *npmtest.Front // before everybody's
	actions          *hub
	packed           []byte
	publish          driver.Publisher
	promote          driver.Driver
}

func newTrusted(t *testing.T) *trusted {
	t.Helper()
	x := &trusted{betas: npmtest.Start(t), everybody: npmtest.Start(t), packed: npmtest.Pack(t, "@acme/tracer", "1.4.0", nil)}
	x.front = npmtest.StartFront(t, x.everybody.URL)
	x.front.Faults(func(r *http.Request) npmtest.Fault {
		if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodPut && !strings.HasPrefix(r.URL.Path, "/-/") {
			return nil
		}
		return npmtest.Answer(http.StatusForbidden)
	})

	home, kept := t.TempDir(), t.TempDir() // of the job's machine; where the job of the merge keeps its packages
	settings := "registry=" + x.front.URL + "/\n" + strings.TrimPrefix(x.front.URL, "http:") + "/:_authToken=" + x.everybody.Token + "\n" +
		"audit=false\nfund=false\nupdate-notifier=false\n"
	gh := "#!/bin/sh\nset -eu\n[ \"$1 $2 $3 $5\" = 'run download --name --dir' ] && [ \"$GH_TOKEN\" = github.token ]\ncp '" + kept + "'/\"$4\" \"$6/package.tgz\"\n"
	for path, text := range map[string]string{
		filepath.Join(home, "npmrc"): settings, filepath.Join(home, "gh"): gh, filepath.Join(kept, "package-c0ffee"): string(x.packed),
	} {
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	x.actions = newHub(t, "npm-trusted", "release.yml", []string{
		"PATH=" + home + string(filepath.ListSeparator) + os.Getenv("PATH"), "HOME=" + home,
		"npm_config_userconfig=" + filepath.Join(home, "npmrc"), "npm_config_cache=" + filepath.Join(home, "cache"),
	})

	p, err := project.Parse("npm-trusted", []byte(strings.ReplaceAll(example(t, "npm-trusted/project.yaml"), "https://npm.example.com", x.betas.URL)))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NPM_TOKEN", x.betas.Token)
	t.Setenv("GITHUB_TOKEN", hubToken)
	p.Promote.GitHub.URL, p.Promote.GitHub.Interval = x.actions.server.URL, 20*time.Millisecond
	open := func(a project.Action, role driver.Role) driver.Driver {
		d, err := drivers.Open(p, a, role)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	x.publish, x.promote = open(*p.Publish, driver.Publish).(driver.Publisher), open(*p.Promote, driver.Promote)
	return x
}

func (x *trusted) facts(t *testing.T) driver.Facts {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	return driver.Facts{
		Release: id.String(), Project: "tracer", Attempt: 1, Try: 1, Commit: "c0ffee", Ref: "main",
		Artifact: driver.Artifact{
			Name: "tracer-1.4.0.tgz", Digest: driver.Digest(x.packed),
			Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(x.packed)), nil },
		},
	}
}

// The whole of the example npm-trusted but the soak: the beta is published by a token, to a registry of betas; the promotion dispatches the
// example's workflow, whose steps publish, from the job and with rights to publish only, the very package that was merged. What
// npm then shows is looked at. A promotion that is begun again, by another instance or after a failure, changes nothing more.
func TestTrustedPublishingByDispatch(t *testing.T) {
	x := newTrusted(t)
	f := x.facts(t)
	plan, err := x.publish.Plan(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	f.Version, f.Beta = plan.Version, plan.Beta
	if _, err := x.publish.Do(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if tags := x.betas.Packument(t, "@acme/tracer").Tags; tags["beta"] != plan.Beta || plan.Version != "1.4.0" {
		t.Errorf("the betas are %v, want %+v", tags, plan)
	}
	if shown := x.everybody.Packument(t, "@acme/tracer"); len(shown.Versions) > 0 {
		t.Errorf("everybody has %v before the promotion", shown.Versions)
	}

	again, later := f, f
	again.Attempt, later.Attempt, later.Try = 2, 3, 2
	for i, step := range []struct {
		facts driver.Facts
		runs  int
		said  string
	}{{f, 1, "+ @acme/tracer@1.4.0"}, {again, 1, "+ @acme/tracer@1.4.0"}, {later, 1, "+ @acme/tracer@1.4.0"}} {
		if _, err := x.promote.Do(t.Context(), step.facts); err != nil {
			t.Fatalf("%d: %v\n%s", i, err, x.actions.said())
		}
		if runs := x.actions.begun(); runs != step.runs || !strings.Contains(x.actions.said(), step.said) {
			t.Errorf("%d: %d runs, want %d; the last said %s", i, runs, step.runs, x.actions.said())
		}
	}
	shown := x.everybody.Packument(t, "@acme/tracer")
	if shown.Tags["latest"] != "1.4.0" || len(shown.Versions) != 1 {
		t.Errorf("everybody has %+v", shown)
	}
	if !bytes.Equal(x.everybody.Tarball(t, "@acme/tracer", "1.4.0"), x.packed) {
		t.Error("it is not the package that soaked")
	}
	if writes := x.front.Writes(); len(writes) != 1 || writes[0] != "PUT /@acme%2ftracer" {
		t.Errorf("the jobs wrote %v", writes)
	}

	// The job's rights are not good for tags; the workflow says so, and the rollback fails with what it says.
	if _, err := x.everybody.NPM(t.Context(), t.TempDir(), "dist-tag", "add", "@acme/tracer@1.4.0", "stable", "--registry", x.front.URL,
		"--"+strings.TrimPrefix(x.front.URL, "http:")+"/:_authToken="+x.everybody.Token); err == nil {
		t.Error("the token can move tags: the test shows nothing")
	}
	if _, err := x.promote.Undo(t.Context(), f, driver.Back{}); err == nil || !strings.Contains(err.Error(), "/runs/2") {
		t.Errorf("a rollback: %v", err)
	}
	if !strings.Contains(x.actions.said(), "can neither move tags nor deprecate") {
		t.Errorf("a rollback's job said %s", x.actions.said())
	}
	if tags := x.everybody.Packument(t, "@acme/tracer").Tags; len(tags) != 1 || tags["latest"] != "1.4.0" {
		t.Errorf("everybody has %v", tags)
	}
}

// What CI kept for the commit is not what soaked, or nothing was kept: the run fails, and with it the promotion; nothing is published.
func TestTrustedPublishingRefuses(t *testing.T) {
	x := newTrusted(t)
	f := x.facts(t)
	f.Version, f.Beta = "1.4.0", "1.4.0-beta.0"
	other, gone := f, x.facts(t)
	other.Artifact.Digest = "sha256:" + strings.Repeat("0", 64)
	gone.Version, gone.Commit = "1.4.0", "beef"
	for said, facts := range map[string]driver.Facts{"0000000 soaked": other, "package-beef": gone} {
		if _, err := x.promote.Do(t.Context(), facts); !driver.IsRefused(err) || !strings.Contains(x.actions.said(), said) {
			t.Errorf("%v, and the job said %s, want %s", err, x.actions.said(), said)
		}
	}
	if shown := x.everybody.Packument(t, "@acme/tracer"); len(shown.Versions) > 0 {
		t.Errorf("it published %v", shown.Versions)
	}
	t.Setenv("GITHUB_TOKEN", "the-wrong-one")
	if _, err := x.promote.Do(t.Context(), x.facts(t)); !driver.IsRefused(err) || strings.Contains(err.Error(), "the-wrong-one") {
		t.Errorf("with a wrong token: %v", err)
	}
}
