package watcher_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/alert"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

const alertsCheck = `watch: [ { name: alerts, alert: { match: { severity: page } } } ]`

// heard stores an alert as the gateway does.
func (w *world) heard(project, fingerprint string, status alert.Status, since time.Time) {
	w.Helper()
	data, err := alert.Encode(alert.Alert{
		Status: status, Since: since, Name: "HighErrorRate", Labels: map[string]string{"severity": "page"},
		Summary: "a tenth of http://ana:pw@db.test/?password=hunter2 fails", URL: "https://prometheus.test/graph?g0.expr=up", Source: "alertmanager",
	})
	if err != nil {
		w.Fatal(err)
	}
	if _, err := w.js.Publish(w.Context(), topology.Alert(project, fingerprint), data); err != nil {
		w.Fatal(err)
	}
}

const aPrint, bPrint = "1a30ba71cca2921f", "2b30ba71cca2921f"

func TestAnAlertCancelsWithinMilliseconds(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", 2*time.Hour, alertsCheck)
		sleep(13*time.Minute + 30*time.Second)
		w.heard("other", aPrint, alert.Firing, time.Time{})
		sleep(time.Minute)
		at := time.Now()
		w.heard("tracer", aPrint, alert.Firing, at.Add(-30*time.Second))
		sleep(50 * time.Millisecond)
		r := s.tombstone()
		if took := r.At.Sub(at); took > 10*time.Millisecond {
			t.Errorf("the tombstone came after %s", took)
		}
		contains(t, r.Reason, "check alerts failed: alert HighErrorRate of alertmanager: a tenth of", "(https://prometheus.test/graph?g0.expr=up)",
			"at "+at.Add(-30*time.Second).UTC().Format(time.TimeOnly))
		for _, secret := range []string{"hunter2", "pw@"} {
			if strings.Contains(r.Evidence+r.Reason, secret) {
				t.Errorf("%q is told: %s", secret, r.Evidence)
			}
		}
	})
}

// An alert that fires since before the release came is not its fault, and that is said; one that fires anew is.
func TestAnAlertFromBeforeIsNotBlamed(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		w.heard("tracer", aPrint, alert.Firing, time.Time{})
		sleep(3 * time.Hour)
		s := w.soak("tracer", 2*time.Hour, alertsCheck)
		sleep(time.Hour)
		w.heard("tracer", aPrint, alert.Firing, time.Time{}) // told again
		sleep(59 * time.Minute)
		if all := s.tombstones(); len(all) != 0 {
			t.Fatalf("tombstones: %+v", all)
		}
		if p := s.watched(118 * time.Minute); p < 99.9 {
			t.Errorf("watched for %.1f%%", p)
		}
		clean, failing := s.clean(time.Time{})
		if len(clean) == 0 || len(failing) != 0 {
			t.Errorf("%d clean heartbeats, %d that saw a failure", len(clean), len(failing))
		}
		beats := w.stored(topology.StreamEvidence, topology.Heartbeat(s.id))
		h, err := releasepb.DecodeHeartbeat(beats[len(beats)-1].Data)
		if err != nil || len(h.Inconclusive) != 1 {
			t.Fatalf("%+v %v", h, err)
		}
		contains(t, h.Inconclusive[0], "check alerts is inconclusive: alert HighErrorRate", "before the release came")
		said := s.judgements(topology.Evidence(s.id))
		if len(said) != 1 || said[0].Passed {
			t.Fatalf("evidence: %+v", said)
		}
		contains(t, said[0].Detail, `"inconclusive":"alert HighErrorRate`, `"failed":false`)

		w.heard("tracer", aPrint, alert.Resolved, time.Time{})
		sleep(10 * time.Second)
		w.heard("tracer", aPrint, alert.Firing, time.Time{})
		sleep(10 * time.Millisecond)
		s.tombstone()
	})
}

// Nobody tells of an alert that goes on firing: it fails the check when its time has come.
func TestAnAlertThatGoesOnFiring(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", 2*time.Hour, `watch: [ { name: alerts, alert: { for: 2m } } ]`)
		sleep(5*time.Minute + 10*time.Second)
		w.heard("tracer", bPrint, alert.Firing, time.Time{})
		sleep(time.Minute)
		w.heard("tracer", bPrint, alert.Resolved, time.Time{})
		sleep(10 * time.Minute)
		at := time.Now()
		w.heard("tracer", aPrint, alert.Firing, time.Time{})
		sleep(119 * time.Second)
		if all := s.tombstones(); len(all) != 0 {
			t.Fatalf("tombstones: %+v", all)
		}
		if _, failing := s.clean(at); len(failing) == 0 {
			t.Error("no heartbeat says that an alert fires")
		}
		sleep(2 * time.Second)
		r := s.tombstone()
		if took := r.At.Sub(at); took < 2*time.Minute || took > 2*time.Minute+20*time.Millisecond {
			t.Errorf("the tombstone came after %s", took)
		}
		contains(t, r.Reason, "fired for 2m0s")
	})
}

// The silence of a source that is to be heard of is no data: nobody watches, and nothing is promoted.
func TestTheSilenceOfASource(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", 2*time.Hour, `watch: [ { name: alerts, alert: { source: alertmanager, heartbeat: 5m } } ]`)
		sleep(10 * time.Minute)
		if n := len(s.beats()); n != 0 {
			t.Errorf("%d heartbeats, and the source was never heard of", n)
		}
		said := s.judgements(topology.Evidence(s.id))
		if len(said) != 1 {
			t.Fatalf("evidence: %+v", said)
		}
		contains(t, said[0].Detail, "can not look", "alertmanager was never heard of")
		for range 20 {
			w.heard("tracer", aPrint, alert.Alive, time.Time{})
			sleep(time.Minute)
		}
		if n := len(s.beats()); n < 19 {
			t.Errorf("%d heartbeats while it lives", n)
		}
		sleep(10 * time.Minute)
		beats := s.beats()
		if gone := time.Since(beats[len(beats)-1]); gone < 4*time.Minute || gone > 7*time.Minute {
			t.Errorf("the last heartbeat was %s ago, and it was heard of last 11m ago", gone)
		}
		w.heard("tracer", aPrint, alert.Alive, time.Time{})
		sleep(10 * time.Millisecond)
		if now := s.beats(); len(now) != len(beats)+1 {
			t.Errorf("%d heartbeats after a sign of life, before that %d", len(now), len(beats))
		}
		if all := s.tombstones(); len(all) != 0 {
			t.Errorf("tombstones: %+v", all)
		}
	})
}

// What came while no watcher ran counts, and what can not be read is passed over.
func TestAlertsWhileTheWatcherWasDown(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", 2*time.Hour, alertsCheck)
		sleep(time.Minute)
		w.kill("w")
		for i, garbage := range []string{"", "{", `{"status":"alight"}`, `{"status":1}`} {
			if _, err := w.js.Publish(w.Context(), topology.Alert("tracer", fmt.Sprintf("%08d", i)), []byte(garbage)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.js.Publish(w.Context(), "sluice.alert.tracer.NOT-A-PRINT", []byte(`{"status":"firing"}`)); err != nil {
			t.Fatal(err)
		}
		sleep(10 * time.Second)
		w.start("w")
		sleep(time.Minute)
		if all := s.tombstones(); len(all) != 0 {
			t.Fatalf("tombstones: %+v", all)
		}
		w.kill("w")
		w.heard("tracer", aPrint, alert.Firing, time.Time{})
		sleep(10 * time.Second)
		w.start("w")
		sleep(10 * time.Millisecond)
		s.tombstone()
	})
}
