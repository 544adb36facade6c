package watcher_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

const fewErrors = `watch: [ { name: errors, signal: { level: error, max: 3 } } ]`

// keeps sets how many signals of a subject are kept.
func (w *world) keeps(most int64) {
	w.Helper()
	stream, err := w.js.Stream(w.Context(), topology.StreamSignals)
	if err != nil {
		w.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	cfg.MaxMsgsPerSubject = most
	if _, err := w.js.UpdateStream(w.Context(), cfg); err != nil {
		w.Fatal(err)
	}
}

// anew makes the stream of signals anew, as a broker has it that lost its end in a crash: its sequences are used again.
func (w *world) anew() {
	w.Helper()
	stream, err := w.js.Stream(w.Context(), topology.StreamSignals)
	if err != nil {
		w.Fatal(err)
	}
	if err := w.js.DeleteStream(w.Context(), topology.StreamSignals); err != nil {
		w.Fatal(err)
	}
	if _, err := w.js.CreateStream(w.Context(), stream.CachedInfo().Config); err != nil {
		w.Fatal(err)
	}
}

// A crash of the broker may lose the end of the signals, whose sequences are then used again. Who goes on after the last that was read must
// not be deaf until there are as many again; and what was lost is a gap.
func TestABrokerThatLostTheNewestSignals(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", time.Hour, fewErrors)
		sleep(10 * time.Minute)
		for range 3 {
			w.signal("tracer", s.id, "ERROR that one is known")
		}
		sleep(10 * time.Second)
		w.anew()
		sleep(10 * time.Second)
		w.signal("tracer", s.id, "ERROR boom")
		sleep(10 * time.Second)
		contains(t, s.tombstone().Reason, "4 signals during the soak, 3 allowed, the last: ERROR boom")
	})
	bubble(t, func(w *world) { // nothing comes after it: the next heartbeat does not vouch for it
		w.start("w")
		s := w.soak("tracer", time.Hour, fewErrors)
		sleep(10 * time.Minute)
		w.signal("tracer", s.id, "ERROR that one is known")
		sleep(10 * time.Second)
		w.anew()
		sleep(2 * time.Minute)
		if holds := s.requests(release.Hold); len(holds) != 1 {
			t.Fatalf("held: %+v", holds)
		}
		contains(t, s.requests(release.Hold)[0].Reason, "the broker lost the newest signals", "check errors may have waited")
		sleep(20 * time.Minute)
		if n := len(s.requests(release.Hold)); n != 1 {
			t.Errorf("held %d times", n)
		}
		if p := s.watched(30 * time.Minute); p < 95 {
			t.Errorf("watched for %.1f%%", p)
		}
	})
}

// What was counted, and is not there any more, is not forgotten by who takes over: it says so.
func TestWhoTakesOverMissesWhatWasLost(t *testing.T) {
	for name, more := range map[string]int{"and nothing came": 0, "and as many came again": 5} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.start("a")
				s := w.soak("tracer", time.Hour, fewErrors)
				sleep(10 * time.Minute)
				for range 3 {
					w.signal("tracer", s.id, "ERROR that one is known")
				}
				sleep(2 * time.Minute)
				w.drain("a")
				w.anew()
				sleep(time.Minute)
				for range more {
					w.signal("tracer", s.id, "INFO all is well")
				}
				w.start("b")
				sleep(2 * time.Minute)
				if holds := s.requests(release.Hold); len(holds) != 1 {
					t.Fatalf("held: %+v", holds)
				}
			})
		})
	}
}

// An orderly restart of the broker loses nothing, and holds nothing.
func TestARestartOfTheBrokerHoldsNothing(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", time.Hour, fewErrors)
		sleep(10 * time.Minute)
		w.signal("tracer", s.id, "ERROR that one is known")
		sleep(10 * time.Second)
		w.server.Stop()
		w.server.Start(t)
		sleep(20 * time.Minute)
		w.drain("w")
		w.start("w")
		sleep(20 * time.Minute)
		if holds := s.requests(release.Hold); len(holds) != 0 {
			t.Errorf("held: %+v", holds)
		}
		if p := s.watched(50 * time.Minute); p < 95 {
			t.Errorf("watched for %.1f%%", p)
		}
	})
}

// Who takes over reads the signals of the soak again. What the stream has dropped since it takes from what was measured: it was counted.
func TestWhoTakesOverCountsOn(t *testing.T) {
	bubble(t, func(w *world) {
		w.keeps(topology.LeastSignalsPerSubject)
		w.start("a")
		s := w.soak("tracer", time.Hour, fewErrors)
		sleep(10 * time.Minute)
		for range 3 {
			w.signal("tracer", "", "ERROR that one is known")
		}
		sleep(2 * time.Minute)
		for range 11 { // slowly enough to be read
			var last jetstream.PubAckFuture
			for range topology.LeastSignalsPerSubject / 10 {
				var err error
				if last, err = w.js.PublishAsync(topology.Signal("tracer", ""), []byte(`{"level":"info"}`)); err != nil {
					t.Fatal(err)
				}
			}
			<-last.Ok()
			sleep(5 * time.Second)
		}
		sleep(2 * time.Minute)
		for _, instance := range []string{"b", "c"} {
			w.drain(map[string]string{"b": "a", "c": "b"}[instance])
			w.start(instance)
			sleep(3 * time.Minute)
		}
		if holds := s.requests(release.Hold); len(holds) != 0 {
			t.Fatalf("held: %+v", holds)
		}
		if all := s.tombstones(); len(all) != 0 {
			t.Fatalf("tombstones: %+v", all)
		}
		w.signal("tracer", s.id, "ERROR boom")
		sleep(10 * time.Millisecond)
		contains(t, s.tombstone().Reason, "4 signals during the soak, 3 allowed")
	})
}

// A soak that is longer than signals are kept is no gap when somebody watched it; when nobody did it is.
func TestASoakLongerThanSignalsAreKept(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("a")
		s := w.soak("tracer", 100*time.Hour, fewErrors)
		sleep(time.Hour)
		for range 3 {
			w.signal("tracer", s.id, "ERROR that one is known")
		}
		sleep(30 * time.Hour)
		w.drain("a")
		w.start("b")
		sleep(time.Hour)
		if holds := s.requests(release.Hold); len(holds) != 0 {
			t.Fatalf("held: %+v", holds)
		}
		w.drain("b")
		sleep(25 * time.Hour)
		w.start("c")
		sleep(time.Hour)
		holds := s.requests(release.Hold)
		if len(holds) != 1 {
			t.Fatalf("held: %+v", holds)
		}
		contains(t, holds[0].Reason, "signals are kept for 24h0m0s")
		w.signal("tracer", s.id, "ERROR boom")
		sleep(10 * time.Millisecond)
	})
}

// What only warns holds nothing, whatever was lost of its signals.
func TestAGapOfAWarning(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", time.Hour, `watch:
  - { name: chatty, signal: { max: 5 }, severity: warn }
  - { name: up, http: { url: "http://staging.test/up" } }`)
		sleep(10 * time.Minute)
		w.signal("tracer", s.id, `{"gap":12}`)
		sleep(10 * time.Minute)
		if holds := s.requests(release.Hold); len(holds) != 0 {
			t.Errorf("held: %+v", holds)
		}
		if p := s.watched(20 * time.Minute); p < 99 {
			t.Errorf("watched for %.1f%%", p)
		}
	})
}
