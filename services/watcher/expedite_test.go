package watcher_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

const twoChecks = `watch:
  - { name: health, http: { url: "http://staging.test/healthz" }, interval: 10m, failures: 9 }
  - { name: login, http: { url: "http://staging.test/login" }, interval: 10m, failures: 9 }
  - { name: errors, signal: { max: 1 } }`

// expedited says that somebody expedited the release.
func (s *soaking) expedited(force bool) (at time.Time) {
	s.Helper()
	at = time.Now()
	s.do(release.WasExpedited{Said: release.Said{By: "ana", At: at, Reason: "a fix"}, Force: force})
	return at
}

// Whoever expedites a release waits for a look at its checks, not for the next heartbeat.
func TestAnExpediteIsLookedAtAtOnce(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", 12*time.Hour, twoChecks) // a heartbeat every five minutes
		sleep(time.Hour + 2*time.Minute)
		w.signal("tracer", "", "one is allowed")
		asked := w.staging.count()
		w.staging.delay("/login", 3*time.Second)
		at := s.expedited(false)
		sleep(2900 * time.Millisecond)
		if n := w.staging.count() - asked; n != 2 {
			t.Errorf("%d probes, want one of each check", n)
		}
		if clean, failing := s.clean(at); len(clean)+len(failing) != 0 {
			t.Errorf("heartbeats before all probes came back: %v, %v", clean, failing)
		}
		sleep(time.Second)
		if clean, failing := s.clean(at); len(clean) != 1 || len(failing) != 0 || clean[0].Sub(at) > 3100*time.Millisecond {
			t.Errorf("%s: heartbeats at %v, and failing at %v", at, clean, failing)
		}
		n := len(s.beats())
		sleep(30 * time.Minute)
		if more := len(s.beats()) - n; more < 5 || more > 7 {
			t.Errorf("%d heartbeats in half an hour, want six", more)
		}
		s.do(release.WasHeld{Holding: release.Holding{Said: release.Said{By: "ana", At: time.Now()}}})
		sleep(time.Minute)
		at = s.expedited(false)
		sleep(4 * time.Second)
		if clean, _ := s.clean(at); len(clean) != 1 {
			t.Errorf("%d heartbeats after the second expedite", len(clean))
		}
	})
}

// What is forced waits for nobody, so nobody hurries.
func TestAForcedExpediteIsNotLookedAt(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", 12*time.Hour, twoChecks)
		sleep(time.Hour + 2*time.Minute)
		asked := w.staging.count()
		at := s.expedited(true)
		sleep(time.Minute)
		if clean, failing := s.clean(at); len(clean)+len(failing)+w.staging.count()-asked != 0 {
			t.Errorf("heartbeats %v, %v and %d probes", clean, failing, w.staging.count()-asked)
		}
	})
}

// A release that was expedited before is let through by the first look at its stage.
func TestExpeditedBeforeItsSoak(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		w.staging.delay("/login", 2*time.Second)
		s := w.merged("tracer", release.Policy{Revision: w.apply("tracer", twoChecks), Delay: 12 * time.Hour})
		s.expedited(false)
		s.staged()
		sleep(5 * time.Second)
		if n := w.staging.count(); n != 2 {
			t.Errorf("%d probes, want one of each check", n)
		}
		if clean, _ := s.clean(s.from()); len(clean) != 1 || clean[0].Sub(s.from()) > 2100*time.Millisecond {
			t.Errorf("heartbeats %v of a soak since %s", clean, s.from())
		}
	})
}

