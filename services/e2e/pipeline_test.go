package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

func TestPromotedByItself(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "")
		w.start(all()...)
		id := w.merge("tracer", "1.4.0")
		s := w.untilPhase(id, release.Soaking)
		w.equal("beta", w.channel("tracer", "beta"), "1.4.0")
		w.equal("latest", w.channel("tracer", "latest"), "")
		w.equal("staging", w.staging.version("tracer"), "1.4.0")
		w.equal("due", s.Due.Sub(s.StagedAt), 2*time.Hour)
		s = w.untilPhase(id, release.Promoted)
		w.equal("latest", w.channel("tracer", "latest"), "1.4.0")
		late := s.End.At.Sub(s.Due)
		if late < 0 || late > time.Second {
			w.Errorf("promoted %s after it was due", late)
		}
		w.equal("deployments", w.staging.deploys, 1)
	})
}

// TestDelay: the delay is what the merge says, or the project. With the race detector, which makes this five times slower, a day has
// two hours; `make test` has whole ones without.
func TestDelay(t *testing.T) {
	day := 24 * time.Hour
	if raceDetector {
		day = 2 * time.Hour
	}
	long := fmt.Sprintf("soak: { delay: %s }", 3*day)
	none, hour := time.Duration(0), time.Hour
	for name, c := range map[string]struct {
		soak  string
		delay *time.Duration
		want  time.Duration
	}{
		"none in the project":  {"soak: { delay: 0s }", nil, 0},
		"none in the merge":    {"", &none, 0},
		"three days":           {long, nil, 3 * day},
		"the merge's, not 72h": {long, &hour, hour},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.apply("tracer", c.soak)
				w.start(all()...)
				id := w.merge("tracer", "1.4.0", func(m *releasepb.MergeEvent) { m.Delay = c.delay })
				s := w.untilPhase(id, release.Promoted)
				took := s.End.At.Sub(s.StagedAt)
				if took < c.want || took > c.want+time.Second {
					w.Errorf("soaked for %s, want %s", took, c.want)
				}
			})
		})
	}
}

func TestCancelAtEveryPhase(t *testing.T) {
	for _, p := range []release.Phase{
		release.Merged, release.Publishing, release.Published, release.Staging, release.Staged, release.Soaking,
	} {
		t.Run(string(p), func(t *testing.T) {
			bubble(t, func(w *world) {
				w.apply("tracer", "soak: { delay: 1h }")
				w.start(all()...)
				first := w.merge("tracer", "1.3.0")
				w.untilPhase(first, release.Promoted)

				id := "01970000-0000-7000-8000-000000000001"
				w.onRecord(id, p, func() { w.ask("cancel", id, "ana", "login is broken") })
				w.merge("tracer", "1.4.0", func(m *releasepb.MergeEvent) { m.ID = id })
				s := w.untilPhase(id, release.Cancelled)
				w.equal("who", s.End.By, "ana")
				w.equal("why", s.End.Reason, "login is broken")
				w.until(id, "put back", putBack)
				w.equal("latest", w.channel("tracer", "latest"), "1.3.0")
				w.equal("beta", w.channel("tracer", "beta"), "1.3.0")
				w.equal("staging", w.staging.version("tracer"), "1.3.0")
				w.laneIsFree("tracer")
			})
		})
	}
}

func TestCancelBeforeTheMerge(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "")
		w.start(all()...)
		id := "01970000-0000-7000-8000-000000000001"
		w.ask("cancel", id, "ana", "not today")
		synctest.Wait()
		w.merge("tracer", "1.4.0", func(m *releasepb.MergeEvent) { m.ID = id })
		w.untilPhase(id, release.Cancelled)
		w.until(id, "put back", putBack)
		w.equal("latest", w.channel("tracer", "latest"), "")
	})
}

