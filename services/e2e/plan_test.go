package e2e_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/services/publisher"
)

// TestPlanningHangs: what is read before the publishing begins may never come to an end, as the read of an artifact from a broker
// that was lost. It is given up after the action's timeout, and tried again.
func TestPlanningHangs(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "soak: { delay: 1h }")
		w.start(theStager, theWatcher, thePromoter)
		nc, err := w.server.Connect()
		if err != nil {
			w.Fatal(err)
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			w.Fatal(err)
		}
		env, err := service.Open(w.Context(), "publisher", "publisher-0", js, w.log, service.NewMetrics())
		if err != nil {
			w.Fatal(err)
		}
		var hung atomic.Bool
		open := func(p *project.Project, a project.Action, role driver.Role) (driver.Driver, error) {
			d, err := w.open(p, a, role)
			if beta, ok := d.(driver.Publisher); ok && hung.CompareAndSwap(false, true) {
				return hanging{beta}, err
			}
			return d, err
		}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- publisher.Run(ctx, env, publisher.Config{Open: open}) }()

		id := w.merge("tracer", "1.4.0")
		merged := w.untilPhase(id, release.Merged).PhaseAt
		s := w.untilPhase(id, release.Soaking)
		if took := s.StagedAt.Sub(merged); took < project.DefaultActionTimeout || took > project.DefaultActionTimeout+time.Minute {
			w.Errorf("it was staged %s after the merge", took)
		}
		w.untilPhase(id, release.Promoted)
		stop()
		if err := <-done; err != nil {
			w.Error(err)
		}
	})
}

// hanging is a driver whose plan does not come to an end by itself.
type hanging struct{ driver.Publisher }

func (hanging) Plan(ctx context.Context, _ driver.Facts) (driver.Plan, error) {
	<-ctx.Done()
	return driver.Plan{}, ctx.Err()
}
