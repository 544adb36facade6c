package npm

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
	"github.com/sluice-gate/sluice/pkg/npmtest"
	"github.com/sluice-gate/sluice/pkg/project"
)

const message = "Rolled back by Sluice: install 1.3.0 instead"

// A rollback deprecates the version, once; promoting it again takes that back. The npm command line is told, and tells the same.
func testDeprecate(t *testing.T, registry *npmtest.Registry) {
	for _, mode := range []project.NPMMode{project.Republish, project.Retag} {
		for _, name := range []string{"deprecate-" + string(mode), "@acme/deprecate-" + string(mode)} {
			b := newBench(t, registry, name, mode)
			b.release("1.3.0")
			f := b.plan("1.4.0", b.pack("1.4.0", nil))
			b.beta(f)
			for range 2 { // promoted again by force
				done, err := b.promote.Do(t.Context(), f)
				if err != nil || done.Existed || b.shown().Versions["1.4.0"].Deprecated != "" {
					t.Fatalf("%+v, %v", done, err)
				}
				back, err := b.promote.Undo(t.Context(), f, driver.Back{Value: "1.3.0"})
				if err != nil || back.Value != "1.3.0" || back.Existed || !strings.Contains(back.Note, name+"@1.4.0 is deprecated") {
					t.Errorf("%+v, %v", back, err)
				}
				b.wantTags("latest", "1.3.0", "beta", f.Beta)
				b.wantDeprecated("1.4.0", message)
				if out, err := b.registry.NPM(t.Context(), t.TempDir(), "view", name+"@1.4.0", "deprecated", "--prefer-online"); err != nil || strings.TrimSpace(out) != message {
					t.Errorf("npm view says %q, %v", out, err)
				}
				b.front.Writes()
				back, err = b.promote.Undo(t.Context(), f, driver.Back{Value: "1.3.0"})
				if w := b.front.Writes(); err != nil || !back.Existed || len(w) > 0 {
					t.Errorf("again: %+v, %v, %q", back, err, w)
				}
			}
			if done, err := b.promote.Do(t.Context(), f); err != nil || !strings.Contains(done.Note, "no longer deprecated") {
				t.Errorf("%+v, %v", done, err)
			}
			b.wantDeprecated("", "")
		}
	}
}

// wantDeprecated checks that just that version is deprecated; none when it is empty.
func (b *bench) wantDeprecated(version, message string) {
	b.Helper()
	for v, has := range b.shown().Versions {
		if want := map[string]string{version: message}[v]; has.Deprecated != want {
			b.Errorf("%s is deprecated with %q, want %q", v, has.Deprecated, want)
		}
	}
}

// What somebody else said of a version is theirs: it is neither replaced nor taken back.
func testDeprecatedByOthers(t *testing.T, registry *npmtest.Registry) {
	b := newBench(t, registry, "deprecated", project.Retag)
	b.release("1.3.0")
	f := b.plan("1.4.0", b.pack("1.4.0", nil))
	b.beta(f)
	if _, err := registry.NPM(t.Context(), t.TempDir(), "deprecate", "deprecated@1.4.0", "use <another> & $(be well)"); err != nil {
		t.Fatal(err)
	}
	if done, err := b.promote.Do(t.Context(), f); err != nil || !strings.Contains(done.Note, "not by Sluice") {
		t.Errorf("%+v, %v", done, err)
	}
	if done, err := b.promote.Undo(t.Context(), f, driver.Back{Value: "1.3.0"}); err != nil || done.Existed {
		t.Errorf("%+v, %v", done, err)
	}
	b.wantDeprecated("1.4.0", "use <another> & $(be well)")
	b.wantTags("latest", "1.3.0", "beta", f.Beta)
}

