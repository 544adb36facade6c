package watcher_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

func TestASignalCancelsWithinMilliseconds(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", 2*time.Hour, errorsCheck)
		sleep(13*time.Minute + 30*time.Second)
		at := time.Now()
		w.signal("tracer", s.id, "login is broken:\n500 from http://ana:pw@db.test/?password=hunter2")
		sleep(50 * time.Millisecond)
		r := s.tombstone()
		if took := r.At.Sub(at); took > 10*time.Millisecond {
			t.Errorf("the tombstone came after %s", took)
		}
		contains(t, r.Reason, "check errors", "1 signal", "0 allowed", "login is broken", at.UTC().Format(time.TimeOnly))
		var evidence struct {
			Check       string
			Count       int
			First, Last time.Time
			Samples     []struct{ Said string }
		}
		if err := json.Unmarshal([]byte(r.Evidence), &evidence); err != nil || strings.Contains(r.Evidence, "\n") {
			t.Fatalf("evidence %q: %v", r.Evidence, err)
		}
		if evidence.Check != "errors" || evidence.Count != 1 || !evidence.First.Equal(at) || len(evidence.Samples) != 1 {
			t.Errorf("evidence: %+v", evidence)
		}
		for _, secret := range []string{"hunter2", "pw@"} {
			if strings.Contains(r.Evidence+r.Reason, secret) {
				t.Errorf("%q is told: %s", secret, r.Evidence)
			}
		}
		judged, measured := s.judgements(topology.Judged(s.id)), s.judgements(topology.Evidence(s.id))
		if len(judged) != 1 || judged[0].Passed || judged[0].Check != "errors" || judged[0].Detail != r.Reason || judged[0].Count != 1 {
			t.Errorf("judged: %+v", judged)
		}
		if len(measured) != 1 || measured[0].Passed || measured[0].Detail != r.Evidence {
			t.Errorf("evidence: %+v", measured)
		}
		n := len(s.beats())
		sleep(10 * time.Minute) // the promoter is down
		w.signal("tracer", "", "boom")
		sleep(10 * time.Minute)
		s.tombstone()
		if more := len(s.beats()) - n; more != 0 {
			t.Errorf("%d heartbeats for a release that failed", more)
		}
		s.do(release.WasCancelled{Said: release.Said{By: "watcher", At: time.Now()}, Seq: r.Seq})
		sleep(time.Minute)
	})
}

func TestSignalsThatDoNotCount(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		w.signal("tracer", "", "from before")
		sleep(time.Second)
		s := w.soak("tracer", time.Hour, `watch: [ { name: errors, signal: { max: 2 }, grace: 1m } ]`)
		other := w.soak("other", time.Hour, errorsCheck)
		w.signal("tracer", s.id, "in its grace")
		sleep(59 * time.Second)
		w.signal("tracer", s.id, "still in its grace")
		sleep(2 * time.Second)
		w.signal("tracer", other.id, "of another release")
		w.signal("tracer", "", "one")
		w.signal("tracer", s.id, "two")
		sleep(10 * time.Minute)
		for _, s := range []*soaking{s, other} {
			if all := s.tombstones(); len(all) != 0 {
				t.Errorf("%s: tombstones: %+v", s.project, all)
			}
		}
		w.signal("tracer", "", "three")
		sleep(10 * time.Millisecond)
		contains(t, s.tombstone().Reason, "3 signals", "2 allowed", "three")
	})
}

func TestSignalsWhileTheWatcherWasDownCount(t *testing.T) {
	bubble(t, func(w *world) {
		w.signal("tracer", "", "from before")
		sleep(time.Second)
		w.start("w")
		s := w.soak("tracer", 2*time.Hour, errorsCheck)
		sleep(time.Minute)
		w.kill("w")
		sleep(time.Minute)
		w.signal("tracer", "", "nobody hears")
		sleep(time.Minute)
		w.start("w")
		sleep(10 * time.Millisecond)
		contains(t, s.tombstone().Reason, "1 signal", "nobody hears")
		beats := s.beats()
		if last := beats[len(beats)-1]; time.Since(last) < time.Minute {
			t.Error("a heartbeat after the signal")
		}
	})
}

