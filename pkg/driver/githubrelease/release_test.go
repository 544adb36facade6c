package githubrelease

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
	"github.com/sluice-gate/sluice/pkg/project"
)

const commit = "0123456789012345678901234567890123456789"

// facts is a release whose artifact has these contents.
func facts(version, content string) driver.Facts {
	return driver.Facts{
		Release: "01970000-0000-7000-8000-000000000001", Project: "tracer", Attempt: 1, Commit: commit, Version: version, Beta: version,
		Artifact: driver.Artifact{
			Name: "tracer-" + version + ".tgz", Digest: driver.Digest([]byte(content)),
			Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil },
		},
	}
}

func wantRefused(t *testing.T, err error, want string) {
	t.Helper()
	if !driver.IsRefused(err) || !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 600 {
		t.Errorf("the error is %v, want a refusal with %q", err, want)
	}
}

// wantAgain checks that the error is one to try again after.
func wantAgain(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || driver.IsRefused(err) || !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %v, want one that is no refusal, with %q", err, want)
	}
}

func pair(t *testing.T, h http.RoundTripper) (publish, promote driver.Driver) {
	t.Helper()
	return driverOf(t, driver.Publish, settings(t), h), driverOf(t, driver.Promote, settings(t), h)
}

func must(t *testing.T, done driver.Done, err error) driver.Done {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// What CI made is taken as it is: a prerelease, or a draft, with other assets beside the artifact.
func TestMadeByCI(t *testing.T) {
	for _, draft := range []bool{false, true} {
		h := newHub()
		made := h.ci("v1.4.0", commit, "tracer_linux.tgz", "one")
		h.attach(made, "tracer_darwin.tgz", "two")
		if made.draft = draft; draft {
			delete(h.tags, "v1.4.0")
			h.ci("v1.4.0", commit, "somebody's own", "other").draft = true
			delete(h.tags, "v1.4.0")
		}
		publish, promote := pair(t, h)
		f := facts("1.4.0", "one")
		done, err := publish.Do(t.Context(), f)
		if must(t, done, err); done.Existed == draft || made.draft || !made.prerelease || len(made.assets) != 2 || h.tags["v1.4.0"] != commit {
			t.Errorf("draft %t: %+v, %+v", draft, done, made)
		}
		done, err = promote.Do(t.Context(), f)
		if must(t, done, err); done.Existed || h.latest != made || made.prerelease || done.Value != fmt.Sprintf("1.4.0@%d", made.id) {
			t.Errorf("draft %t: %+v, %+v", draft, done, made)
		}
	}
}

// Somebody's draft of the same tag, without the artifact, is left alone.
func TestDraft(t *testing.T) {
	h := newHub()
	draft := h.ci("v1.4.0", commit, "notes.txt", "notes")
	draft.draft = true
	publish, _ := pair(t, h)
	done, err := publish.Do(t.Context(), facts("1.4.0", "one"))
	if must(t, done, err); len(h.releases) != 2 || !draft.draft || len(draft.assets) != 1 || len(h.releases[1].assets) != 1 {
		t.Errorf("%+v, %+v", done, draft)
	}
}

// What everybody has is no beta, also when the artifact is among its assets: CI made a full release of it.
func TestEverybodysAlready(t *testing.T) {
	h := newHub()
	publish, _ := pair(t, h)
	f := facts("1.4.0", "one")
	made := h.ci("v1.4.0", commit, f.Artifact.Name, "one")
	for _, latest := range []*item{made, nil} {
		made.prerelease, h.latest = false, latest
		_, err := publish.(driver.Publisher).Plan(t.Context(), f)
		wantRefused(t, err, "version 1.4.0 is taken: the release v1.4.0 of acme/tracer is no prerelease, everybody has it")
		_, err = publish.Do(t.Context(), f)
		wantRefused(t, err, "everybody has it")
	}
	if made.prerelease || len(h.releases) != 1 {
		t.Errorf("%+v", made)
	}
}

// A release that is not what soaked is never promoted.
func TestReplaced(t *testing.T) {
	h := newHub()
	_, promote := pair(t, h)
	f := facts("1.4.0", "one")
	do := func() error { _, err := promote.Do(t.Context(), f); return err }
	wantRefused(t, do(), "acme/tracer has no release of the tag v1.4.0")
	made := h.ci("v1.4.0", commit, f.Artifact.Name, "other")
	wantRefused(t, do(), `the asset "tracer-1.4.0.tgz" has the digest "`+driver.Digest([]byte("other"))+`", not `+f.Artifact.Digest)
	made.assets[0].digest = ""
	wantRefused(t, do(), "GitHub tells no digest of the asset")
	made.assets[0].name = "other"
	wantRefused(t, do(), "has 1 assets, and none with the digest")
	made.assets[0].digest, made.assets[0].state = f.Artifact.Digest, starter
	wantRefused(t, do(), "and none with the digest")
	made.assets[0].state = uploaded
	h.tags["v1.4.0"] = strings.Repeat("f", 40)
	wantRefused(t, do(), "the tag v1.4.0 of acme/tracer is on ffff")
	h.tags["v1.4.0"] = commit
	if h.latest != nil || !made.prerelease {
		t.Errorf("%+v", made)
	}
	if err := do(); err != nil || h.latest != made {
		t.Errorf("%v, %+v", err, made)
	}
}

// Somebody replaces the asset at the moment of the promotion: that is told, and the undo takes it back.
func TestReplacedMeanwhile(t *testing.T) {
	h := newHub()
	f := facts("1.4.0", "one")
	former := h.ci("v1.3.0", commit, "old", "old")
	former.prerelease, h.latest = false, former
	made := h.ci("v1.4.0", commit, f.Artifact.Name, "one")
	swap := &drivertest.Transport{Base: h, Before: func(int) { made.assets[0].digest = driver.Digest([]byte("evil")) }}
	_, err := driverOf(t, driver.Promote, settings(t), swap).Do(t.Context(), f)
	wantRefused(t, err, "everybody has it, and somebody changed it at that moment")
	_, promote := pair(t, h)
	back := driver.Back{Value: fmt.Sprintf("1.3.0@%d", former.id)}
	if done, err := promote.Undo(t.Context(), f, back); err != nil || done.Value != back.Value || h.latest != former || !made.prerelease {
		t.Errorf("%+v, %v", done, err)
	}
}

// A former release that is not there any more is not gone back to, and nothing is changed.
func TestNoWayBack(t *testing.T) {
	h := newHub()
	_, promote := pair(t, h)
	f := facts("1.4.0", "one")
	made := h.ci("v1.4.0", commit, f.Artifact.Name, "one")
	other, moved := h.ci("v1.3.0", commit, "old", "old"), h.ci("v1.1.0", commit, "older", "older")
	moved.prerelease = false
	done, err := promote.Do(t.Context(), f)
	must(t, done, err)
	for _, value := range []string{"1.3.0@77", fmt.Sprintf("1.3.0@%d", other.id), fmt.Sprintf("1.2.0@%d", moved.id)} {
		_, err := promote.Undo(t.Context(), f, driver.Back{Value: value})
		wantRefused(t, err, "latest can not go back to")
	}
	for _, value := range []string{"1.3.0", "@1", "1.3.0@01", "1.3.0@-1", "1.3.0@1\n", "../x@1", "1.3.0@99999999999999999999"} {
		_, err := promote.Undo(t.Context(), f, driver.Back{Value: value})
		wantRefused(t, err, "can not go back to")
	}
	if back, err := promote.Undo(t.Context(), f, driver.Back{Value: done.Value}); err != nil || !strings.Contains(back.Note, "what it was before is not known") {
		t.Errorf("%+v, %v", back, err)
	}
	if h.latest != made || made.prerelease {
		t.Errorf("%+v", made)
	}
}

// What an upload that broke off left is replaced; what arrived as something else is told.
func TestUpload(t *testing.T) {
	h := newHub()
	publish, _ := pair(t, h)
	f := facts("1.4.0", strings.Repeat("large", 1<<20))
	made := h.ci("v1.4.0", commit, "", "")
	h.attach(made, f.Artifact.Name, "")
	made.assets[0].state, made.assets[0].digest = starter, ""
	if done, err := publish.Do(t.Context(), f); err != nil || done.Existed || len(made.assets) != 1 || made.assets[0].digest != f.Artifact.Digest {
		t.Errorf("%+v, %v", done, err)
	}
	h.corrupt = true
	_, err := publish.Do(t.Context(), facts("1.5.0", "one"))
	wantRefused(t, err, "just uploaded, has the digest")
}

// A version is taken when its release is everybody's, has other assets, or its tag is on another commit.
func TestTaken(t *testing.T) {
	h := newHub()
	publish, _ := pair(t, h)
	plan := func(f driver.Facts) error {
		_, err := publish.(driver.Publisher).Plan(t.Context(), f)
		if _, did := publish.Do(t.Context(), f); err != nil && (did == nil || did.Error() != err.Error()) {
			t.Errorf("the plan says %v, and the action %v", err, did)
		}
		return err
	}
	released := h.ci("v1.4.0", commit, "", "")
	released.prerelease, h.latest = false, released
	wantRefused(t, plan(facts("1.4.0", "one")), "the release v1.4.0 of acme/tracer is no prerelease, everybody has it")
	h.ci("v1.5.0", commit, "other.tgz", "other")
	wantRefused(t, plan(facts("1.5.0", "one")), "version 1.5.0 is taken")
	h.tags["v1.6.0"] = strings.Repeat("e", 40)
	wantRefused(t, plan(facts("1.6.0", "one")), "the tag v1.6.0 of acme/tracer is on eeee")
	wantRefused(t, plan(facts("1.7.0-rc.1", "one")), "is a pre-release")
	f := facts("1.7.0", "one")
	f.Commit = "main"
	wantRefused(t, plan(f), `commit "main" is not the whole name of one`)
	for _, hostile := range []string{"$(id)", "1.0.0\n", "../1.0.0", "1.0.0/../x", "1..0", strings.Repeat("1", 10<<20)} {
		wantRefused(t, plan(facts(hostile, "one")), "version ")
		f := facts("1.7.0", "one")
		f.AnyVersion, f.Version, f.Beta = true, hostile, hostile
		wantRefused(t, plan(f), "version ")
	}
	_, err := publish.(driver.Publisher).Plan(t.Context(), facts("1.3.0", "one"))
	wantRefused(t, err, "the latest release of acme/tracer is 1.4.0 already, which is newer than 1.3.0")
	older := facts("1.3.0", "one")
	older.AnyVersion = true
	if _, err := publish.(driver.Publisher).Plan(t.Context(), older); err != nil {
		t.Error(err)
	}
}

// The newest prerelease is found on a later page too.
func TestPages(t *testing.T) {
	h := newHub()
	h.ci("v9.0.0", commit, "nine", "nine")
	for n := range 250 {
		h.ci(fmt.Sprintf("v1.0.%d", n), commit, fmt.Sprint(n), fmt.Sprint(n))
	}
	publish, _ := pair(t, h)
	if seen, err := publish.Look(t.Context(), facts("1.4.0", "one")); err != nil || seen.Version != "9.0.0" || seen.Mine {
		t.Errorf("%+v, %v", seen, err)
	}
}

// Who is stopped says what there is.
func TestStopped(t *testing.T) {
	h := newHub()
	for n, want := range map[int]string{1: "there was no release v1.4.0", 2: "there was the prerelease v1.4.0 without its asset"} {
		ctx, cancel := context.WithCancel(t.Context())
		line := &drivertest.Transport{Base: h, Before: func(write int) {
			if write == n {
				cancel()
			}
		}}
		_, err := driverOf(t, driver.Publish, settings(t), line).Do(ctx, facts("1.4.0", "one"))
		if wantAgain(t, err, want); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		cancel()
		h = newHub()
	}
}

func TestMistakes(t *testing.T) {
	for want, cfg := range map[string]project.GitHubRelease{
		"is not one such as acme/tracer": {Repo: "acme"},
		"must be https":                  {Repo: "acme/tracer", URL: "http://git.example.com"},
		"without credentials":            {Repo: "acme/tracer", URL: "https://a:hunter2@git.example.com"},
		"github_release: tag":            {Repo: "acme/tracer", Tag: "v1"},
	} {
		_, err := Publish(cfg)
		wantRefused(t, err, want)
		if _, err = Promote(cfg); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
	if _, err := Promote(project.GitHubRelease{Repo: "acme/tracer"}); err != nil {
		t.Error(err)
	}
}
