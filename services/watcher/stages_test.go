package watcher_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

const threeStages = `stages:
  - { name: dev, delay: 10m, watch: [ { name: up, http: { url: "http://staging.test/dev" } }, { name: errors, signal: { max: 1 } } ] }
  - { name: canary, delay: 1h, watch: [ { name: up, http: { url: "http://staging.test/canary" } }, { name: errors, signal: { max: 1 } } ] }
  - { name: wide, delay: 2h, watch: [ { name: up, http: { url: "http://staging.test/wide" }, failures: 2 } ] }`

// inThreeStages is a release that soaks in the first of three stages.
func (w *world) inThreeStages() *soaking {
	w.Helper()
	s := w.merged("tracer", release.Policy{
		Revision: w.apply("tracer", threeStages),
		Stages: []release.StagePolicy{
			{Name: "dev", Delay: 10 * time.Minute}, {Name: "canary", Delay: time.Hour}, {Name: "wide", Delay: 2 * time.Hour},
		},
	})
	s.staged()
	return s
}

// passed sends the release on to its next stage, and begins the soak there.
func (s *soaking) passed() {
	s.Helper()
	s.do(release.WasPassed{At: time.Now()})
	s.staged()
}

func TestEachStageHasItsChecks(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.inThreeStages()
		for i, path := range []string{"/dev", "/canary", "/wide"} {
			if i > 0 {
				s.do(release.WasPassed{At: time.Now()})
				sleep(time.Second)
				all, n := w.staging.count(), len(s.stored(topology.StreamEvidence, topology.Heartbeat(s.id)))
				sleep(10 * time.Minute) // it is deployed
				if w.staging.count() != all || len(s.stored(topology.StreamEvidence, topology.Heartbeat(s.id))) != n {
					t.Errorf("%s: it was watched between two stages", path)
				}
				s.staged()
			}
			before := w.staging.count() - w.staging.of(path)
			soak := s.entry.State.Delay()
			sleep(soak / 2)
			if i < 2 {
				w.signal("tracer", "", "one is allowed, in each stage")
			}
			sleep(soak / 2)
			if p := s.watched(soak); p < 99.9 {
				t.Errorf("%s: watched for %.1f%%", path, p)
			}
			if n := len(s.beats()); n < 115 || n > 125 {
				t.Errorf("%s: %d heartbeats, want about 120", path, n)
			}
			if others := w.staging.count() - w.staging.of(path) - before; others != 0 {
				t.Errorf("%s: %d probes of other stages", path, others)
			}
		}
		if all := s.tombstones(); len(all) != 0 {
			t.Fatalf("tombstones: %+v", all)
		}
		if n := len(s.judgements(topology.Evidence(s.id))); n != 4 {
			t.Errorf("%d judgements of two stages with two checks each", n)
		}
		w.staging.set("/wide", http.StatusInternalServerError)
		sleep(time.Minute)
		contains(t, s.tombstone().Reason, "check up of stage wide failed 2 times in a row")
	})
}

// The watch was cut off while the release went on to its next stage. It finishes what it did and begins the new one.
func TestAStageThatBeganUnseen(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.inThreeStages()
		sleep(5 * time.Minute)
		w.server.Stop()
		w.server.Start(t)
		defer s.first()()
		s.passed()
		sleep(10 * time.Second)
		dev := w.staging.of("/dev")
		sleep(20 * time.Minute)
		if n := w.staging.of("/dev") - dev; n != 0 {
			t.Errorf("%d probes of the stage that is over", n)
		}
		if p := s.watched(20 * time.Minute); p < 99 {
			t.Errorf("watched for %.1f%%", p)
		}
		evidence := s.judgements(topology.Evidence(s.id))
		if len(evidence) != 2 || evidence[0].Check != "up" || !evidence[0].Since.Before(s.from()) {
			t.Errorf("evidence of the first stage: %+v", evidence)
		}
	})
}

