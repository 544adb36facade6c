package git

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
	"github.com/sluice-gate/sluice/pkg/project"
)

// The number is fixed before anything is written, and follows the highest there is; a commit keeps the one that it has.
func TestPlan(t *testing.T) {
	o := newOrigin(t)
	one, two := o.commit(t, "one"), o.commit(t, "two")
	cfg := o.settings(t)
	cfg.Tag = "pkg/x/v{{version}}"
	p := must[driver.Publisher](t)(Publish(cfg, withWaits(quick())))
	plan := func(version, commit, want string) {
		t.Helper()
		before := o.git(t, "", "for-each-ref")
		got, err := p.Plan(t.Context(), facts(version, commit))
		if err != nil || got.Beta != want || got.Version != "1.4.0" || o.git(t, "", "for-each-ref") != before {
			t.Errorf("%s of %s: %+v, %v, want %s", version, commit, got, err, want)
		}
	}
	plan("1.4.0", one, "1.4.0-rc.1")
	plan("v1.4.0", one, "1.4.0-rc.1")
	// Tags of other modules, versions, words and forms do not count.
	for _, tag := range []string{
		"v1.4.0-rc.7", "pkg/x/v1.4.1-rc.8", "pkg/x/v1.4.0-beta.9", "pkg/x/v1.4.0-rc.010", "pkg/x/v1.4.0-rc.11.1", "pkg/y/v1.4.0-rc.12", "pkg/x/v1.4.0-rc.0",
	} {
		o.git(t, "", "tag", tag, two)
	}
	plan("1.4.0", one, "1.4.0-rc.1")
	o.git(t, "", "tag", "pkg/x/v1.4.0-rc.2", two)
	plan("1.4.0", one, "1.4.0-rc.3")
	plan("1.4.0", two, "1.4.0-rc.2")
	o.git(t, "", "tag", "-a", "-m", "annotated", "pkg/x/v1.4.0-rc.10", one)
	plan("1.4.0", one, "1.4.0-rc.10")
	plan("1.4.0", o.commit(t, "three"), "1.4.0-rc.11")

	unstated := facts("1.4.0", one)
	unstated.Version = ""
	if got, err := p.Plan(t.Context(), unstated); err != nil || got.Version != "1.4.0" {
		t.Errorf("a version in the artifact's name: %+v, %v", got, err)
	}
	o.git(t, "", "tag", "pkg/x/v1.3.0", one)
	for version, want := range map[string]string{
		"latest": "not a semantic version", "1.x": "not a semantic version", "../1.0.0": "not a semantic version", "1.0.0\n": "not a semantic version",
		strings.Repeat("1", 10<<20): "not a semantic version", "1.5.0-rc.1": "name the one that everybody will get", "1.5.0+a": "name the one",
		"1.2.9": "is at 1.3.0 already, which is newer than 1.2.9", "1.3.0": "version 1.3.0 is taken: the tag pkg/x/v1.3.0",
	} {
		_, err := p.Plan(t.Context(), facts(version, two))
		wantRefused(t, err, want)
	}
	older := facts("1.2.9", two)
	older.AnyVersion = true
	if got, err := p.Plan(t.Context(), older); err != nil || got.Beta != "1.2.9-rc.1" {
		t.Errorf("where merges are the order: %+v, %v", got, err)
	}
}

// The tag of a release is annotated, on the commit, and says which release it was; go itself and git take it for what it is.
func TestTags(t *testing.T) {
	o := newOrigin(t)
	commit := o.commit(t, "one")
	f := facts("1.4.0", commit)
	must[driver.Done](t)(must[driver.Publisher](t)(Publish(o.settings(t), withWaits(quick()))).Do(t.Context(), f))
	done := must[driver.Done](t)(must[driver.Driver](t)(Promote(o.settings(t), withWaits(quick()))).Do(t.Context(), f))
	if done.Value != "1.4.0@"+commit || done.Existed {
		t.Errorf("%+v", done)
	}
	for _, tag := range []string{"v1.4.0-rc.1", "v1.4.0"} {
		text := o.git(t, "", "cat-file", "tag", tag)
		for _, want := range []string{"object " + commit + "\ntype commit\ntag " + tag + "\ntagger Sluice ", "\n\nSluice-Release: " + f.Release} {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q:\n%s", tag, want, text)
			}
		}
	}
	if out := o.git(t, "", "fsck", "--strict", "--full"); strings.Contains(out, "error") || strings.Contains(out, "warning") {
		t.Errorf("fsck: %s", out)
	}
}