// What an application writes into the headers of a signal can not hide it.
func TestAForgedSignalCounts(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", 2*time.Hour, errorsCheck)
		sleep(time.Minute)
		m := nats.NewMsg(topology.Signal("tracer", s.id))
		m.Header["Status"] = []string{"404"}
		m.Header["Nats-Time-Stamp"] = []string{"2001-01-01T00:00:00Z"}
		m.Header["Nats-Subject"] = []string{"elsewhere"}
		if _, err := w.js.PublishMsg(w.Context(), m); err != nil {
			t.Fatal(err)
		}
		sleep(10 * time.Millisecond)
		s.tombstone()
	})
}

func TestHTTPFailingThreeTimesInARowCancels(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", 2*time.Hour, healthCheck)
		sleep(10*time.Minute + 5*time.Second)
		w.staging.set("/healthz", http.StatusInternalServerError)
		since := time.Now().Add(5 * time.Second)
		sleep(24 * time.Second)
		if all := s.tombstones(); len(all) != 0 {
			t.Fatalf("tombstones after two failures: %+v", all)
		}
		sleep(2 * time.Second)
		r := s.tombstone()
		want := "check health failed 3 times in a row: GET http://staging.test/healthz?token=*** answered 500 (since " +
			since.UTC().Format(time.TimeOnly) + " UTC)"
		if r.Reason != want {
			t.Errorf("reason %q, want %q", r.Reason, want)
		}
		contains(t, r.Evidence, `"count":3`, `"check":"health"`)
		if strings.Contains(r.Evidence, "s3cret") {
			t.Errorf("the token is told: %s", r.Evidence)
		}
		asked := w.staging.count()
		sleep(time.Minute)
		if more := w.staging.count() - asked; more != 0 {
			t.Errorf("%d probes after the tombstone", more)
		}
	})
}

func TestFlappingHTTPDoesNotCancel(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", time.Hour, healthCheck)
		sleep(5 * time.Second) // between two probes
		for range 60 {
			w.staging.set("/healthz", http.StatusBadGateway)
			sleep(20 * time.Second)
			w.staging.set("/healthz", http.StatusOK)
			sleep(10 * time.Second)
		}
		if all := s.tombstones(); len(all) != 0 {
			t.Errorf("tombstones: %+v", all)
		}
		if p := s.watched(30 * time.Minute); p < 99.9 {
			t.Errorf("watched for %.1f%%", p)
		}
	})
}

func TestHTTPThatHangsIsAFailure(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		w.staging.set("/healthz", 0)
		s := w.soak("tracer", time.Hour, healthCheck)
		sleep(time.Minute)
		contains(t, s.tombstone().Reason, "did not answer within 5s")
	})
}

func TestFailuresInTheGraceDoNotCount(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		w.staging.set("/", http.StatusServiceUnavailable)
		s := w.soak("tracer", time.Hour, `watch: [ { name: up, http: { url: "http://staging.test/" }, interval: 10s, grace: 5m } ]`)
		sleep(5*time.Minute + 15*time.Second)
		if all := s.tombstones(); len(all) != 0 {
			t.Fatalf("tombstones: %+v", all)
		}
		sleep(10 * time.Second)
		contains(t, s.tombstone().Reason, "3 times in a row", "503")
	})
}

func TestARedirectIsTheAnswer(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		w.staging.set("/old", http.StatusFound)
		s := w.soak("tracer", time.Hour, `watch: [ { name: up, http: { url: "http://staging.test/old" }, failures: 1 } ]`)
		ok := w.soak("other", time.Hour, `watch: [ { name: up, http: { url: "http://staging.test/old", status: 302 }, failures: 1 } ]`)
		sleep(time.Minute)
		contains(t, s.tombstone().Reason, "answered 302")
		if all := ok.tombstones(); len(all) != 0 {
			t.Errorf("tombstones: %+v", all)
		}
	})
}

