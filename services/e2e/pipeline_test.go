package e2e_test

import (
	"testing"

	"github.com/sluice-gate/sluice/pkg/release"
)

func TestNoDelay(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "soak: { delay: 0s }")
		w.start(thePublisher, theStager, thePromoter)
		id := w.merge("tracer", "1.4.0")
		w.untilPhase(id, release.Promoted)
		w.Log(w.story(id))
		if got := w.channel("tracer", "latest"); got != "1.4.0" {
			t.Errorf("latest is %q", got)
		}
	})
}