// Without a branch the channel is the newest tag, and an undo has nothing to put back: it says what to do instead.
func TestWithoutBranch(t *testing.T) {
	o := newOrigin(t)
	one, two := o.commit(t, "one"), o.commit(t, "two")
	d := must[driver.Driver](t)(Promote(project.Git{Remote: o.url, Token: o.settings(t).Token}, withWaits(quick())))
	if seen, err := d.Look(t.Context(), facts("1.4.0", one)); err != nil || seen != (driver.Seen{}) {
		t.Errorf("nothing: %+v, %v", seen, err)
	}
	must[driver.Done](t)(d.Do(t.Context(), facts("1.4.0", one)))
	done := must[driver.Done](t)(d.Do(t.Context(), facts("1.10.0", two)))
	if done.Before != "1.4.0@"+one || done.Value != "1.10.0@"+two {
		t.Errorf("%+v", done)
	}
	_, err := d.Do(t.Context(), facts("1.9.0", one))
	wantRefused(t, err, "is at 1.10.0, which is newer than 1.9.0: a channel only moves forward")
	before := o.git(t, "", "for-each-ref")
	for _, f := range []driver.Facts{facts("1.10.0", two), facts("1.4.0", one)} {
		back, err := d.Undo(t.Context(), f, driver.Back{Value: done.Before})
		if err != nil || !strings.Contains(back.Note, "stays, since module proxies keep what they have seen") || !strings.Contains(back.Note, "retract v"+f.Version) {
			t.Errorf("%+v, %v", back, err)
		}
	}
	if after := o.git(t, "", "for-each-ref"); after != before {
		t.Errorf("the undo changed\n%s\nto\n%s", before, after)
	}
}

// What soaked is what the candidate names, and nothing that is somebody else's is moved.
func TestSoaked(t *testing.T) {
	o := newOrigin(t)
	one, two := o.commit(t, "one"), o.commit(t, "two")
	cfg := o.settings(t)
	cfg.Branch = "stable"
	d := must[driver.Driver](t)(Promote(cfg, withWaits(quick())))
	do := func(f driver.Facts) error { _, err := d.Do(t.Context(), f); return err }
	wantRefused(t, do(facts("1.4.0", one)), "the tag of the candidate, v1.4.0-rc.1, is gone from")
	o.git(t, "", "tag", "v1.4.0-rc.1", two)
	wantRefused(t, do(facts("1.4.0", one)), "was moved: it is on "+two+", and what soaked is "+one)
	f := facts("1.4.0", one)
	f.Beta = "1.5.0-rc.1"
	wantRefused(t, do(f), "is none of version 1.4.0")
	o.git(t, "", "tag", "-f", "v1.4.0-rc.1", one)
	o.git(t, "", "tag", "-a", "-m", "by hand", "v1.4.0", two)
	wantRefused(t, do(facts("1.4.0", one)), "version 1.4.0 is taken: the tag v1.4.0 of")
	if found := o.refs(t); len(found) != 2 || found["refs/tags/v1.4.0"] != "two" {
		t.Errorf("%v", found)
	}
	o.git(t, "", "tag", "-d", "v1.4.0")
	gone := facts("1.4.0", strings.Repeat("ab", 20))
	gone.Beta = "1.4.0-rc.1"
	alone := cfg
	alone.Candidate = ""
	_, err := must[driver.Driver](t)(Promote(alone, withWaits(quick()))).Do(t.Context(), gone)
	wantRefused(t, err, "missing necessary objects")
	if err := do(facts("1.4.0", one)); err != nil {
		t.Error(err)
	}
}

