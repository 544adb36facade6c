package watcher_test

import (
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/topology"
)

// One of several instances watches.
func TestTwoInstancesProbeOnce(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("a")
		w.start("b")
		s := w.soak("tracer", 2*time.Hour, healthCheck)
		sleep(2 * time.Hour)
		if p := s.watched(2 * time.Hour); p < 99.9 {
			t.Errorf("watched for %.1f%%", p)
		}
		if n := len(s.beats()); n > 125 {
			t.Errorf("%d heartbeats", n)
		}
		// Each may be given a record of the release at once. Then both watch until one sees the other's heartbeat.
		if n := w.staging.count(); n > 720+16 {
			t.Errorf("%d probes, want about 720", n)
		}
	})
}

// The death of the one that watches costs no coverage, also in a short soak.
func TestAnotherInstanceStepsIn(t *testing.T) {
	for _, soak := range []time.Duration{time.Minute, 2 * time.Hour} {
		t.Run(soak.String(), func(t *testing.T) {
			bubble(t, func(w *world) {
				w.start("a")
				w.start("b")
				s := w.soak("tracer", soak, errorsCheck)
				sleep(soak / 3)
				w.kill("a")
				sleep(soak / 3)
				w.start("a")
				sleep(soak / 10)
				w.kill("b")
				sleep(soak)
				if p := s.watched(soak); p < 99.9 {
					t.Errorf("watched for %.1f%%", p)
				}
				w.signal("tracer", "", "boom")
				sleep(10 * time.Millisecond)
				s.tombstone()
			})
		})
	}
}

// Two that start at once both watch at first; one goes on.
func TestTwoThatBothWatchBecomeOne(t *testing.T) {
	bubble(t, func(w *world) {
		s := w.soak("tracer", 2*time.Hour, healthCheck)
		sleep(10 * time.Minute)
		w.start("a")
		w.start("b")
		sleep(5 * time.Minute)
		asked := w.staging.count()
		sleep(10 * time.Minute)
		if n := w.staging.count() - asked; n > 61 {
			t.Errorf("%d probes in ten minutes, want 60", n)
		}
		if p := s.watched(25 * time.Minute); p < 59 || p > 61 {
			t.Errorf("watched for %.1f%%, want 15 of 25 minutes", p)
		}
	})
}

func TestTwoInstancesStoreOneTombstone(t *testing.T) {
	bubble(t, func(w *world) {
		w.staging.set("/healthz", http.StatusInternalServerError)
		var all []*soaking
		for i := range 20 {
			all = append(all, w.soak(fmt.Sprintf("p%d", i), time.Hour, `watch:
  - { name: errors, signal: { max: 0 } }
  - { name: health, http: { url: "http://staging.test/healthz" }, failures: 1 }`))
			w.signal(fmt.Sprintf("p%d", i), "", "boom")
		}
		sleep(2 * time.Minute)
		w.start("a") // both find all of them unwatched, and all failed
		w.start("b")
		sleep(5 * time.Second)
		for _, s := range all {
			s.tombstone()
			if n := len(s.judgements(topology.Judged(s.id))); n != 1 {
				t.Errorf("%s: %d judgements", s.project, n)
			}
		}
	})
}

// An instance that can not look says nothing of staging, and another takes over.
func TestAnInstanceThatCanNotLookMakesRoom(t *testing.T) {
	bubble(t, func(w *world) {
		w.noFiles["a"] = true
		w.start("a")
		s := w.soak("tracer", 2*time.Hour, healthCheck)
		sleep(time.Second)
		w.start("b")
		sleep(2 * time.Hour)
		if p := s.watched(2 * time.Hour); p < 99.9 {
			t.Errorf("watched for %.1f%%", p)
		}
		if all := s.tombstones(); len(all) != 0 {
			t.Errorf("tombstones: %+v", all)
		}
		contains(t, s.judgements(topology.Evidence(s.id))[0].Detail, "can not look", "too many open files", "token=***")
	})
}

// A watch is one goroutine, and one for each of its probes.
func TestAThousandSoaksNeedFewGoroutines(t *testing.T) {
	bubble(t, func(w *world) {
		many := 1000
		if raceDetector { // its runtime crashes when thousands of goroutines come and go; the other run has all of them
			many = 50
		}
		w.start("w")
		sleep(time.Second)
		before := runtime.NumGoroutine()
		var last *soaking
		for i := range many {
			last = w.soak(fmt.Sprintf("p%d", i), 2*time.Hour, `watch:
  - { name: errors, signal: { max: 0 } }
  - { name: health, http: { url: "http://staging.test/healthz" } }
  - { name: login, http: { url: "http://staging.test/login" } }`)
		}
		sleep(2 * time.Minute)
		if each := float64(runtime.NumGoroutine()-before) / float64(many); each > 3.5 {
			t.Errorf("%.2f goroutines for each release, want one, and one for each probe", each)
		}
		if p := last.watched(2 * time.Minute); p < 99.9 {
			t.Errorf("watched for %.1f%%", p)
		}
		// All of them again, at once.
		w.drain("w")
		w.start("w")
		sleep(5 * time.Second)
		n := 0
		for _, m := range w.stored(topology.StreamEvidence, "sluice.heartbeat.*") {
			if time.Since(m.Time) <= 5*time.Second {
				n++
			}
		}
		if n < many {
			t.Errorf("%d heartbeats at the restart, want %d", n, many)
		}
	})
}