// While a check fails the heartbeats say so. The first look that sees it pass lets the release through.
func TestAnExpediteWithACheckThatFails(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", 2*time.Hour, `watch:
  - { name: health, http: { url: "http://staging.test/healthz" }, interval: 7s, failures: 100 }`)
		sleep(10*time.Minute + time.Second)
		w.staging.set("/healthz", http.StatusInternalServerError)
		at := s.expedited(false)
		sleep(5*time.Minute + 500*time.Millisecond)
		clean, failing := s.clean(at.Add(-1))
		if len(clean) != 0 || len(failing) != 6 || failing[0].Sub(at) > time.Second {
			t.Errorf("%s: heartbeats %v, and failing %v: want one at once and one a minute", at, clean, failing)
		}
		well := time.Now()
		w.staging.set("/healthz", http.StatusOK)
		sleep(7 * time.Second)
		if clean, _ := s.clean(well); len(clean) != 1 {
			t.Errorf("%d heartbeats after the next look, want one at once", len(clean))
		}
	})
}

// Another instance steps in and looks.
func TestAnExpediteWhileTheWatchingInstanceDies(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("a")
		s := w.soak("tracer", 2*time.Hour, twoChecks)
		sleep(time.Minute)
		w.start("b")
		sleep(time.Minute)
		w.kill("a")
		at := s.expedited(false)
		sleep(2*time.Minute + time.Second) // two intervals
		if clean, _ := s.clean(at); len(clean) == 0 {
			t.Error("no heartbeat since")
		}
	})
}

// From the first failure to the tombstone no heartbeat looks as if all were well; a failure in the grace does not count, but
// is no success either.
func TestHeartbeatsOfACheckThatFails(t *testing.T) {
	for name, grace := range map[string]string{"counted": "0s", "in its grace": "5m"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.start("w")
				s := w.soak("tracer", 10*time.Minute, `watch: [ { name: up, http: { url: "http://staging.test/" }, interval: 7s, failures: 20, grace: `+grace+` } ]`)
				sleep(time.Minute + time.Second)
				if clean, failing := s.clean(s.from().Add(-1)); len(clean) < 12 || len(failing) != 0 {
					t.Errorf("%d heartbeats, and %d failing ones", len(clean), len(failing))
				}
				w.staging.set("/", http.StatusInternalServerError)
				since := time.Now().Add(3 * time.Second) // they begin every seven
				sleep(2 * time.Minute)
				clean, failing := s.clean(since)
				if len(clean) != 0 || len(failing) < 23 {
					t.Errorf("since %s heartbeats at %v, and %d failing ones", since, clean, len(failing))
				}
				sleep(time.Minute)
				if n := len(s.tombstones()); (n == 1) != (grace == "0s") {
					t.Errorf("%d tombstones", n)
				}
				if clean, _ := s.clean(since); len(clean) != 0 {
					t.Errorf("heartbeats at %v", clean)
				}
				if grace == "0s" {
					return
				}
				w.staging.set("/", http.StatusOK)
				well := time.Now().Add(7 * time.Second)
				sleep(time.Minute)
				if clean, failing := s.clean(well); len(clean) < 10 || len(failing) != 0 {
					t.Errorf("%d heartbeats, and %d failing ones, when it was well again", len(clean), len(failing))
				}
			})
		})
	}
}

// A heartbeat vouches for every check, so there is none before each was looked at, in every stage and after every restart.
func TestNoHeartbeatBeforeTheFirstLook(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		w.staging.delay("/login", 4*time.Second)
		s := w.soak("tracer", 2*time.Hour, twoChecks)
		sleep(3900 * time.Millisecond)
		if n := len(s.beats()); n != 0 {
			t.Errorf("%d heartbeats before the first look came back", n)
		}
		sleep(200 * time.Millisecond)
		if n := len(s.beats()); n != 1 {
			t.Errorf("%d heartbeats after it", n)
		}
		sleep(time.Minute)
		w.kill("w")
		n := len(s.beats())
		w.start("w")
		sleep(3900 * time.Millisecond)
		if more := len(s.beats()) - n; more != 0 {
			t.Errorf("%d heartbeats of the new instance before it looked", more)
		}
		sleep(200 * time.Millisecond)
		if more := len(s.beats()) - n; more != 1 {
			t.Errorf("%d heartbeats of the new instance after it looked", more)
		}
		if all := s.stored(topology.StreamEvidence, topology.Evidence(s.id)); len(all) != 0 {
			t.Errorf("%d judgements", len(all))
		}
	})
}
