package e2e_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// TestLaneIsNotTakenFromWhoWasRetried: a release fails that has a lane, and a stager that has read so is about to free the lane
// when it stops. Until it goes on the release is retried, and is back in the same lane.
func TestLaneIsNotTakenFromWhoWasRetried(t *testing.T) {
	for name, waits := range map[string]bool{"as its owner": false, "in its queue": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.apply("tracer", "soak: { delay: 1h, collision: queue }")
				w.start(all()...)
				w.promotes("tracer", "1.0.0")
				if waits {
					w.soaks("tracer", "1.0.1")
				}
				a := w.failsWithItsPlace("tracer", "1.1.0")
				failed := w.load(a)
				r, last, err := w.journal.Lane(w.Context(), "tracer")
				if err != nil || (r.Owner == a) == waits {
					t.Fatalf("%+v %v", r, err)
				}
				w.ask("retry", a, "ana", "it is up again")
				w.until(a, "published", func(s release.State) bool { return s.Phase == release.Published })
				w.start(theStager) // another instance
				if waits {
					w.untilPhase(a, release.Queued)
				} else {
					w.untilPhase(a, release.Soaking)
				}
				// The one that had stopped goes on.
				if _, err := w.journal.SetLane(w.Context(), "tracer", lane.Leave(r, failed), last); !errors.Is(err, journal.ErrConflict) {
					t.Errorf("the lane of who was retried is freed by what was read before: %v", err)
				}
				b := w.merge("tracer", "1.2.0")
				w.untilPhase(b, release.Queued)
				w.untilPhase(a, release.Promoted)
				w.untilPhase(b, release.Promoted)
				w.laneIsFree("tracer")
			})
		})
	}
}

// failsWithItsPlace merges a release that reserves its place in its lane, and then fails to be published when no stager runs any
// more: nobody has taken it out of the lane. The publisher is mended.
func (w *world) failsWithItsPlace(name, version string) string {
	w.Helper()
	const id = "01970000-0000-7000-8000-000000000001"
	w.outside.breaks(name, driver.Publish, do, "the registry is down")
	reserved := make(chan struct{}, 9)
	sub, err := w.js.Conn().Subscribe(topology.Lane(name), func(m *nats.Msg) {
		r, err := releasepb.DecodeLane(m.Data)
		if err == nil && (r.Owner == id || len(r.Waiting) > 0) {
			reserved <- struct{}{}
		}
	})
	if err != nil {
		w.Fatal(err)
	}
	w.outside.first(name, driver.Publish, do, func() {
		<-reserved
		time.Sleep(time.Second) // in a bubble: what the reserving led to is done
		w.kill(theStager)
	})
	w.mergeAs(id, name, version)
	w.untilPhase(id, release.Failed)
	w.until(id, "put back", putBack)
	w.outside.mends()
	if err := sub.Unsubscribe(); err != nil {
		w.Fatal(err)
	}
	return id
}
