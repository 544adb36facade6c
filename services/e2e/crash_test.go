package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// TestKilledAtEveryStep kills each service as each record of the journal is on its way, for a release that is promoted and
// for one that is cancelled, and starts it again a minute later. The record is published already, but the service never
// learns whether it was stored. With the race detector, which makes this five times slower, it does every twelfth of them; `make test`
// does all of them without.
func TestKilledAtEveryStep(t *testing.T) {
	const id = "01970000-0000-7000-8000-000000000001"
	promoted := []string{"merged", "publishing", "published", "staging", "staged", "soaking", "promoting", "promoted"}
	cancelled := append(promoted[:6:6], "cancelled", "restoring", "restored")
	n := 0
	for _, victim := range all() {
		for name, steps := range map[string][]string{"promoted": promoted, "cancelled": cancelled} {
			for _, step := range steps {
				if n++; raceDetector && n%12 != 0 {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%s", victim, name, step), func(t *testing.T) {
					bubble(t, func(w *world) {
						w.apply("tracer", "soak: { delay: 2h }")
						w.start(all()...)
						w.untilPhase(w.merge("tracer", "1.3.0"), release.Promoted)

						dead := make(chan struct{})
						w.onRecord(id, release.Phase(step), func() {
							w.services[victim].nc.Close()
							close(dead)
						})
						w.merge("tracer", "1.4.0", func(m *releasepb.MergeEvent) { m.ID = id })
						if name == "cancelled" {
							w.until(id, "soaking or further", func(s release.State) bool {
								return s.Phase == release.Soaking || s.Phase.Ended() || isClosed(dead)
							})
							w.ask("cancel", id, "ana", "no")
						}
						<-dead
						w.kill(victim)
						time.Sleep(time.Minute)
						w.start(victim)
						w.endsRight(id, release.Phase(name))
					})
				})
			}
		}
	}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// endsRight waits for the end and checks that the outside world is as it should be after it, and that nothing was done
// twice: one end, one claim that led to it, one record of each publish.
func (w *world) endsRight(id string, want release.Phase) {
	w.Helper()
	w.untilPhase(id, want)
	w.until(id, "done with", putBack)
	w.laneIsFree("tracer")
	version := map[release.Phase]string{release.Promoted: "1.4.0", release.Cancelled: "1.3.0"}[want]
	w.equal("latest", w.channel("tracer", "latest"), version)
	w.equal("beta", w.channel("tracer", "beta"), version)
	w.equal("staging", w.staging.version("tracer"), version)
	ends := 0
	for _, r := range w.records(id) {
		if p := release.Phase(r.Type); p.Ended() {
			ends++
		}
	}
	if ends != 1 {
		w.Errorf("the release ended %d times\n%s", ends, w.story(id))
	}
	w.audited("tracer")
}

// audited waits until the chain has the end of every release of a project, each once, and looks for a break.
func (w *world) audited(project string) {
	w.Helper()
	var v journal.Verified
	for range 100 {
		var err error
		if v, err = w.journal.Verify(w.Context(), project, audit.Expect{}); err != nil {
			w.Fatal(err)
		}
		if v.Links > 0 && v.Unlinked == 0 && v.Open == 0 {
			return
		}
		time.Sleep(time.Second) // in a bubble
	}
	w.Errorf("the chain of %s lacks something: %+v", project, v)
}