// A branch at a commit that is no release's, perhaps a fix by hand, stays: nobody can tell whether the release has that fix.
func TestByHand(t *testing.T) {
	o := newOrigin(t)
	one, two := o.commit(t, "one"), o.commit(t, "a fix by hand")
	cfg := o.settings(t)
	cfg.Branch = "stable"
	o.git(t, "", "branch", "stable", two)
	o.git(t, "", "tag", "v1.4.0-rc.1", one)
	publish := must[driver.Publisher](t)(Publish(o.settings(t), WithPromote(cfg), withWaits(quick())))
	promote := must[driver.Driver](t)(Promote(cfg, withWaits(quick())))
	want := "branch stable of " + o.url + " is at " + two + ", which no tag of a version is on"
	for _, anyVersion := range []bool{false, true} {
		f := facts("1.4.0", one)
		f.AnyVersion = anyVersion
		_, err := publish.Plan(t.Context(), f)
		wantRefused(t, err, want)
		_, err = promote.Do(t.Context(), f)
		wantRefused(t, err, want)
	}
	if found := o.refs(t); len(found) != 2 || found["refs/heads/stable"] != "a fix by hand" {
		t.Errorf("%v", found)
	}
	o.git(t, "", "tag", "v1.3.1", two)
	if _, err := promote.Do(t.Context(), facts("1.4.0", one)); err != nil || o.refs(t)["refs/heads/stable"] != "one" {
		t.Errorf("tagged: %v, %v", err, o.refs(t))
	}
}

// The number that was planned is the only one that is written: when it is another commit's by then, it is refused, and nothing moves.
func TestNumberGone(t *testing.T) {
	o := newOrigin(t)
	one, two := o.commit(t, "one"), o.commit(t, "two")
	cfg := o.settings(t)
	cfg.Branch = "beta"
	p := must[driver.Publisher](t)(Publish(cfg, withWaits(quick())))
	plan := must[driver.Plan](t)(p.Plan(t.Context(), facts("1.4.0", one)))
	o.git(t, "", "tag", "v"+plan.Beta, two)
	before := o.git(t, "", "for-each-ref")
	_, err := p.Do(t.Context(), facts("1.4.0", one))
	wantRefused(t, err, "the tag v1.4.0-rc.1 of "+o.url+" is on "+two+", not on "+one+", and tags never move")
	for _, beta := range []string{"1.4.0", "1.4.0-rc.0", "1.4.0-rc.01", "1.4.0-rc.1x", "1.4.0-beta.1", "1.5.0-rc.2", "../1.4.0-rc.2", ""} {
		f := facts("1.4.0", one)
		f.Beta = beta
		_, err := p.Do(t.Context(), f)
		wantRefused(t, err, "the candidate of version 1.4.0 can not be")
	}
	if after := o.git(t, "", "for-each-ref"); after != before {
		t.Errorf("there is\n%s\nof\n%s", after, before)
	}
	if again, err := p.Plan(t.Context(), facts("1.4.0", one)); err != nil || again.Beta != "1.4.0-rc.2" {
		t.Errorf("%+v, %v", again, err)
	}
}

// An artifact that is a commit is the release's commit.
func TestArtifact(t *testing.T) {
	o := newOrigin(t)
	one, two := o.commit(t, "one"), o.commit(t, "two")
	p := must[driver.Publisher](t)(Publish(o.settings(t), withWaits(quick())))
	f := facts("1.4.0", one)
	f.Artifact = artifact("tracer-1.4.0.commit", o.git(t, "", "cat-file", "commit", two))
	_, err := p.Do(t.Context(), f)
	wantRefused(t, err, "is the commit "+two+", and the merge is of "+one)
	_, err = p.Plan(t.Context(), f)
	wantRefused(t, err, "is the commit "+two)
	raw := must[[]byte](t)(os.ReadFile(catFile(t, o, one)))
	f.Artifact = artifact("tracer-1.4.0.commit", string(raw))
	if _, err := p.Do(t.Context(), f); err != nil {
		t.Error(err)
	}
}

