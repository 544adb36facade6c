package watcher_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

const (
	errorsCheck = `watch: [ { name: errors, signal: { max: 0 } } ]`
	healthCheck = `watch: [ { name: health, http: { url: "http://staging.test/healthz?token=s3cret" }, interval: 10s, failures: 3 } ]`
)

func TestASoakIsWatched(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", 2*time.Hour, `watch:
  - { name: errors, signal: { max: 0 } }
  - { name: health, http: { url: "http://staging.test/healthz" } }`)
		sleep(0)
		if n := len(s.beats()); n != 1 {
			t.Fatalf("%d heartbeats at the beginning, want the first at once", n)
		}
		sleep(2 * time.Hour)
		if p := s.watched(2 * time.Hour); p < 99.9 {
			t.Errorf("watched for %.1f%%", p)
		}
		if n := len(s.beats()); n < 120 || n > 125 {
			t.Errorf("%d heartbeats, want about 120", n)
		}
		s.ended()
		sleep(time.Second)
		n, asked := len(s.beats()), w.staging.count()
		sleep(time.Hour)
		if more := len(s.beats()) - n; more != 0 {
			t.Errorf("%d heartbeats after the end", more)
		}
		if more := w.staging.count() - asked; more != 0 {
			t.Errorf("%d probes after the end", more)
		}
		if all := s.tombstones(); len(all) != 0 {
			t.Errorf("tombstones: %+v", all)
		}
		evidence := s.judgements(topology.Evidence(s.id))
		if len(evidence) != 2 || !evidence[0].Passed || !evidence[1].Passed || evidence[1].Count < 700 {
			t.Errorf("evidence: %+v", evidence)
		}
	})
}

func TestWithoutChecksThereAreHeartbeats(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", time.Minute, "")
		sleep(time.Minute)
		if p := s.watched(time.Minute); p < 99.9 {
			t.Errorf("watched for %.1f%%", p)
		}
	})
}

func TestAHeldReleaseKeepsBeingWatched(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", time.Hour, errorsCheck)
		sleep(10 * time.Minute)
		s.do(release.WasHeld{Holding: release.Holding{Said: release.Said{By: "ana", At: time.Now()}}})
		sleep(5 * time.Hour)
		if p := s.watched(5 * time.Hour); p < 99.9 {
			t.Errorf("watched for %.1f%%", p)
		}
		w.signal("tracer", "", "boom")
		sleep(10 * time.Millisecond)
		s.tombstone()
	})
}

func TestAnExtensionStretchesTheHeartbeats(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", 2*time.Hour, "")
		sleep(time.Hour)
		s.do(release.WasExtended{By: 8 * time.Hour, Said: release.Said{At: time.Now()}})
		sleep(9 * time.Hour)
		if p := s.watched(10 * time.Hour); p < 99.9 {
			t.Errorf("watched for %.1f%%", p)
		}
		if n := len(s.beats()); n > 60+9*12+5 {
			t.Errorf("%d heartbeats: the interval did not grow", n)
		}
	})
}

func TestARestartMidSoakLosesNothing(t *testing.T) {
	for name, again := range map[string]string{"under the same name": "w", "under another name": "x"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.start("w")
				s := w.soak("tracer", 10*time.Minute, errorsCheck) // a heartbeat every five seconds
				sleep(5*time.Minute + 2*time.Second)
				w.kill("w")
				sleep(2 * time.Second)
				n := len(s.beats())
				w.start(again)
				sleep(0)
				if more := len(s.beats()) - n; again == "w" && more != 1 {
					t.Errorf("%d heartbeats at the start, want 1 at once", more)
				}
				sleep(5 * time.Minute)
				if p := s.watched(10 * time.Minute); p < 99.9 {
					t.Errorf("watched for %.1f%%", p)
				}
			})
		})
	}
}

func TestNoWatcherForHalfOfTheSoakShows(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", 2*time.Hour, errorsCheck)
		sleep(30 * time.Minute)
		w.kill("w")
		sleep(time.Hour)
		w.start("w")
		sleep(30 * time.Minute)
		if p := s.watched(2 * time.Hour); p < 48 || p > 52 {
			t.Errorf("watched for %.1f%%, want half", p)
		}
	})
}

func TestManySoaksAfterARestart(t *testing.T) {
	bubble(t, func(w *world) {
		var all []*soaking
		for _, p := range []string{"a", "b", "c", "d", "e"} {
			all = append(all, w.soak(p, time.Hour, errorsCheck))
		}
		gone := w.soak("f", time.Hour, errorsCheck)
		gone.ended()
		w.start("w")
		sleep(time.Minute)
		w.drain("w")
		w.start("w")
		sleep(0)
		for _, s := range all {
			if beats := s.beats(); len(beats) == 0 || !beats[len(beats)-1].Equal(time.Now()) {
				t.Errorf("%s: no heartbeat at once after the restart: %v", s.project, beats)
			}
		}
		if n := len(gone.beats()); n != 0 {
			t.Errorf("%d heartbeats of an ended release", n)
		}
	})
}

func TestTheBrokerRestartsMidSoak(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", 2*time.Hour, errorsCheck)
		sleep(time.Hour)
		w.server.Stop()
		sleep(10 * time.Minute)
		w.server.Start(t)
		sleep(50 * time.Minute)
		if p := s.watched(2 * time.Hour); p < 90 || p > 93 {
			t.Errorf("watched for %.1f%%, want all but ten minutes", p)
		}
		w.signal("tracer", "", "boom")
		sleep(10 * time.Millisecond)
		s.tombstone()
	})
}

func TestAnUnknownRevisionIsNotWatched(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soakAt("tracer", "0123456789abcdef", time.Hour)
		sleep(time.Hour)
		if n := len(s.beats()); n != 0 {
			t.Errorf("%d heartbeats", n)
		}
		said := s.judgements(topology.Evidence(s.id))
		if len(said) != 1 || said[0].Passed || !said[0].Inconclusive {
			t.Fatalf("evidence: %+v", said)
		}
		contains(t, said[0].Detail, "can not look", "unknown project")
	})
}

// What the promoter takes back when a claim was ineffective is watched on.
func TestAnIneffectiveClaimIsWatchedOn(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", time.Minute, errorsCheck)
		sleep(time.Minute)
		s.do(release.WasBegun{Work: release.Promote})
		sleep(10 * time.Second)
		n := len(s.beats())
		s.do(release.WasHeld{Holding: release.Holding{Said: release.Said{By: "ana", At: time.Now()}}})
		sleep(10 * time.Second)
		if more := len(s.beats()) - n; more < 10 {
			t.Errorf("%d heartbeats in ten seconds", more)
		}
	})
}
