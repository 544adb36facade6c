package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

const baked = tenMinutes + `bake:
  for: 30m
  watch:
    - { name: errors, signal: { max: 0 } }
    - { name: health, http: { url: "http://www.test/healthz" }, interval: 10s, failures: 3 }
`

// bakes takes a release of tracer to its bake, with 1.3.0 before it.
func (w *world) bakes() (string, release.State) {
	w.Helper()
	w.apply("tracer", baked)
	w.start(all()...)
	w.promotes("tracer", "1.3.0")
	id, s := w.soaks("tracer", "1.4.0")
	s = w.promotedAt(id, s.Due, time.Second)
	w.equal("its phase", s.Phase, release.Baking)
	w.equal("latest", w.channel("tracer", "latest"), "1.4.0")
	return id, s
}

// TestBake: everybody gets the release, but it ends, and makes way, only when the bake is over.
func TestBake(t *testing.T) {
	bubble(t, func(w *world) {
		id, s := w.bakes()
		w.contains("a cancel", w.refused(id, w.ask("cancel", id, "ana", "")), "roll it back instead")
		next := w.merge("tracer", "1.5.0")
		w.equal("the next one is behind", w.untilPhase(next, release.Queued).Behind, id)
		for _, name := range all() {
			w.kill(name)
		}
		w.start(all()...)
		w.sleepTo(s.PhaseAt.Add(30*time.Minute - time.Second))
		w.equal("its phase before the end", w.load(id).Phase, release.Baking)
		s = w.untilPhase(id, release.Promoted)
		w.contains("the note", s.Latest.Note, "baked for 30m", "watched for 30m")
		w.untilPhase(next, release.Soaking)
		w.equal("latest", w.channel("tracer", "latest"), "1.4.0")
		w.equal("what was put back", w.count(id, "restored"), 0)
	})
}

// TestBakeOfAPerson: somebody sees what no check sees.
func TestBakeOfAPerson(t *testing.T) {
	bubble(t, func(w *world) {
		id, s := w.bakes()
		next := w.merge("tracer", "1.5.0")
		w.untilPhase(next, release.Queued)
		w.sleepTo(s.PhaseAt.Add(10 * time.Minute))
		w.ask("rollback", id, "ana", "login is broken")
		w.tookBack(id, "ana", "login is broken")
		w.equal("the next one", w.untilPhase(next, release.Soaking).Phase, release.Soaking)
		w.equal("staging", w.staging.version("tracer"), "1.5.0")
	})
}

// TestBakeRollbackFails: it is not rolled back and says so; it bakes no more, and makes way.
func TestBakeRollbackFails(t *testing.T) {
	bubble(t, func(w *world) {
		id, _ := w.bakes()
		w.outside.breaks("tracer", driver.Promote, undo, "the other side is down")
		w.ask("rollback", id, "ana", "login is broken")
		s := w.untilPhase(id, release.Promoted)
		w.contains("the note", s.Latest.Note, "rollback failed", "the other side is down")
		w.contains("what somebody should look at", w.attention(id, "rollback-failed"), "not rolled back")
		w.laneIsFree("tracer")
		w.equal("latest", w.channel("tracer", "latest"), "1.4.0")
	})
}

// tookBack waits for the end of a rollback in the bake, and checks that all is as it was before the release.
func (w *world) tookBack(id, by, why string) release.State {
	w.Helper()
	s := w.untilPhase(id, release.RolledBack)
	w.equal("who", s.End.By, by)
	w.contains("why", s.End.Reason, why)
	w.equal("latest", w.channel("tracer", "latest"), "1.3.0")
	return w.until(id, "put back", putBack)
}

// TestBakeWithAFailingCheck: production errs, by a signal or by its health: the watcher takes the release back within moments,
// staging is put back, and the lane is free.
func TestBakeWithAFailingCheck(t *testing.T) {
	for name, err := range map[string]func(w *world){
		"errors": func(w *world) {
			if _, err := w.js.Publish(w.Context(), topology.Signal("tracer", ""), []byte("login failed")); err != nil {
				w.Fatal(err)
			}
		},
		"health": func(w *world) { w.outside.says("www.test", http.StatusInternalServerError) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				id, s := w.bakes()
				w.sleepTo(s.PhaseAt.Add(10 * time.Minute))
				w.equal("its phase while all is well", w.load(id).Phase, release.Baking)
				began := time.Now()
				err(w)
				s = w.tookBack(id, theWatcher, name)
				if took := s.End.At.Sub(began); took > 31*time.Second {
					w.Errorf("it was rolled back %s after production failed\n%s", took, w.story(id))
				}
				w.contains("the evidence", s.Evidence, name)
				w.equal("beta", w.channel("tracer", "beta"), "1.3.0")
				w.equal("staging", w.staging.version("tracer"), "1.3.0")
				w.laneIsFree("tracer")
			})
		})
	}
}
