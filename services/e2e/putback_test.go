package e2e_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/release"
)

// TestWhatCouldNotBePutBackIsSaid: nobody tries for ever, and nobody keeps it to himself either.
func TestWhatCouldNotBePutBackIsSaid(t *testing.T) {
	for name, role := range map[release.Work]driver.Role{release.RestoreBeta: driver.Publish, release.RestoreStaging: driver.Deploy} {
		for how, breaks := range map[string]func(*outside, string, driver.Role, string, string){
			"refused": (*outside).breaks, "given up": (*outside).fails,
		} {
			t.Run(string(name)+"/"+how, func(t *testing.T) {
				bubble(t, func(w *world) {
					w.apply("tracer", tenMinutes)
					w.start(all()...)
					w.promotes("tracer", "1.3.0")
					id, _ := w.soaks("tracer", "1.4.0")
					breaks(w.outside, "tracer", role, undo, "the disk is read-only")
					w.ask("cancel", id, "ana", "no")
					w.until(id, "put back", putBack)
					w.laneIsFree("tracer")
					why, failed := w.load(id).NotPutBack(name)
					w.equal("not put back", failed, true)
					w.contains("why", why, "could not be put back: ", "the disk is read-only")
					said := ""
					for _, r := range w.records(id) {
						if e, ok := r.Event.(release.WasDone); ok && e.Work == name {
							said = w.header(r)
						}
					}
					w.contains("what somebody should look at", said, string(name), "the disk is read-only")
					tries := w.count(id, "restoring")
					time.Sleep(time.Hour)
					w.equal("how often it is tried", w.count(id, "restoring"), tries)
				})
			})
		}
	}
}

// TestRetryOfWhatCouldNotBePutBack: the beta channel goes back to what it pointed to before the first attempt.
func TestRetryOfWhatCouldNotBePutBack(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", tenMinutes)
		w.start(all()...)
		w.promotes("tracer", "1.3.0")
		w.outside.breaks("tracer", driver.Deploy, do, "no space left")
		w.outside.breaks("tracer", driver.Publish, undo, "the disk is read-only")
		id := w.merge("tracer", "1.4.0")
		w.untilPhase(id, release.Failed)
		w.until(id, "put back", putBack)
		w.equal("beta", w.channel("tracer", "beta"), "1.4.0")
		w.outside.mends()
		w.ask("retry", id, "ana", "")
		s := w.untilPhase(id, release.Soaking)
		w.contains("what the beta channel pointed to before", s.BetaChannel.Before, "1.3.0")
		w.ask("cancel", id, "ana", "no")
		w.untilPhase(id, release.Cancelled)
		w.until(id, "put back", putBack)
		w.equal("beta", w.channel("tracer", "beta"), "1.3.0")
		if _, failed := w.load(id).NotPutBack(release.RestoreBeta); failed {
			t.Error("it is put back, and said not to be")
		}
	})
}