// What failed in a stage cancels the release also if it went on before that was stored.
func TestAVerdictIsNotLostBetweenStages(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.inThreeStages()
		sleep(5 * time.Minute)
		w.server.Stop()
		w.staging.set("/dev", http.StatusInternalServerError)
		sleep(time.Minute)
		w.staging.set("/dev", http.StatusOK)
		w.server.Start(t)
		defer s.first()()
		s.passed()
		sleep(10 * time.Second)
		contains(t, s.tombstone().Reason, "check up of stage dev failed 3 times in a row")
		if n := len(s.beats()); n != 0 {
			t.Errorf("%d heartbeats of the next stage, after the tombstone", n)
		}
	})
}

// The instance that watched the stage before has no claim to the next one: whoever was given it begins at once.
func TestTwoInstancesAndThreeStages(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("a")
		w.start("b")
		s := w.inThreeStages()
		sleep(10 * time.Minute)
		for range 2 {
			s.passed()
			soak := s.entry.State.Delay()
			sleep(soak / 2)
			w.kill("b")
			w.start("b")
			sleep(soak / 2)
			if p := s.watched(soak); p < 99.9 {
				t.Errorf("stage %s was watched for %.1f%%", s.entry.State.StageName(), p)
			}
			if n := len(s.beats()); n > 130 {
				t.Errorf("%d heartbeats", n)
			}
		}
	})
}

// What was retried after its promotion failed was not watched in between: the signals of then were another's.
func TestWhatIsRetriedIsWatchedFromThen(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", time.Hour, errorsCheck)
		sleep(time.Hour)
		s.do(release.WasBegun{Work: release.Promote})
		s.do(release.WasFailed{Said: release.Said{By: "w", At: time.Now(), Reason: "no"}})
		sleep(time.Hour)
		w.signal("tracer", "", "of another release")
		sleep(time.Hour)
		s.do(release.WasRetried{Said: release.Said{By: "ana", At: time.Now()}})
		s.do(release.WasSoaked{Due: time.Now(), At: time.Now()})
		sleep(time.Minute)
		if all := s.tombstones(); len(all) != 0 {
			t.Fatalf("tombstones: %+v", all)
		}
		w.signal("tracer", "", "boom")
		sleep(10 * time.Millisecond)
		s.tombstone()
	})
}

// A release that waits for long, though its soak is over, is watched on, and leaves nothing behind but its heartbeats.
func TestAPostponedReleaseIsWatchedOn(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", 12*time.Hour, `watch:
  - { name: errors, signal: { max: 100 } }
  - { name: health, http: { url: "http://staging.test/healthz" }, interval: 1m, failures: 2 }`)
		sleep(12 * time.Hour)
		s.do(release.WasPostponed{Obstacle: release.Obstacle{Kind: release.ByWindow}, At: time.Now()})
		sleep(30 * time.Second) // between two probes
		for range 6 {
			w.signal("tracer", "", "boom")
			w.staging.set("/healthz", http.StatusBadGateway)
			sleep(time.Minute)
			w.staging.set("/healthz", http.StatusOK)
			sleep(2*time.Hour - time.Minute)
		}
		if n := len(s.judgements(topology.Evidence(s.id))); n != 0 {
			t.Errorf("%d judgements while it waits", n)
		}
		if p := s.watched(24 * time.Hour); p < 99.9 {
			t.Errorf("watched for %.1f%%", p)
		}
		if n := len(s.beats()); n > 24*12+10 {
			t.Errorf("%d heartbeats in a day, want one every five minutes", n)
		}
		w.staging.set("/healthz", http.StatusBadGateway)
		sleep(2 * time.Minute)
		r := s.tombstone()
		contains(t, r.Reason, "failed 2 times in a row")
		if len(r.Evidence) > 1000 {
			t.Errorf("the evidence grew: %d bytes", len(r.Evidence))
		}
	})
}
