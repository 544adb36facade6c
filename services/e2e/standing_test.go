package e2e_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// TestCancelThatNobodyAnsweredYet: somebody cancels a release and merges another one of its version, or into its lane, where nothing may
// wait, while there is no promoter. The other one is not refused for what is over.
func TestCancelThatNobodyAnsweredYet(t *testing.T) {
	for name, other := range map[string]string{"the same version": "1.4.0", "the same lane": "1.5.0"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.apply("tracer", "soak: { delay: 1h, collision: reject }")
				w.start(all()...)
				first := w.merge("tracer", "1.4.0")
				w.untilPhase(first, release.Soaking)
				w.kill(thePromoter)
				w.ask("cancel", first, "ana", "the login is broken")
				second := w.merge("tracer", other, func(m *releasepb.MergeEvent) { m.Commit = "mended" })
				time.Sleep(time.Minute)
				synctest.Wait()
				w.equal("the second while nobody answers", w.load(second).Phase, release.Merged)
				w.start(thePromoter)
				w.untilPhase(first, release.Cancelled)
				w.untilPhase(second, release.Promoted)
			})
		})
	}
}