// catFile is a commit with every byte.
func catFile(t *testing.T, o *origin, commit string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "commit")
	file := must[*os.File](t)(os.Create(path))
	cmd := exec.CommandContext(t.Context(), "git", "cat-file", "commit", commit)
	cmd.Dir, cmd.Env, cmd.Stdout = o.dir, gitEnv(filepath.Dir(o.dir)), file
	if err := errors.Join(cmd.Run(), file.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// A remote that forbids the change is believed, and says why; what it allows is done by another attempt.
func TestHooks(t *testing.T) {
	o := newOrigin(t)
	one, two := o.commit(t, "one"), o.commit(t, "two")
	cfg := o.settings(t)
	cfg.Candidate, cfg.Branch = "", "stable"
	pushes := 0
	count := func(int) { pushes++ }
	d := must[driver.Driver](t)(Promote(cfg, withWaits(quick()), WithTransport(&drivertest.Transport{Before: count})))
	if err := os.Mkdir(filepath.Join(o.dir, "hooks"), 0o750); err != nil {
		t.Fatal(err)
	}
	hook := filepath.Join(o.dir, "hooks", "update")
	if err := os.WriteFile(hook, []byte("#!/bin/sh\necho protected >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := d.Do(t.Context(), facts("1.4.0", one))
	wantRefused(t, err, "hook declined")
	if found := o.refs(t); pushes != 2 || len(found) != 0 {
		t.Errorf("after %d pushes there is %v", pushes, found)
	}
	if err := os.Remove(hook); err != nil {
		t.Fatal(err)
	}
	must[driver.Done](t)(d.Do(t.Context(), facts("1.4.0", one)))
	must[driver.Done](t)(d.Do(t.Context(), facts("1.5.0", two)))
	o.git(t, "", "config", "receive.denyNonFastForwards", "true")
	o.git(t, "", "config", "receive.denyDeletes", "true")
	_, err = d.Undo(t.Context(), facts("1.5.0", two), driver.Back{Value: "1.4.0@" + one})
	wantRefused(t, err, "the remote does not change \"refs/heads/stable\": non-fast-forward")
	_, err = d.Undo(t.Context(), facts("1.5.0", two), driver.Back{})
	wantRefused(t, err, "deletion prohibited")
}

// A change is made only to what was seen: somebody who moves the branch meanwhile is not overwritten.
func TestLease(t *testing.T) {
	o := newOrigin(t)
	one, two := o.commit(t, "one"), o.commit(t, "two")
	for _, tag := range []string{"v1.4.0-rc.1", "v1.3.0"} {
		o.git(t, "", "tag", tag, one)
	}
	o.git(t, "", "tag", "v1.5.0", two)
	cfg := o.settings(t)
	cfg.Branch = "stable"
	meanwhile := func(n int) {
		if n == 1 {
			o.git(t, "", "branch", "stable", two)
		}
	}
	d := must[driver.Driver](t)(Promote(cfg, withWaits(quick()), WithTransport(&drivertest.Transport{Before: meanwhile})))
	_, err := d.Do(t.Context(), facts("1.4.0", one))
	wantRefused(t, err, "is at 1.5.0, which is newer than 1.4.0")
	if found := o.refs(t); found["refs/heads/stable"] != "two" || found["refs/tags/v1.4.0"] != "" {
		t.Errorf("%v", found)
	}
}

// Whoever is stopped says what there was.
func TestStopped(t *testing.T) {
	o := newOrigin(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := must[driver.Publisher](t)(Publish(o.settings(t), withWaits(quick()), WithTransport(&drivertest.Transport{Before: func(int) { cancel() }})))
	_, err := p.Do(ctx, facts("1.4.0", o.commit(t, "one")))
	if wantAgain(t, err, "refs/tags/v1.4.0-rc.1 was not there"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestMistakes(t *testing.T) {
	for want, cfg := range map[string]project.Git{
		"say which one":              {},
		"must be https":              {Remote: "http://git.example.com/a.git"},
		"without credentials":        {Remote: "https://ci:hunter2@git.example.com/a.git"},
		"it must be a URL":           {Remote: "git@git.example.com:a.git"},
		"version at its end":         {Remote: "https://git.example.com/a", Tag: "v1"},
		"git: tag":                   {Remote: "https://git.example.com/a", Tag: "../{{version}}"},
		"git: branch":                {Remote: "https://git.example.com/a", Branch: "-f"},
		"git: candidate":             {Remote: "https://git.example.com/a", Candidate: "rc.1"},
		"would give the beta to all": {Remote: "https://git.example.com/a", Branch: "stable"},
	} {
		_, err := Publish(cfg, WithPromote(project.Git{Remote: cfg.Remote, Branch: "stable"}))
		wantRefused(t, err, strings.Replace(want, "to all", "to everybody", 1))
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
	if _, err := Promote(project.Git{Remote: "https://git.example.com/a"}, WithTransport(http.DefaultTransport)); err != nil {
		t.Error(err)
	}
}
