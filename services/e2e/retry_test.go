package e2e_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// TestRetry: a driver breaks, and is mended; what failed is taken up where that is possible.
func TestRetry(t *testing.T) {
	for name, c := range map[string]struct {
		role   driver.Role
		failed release.Phase
		soaks  int // how often it soaks; after a failed promotion the second time is over at once
		stays  string
	}{
		"publish": {driver.Publish, release.Publishing, 1, "1.3.0"},
		"deploy":  {driver.Deploy, release.Staging, 1, "1.3.0"},
		"promote": {driver.Promote, release.Promoting, 2, "1.4.0"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.apply("tracer", tenMinutes)
				w.start(all()...)
				w.promotes("tracer", "1.3.0")
				w.outside.breaks("tracer", c.role, do, "the other side is down")
				id := w.merge("tracer", "1.4.0")
				s := w.untilPhase(id, release.Failed)
				w.equal("where it failed", s.FailedIn, c.failed)
				w.contains("why", s.End.Reason, "the other side is down")
				w.contains("what somebody should look at", w.attention(id, "failed"), "the other side is down")
				w.until(id, "put back", putBack)
				w.laneIsFree("tracer")
				w.equal("beta", w.channel("tracer", "beta"), c.stays)
				w.equal("staging", w.staging.version("tracer"), c.stays)
				w.equal("latest", w.channel("tracer", "latest"), "1.3.0")

				w.outside.mends()
				asked := time.Now()
				w.ask("retry", id, "ana", "it is up again")
				s = w.untilPhase(id, release.Promoted)
				w.equal("how often it soaked", w.count(id, "soaking"), c.soaks)
				if took := s.PhaseAt.Sub(asked); c.soaks == 2 && took > 2*time.Second || c.soaks == 1 && took < 10*time.Minute {
					w.Errorf("promoted %s after the retry\n%s", took, w.story(id))
				}
				for _, channel := range []string{"beta", "latest"} {
					w.equal(channel, w.channel("tracer", channel), "1.4.0")
				}
				w.equal("staging", w.staging.version("tracer"), "1.4.0")
				w.laneIsFree("tracer")
			})
		})
	}
}

// TestRetryAfterALateCancel: somebody said no while it was being promoted, and it failed: it is not taken up again.
func TestRetryAfterALateCancel(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", tenMinutes)
		w.start(all()...)
		id, _ := w.soaks("tracer", "1.4.0")
		w.outside.breaks("tracer", driver.Promote, do, "the other side is down")
		var cancel uint64
		w.outside.first("tracer", driver.Promote, do, func() { cancel = w.ask("cancel", id, "ana", "login is broken") })
		w.untilPhase(id, release.Failed)
		w.contains("the answer to the cancel", w.refused(id, cancel), "too late")
		w.outside.mends()
		w.contains("the answer to the retry", w.refused(id, w.ask("retry", id, "lee", "")), "cancelled by ana")
		w.equal("its phase", w.load(id).Phase, release.Failed)
		w.equal("latest", w.channel("tracer", "latest"), "")
	})
}

// TestRetryWaitsForItsLane: a promotion that is retried needs the lane, so that nothing else is promoted beside it.
func TestRetryWaitsForItsLane(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "lane: eu\n"+tenMinutes)
		w.apply("router", "lane: eu\n"+tenMinutes)
		w.start(all()...)
		w.outside.breaks("tracer", driver.Promote, do, "the other side is down")
		id := w.merge("tracer", "1.4.0")
		w.untilPhase(id, release.Failed)
		w.outside.mends()
		other, s := w.soaks("router", "2.0.0")
		w.ask("retry", id, "ana", "")
		w.until(id, "queued", func(s release.State) bool { return s.Phase == release.Queued && s.Behind == other })
		w.sleepTo(s.Due.Add(-time.Second))
		w.equal("its phase", w.load(id).Phase, release.Queued)
		s = w.untilPhase(other, release.Promoted)
		w.promotedAt(id, s.End.At, 2*time.Second)
		w.equal("staging of the other", w.staging.version("router"), "2.0.0")
		w.laneIsFree("eu")
	})
}

// TestRetriedTooLate: a newer release was promoted meanwhile. The older one ends superseded, and takes nothing back.
func TestRetriedTooLate(t *testing.T) {
	for name, role := range map[string]driver.Role{"deploy": driver.Deploy, "promote": driver.Promote} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.apply("tracer", tenMinutes)
				w.start(all()...)
				w.promotes("tracer", "1.3.0")
				w.outside.breaks("tracer", role, do, "the other side is down")
				id := w.merge("tracer", "1.4.0")
				w.untilPhase(id, release.Failed)
				w.until(id, "put back", putBack)
				w.outside.mends()
				w.promotes("tracer", "1.5.0")
				w.ask("retry", id, "ana", "")
				s := w.untilPhase(id, release.Superseded)
				w.contains("why", s.End.Reason, "1.5.0")
				w.until(id, "put back", putBack)
				w.laneIsFree("tracer")
				w.equal("latest", w.channel("tracer", "latest"), "1.5.0")
				w.equal("beta", w.channel("tracer", "beta"), "1.5.0")
				w.equal("staging", w.staging.version("tracer"), "1.5.0")
			})
		})
	}
}

// TestRetryOfWhatIsPutBack: not before that is done.
func TestRetryOfWhatIsPutBack(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", tenMinutes)
		w.start(all()...)
		w.outside.breaks("tracer", driver.Deploy, do, "the other side is down")
		id, asked := "01970000-0000-7000-8000-000000000001", make(chan uint64, 1)
		w.outside.first("tracer", driver.Deploy, undo, func() {
			asked <- w.ask("retry", id, "ana", "")
			time.Sleep(time.Minute) // in a bubble: until it was answered
		})
		w.merge("tracer", "1.4.0", func(m *releasepb.MergeEvent) { m.ID = id })
		w.untilPhase(id, release.Failed)
		w.contains("the answer", w.refused(id, <-asked), "still being put back")
		w.outside.mends()
		w.until(id, "put back", putBack)
		w.ask("retry", id, "ana", "")
		w.untilPhase(id, release.Promoted)
	})
}

// TestRetryUnderATakenVersion: what failed before it was published is fixed by another merge under the same version. Whoever retries the
// first one then does not get it promoted over the fix.
func TestRetryUnderATakenVersion(t *testing.T) {
	for name, role := range map[string]driver.Role{"deployment": driver.Deploy, "promotion": driver.Promote} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.apply("tracer", tenMinutes)
				w.start(all()...)
				w.outside.breaks("tracer", role, do, "down")
				id := w.merge("tracer", "1.4.0")
				w.untilPhase(id, release.Failed)
				w.until(id, "put back", putBack)
				w.outside.mends()
				fix := w.merge("tracer", "1.4.0", func(m *releasepb.MergeEvent) { m.Commit = "fix" })
				if role == driver.Promote { // some of it may be outside
					w.contains("why the fix is refused", w.untilPhase(fix, release.Failed).End.Reason, "1.4.0 is taken", "choose another version")
					return
				}
				w.untilPhase(fix, release.Promoted)
				w.ask("retry", id, "ana", "")
				s := w.until(id, "ended", func(s release.State) bool { return s.Phase.Ended() && s.Failures == 2 })
				w.equal("the older one", s.Phase, release.Failed)
				w.contains("why", s.End.Reason, "1.4.0 is taken", fix)
			})
		})
	}
}
