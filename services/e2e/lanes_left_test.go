package e2e_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// TestStagingIsLeftToTheNext: after a cancel staging is not put back when the next one of the project is deployed there anyway. When
// that never is, for whatever reason, staging does not keep what was cancelled.
func TestStagingIsLeftToTheNext(t *testing.T) {
	const a, b, c = "01970000-0000-7000-8000-00000000000a", "01970000-0000-7000-8000-00000000000b", "01970000-0000-7000-8000-00000000000c"
	for name, then := range map[string]struct {
		waits   []string       // who waits for the lane
		happens func(w *world) // what happens to them when a is cancelled
		ends    release.Phase  // b's
		staging string         // what runs there at the end
		note    string         // how a says that it was put back
	}{
		"it is deployed": {
			waits: []string{b}, happens: func(w *world) { w.ask("cancel", a, "ana", "no") },
			ends: release.Promoted, staging: "1.2.0", note: "release " + b + " was deployed in its place",
		},
		"it is cancelled before": {
			waits: []string{b}, happens: func(w *world) { w.diesWhenLaneIs(b, a); w.cancels(b); w.start(theStager) },
			ends: release.Cancelled, staging: "1.0.0",
		},
		"it is cancelled before, and left to another": {
			waits: []string{b, c}, happens: func(w *world) { w.diesWhenLaneIs(b, a); w.cancels(b); w.start(theStager) },
			ends: release.Cancelled, staging: "1.3.0", note: "release " + c + " was deployed in its place",
		},
		"both are cancelled before": {
			waits: []string{b, c}, happens: func(w *world) { w.diesWhenLaneIs(b, a); w.cancels(b); w.cancels(c); w.start(theStager) },
			ends: release.Cancelled, staging: "1.0.0",
		},
		"its deployment fails": {
			waits: []string{b}, happens: func(w *world) {
				w.outside.breaks("tracer", driver.Deploy, do, "no space left")
				w.ask("cancel", a, "ana", "no")
			},
			ends: release.Failed, staging: "1.0.0",
		},
		"its deployment is cancelled": {
			waits: []string{b}, happens: func(w *world) {
				w.outside.fails("tracer", driver.Deploy, do, "come back later")
				w.ask("cancel", a, "ana", "no")
				w.untilPhase(b, release.Staging)
				w.cancels(b)
			},
			ends: release.Cancelled, staging: "1.0.0",
		},
		"the stager dies while it is deployed": {
			waits: []string{b}, happens: func(w *world) {
				w.diesWhen(topology.Release(b), func(m *nats.Msg) bool {
					r, err := releasepb.DecodeRecord(m.Data)
					return err == nil && r.Type == string(release.Staging)
				}, func() { w.ask("cancel", a, "ana", "no") })
				w.start(theStager)
			},
			ends: release.Promoted, staging: "1.2.0", note: "release " + b + " was deployed in its place",
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.apply("tracer", "soak: { delay: 1h, collision: queue }")
				w.start(all()...)
				w.promotes("tracer", "1.0.0")
				w.mergeAs(a, "tracer", "1.1.0")
				w.untilPhase(a, release.Soaking)
				for _, id := range then.waits {
					w.mergeAs(id, "tracer", map[string]string{b: "1.2.0", c: "1.3.0"}[id])
					w.untilPhase(id, release.Queued)
				}
				then.happens(w)
				w.until(a, "put back", putBack)
				w.contains("how it was put back", w.load(a).Staging.Note, then.note)
				w.untilPhase(b, then.ends)
				for _, id := range then.waits {
					w.until(id, "done with", putBack)
				}
				w.laneIsFree("tracer")
				w.equal("staging", w.staging.version("tracer"), then.staging)
			})
		})
	}
}

// cancels cancels a release and waits until it is.
func (w *world) cancels(id string) {
	w.Helper()
	w.ask("cancel", id, "ana", "nor this")
	w.untilPhase(id, release.Cancelled)
}

// diesWhenLaneIs cancels a release, and kills the stager when the lane of tracer goes to another.
func (w *world) diesWhenLaneIs(owner, cancelled string) {
	w.Helper()
	w.diesWhen(topology.Lane("tracer"), func(m *nats.Msg) bool {
		r, err := releasepb.DecodeLane(m.Data)
		return err == nil && r.Owner == owner
	}, func() { w.ask("cancel", cancelled, "ana", "no") })
}

// diesWhen kills the stager as soon as such a message is on its way, which comes of what is done here.
func (w *world) diesWhen(subject string, when func(*nats.Msg) bool, done func()) {
	w.Helper()
	nc, died := w.services[theStager].nc, make(chan struct{})
	sub, err := w.js.Conn().Subscribe(subject, func(m *nats.Msg) {
		if when(m) && !nc.IsClosed() {
			nc.Close()
			close(died)
		}
	})
	if err != nil {
		w.Fatal(err)
	}
	done()
	<-died
	if err := sub.Unsubscribe(); err != nil {
		w.Fatal(err)
	}
	w.kill(theStager)
	time.Sleep(time.Second) // in a bubble
}
