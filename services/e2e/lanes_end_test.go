package e2e_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/release"
)

// follows checks that b was let into the lane as soon as a had ended.
func (w *world) follows(b, a string) {
	w.Helper()
	before := w.until(a, "done with", putBack)
	w.until(b, "in staging", func(s release.State) bool { return s.Staging.Touched })
	for _, r := range w.records(b) {
		if r.Type != string(release.Staging) {
			continue
		}
		if wait := r.at.Sub(before.End.At); wait < 0 || wait > time.Second {
			w.Errorf("%s %s was let in %s after %s %s was %s",
				r.State.Project, r.State.Version, wait, before.Project, before.Version, before.Phase)
		}
		return
	}
}

// TestEveryEndFreesASharedLane: three projects with different policies share a staging; whatever becomes of the one in it, the
// next is let in at once.
func TestEveryEndFreesASharedLane(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "lane: staging-eu\nsoak: { delay: 1h, collision: queue }")
		w.apply("router", "lane: staging-eu\nsoak: { delay: 1h, collision: newest }")
		w.apply("web", "lane: staging-eu\nsoak: { delay: 1h, collision: supersede }")
		w.broken = func(r driver.Role, f driver.Facts) error {
			if r == driver.Deploy && f.Project+f.Version == "router2.0.0" || r == driver.Promote && f.Project+f.Version == "web3.1.0" {
				return driver.Refusef("no space left")
			}
			return nil
		}
		w.start(all()...)
		waits := func(name, version string) string {
			id := w.merge(name, version)
			w.untilPhase(id, release.Queued)
			return id
		}
		tracer1 := w.merge("tracer", "1.0.0")
		w.untilPhase(tracer1, release.Soaking)
		router2, web30 := waits("router", "2.0.0"), waits("web", "3.0.0")

		w.ask("cancel", tracer1, "ana", "no")
		w.untilPhase(tracer1, release.Cancelled)
		w.follows(router2, tracer1)
		w.equal("staging of tracer", w.staging.version("tracer"), "")

		w.untilPhase(router2, release.Failed) // to deploy
		w.follows(web30, router2)

		w.untilPhase(web30, release.Soaking)
		web31 := w.merge("web", "3.1.0")
		if s := w.untilPhase(web30, release.Cancelled); s.End.By != "stager" {
			w.Errorf("cancelled by %s", s.End.By)
		}
		w.follows(web31, web30)

		tracer11 := waits("tracer", "1.1.0")
		w.untilPhase(web31, release.Failed) // to be promoted
		w.follows(tracer11, web31)

		router21 := waits("router", "2.1.0")
		tracer12 := waits("tracer", "1.2.0")
		router22 := waits("router", "2.2.0")
		w.untilPhase(router21, release.Superseded)
		w.untilPhase(tracer11, release.Promoted)
		w.follows(router22, tracer11) // in the place of the one that it displaced
		w.untilPhase(router22, release.Promoted)
		w.follows(tracer12, router22)
		w.untilPhase(tracer12, release.Promoted)
		w.laneIsFree("staging-eu")
		w.equal("latest of web", w.channel("web", "latest"), "")
	})
}

// TestOwnerEndedWhileEveryStagerWasDown: the lane is free as soon as a stager is back, for the first who is still to come.
func TestOwnerEndedWhileEveryStagerWasDown(t *testing.T) {
	if tooSlow(t) {
		return
	}
	for name, end := range map[string]struct {
		asks []int // who is cancelled meanwhile
		want []release.Phase
	}{
		"promoted":           {nil, []release.Phase{release.Promoted, release.Promoted, release.Promoted}},
		"cancelled":          {[]int{0}, []release.Phase{release.Cancelled, release.Promoted, release.Promoted}},
		"the next as well":   {[]int{0, 1}, []release.Phase{release.Cancelled, release.Cancelled, release.Promoted}},
		"the next before it": {[]int{1, 0}, []release.Phase{release.Cancelled, release.Cancelled, release.Promoted}},
		"all of them":        {[]int{0, 1, 2}, []release.Phase{release.Cancelled, release.Cancelled, release.Cancelled}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				ids := three(w, "soak: { delay: 1h, collision: queue }")
				w.kill(theStager)
				for _, i := range end.asks {
					w.ask("cancel", ids[i], "ana", "no")
					w.untilPhase(ids[i], release.Cancelled)
				}
				w.untilPhase(ids[0], end.want[0])
				time.Sleep(2 * time.Hour)
				back := w.now()
				w.start(theStager)
				for i, want := range end.want {
					w.untilPhase(ids[i], want)
				}
				for _, id := range ids[1:] {
					s := w.until(id, "done with", putBack)
					if s.StagedAt.IsZero() {
						continue
					}
					if wait := s.StagedAt.Sub(back); wait > 5*time.Second {
						w.Errorf("%s was staged %s after the stager was back", s.Version, wait)
					}
					break
				}
				w.laneIsFree("tracer")
				version := map[bool]string{true: "1.2.0", false: ""}[end.want[2] == release.Promoted]
				w.equal("staging", w.staging.version("tracer"), version)
			})
		})
	}
}

