package npm

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/npmtest"
	"github.com/sluice-gate/sluice/pkg/project"
)

// TestAgainstRegistry holds what is tested against a real registry, each with a package of its own.
func TestAgainstRegistry(t *testing.T) {
	t.Parallel()
	registry := npmtest.Start(t)
	for name, test := range map[string]func(t *testing.T, registry *npmtest.Registry){
		"npm":               testNPM,
		"as npm publishes":  testAsNPM,
		"packed by npm":     testPackedByNPM,
		"first version":     testFirstVersion,
		"plan":              testPlan,
		"next patch":        testNextPatch,
		"taken":             testTaken,
		"merged again":      testMergedAgain,
		"what soaked":       testSoaked,
		"compressed anew":   testCompressedAnew,
		"latest":            testLatest,
		"notes":             testNotes,
		"too many requests": testTooManyRequests,
		"outages":           testOutages,
		"refusals":          testRefusals,
		"busy":              testBusy,
		"slow to show":      testSlowToShow,
		"moved meanwhile":   testMovedMeanwhile,
		"redirects":         testRedirects,
		"large":             testLarge,
		"deprecate":         testDeprecate,
		"deprecated":        testDeprecatedByOthers,
		"not deprecated":    testNotDeprecated,
		"deprecate faults":  testDeprecateFaults,
		"deprecate killed":  testDeprecateKilled,
		"deprecate keeps":   testDeprecateKeeps,
		"provenance":        testProvenance,
		"staged":            testStaged,
		"staged rejected":   testStagedRejected,
		"staged once":       testStagedOnce,
		"staged refused":    testStagedRefused,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, registry) })
	}
}

// A registry points latest to a package's first version. The driver tries to undo that, and says what came of it.
func testFirstVersion(t *testing.T, registry *npmtest.Registry) {
	for _, mode := range []project.NPMMode{project.Republish, project.Retag} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, registry, "first-"+string(mode), mode)
			f := b.plan("1.4.0", b.pack("1.4.0", nil))
			done := b.beta(f)
			b.wantTags("latest", f.Beta, "beta", f.Beta) // verdaccio takes the removal, and brings latest back
			if !strings.Contains(done.Note, "npm install first-"+string(mode)+" gets the beta "+f.Beta) || strings.Contains(done.Note, "\n") {
				t.Errorf("the note is %q", done.Note)
			}
			if done.Before != "" || done.Existed {
				t.Errorf("%+v", done)
			}
			if got := b.front.Writes(); len(got) != 2 || !strings.HasSuffix(got[1], "/dist-tags/latest") {
				t.Errorf("writes: %q", got)
			}
			again := b.beta(f)
			if !again.Existed || !strings.Contains(again.Note, "gets the beta") || len(b.front.Writes()) != 0 {
				t.Errorf("again: %+v", again)
			}
			// Cancelled: the beta channel is empty again, and latest is what the registry makes of it.
			if _, err := b.publish.Undo(t.Context(), f, driver.Back{}); err != nil {
				t.Fatal(err)
			}
			b.wantTags("latest", f.Beta)
			// The same version is merged again, and gets through.
			f = b.plan("1.4.0", b.pack("1.4.0", nil))
			b.beta(f)
			if _, err := b.promote.Do(t.Context(), f); err != nil {
				t.Fatal(err)
			}
			b.wantTags("latest", "1.4.0", "beta", f.Beta)
			// There is nothing to go back to, and the registry does not let go.
			_, err := b.promote.Undo(t.Context(), f, driver.Back{})
			b.wantRefused(err, "does not let go of latest")
		})
	}
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, registry, "first-refused", project.Republish)
		f := b.plan("1.4.0", b.pack("1.4.0", nil))
		b.once(http.MethodDelete, "/latest", npmtest.Answer(http.StatusBadRequest)) // as npm's own registry does
		if done := b.beta(f); !strings.Contains(done.Note, "400") || !strings.Contains(done.Note, "gets the beta") {
			t.Errorf("the note is %q", done.Note)
		}
	})
	t.Run("let go", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, registry, "first-let-go", project.Republish)
		f := b.plan("1.4.0", b.pack("1.4.0", nil))
		gone := false
		b.front.Faults(func(r *http.Request) npmtest.Fault {
			gone = gone || r.Method == http.MethodDelete
			if !gone || !strings.HasSuffix(r.URL.Path, "/dist-tags") {
				return nil
			}
			return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				_, _ = w.Write([]byte(`{"beta":"1.4.0-beta.0"}`))
			}
		})
		if done := b.beta(f); !strings.Contains(done.Note, "latest is removed again") {
			t.Errorf("the note is %q", done.Note)
		}
	})
}

