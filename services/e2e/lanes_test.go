package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// three merges three releases, the second and the third while the first soaks.
func three(w *world, soak string) (ids [3]string) {
	w.apply("tracer", soak)
	w.start(all()...)
	ids[0] = w.merge("tracer", "1.0.0")
	w.untilPhase(ids[0], release.Soaking)
	for i := 1; i < 3; i++ {
		ids[i] = w.merge("tracer", fmt.Sprintf("1.%d.0", i))
		w.until(ids[i], "waiting or ended", func(s release.State) bool {
			return s.Phase == release.Queued || s.Phase.Ended() || s.Phase == release.Soaking
		})
		time.Sleep(time.Minute)
	}
	return ids
}

func TestCollisionNewest(t *testing.T) {
	bubble(t, func(w *world) {
		ids := three(w, "soak: { delay: 1h, collision: newest }")
		w.untilPhase(ids[1], release.Superseded)
		w.untilPhase(ids[0], release.Promoted)
		w.untilPhase(ids[2], release.Promoted)
		w.equal("latest", w.channel("tracer", "latest"), "1.2.0")
		w.laneIsFree("tracer")
	})
}

func TestCollisionQueue(t *testing.T) {
	bubble(t, func(w *world) {
		ids := three(w, "soak: { delay: 1h, collision: queue }")
		var last time.Time
		for _, id := range ids {
			s := w.untilPhase(id, release.Promoted)
			if !last.IsZero() && s.StagedAt.Before(last) {
				w.Errorf("%s was staged at %s, before the one ahead of it ended at %s", s.Version, s.StagedAt, last)
			}
			last = s.End.At
		}
		w.laneIsFree("tracer")
	})
}

func TestCollisionSupersede(t *testing.T) {
	bubble(t, func(w *world) {
		ids := three(w, "soak: { delay: 1h, collision: supersede }")
		for _, id := range ids[:2] {
			s := w.untilPhase(id, release.Cancelled)
			if s.End.By != "stager" || !strings.Contains(s.End.Reason, "superseded by tracer 1.") {
				w.Errorf("cancelled by %s: %s", s.End.By, s.End.Reason)
			}
		}
		w.untilPhase(ids[2], release.Promoted)
		w.equal("latest", w.channel("tracer", "latest"), "1.2.0")
		w.laneIsFree("tracer")
	})
}

func TestCollisionReject(t *testing.T) {
	bubble(t, func(w *world) {
		ids := three(w, "soak: { delay: 1h, collision: reject }")
		for _, id := range ids[1:] {
			s := w.untilPhase(id, release.Failed)
			if !strings.Contains(s.End.Reason, "lane tracer is occupied by tracer 1.0.0") {
				w.Errorf("failed because %q", s.End.Reason)
			}
		}
		w.untilPhase(ids[0], release.Promoted)
		w.laneIsFree("tracer")
	})
}

func TestExpediteOfAQueuedRelease(t *testing.T) {
	bubble(t, func(w *world) {
		ids := three(w, "soak: { delay: 1h, collision: queue }")
		w.ask("expedite", ids[2], "ana", "hotfix")
		first, second := w.untilPhase(ids[0], release.Promoted), w.untilPhase(ids[2], release.Promoted)
		if wait := second.End.At.Sub(first.End.At); wait > 5*time.Second {
			w.Errorf("the expedited release was promoted %s after the one ahead of it", wait)
		}
		// The one that it overtook is older than what everybody has now.
		w.untilPhase(ids[1], release.Superseded)
		w.equal("latest", w.channel("tracer", "latest"), "1.2.0")
		w.laneIsFree("tracer")
	})
}

func TestSharedLane(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "lane: staging-eu\nsoak: { delay: 1h }")
		w.apply("router", "lane: staging-eu\nsoak: { delay: 1h }")
		w.start(all()...)
		a := w.merge("tracer", "1.0.0")
		w.untilPhase(a, release.Soaking)
		b := w.merge("router", "2.0.0")
		s := w.untilPhase(b, release.Queued)
		w.equal("behind", s.Behind, a)
		sa, sb := w.untilPhase(a, release.Promoted), w.untilPhase(b, release.Promoted)
		if sb.StagedAt.Before(sa.End.At) {
			w.Error("two releases occupied one lane")
		}
		w.laneIsFree("staging-eu")
	})
}

func TestSameCommitIsOneRelease(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "soak: { delay: 1h }")
		w.start(all()...)
		first := w.merge("tracer", "1.0.0")
		second := w.merge("tracer", "1.0.0")
		w.untilPhase(first, release.Promoted)
		if len(w.records(second)) != 0 {
			w.Error("the same commit became a second release")
		}
	})
}

func TestAgainAfterACancel(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "soak: { delay: 1h }")
		w.start(all()...)
		first := w.merge("tracer", "1.0.0")
		w.untilPhase(first, release.Soaking)
		w.ask("cancel", first, "ana", "flaky")
		w.untilPhase(first, release.Cancelled)
		second := w.merge("tracer", "1.0.0", func(m *releasepb.MergeEvent) { m.Again = true })
		s := w.untilPhase(second, release.Promoted)
		w.equal("attempt", s.Merge.Attempt, 2)
		w.equal("latest", w.channel("tracer", "latest"), "1.0.0")
	})
}

// TestOccupantIsNotOutrun: a hint of the occupant comes again while a newer release waits.
func TestOccupantIsNotOutrun(t *testing.T) {
	bubble(t, func(w *world) {
		ids := three(w, "soak: { delay: 1h, collision: newest }")
		dead := make(chan struct{})
		w.onRecord(ids[2], release.Staging, func() {
			w.services[theStager].nc.Close() // before it learns that staging began
			close(dead)
		})
		<-dead
		w.kill(theStager)
		four := w.merge("tracer", "1.3.0")
		w.untilPhase(four, release.Published)
		w.start(theStager)
		w.untilPhase(ids[2], release.Promoted)
		w.untilPhase(four, release.Promoted)
		w.laneIsFree("tracer")
	})
}

// TestLeaveAfterACancel: on_cancel: leave touches neither staging nor the beta channel, and frees the lane all the same.
func TestLeaveAfterACancel(t *testing.T) {
	bubble(t, func(w *world) {
		src := fmt.Sprintf("project: tracer\npublish: { files: { dir: %q } }\n"+
			"stage: { exec: { command: [in-memory] }, on_cancel: leave }\npromote: { files: { dir: %q } }\n", w.dir, w.dir)
		if _, _, err := w.catalog.Apply(w.Context(), "tracer.yaml", []byte(src)); err != nil {
			w.Fatal(err)
		}
		w.start(all()...)
		w.untilPhase(w.merge("tracer", "1.3.0"), release.Promoted)
		id := w.merge("tracer", "1.4.0")
		w.untilPhase(id, release.Soaking)
		w.ask("cancel", id, "ana", "no")
		w.untilPhase(id, release.Cancelled)
		w.laneIsFree("tracer")
		w.equal("latest", w.channel("tracer", "latest"), "1.3.0")
		w.equal("beta", w.channel("tracer", "beta"), "1.4.0")
		w.equal("staging", w.staging.version("tracer"), "1.4.0")
	})
}
