package watcher_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/alert"
	"github.com/sluice-gate/sluice/pkg/release"
)

// An alert that began to fire while the release was rolled out is the release's: it came when its deployment began.
func TestAnAlertThatBeganInTheDeployment(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.merged("tracer", release.Policy{Revision: w.apply("tracer", "soak: { delay: 2h }\n"+alertsCheck), Delay: 2 * time.Hour})
		s.do(release.WasBegun{Work: release.Stage})
		sleep(5 * time.Minute)
		w.heard("tracer", aPrint, alert.Firing, time.Time{})
		sleep(5 * time.Minute)
		s.do(release.WasDone{Work: release.Stage})
		s.do(release.WasSoaked{Due: s.entry.State.StagedAt.Add(2 * time.Hour)})
		sleep(time.Minute)
		contains(t, s.tombstone().Reason, "check alerts failed: alert HighErrorRate")
	})
}

// That Sluice itself lets a release soak on is no decision of a person: what a check saw that asks for one is not forgotten.
func TestSoakingOnDecidesNothing(t *testing.T) {
	bubble(t, func(w *world) {
		s := w.merged("tracer", release.Policy{
			Revision: w.apply("tracer", "soak: { delay: 1h, on_gap: extend }\nwatch: [ { name: errors, signal: { max: 0 }, require_human: true } ]"),
			Delay:    time.Hour, OnGap: release.ExtendOnGap, MaxOverdue: 6 * time.Hour,
		})
		s.staged()
		sleep(30 * time.Minute)
		w.signal("tracer", s.id, "ERROR boom") // nobody watches
		sleep(30 * time.Minute)
		s.do(release.WasHeld{Holding: release.Holding{
			Said: release.Said{By: "promoter", At: time.Now()}, System: true, Unwatched: time.Hour,
		}})
		s.do(release.WasResumed{Due: time.Now().Add(time.Hour), Prolonged: time.Hour, Said: release.Said{By: "promoter", At: time.Now()}})
		sleep(time.Minute)
		w.start("w")
		sleep(time.Minute)
		holds := s.requests(release.Hold)
		if len(holds) != 1 {
			t.Fatalf("held: %+v", holds)
		}
		contains(t, holds[0].Reason, "ERROR boom")
	})
}

// What a person resumed when nothing of its soak was left is decided, too: it is not held again for what was seen before.
func TestResumedWhenNothingIsLeft(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", time.Hour, `watch: [ { name: errors, signal: { max: 0 }, require_human: true } ]`)
		sleep(time.Hour)
		s.do(release.WasPostponed{Obstacle: release.Obstacle{Kind: release.ByWindow}, At: time.Now()})
		sleep(time.Hour)
		w.signal("tracer", s.id, "ERROR boom")
		sleep(time.Second)
		holds := s.requests(release.Hold)
		if len(holds) != 1 {
			t.Fatalf("held: %+v", holds)
		}
		s.do(release.WasHeld{Holding: release.Holding{Said: release.Said{By: "watcher", At: time.Now()}}, Seq: holds[0].Seq})
		if s.entry.State.Remaining != 0 {
			t.Fatalf("%s is left: this test shows nothing", s.entry.State.Remaining)
		}
		sleep(time.Minute)
		s.do(release.WasResumed{Due: time.Now(), Said: release.Said{By: "ana", At: time.Now()}, Seq: holds[0].Seq + 1})
		sleep(10 * time.Minute)
		if n := len(s.requests(release.Hold)); n != 1 {
			t.Errorf("held %d times", n)
		}
		w.signal("tracer", s.id, "ERROR another")
		sleep(time.Second)
		if n := len(s.requests(release.Hold)); n != 2 {
			t.Errorf("held %d times after another error", n)
		}
	})
}

const comparedErrors = `watch:
  - name: errors
    prometheus: { url: "http://prometheus.test", compare: { errors: e, requests: r, baseline_errors: be, baseline_requests: br } }
    interval: 10s`

// Staging that nobody uses has not been compared with anything: nobody vouches for it.
func TestStagingWithoutTraffic(t *testing.T) {
	bubble(t, func(w *world) {
		began := time.Now()
		var traffic atomic.Int64 // requests a second
		w.staging.numbers = func(query string) (float64, bool) {
			n := time.Since(began).Seconds()
			return map[string]float64{"e": 0, "r": 7 + float64(traffic.Load())*n, "be": n / 10, "br": 10 * n}[query], true
		}
		w.start("w")
		s := w.soak("tracer", 2*time.Hour, comparedErrors)
		sleep(time.Hour)
		if p := s.watched(time.Hour); p > 15 {
			t.Errorf("watched for %.1f%%, and nothing was compared", p)
		}
		traffic.Store(1)
		sleep(time.Hour)
		if p := s.watched(2 * time.Hour); p < 48 || p > 60 {
			t.Errorf("watched for %.1f%%, and half of it was compared", p)
		}
		if all := s.tombstones(); len(all) != 0 {
			t.Errorf("tombstones: %+v", all)
		}
	})
}