func TestCancelWhileEverythingIsDown(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "")
		w.start(all()...)
		id := w.merge("tracer", "1.4.0")
		s := w.untilPhase(id, release.Soaking)
		for _, name := range all() {
			w.kill(name)
		}
		w.ask("cancel", id, "", "by plain nats")
		time.Sleep(time.Until(s.Due) + time.Minute)
		w.start(all()...)
		w.untilPhase(id, release.Cancelled)
		w.equal("latest", w.channel("tracer", "latest"), "")
	})
}

func TestLateCancelIsTold(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "soak: { delay: 1h }")
		w.start(all()...)
		id := w.merge("tracer", "1.4.0")
		w.untilPhase(id, release.Promoted)
		seq := w.ask("cancel", id, "ana", "oh no")
		w.until(id, "answered", func(s release.State) bool { return s.Folded >= seq })
		last := w.records(id)[len(w.records(id))-1]
		refused, ok := last.Event.(release.WasRefused)
		if !ok || refused.Seq != seq || !strings.Contains(refused.Said.Reason, "too late") {
			w.Errorf("the sender is told %+v", last.Event)
		}
	})
}

func TestHoldResumeExtendExpedite(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "")
		w.start(all()...)
		id := w.merge("tracer", "1.4.0")
		w.untilPhase(id, release.Soaking)
		time.Sleep(30 * time.Minute)
		w.ask("hold", id, "ana", "wait")
		w.untilPhase(id, release.Held)
		time.Sleep(10 * time.Hour)
		w.ask("extend", id, "ana", "1h more")
		w.until(id, "extended", func(s release.State) bool { return s.Remaining > 2*time.Hour })
		w.ask("resume", id, "ana", "go on")
		s := w.untilPhase(id, release.Soaking)
		if left := time.Until(s.Due); left < 150*time.Minute-3*time.Second || left > 150*time.Minute {
			w.Errorf("%s left, want 2h30m", left)
		}
		w.ask("expedite", id, "lee", "hotfix")
		s = w.untilPhase(id, release.Promoted)
		if s.End.At.After(time.Now()) || s.End.At.Before(time.Now().Add(-5*time.Second)) {
			w.Errorf("promoted at %s", s.End.At)
		}
	})
}

func TestBrokerRestartMidSoak(t *testing.T) {
	if tooSlow(t) {
		return
	}
	bubble(t, func(w *world) {
		w.apply("tracer", "soak: { delay: 48h }")
		w.start(all()...)
		id := w.merge("tracer", "1.4.0")
		w.untilPhase(id, release.Soaking)
		time.Sleep(20 * time.Hour)
		w.server.Stop()
		time.Sleep(time.Hour)
		w.server.Start(w)
		s := w.untilPhase(id, release.Promoted)
		if late := s.End.At.Sub(s.Due); late < 0 || late > 2*time.Second {
			w.Errorf("promoted %s after it was due", late)
		}
	})
}

func TestOverdueIsHeld(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "soak: { delay: 2h, max_overdue: 6h }")
		w.start(all()...)
		id := w.merge("tracer", "1.4.0")
		s := w.untilPhase(id, release.Soaking)
		time.Sleep(time.Until(s.Due) - time.Minute)
		w.kill(thePromoter)
		time.Sleep(7 * time.Hour)
		w.start(thePromoter)
		s = w.untilPhase(id, release.Held)
		if !strings.Contains(s.Held.Reason, "overdue by") {
			w.Errorf("held because %q", s.Held.Reason)
		}
		w.ask("resume", id, "ana", "still good")
		w.untilPhase(id, release.Promoted)
	})
}

func TestUnwatchedIsHeld(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "")
		w.start(all()...)
		id := w.merge("tracer", "1.4.0")
		w.untilPhase(id, release.Soaking)
		time.Sleep(20 * time.Minute)
		w.kill(theWatcher)
		time.Sleep(time.Hour)
		w.start(theWatcher)
		s := w.untilPhase(id, release.Held)
		if !strings.Contains(s.Held.Reason, "watched for") {
			w.Errorf("held because %q", s.Held.Reason)
		}
		w.ask("resume", id, "ana", "soak the rest")
		w.untilPhase(id, release.Promoted)
	})
}