// Nothing is deprecated that has not left the channel, or that somebody has moved on from.
func testNotDeprecated(t *testing.T, registry *npmtest.Registry) {
	b := newBench(t, registry, "kept", project.Retag)
	b.release("1.3.0")
	f := b.plan("1.4.0", b.pack("1.4.0", nil))
	b.beta(f)
	if _, err := b.promote.Do(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if _, err := b.promote.Undo(t.Context(), f, driver.Back{Value: "1.4.0"}); err != nil {
		t.Error(err)
	}
	b.release("1.5.0")
	if done, err := b.promote.Undo(t.Context(), f, driver.Back{Value: "1.3.0"}); err != nil || !strings.Contains(done.Note, "left alone") {
		t.Errorf("%+v, %v", done, err)
	}
	b.wantDeprecated("", "")
	// The tag went back by somebody's hand, or by an attempt that died: the rest is done, and is said to have been done.
	tag(t, registry, "kept", latest, "1.3.0")
	if done, err := b.promote.Undo(t.Context(), f, driver.Back{Value: "1.3.0"}); err != nil || done.Existed || done.Note == "" {
		t.Errorf("%+v, %v", done, err)
	}
	b.wantDeprecated("1.4.0", message)
	if _, err := b.promote.Do(t.Context(), f); err != nil {
		t.Error(err)
	}
	tag(t, registry, "kept", latest, "1.5.0")
	if done, err := b.publish.Undo(t.Context(), f, driver.Back{Value: "1.3.0"}); err != nil || done.Note == "" { // a beta that is cancelled
		t.Errorf("%+v, %v", done, err)
	}
	b.wantDeprecated("", "")
	b.wantTags("latest", "1.5.0", "beta", "1.5.0")
}

// A registry that does not deprecate is no failure of the rollback; one that is busy is asked again, with the document as it is by then.
func testDeprecateFaults(t *testing.T, registry *npmtest.Registry) {
	for name, c := range map[string]struct {
		fault npmtest.Fault
		done  bool
	}{
		"refused":   {npmtest.Answer(http.StatusMethodNotAllowed), false},
		"forbidden": {npmtest.Answer(http.StatusForbidden), false},
		"busy":      {npmtest.Answer(http.StatusConflict), true},
		"lost":      {npmtest.CutAfter(), true},
		"down":      {npmtest.CutBefore(), true},
	} {
		b := newBench(t, registry, "deprecate-fault-"+name, project.Retag)
		b.release("1.3.0")
		f := b.plan("1.4.0", b.pack("1.4.0", nil))
		b.beta(f)
		if _, err := b.promote.Do(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		once := true
		b.front.Faults(func(r *http.Request) npmtest.Fault {
			if r.Method != http.MethodPut || r.URL.Path != "/"+b.cfg.Package || !once {
				return nil
			}
			if once = false; name == "busy" { // somebody else is writing: the second try must not undo that
				tag(t, registry, b.cfg.Package, "other", "1.3.0")
			}
			return c.fault
		})
		done, err := b.promote.Undo(t.Context(), f, driver.Back{Value: "1.3.0"})
		b.front.Faults(nil)
		if err != nil || done.Value != "1.3.0" || once || strings.Contains(done.Note, "left to you: npm deprecate "+b.cfg.Package+"@1.4.0") == c.done {
			t.Errorf("%s: %+v, %v", name, done, err)
		}
		if c.done {
			b.wantDeprecated("1.4.0", message)
		} else {
			b.wantDeprecated("", "")
		}
		if name == "busy" {
			b.wantTags("latest", "1.3.0", "beta", f.Beta, "other", "1.3.0")
			continue
		}
		b.wantTags("latest", "1.3.0", "beta", f.Beta)
	}
}

// Killed at any write and cancelled before any write, a rollback and a promotion by force come to the same when they are done again.
func testDeprecateKilled(t *testing.T, registry *npmtest.Registry) {
	for _, cancelled := range []bool{false, true} {
		b := newBench(t, registry, map[bool]string{false: "deprecate-killed", true: "deprecate-cancelled"}[cancelled], project.Retag)
		b.release("1.3.0")
		f := b.plan("1.4.0", b.pack("1.4.0", nil))
		b.beta(f)
		undo := func(ctx context.Context, d driver.Driver) error {
			_, err := d.Undo(ctx, f, driver.Back{Value: "1.3.0"})
			return err
		}
		do := func(ctx context.Context, d driver.Driver) error { _, err := d.Do(ctx, f); return err }
		for i, action := range []func(context.Context, driver.Driver) error{do, undo, do, undo} {
			writes := 0
			for n := 1; ; n++ {
				ctx, cancel := context.WithCancel(t.Context())
				line := &drivertest.Transport{KillAt: n}
				if cancelled {
					line = &drivertest.Transport{Before: func(at int) {
						if at == n {
							cancel()
						}
					}}
				}
				d, err := Promote(b.cfg, withWaits(quick()), withTransport(line))
				if err != nil {
					t.Fatal(err)
				}
				err = action(ctx, d)
				cancel()
				if err == nil {
					break
				}
				if writes++; writes == 2 && !strings.Contains(err.Error(), []string{"", "latest of " + b.cfg.Package + " is back at 1.3.0; deprecate "}[i%2]) {
					t.Errorf("it broke off in the middle, and does not say what there is: %v", err)
				}
			}
			if want := []int{1, 2, 2, 2}[i]; writes != want {
				t.Errorf("cancelled %t: action %d broke off %d times, it has %d writes", cancelled, i, writes, want)
			}
			if i%2 == 0 {
				b.wantDeprecated("", "")
				b.wantTags("latest", "1.4.0", "beta", f.Beta)
				continue
			}
			b.wantDeprecated("1.4.0", message)
			b.wantTags("latest", "1.3.0", "beta", f.Beta)
		}
	}
}

// What a document has that this driver knows nothing of stays in it.
func testDeprecateKeeps(t *testing.T, registry *npmtest.Registry) {
	b := newBench(t, registry, "deprecate-keeps", project.Republish)
	dir := t.TempDir()
	packed := b.pack("1.3.0", map[string]string{
		"package.json": `{"name":"deprecate-keeps","version":"1.3.0","n":1.50,"big":12345678901234567890,"html":"<a>&","bin":{"deprecate-keeps":"cli.js"}}`, "cli.js": "",
	})
	if err := os.WriteFile(filepath.Join(dir, "p.tgz"), packed, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.NPM(t.Context(), dir, "publish", "./p.tgz"); err != nil {
		t.Fatal(err)
	}
	f := b.plan("1.4.0", b.pack("1.4.0", nil))
	b.beta(f)
	if _, err := b.promote.Do(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	var before, after struct{ Versions map[string]map[string]any }
	getJSON(t, registry.URL+"/deprecate-keeps", &before)
	if _, err := b.promote.Undo(t.Context(), f, driver.Back{Value: "1.3.0"}); err != nil {
		t.Fatal(err)
	}
	getJSON(t, registry.URL+"/deprecate-keeps", &after)
	wantEqual(t, before.Versions["1.3.0"], after.Versions["1.3.0"])
	delete(after.Versions["1.4.0"], "deprecated")
	wantEqual(t, before.Versions["1.4.0"], after.Versions["1.4.0"])
}