// TestEndedOnesAreSeenOut: should ended releases ever stand in a lane's record, as owner or in the queue, whoever comes next sees
// them out, and who follows is told.
func TestEndedOnesAreSeenOut(t *testing.T) {
	bubble(t, func(w *world) {
		ids := three(w, "soak: { delay: 1h, collision: queue }")
		var ended [2]string
		for i := range ended {
			ended[i] = w.merge("tracer", map[int]string{0: "0.1.0", 1: "0.2.0"}[i])
			w.untilPhase(ended[i], release.Queued)
			w.ask("cancel", ended[i], "ana", "no")
			w.untilPhase(ended[i], release.Cancelled)
		}
		time.Sleep(time.Minute)
		r, last, err := w.journal.Lane(w.Context(), "tracer")
		if err != nil || len(r.Waiting) != 2 {
			w.Fatalf("%+v, %v", r, err)
		}
		ghost := func(id string) lane.Waiting { return lane.Waiting{Release: id, Project: "tracer", Order: 1} }
		r.Waiting = []lane.Waiting{ghost(ended[0]), r.Waiting[0], ghost(ended[1]), r.Waiting[1]}
		if _, err = w.journal.SetLane(w.Context(), "tracer", r, last); err != nil {
			w.Fatal(err)
		}
		w.untilPhase(ids[0], release.Promoted)
		w.follows(ids[1], ids[0])
		w.untilPhase(ids[1], release.Soaking)

		r, last, err = w.journal.Lane(w.Context(), "tracer")
		if err != nil {
			w.Fatal(err)
		}
		r.Owner = ended[0] // and nobody will come for it
		if _, err = w.journal.SetLane(w.Context(), "tracer", r, last); err != nil {
			w.Fatal(err)
		}
		four := w.merge("tracer", "1.3.0")
		w.until(ids[2], "in staging", func(s release.State) bool { return s.Staging.Touched })
		if s := w.untilPhase(four, release.Queued); s.Behind != ids[2] {
			w.Errorf("behind %s", s.Behind)
		}
		w.untilPhase(ids[1], release.Soaking) // it did not come of its end
		w.untilPhase(ids[2], release.Promoted)
		w.untilPhase(four, release.Promoted)
		w.laneIsFree("tracer")
	})
}

// TestStagingIsNotLeftToWhoMayNeverCome: after a cancel, staging is put back also when the next of the queue is not published
// yet, for it may never be.
func TestStagingIsNotLeftToWhoMayNeverCome(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "soak: { delay: 1h, collision: queue }")
		w.start(all()...)
		w.untilPhase(w.merge("tracer", "1.0.0"), release.Promoted)
		bad := w.merge("tracer", "1.1.0")
		w.untilPhase(bad, release.Soaking)
		next := w.merge("tracer", "1.2.0")
		died := make(chan struct{})
		w.onRecord(next, release.Publishing, func() {
			w.services[thePublisher].nc.Close()
			close(died)
		})
		<-died
		w.kill(thePublisher)
		w.until(next, "publishing", func(s release.State) bool { return s.Phase == release.Merged || s.Phase == release.Publishing })
		w.ask("cancel", bad, "ana", "no")
		w.until(bad, "put back in staging", func(s release.State) bool { return s.Phase.Ended() && !s.Needs(release.RestoreStaging) })
		w.ask("cancel", next, "ana", "nor this")
		w.untilPhase(next, release.Cancelled)
		w.laneIsFree("tracer")
		w.start(thePublisher)
		w.until(next, "put back", putBack)
		w.equal("staging", w.staging.version("tracer"), "1.0.0")
	})
}