// The version exists with other contents: refused in both modes and both roles.
func testTaken(t *testing.T, registry *npmtest.Registry) {
	for _, mode := range []project.NPMMode{project.Republish, project.Retag} {
		b := newBench(t, registry, "taken-"+string(mode), mode)
		seed(t, registry, b.cfg.Package)
		f := b.plan("1.4.0", b.pack("1.4.0", map[string]string{"a": "1"}))
		b.beta(f)
		other := facts("1.4.0", b.pack("1.4.0", map[string]string{"a": "2"}))
		other.Beta = f.Beta
		_, err := b.publish.Do(t.Context(), other)
		b.wantRefused(err, f.Beta+" is published already, with other contents")
		_, err = b.promote.Do(t.Context(), other)
		if mode == project.Retag {
			b.wantRefused(err, "1.4.0 is published already, with other contents")
		} else {
			b.wantRefused(err, "a differs between")
		}
		if mode == project.Republish {
			put(t, registry, b.pack("1.4.0", map[string]string{"a": "3"}), "other")
			_, err = b.promote.Do(t.Context(), f)
			b.wantRefused(err, "1.4.0 is published already, with other contents")
		}
		if seen, err := b.promote.Look(t.Context(), f); err != nil || seen.Mine {
			t.Errorf("look: %+v, %v", seen, err)
		}
		if got := b.shown().Tags["latest"]; got != "0.0.1" {
			t.Errorf("latest is %s", got)
		}
	}
}

