package e2e_test

import (
	"context"
	"errors"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/release"
)

// TestWhyADeploymentEnds: a driver in the middle of a deployment learns that its release was cancelled, so that it stops what it began
// elsewhere; a stager that stops leaves that alone, because the next attempt follows it.
func TestWhyADeploymentEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end       func(w *world, id string)
		cancelled bool
	}{
		"the release is cancelled": {func(w *world, id string) { w.ask("cancel", id, "ana", "no") }, true},
		"the stager stops":         {func(w *world, _ string) { w.drain(theStager) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				const id = "01970000-0000-7000-8000-000000000001"
				began, why := make(chan struct{}), make(chan error, 1)
				w.staging.during = func(ctx context.Context, f driver.Facts) {
					if f.Attempt > 1 {
						return
					}
					close(began)
					<-ctx.Done()
					why <- context.Cause(ctx)
				}
				w.apply("tracer", "soak: { delay: 2h }")
				w.start(all()...)
				w.mergeAs(id, "tracer", "1.4.0")
				<-began
				c.end(w, id)
				if cause := <-why; errors.Is(cause, driver.ErrCancelled) != c.cancelled {
					t.Errorf("it ends because %v", cause)
				}
				if !c.cancelled {
					w.start(theStager)
					w.untilPhase(id, release.Promoted)
					return
				}
				w.untilPhase(id, release.Cancelled)
				w.until(id, "put back", putBack)
				w.equal("staging", w.staging.version("tracer"), "")
			})
		})
	}
}
