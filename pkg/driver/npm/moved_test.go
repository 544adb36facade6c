package npm

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/npmtest"
	"github.com/sluice-gate/sluice/pkg/project"
)

// Somebody else moves the tag right after the driver did.
func testMovedMeanwhile(t *testing.T, registry *npmtest.Registry) {
	interfere := func(b *bench, path string, before bool, act func()) {
		done := false
		b.front.Faults(func(r *http.Request) npmtest.Fault {
			if done || r.Method != http.MethodPut || !strings.HasSuffix(r.URL.Path, path) {
				return nil
			}
			done = true
			return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
				if before {
					act()
				}
				pass.ServeHTTP(w, r)
				if !before {
					act()
				}
			}
		})
	}
	t.Run("back", func(t *testing.T) { // repaired
		t.Parallel()
		b := newBench(t, registry, "moved-back", project.Retag)
		seed(t, registry, "moved-back")
		f := b.plan("1.4.0", b.pack("1.4.0", nil))
		b.beta(f)
		interfere(b, "/latest", false, func() { tag(t, registry, "moved-back", latest, "0.0.1") })
		if done, err := b.promote.Do(t.Context(), f); err != nil || done.Value != "1.4.0" {
			t.Errorf("%+v, %v", done, err)
		}
		b.wantTags("latest", "1.4.0", "beta", "1.4.0")
	})
	t.Run("back, later", func(t *testing.T) { // after the driver has read its own write: repaired
		t.Parallel()
		b := newBench(t, registry, "moved-later", project.Retag)
		seed(t, registry, "moved-later")
		f := b.plan("1.4.0", b.pack("1.4.0", nil))
		b.beta(f)
		reads := -1 // since the write
		b.front.Faults(func(r *http.Request) npmtest.Fault {
			if r.Method == http.MethodPut && reads < 0 {
				reads = 0
			}
			if r.Method == http.MethodGet && reads >= 0 {
				reads++
			}
			if reads != 2 {
				return nil
			}
			return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
				tag(t, registry, "moved-later", latest, "0.0.1")
				pass.ServeHTTP(w, r)
			}
		})
		if done, err := b.promote.Do(t.Context(), f); err != nil || done.Value != "1.4.0" {
			t.Errorf("%+v, %v", done, err)
		}
		b.wantTags("latest", "1.4.0", "beta", "1.4.0")
	})
	t.Run("on", func(t *testing.T) { // left there
		t.Parallel()
		b := newBench(t, registry, "moved-on", project.Retag)
		seed(t, registry, "moved-on")
		put(t, registry, b.pack("1.5.0", nil), "other")
		f := b.plan("1.4.0", b.pack("1.4.0", nil))
		b.beta(f)
		interfere(b, "/latest", false, func() { tag(t, registry, "moved-on", latest, "1.5.0") })
		_, err := b.promote.Do(t.Context(), f)
		b.wantRefused(err, "points to 1.5.0, which is newer")
		b.wantTags("latest", "1.5.0", "beta", "1.4.0", "other", "1.5.0")
	})
	t.Run("on, before our own write", func(t *testing.T) { // which takes the channel back, and repairs it
		t.Parallel()
		b := newBench(t, registry, "moved-before", project.Republish)
		seed(t, registry, "moved-before")
		f := b.plan("1.4.0", b.pack("1.4.0", nil))
		b.beta(f)
		newer := b.pack("1.5.0", nil)
		interfere(b, "/moved-before", true, func() { put(t, registry, newer, latest) })
		_, err := b.promote.Do(t.Context(), f)
		b.wantRefused(err, "it points there again")
		b.wantTags("latest", "1.5.0", "beta", "1.4.0-beta.0")
	})
	t.Run("beyond recognition", func(t *testing.T) { // given up
		t.Parallel()
		b := newBench(t, registry, "moved-always", project.Retag)
		seed(t, registry, "moved-always")
		f := b.plan("1.4.0", b.pack("1.4.0", nil))
		b.beta(f)
		b.front.Faults(func(r *http.Request) npmtest.Fault {
			if r.Method != http.MethodPut {
				return nil
			}
			return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(http.StatusOK) }
		})
		_, err := b.promote.Do(t.Context(), f)
		b.wantAgain(err, "does not stay at 1.4.0")
		_, err = b.publish.Undo(t.Context(), f, driver.Back{Value: "0.0.1"})
		b.wantAgain(err, "does not go back to 0.0.1")
	})
	t.Run("while it is undone", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, registry, "moved-undone", project.Retag)
		seed(t, registry, "moved-undone")
		f := b.plan("1.4.0", b.pack("1.4.0", nil))
		b.beta(f)
		put(t, registry, b.pack("1.5.0", nil), "other")
		b.once(http.MethodPut, "/beta", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			tag(t, registry, "moved-undone", "beta", "1.5.0")
			w.WriteHeader(http.StatusBadGateway)
		})
		_, err := b.publish.Undo(t.Context(), f, driver.Back{Value: "0.0.1"})
		b.wantAgain(err, "was moved to 1.5.0 meanwhile")
		b.front.Faults(nil)
		if done, err := b.publish.Undo(t.Context(), f, driver.Back{Value: "0.0.1"}); err != nil || !strings.Contains(done.Note, "left alone") {
			t.Errorf("%+v, %v", done, err)
		}
	})
}