// After a cancel the same merge is made again.
func testMergedAgain(t *testing.T, registry *npmtest.Registry) {
	for mode, beta := range map[project.NPMMode]string{project.Republish: "1.4.0-beta.1", project.Retag: "1.4.0"} {
		b := newBench(t, registry, "again-"+string(mode), mode)
		b.release("1.3.0")
		packed := b.pack("1.4.0", nil)
		f := b.plan("1.4.0", packed)
		before := b.beta(f).Before
		if _, err := b.publish.Undo(t.Context(), f, driver.Back{Value: before}); err != nil {
			t.Fatal(err)
		}
		b.wantTags("latest", "1.3.0", "beta", before)
		again := b.plan("1.4.0", packed)
		if again.Beta != beta {
			t.Errorf("%s: the second beta is %s", mode, again.Beta)
		}
		b.beta(again)
		if _, err := b.promote.Do(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		b.wantTags("latest", "1.4.0", "beta", beta)
		_, err := b.publish.Plan(t.Context(), facts("1.4.0", packed))
		b.wantRefused(err, "merge with a new version")
	}
}

// What is promoted is what soaked, file by file, whoever published what under the beta's version.
func testSoaked(t *testing.T, registry *npmtest.Registry) {
	b := newBench(t, registry, "soaked", project.Republish)
	seed(t, registry, "soaked")
	f := facts("1.4.0", b.pack("1.4.0", map[string]string{"a": "1"}))
	f.Beta = "1.4.0-beta.0"
	_, err := b.promote.Do(t.Context(), f)
	b.wantRefused(err, "soaked@1.4.0-beta.0 is not on the registry")
	put(t, registry, b.pack("1.4.0-beta.0", map[string]string{"a": "1 "}), "beta")
	_, err = b.promote.Do(t.Context(), f)
	b.wantRefused(err, "what soaked is not what would be promoted")
	put(t, registry, b.pack("1.4.0-beta.1", map[string]string{"a": "1", "b": "2"}), "beta")
	f.Beta = "1.4.0-beta.1"
	_, err = b.promote.Do(t.Context(), f)
	b.wantRefused(err, "what soaked is not what would be promoted")
	f.Beta = "1.3.0-beta.1"
	_, err = b.promote.Do(t.Context(), f)
	b.wantRefused(err, "can not have soaked as")
	if len(b.front.Writes()) != 0 || b.shown().Versions["1.4.0"].Dist.Integrity != "" {
		t.Error("something was written")
	}
	b = newBench(t, registry, "soaked", project.Retag)
	_, err = b.promote.Do(t.Context(), facts("1.4.0", b.pack("1.4.0", nil)))
	b.wantRefused(err, "soaked@1.4.0 is not on the registry")
}

// A beta that another build of Sluice compressed in another way is the same beta.
func testCompressedAnew(t *testing.T, registry *npmtest.Registry) {
	b := newBench(t, registry, "anew", project.Republish)
	seed(t, registry, "anew")
	f := b.plan("1.4.0", b.pack("1.4.0", map[string]string{"a": strings.Repeat("abc", 500)}))
	artifact, err := readArtifact(t.Context(), f.Artifact, defaultBounds())
	if err != nil {
		t.Fatal(err)
	}
	ours, err := artifact.rewrite(f.Beta)
	if err != nil {
		t.Fatal(err)
	}
	theirs := zip(t, ours.unpacked)
	if slices.Equal(theirs, ours.packed) {
		t.Fatal("both compress alike: this test tests nothing")
	}
	put(t, registry, theirs, "beta")
	if done := b.beta(f); !done.Existed || len(b.front.Writes()) != 0 {
		t.Errorf("%+v", done)
	}
	if seen, err := b.publish.Look(t.Context(), f); err != nil || !seen.Mine {
		t.Errorf("look: %+v, %v", seen, err)
	}
	if _, err := b.promote.Do(t.Context(), f); err != nil {
		t.Error(err)
	}
}

// latest only moves forward, and back by Undo.
func testLatest(t *testing.T, registry *npmtest.Registry) {
	for _, mode := range []project.NPMMode{project.Republish, project.Retag} {
		b := newBench(t, registry, "latest-"+string(mode), mode)
		b.release("1.9.0")
		f := b.plan("1.10.0", b.pack("1.10.0", nil))
		old := b.plan("1.9.1", b.pack("1.9.1", nil))
		b.beta(old)
		b.beta(f)
		done, err := b.promote.Do(t.Context(), f)
		if err != nil || done.Before != "1.9.0" {
			t.Fatalf("%+v, %v", done, err)
		}
		_, err = b.promote.Do(t.Context(), old)
		b.wantRefused(err, "latest of latest-"+string(mode)+" points to 1.10.0, which is newer than 1.9.1")
		_, err = b.publish.Plan(t.Context(), facts("1.9.2", b.pack("1.9.2", nil)))
		b.wantRefused(err, "it could never be promoted")
		if again, err := b.promote.Do(t.Context(), f); err != nil || !again.Existed || again.Before != "1.10.0" {
			t.Errorf("again: %+v, %v", again, err)
		}
		if back, err := b.promote.Undo(t.Context(), f, driver.Back{Value: "1.10.0"}); err != nil || !back.Existed || back.Note == "" {
			t.Errorf("undo to itself: %+v, %v", back, err)
		}
		if _, err := b.promote.Undo(t.Context(), f, driver.Back{Value: "1.8.8"}); !driver.IsRefused(err) {
			t.Errorf("undo to a version that is not there: %v", err)
		}
		if back, err := b.promote.Undo(t.Context(), f, driver.Back{Value: done.Before}); err != nil || back.Value != "1.9.0" || back.Existed {
			t.Errorf("undo: %+v, %v", back, err)
		}
		b.wantTags("latest", "1.9.0", "beta", f.Beta)
	}
}

// A package of some megabytes goes up and comes down.
func testLarge(t *testing.T, registry *npmtest.Registry) {
	b := newBench(t, registry, "large", project.Republish)
	noise := make([]byte, 2<<20)
	state := uint32(1)
	for i := range noise {
		state = state*1664525 + 1013904223
		noise[i] = byte(state >> 24)
	}
	f := b.plan("1.4.0", b.pack("1.4.0", map[string]string{"noise": string(noise)}))
	b.beta(f)
	if _, err := b.promote.Do(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if got := npmtest.Unpack(t, registry.Tarball(t, "large", "1.4.0"))["package/noise"]; got != string(noise) {
		t.Error("it came back changed")
	}
}

// What is ignored, or is for people to know, is in the note.
func testNotes(t *testing.T, registry *npmtest.Registry) {
	b := newBench(t, registry, "notes", project.Republish)
	seed(t, registry, "notes")
	f := b.plan("1.4.0", b.pack("1.4.0", map[string]string{
		"package.json": `{"name":"notes","version":"1.4.0","publishConfig":{"tag":"latest","registry":"http://127.0.0.1:1"}}`,
	}))
	if done := b.beta(f); done.Note != "publishConfig in package.json is ignored: the project file decides" {
		t.Errorf("the note is %q", done.Note)
	}
	b.wantTags("latest", "0.0.1", "beta", "1.4.0-beta.0")
	// Without a name in the project file the package's own is taken, in Undo too.
	p, err := Publish(project.NPM{Registry: registry.URL, TokenFile: b.cfg.TokenFile}, withWaits(quick()))
	if err != nil {
		t.Fatal(err)
	}
	if done, err := p.Do(t.Context(), f); err != nil || !done.Existed {
		t.Errorf("%+v, %v", done, err)
	}
	if back, err := p.Undo(t.Context(), f, driver.Back{}); err != nil || back.Value != "" {
		t.Errorf("%+v, %v", back, err)
	}
	b.wantTags("latest", "0.0.1")
}

// The token stays with the registry: neither a redirect nor the address of a tarball takes it elsewhere.
func testRedirects(t *testing.T, registry *npmtest.Registry) {
	var mu sync.Mutex
	leaked, asked := "", 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		leaked += r.Header.Get("Authorization")
		http.Redirect(w, r, registry.URL+r.URL.String(), http.StatusTemporaryRedirect)
	}))
	t.Cleanup(elsewhere.Close)
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return asked
	}
	away := func(status int) npmtest.Fault {
		return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(w, r, elsewhere.URL+r.URL.String(), status)
		}
	}

	b := newBench(t, registry, "redirects", project.Republish)
	seed(t, registry, "redirects")
	f := b.plan("1.4.0", b.pack("1.4.0", nil))
	for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect} {
		b.once(http.MethodPut, "/redirects", away(status))
		_, err := b.publish.Do(t.Context(), f)
		b.wantRefused(err, "it redirects")
	}
	if count() != 0 {
		t.Error("a write was redirected")
	}
	b.front.Faults(func(r *http.Request) npmtest.Fault {
		if r.Method == http.MethodGet {
			return away(http.StatusFound)
		}
		return nil
	})
	b.beta(f)
	if _, err := b.promote.Do(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	// The registry keeps its tarballs at another origin.
	f = b.plan("1.5.0", b.pack("1.5.0", nil))
	b.front.Faults(func(r *http.Request) npmtest.Fault {
		if r.URL.Path != "/redirects" || r.Method != http.MethodGet {
			return nil
		}
		return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
			rec := httptest.NewRecorder()
			r.Header.Set("Accept-Encoding", "identity")
			pass.ServeHTTP(rec, r)
			_, _ = w.Write(bytes.ReplaceAll(rec.Body.Bytes(), []byte(b.front.URL), []byte(elsewhere.URL)))
		}
	})
	b.beta(f)
	redirected := count()
	if _, err := b.promote.Do(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if redirected == 0 || count() == redirected || leaked != "" {
		t.Errorf("%d redirected requests, %d with those for tarballs, with the tokens %q", redirected, count(), leaked)
	}
}