func TestExecProbes(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		well := w.soak("well", 5*time.Minute, `watch: [ { name: smoke, exec: { command: ["true"] }, interval: 30s } ]`)
		ill := w.soak("ill", 5*time.Minute,
			`watch: [ { name: smoke, exec: { command: ["sh", "-c", 'echo "$SLUICE_CHECK of $SLUICE_BETA: no"; exit 3'] }, interval: 30s } ]`)
		sleep(5 * time.Minute)
		if p := well.watched(5 * time.Minute); p < 99.9 {
			t.Errorf("watched for %.1f%%", p)
		}
		if all := well.tombstones(); len(all) != 0 {
			t.Errorf("tombstones: %+v", all)
		}
		contains(t, ill.tombstone().Reason, "check smoke failed 3 times in a row", "exit status 3", "smoke of 1.4.0-beta.0: no")
	})
}

func TestACommandThatCanNotRunIsNoHeartbeatAndNoTombstone(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", 5*time.Minute, `watch: [ { name: smoke, exec: { command: ["./not-there"] }, interval: 10s } ]`)
		sleep(5 * time.Minute)
		if all := s.tombstones(); len(all) != 0 {
			t.Errorf("tombstones: %+v", all)
		}
		if p := s.watched(5 * time.Minute); p > 5 {
			t.Errorf("watched for %.1f%%", p)
		}
		said := s.judgements(topology.Evidence(s.id))
		if len(said) != 1 {
			t.Fatalf("evidence: %+v", said)
		}
		contains(t, said[0].Detail, "can not look", "not-there")
	})
}

// The tombstone is published until the broker has it.
func TestTheTombstoneOutlastsTheBroker(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", 2*time.Hour, healthCheck)
		sleep(time.Minute)
		w.server.Stop()
		w.staging.set("/healthz", http.StatusInternalServerError)
		sleep(5 * time.Minute)
		w.server.Start(t)
		w.staging.set("/healthz", http.StatusOK) // too late
		sleep(2 * time.Second)
		contains(t, s.tombstone().Reason, "3 times in a row")
	})
}

// It is published as long as the release has not ended: a claim may turn out to be ineffective.
func TestTheTombstoneIsPublishedDuringAClaim(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", 2*time.Hour, healthCheck)
		sleep(time.Minute)
		w.server.Stop()
		w.staging.set("/healthz", http.StatusInternalServerError)
		sleep(5 * time.Minute)
		w.server.Start(t)
		defer s.first()()
		s.do(release.WasBegun{Work: release.Promote})
		sleep(2 * time.Second)
		contains(t, s.tombstone().Reason, "3 times in a row")
	})
}

// The release ended otherwise: nobody needs the tombstone.
func TestAnEndedReleaseGetsNoTombstone(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", 2*time.Hour, healthCheck)
		sleep(time.Minute)
		w.server.Stop()
		w.staging.set("/healthz", http.StatusInternalServerError)
		sleep(5 * time.Minute)
		w.server.Start(t)
		defer s.first()()
		s.ended()
		sleep(time.Hour)
		if all := s.tombstones(); len(all) != 0 {
			t.Errorf("tombstones: %+v", all)
		}
	})
}

// One that was stored before, by whichever instance, is not stored again.
func TestTheTombstoneIsPublishedOnce(t *testing.T) {
	bubble(t, func(w *world) {
		s := w.soak("tracer", 2*time.Hour, errorsCheck)
		w.signal("tracer", "", "boom")
		for range 3 {
			w.start("w")
			sleep(time.Minute)
			w.kill("w")
		}
		s.tombstone()
		if n := len(s.judgements(topology.Judged(s.id))); n != 1 {
			t.Errorf("%d judgements", n)
		}
	})
}

func TestAFlood(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", time.Hour, `watch: [ { name: errors, signal: { max: 2500 } } ]`)
		sleep(time.Minute)
		flood := func(n int) {
			var last jetstream.PubAckFuture
			for range n {
				var err error
				if last, err = w.js.PublishAsync(topology.Signal("tracer", ""), []byte("boom")); err != nil {
					t.Fatal(err)
				}
			}
			<-last.Ok()
		}
		flood(2500)
		sleep(time.Minute)
		if all := s.tombstones(); len(all) != 0 {
			t.Fatalf("tombstones: %+v", all)
		}
		if p := s.watched(2 * time.Minute); p < 99.9 {
			t.Errorf("watched for %.1f%%", p)
		}
		flood(1)
		sleep(10 * time.Millisecond)
		contains(t, s.tombstone().Reason, "2501 signals")
	})
}
