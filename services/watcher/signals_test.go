package watcher_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/template"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// A check counts what its filter says, in whichever way it is written.
func TestSignalsAreFiltered(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", time.Hour, `watch:
  - { name: bad, signal: { level: error, match: "(?i)payment", ignore: ["card declined$", "^healthz"], max: 1 } }`)
		sleep(time.Minute)
		w.signal("tracer", "", `{"level":"warn","msg":"payment is slow"}`)
		w.signal("tracer", "", `level=info msg="payment 17 taken"`)
		w.signal("tracer", "", `{"level":"error","msg":"login is broken"}`)
		w.signal("tracer", "", "ERROR payment: card declined")
		w.signal("tracer", s.id, "healthz of payment: ERROR 17")
		w.signal("tracer", "", `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityNumber":9,"body":{"stringValue":"payment taken"}},
			{"severityNumber":17,"body":{"stringValue":"Payment 17 is lost"}}]}]}]}`)
		sleep(10 * time.Minute)
		if all := s.tombstones(); len(all) != 0 {
			t.Fatalf("tombstones: %+v", all)
		}
		w.signal("tracer", s.id, "what names no level counts: payment 18 is lost")
		sleep(10 * time.Millisecond)
		contains(t, s.tombstone().Reason, "check bad: 2 signals", "1 allowed", "the last: what names no level counts: payment 18 is lost")
	})
}

// A batch is as many signals as it has lines, and only the first that is too many is told.
func TestABatchIsManySignals(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", time.Hour, `watch: [ { name: errors, signal: { level: error, max: 2 } } ]`)
		sleep(time.Minute)
		w.signal("tracer", "", strings.Repeat("{\"level\":\"error\",\"msg\":\"boom\"}\n{\"level\":\"info\",\"msg\":\"fine\"}\n", 5))
		sleep(10 * time.Millisecond)
		contains(t, s.tombstone().Reason, "3 signals", "2 allowed", "boom")
	})
}

// promoted makes a release with these signals in its soak, which then was promoted.
func (w *world) promoted(project, version string, soak time.Duration, watch string, signals ...string) *soaking {
	w.Helper()
	s := w.soak(project, soak, watch)
	sleep(time.Minute)
	for _, text := range signals {
		w.signal(project, s.id, text)
	}
	sleep(soak - time.Minute)
	if all := s.tombstones(); len(all) != 0 {
		w.Fatalf("tombstones: %+v", all)
	}
	s.ended()
	_, err := w.journal.ChangeProject(w.Context(), project, func(r release.Record) (release.Record, error) {
		return r.Promote(release.Promotion{Release: s.id, Version: version, At: time.Now()}), nil
	})
	if err != nil {
		w.Fatal(err)
	}
	sleep(time.Second)
	return s
}

func (s *soaking) templates() template.Stored {
	s.Helper()
	stored, err := s.journal.Templates(s.Context(), s.id)
	if err != nil {
		s.Fatal(err)
	}
	return stored
}

const (
	anyErrors = `watch: [ { name: news, signal: { level: error, max: 1000 } } ]`
	newErrors = `watch: [ { name: news, signal: { level: error, new_only: true } } ]`
)

// What the releases before had is no news, however it is spelt this time; what they had not is.
func TestOnlyNewErrorsCancel(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		first := w.promoted("tracer", "1.3.0", time.Hour, anyErrors,
			"ERROR dial tcp 10.0.0.7:5432: i/o timeout", "ERROR order 17 of ana@corp.example is late", `{"level":"info","msg":"hello"}`,
			"ERROR dial tcp 10.0.0.9:5432: i/o timeout")
		stored := first.templates()
		if len(stored.Soaks) != 1 || stored.Version != "1.4.0" || stored.Project != "tracer" {
			t.Fatalf("stored: %+v", stored)
		}
		var texts []string
		for _, one := range stored.Soaks[0].Templates {
			texts = append(texts, fmt.Sprintf("%d %s", one.Count, one.Text))
		}
		if want := []string{"2 ERROR dial tcp <ip>: i/o timeout", "1 ERROR order <num> of <email> is late"}; !slices.Equal(texts, want) {
			t.Errorf("templates %q, want %q", texts, want)
		}
		w.promoted("tracer", "1.3.1", time.Hour, newErrors) // without any error: what was known before stays known

		s := w.soak("tracer", time.Hour, newErrors)
		sleep(time.Minute)
		w.signal("tracer", "", "ERROR dial tcp 10.0.3.1:6379: i/o timeout")
		w.signal("tracer", s.id, "ERROR order 4711 of eve@corp.example is late")
		sleep(10 * time.Minute)
		if all := s.tombstones(); len(all) != 0 {
			t.Fatalf("tombstones for what is known: %+v", all)
		}
		at := time.Now()
		w.signal("tracer", s.id, "ERROR can not parse the price 12,50 of item 9\n  at price.go:17")
		sleep(50 * time.Millisecond)
		r := s.tombstone()
		contains(t, r.Reason, "check news: 1 unusual error during the soak, 0 allowed: new error: ERROR can not parse the price <num>,<num> of item <num>",
			"; for example: ERROR can not parse the price 12,50 of item 9", "(at "+at.UTC().Format(time.TimeOnly))
		contains(t, r.Evidence, `"check":"news"`, "can not parse the price", `"of":3`)
		if n := len(s.templates().Soaks[0].Templates); n != 3 {
			t.Errorf("%d templates are stored after the verdict, want 3", n)
		}
	})
}

// The first release has nothing to compare with: every error is new. And what is allowed is allowed.
func TestTheFirstErrorEver(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", time.Hour, `watch: [ { name: news, signal: { level: error, new_only: true, max: 1 } } ]`)
		sleep(time.Minute)
		at := time.Now()
		w.signal("tracer", "", "ERROR boom 1")
		sleep(time.Minute)
		if all := s.tombstones(); len(all) != 0 {
			t.Fatalf("tombstones: %+v", all)
		}
		w.signal("tracer", "", "ERROR boom 2")
		sleep(10 * time.Millisecond)
		contains(t, s.tombstone().Reason, "2 unusual errors", "1 allowed", "new error: ERROR boom <num>, 2 times since "+at.UTC().Format(time.TimeOnly))
	})
}

// A known error that comes much more often is news; one that comes as often, or in a burst after the deployment, is not.
func TestAKnownErrorMoreOften(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		var known []string
		for i := range 12 {
			known = append(known, fmt.Sprintf("ERROR order %d is late", i))
		}
		w.promoted("tracer", "1.3.0", time.Hour, anyErrors, known...)
		s := w.soak("tracer", 2*time.Hour, newErrors)
		for _, text := range known { // all of an hour's at once
			w.signal("tracer", s.id, text)
		}
		sleep(time.Hour)
		for _, text := range known {
			w.signal("tracer", s.id, text)
		}
		sleep(10 * time.Minute)
		if all := s.tombstones(); len(all) != 0 {
			t.Fatalf("tombstones for as often as before: %+v", all)
		}
		for range 10 {
			for _, text := range known {
				w.signal("tracer", s.id, text)
			}
			sleep(time.Second)
		}
		contains(t, s.tombstone().Reason, "known error, more often: ERROR order <num> is late", "the release before had it 12 times in 1h0m",
			"; for example: ERROR order 0 is late")
	})
}

// What production has is no news either, also what it has only now.
func TestProductionIsABaseline(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		w.signal("shop-prod", "", "ERROR card 17 was declined")
		sleep(time.Hour)
		s := w.soak("shop", time.Hour, `watch: [ { name: news, signal: { level: error, new_only: true, baseline: shop-prod } } ]`)
		sleep(time.Minute)
		w.signal("shop", s.id, "ERROR card 18 was declined")
		w.signal("shop-prod", "", "ERROR the bank is away")
		w.signal("shop", s.id, "ERROR the bank is away")
		sleep(10 * time.Minute)
		if all := s.tombstones(); len(all) != 0 {
			t.Fatalf("tombstones: %+v", all)
		}
		w.signal("shop", s.id, "ERROR the bank is broke")
		w.signal("shop-prod", "", "ERROR the bank is broke") // too late to be an excuse
		sleep(10 * time.Millisecond)
		contains(t, s.tombstone().Reason, "new error: ERROR the bank is broke")
	})
}

// Signals are judged in the order of the stream, also where one subject has more than is read at once: what production had before
// staging is known.
func TestTheOrderIsTheStreams(t *testing.T) {
	bubble(t, func(w *world) {
		s := w.soak("shop", time.Hour, `watch: [ { name: news, signal: { level: error, new_only: true, baseline: shop-prod } } ]`)
		sleep(time.Second)
		var last jetstream.PubAckFuture
		for range 1500 {
			var err error
			if last, err = w.js.PublishAsync(topology.Signal("shop-prod", ""), []byte("ERROR of another kind")); err != nil {
				t.Fatal(err)
			}
		}
		<-last.Ok()
		w.signal("shop-prod", "", "ERROR the bank is away")
		w.signal("shop", s.id, "ERROR the bank is away")
		w.start("w")
		sleep(10 * time.Minute)
		if all := s.tombstones(); len(all) != 0 {
			t.Fatalf("tombstones: %+v", all)
		}
	})
}

// What was lost on the way to the broker is a gap: the release is held for a person, once, whoever watches, and it is said why.
func TestAGapIsNotAPass(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", time.Hour, `watch: [ { name: errors, signal: { level: error, max: 5 } } ]`)
		sleep(10 * time.Minute)
		w.signal("tracer", s.id, "{\"gap\":12}\n{\"level\":\"info\",\"msg\":\"after it\"}")
		sleep(10 * time.Millisecond)
		holds := s.requests(release.Hold)
		if len(holds) != 1 {
			t.Fatalf("held: %+v", holds)
		}
		contains(t, holds[0].Reason, "12 signals were lost", "check errors", "resume or cancel")
		sleep(10 * time.Minute)
		w.kill("w")
		w.start("x")
		sleep(40 * time.Minute)
		if n := len(s.requests(release.Hold)); n != 1 {
			t.Errorf("held %d times", n)
		}
		if p := s.watched(time.Hour); p < 99 {
			t.Errorf("watched for %.1f%%", p)
		}
		if all := s.tombstones(); len(all) != 0 {
			t.Errorf("tombstones: %+v", all)
		}
		s.do(release.WasHeld{Holding: release.Holding{Said: release.Said{By: "watcher", At: time.Now()}}, Seq: holds[0].Seq})
		sleep(time.Second)
		w.signal("tracer", s.id, `{"gap":1}`)
		sleep(time.Minute)
		if n := len(s.requests(release.Hold)); n != 1 {
			t.Errorf("held %d times, though it is", n)
		}
		s.do(release.WasResumed{Due: time.Now().Add(time.Hour), Said: release.Said{By: "ana", At: time.Now()}})
		sleep(time.Second)
		if n := len(s.requests(release.Hold)); n != 2 {
			t.Errorf("held %d times after it was resumed without knowing of another gap", n)
		}
		contains(t, s.judgements(topology.Evidence(s.id))[0].Detail, "12 signals were lost")
	})
}

// In a bake nothing can be held: nobody vouches for it any more.
func TestAGapInABake(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.baking()
		sleep(10 * time.Minute)
		w.signal("tracer", s.id, `{"gap":12}`)
		sleep(20 * time.Minute)
		if got := s.entry.State.Watched(s.beats()); got < 10*time.Minute || got > 11*time.Minute {
			t.Errorf("watched for %s", got)
		}
		if n := len(s.requests(release.Hold)); n != 0 {
			t.Errorf("held %d times", n)
		}
		said := s.judgements(topology.Evidence(s.id))
		if len(said) == 0 {
			t.Fatal("nothing is said")
		}
		contains(t, said[len(said)-1].Detail, "can not look", "12 signals were lost")
	})
}

// What the stream dropped before anybody read it is a gap, too, also for the next instance.
func TestWhatTheStreamDroppedIsAGap(t *testing.T) {
	bubble(t, func(w *world) {
		w.keeps(topology.LeastSignalsPerSubject)
		s := w.soak("tracer", time.Hour, `watch: [ { name: errors, signal: { level: error, max: 5 } } ]`)
		var last jetstream.PubAckFuture
		for range topology.LeastSignalsPerSubject + 10 {
			var err error
			if last, err = w.js.PublishAsync(topology.Signal("tracer", ""), []byte(`{"level":"info"}`)); err != nil {
				t.Fatal(err)
			}
		}
		<-last.Ok()
		for _, instance := range []string{"a", "b"} {
			w.start(instance)
			sleep(10 * time.Minute)
			w.drain(instance)
		}
		holds := s.requests(release.Hold)
		if len(holds) != 1 {
			t.Fatalf("held: %+v", holds)
		}
		contains(t, holds[0].Reason, "more signals came to sluice.signal.tracer than are kept (1000) before they were read")
	})
}

// Hostile text is text: it is told on one line, bounded, masked, and breaks nothing.
func TestHostileSignals(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", time.Hour, `watch: [ { name: news, signal: { new_only: true, max: 7 } } ]`)
		sleep(time.Minute)
		for _, text := range []string{
			"$(reboot) `reboot` ../../etc/passwd", "\x00\xff\xfe", strings.Repeat("[", 15_000), strings.Repeat("{}", 7_000), strings.Repeat("é", 7_000),
			`{"level":{"a":1},"msg":["x"],"error":{"stack":17}}`, "{\"msg\":\"http://ana:hunter2@db.test/?password=hunter2\"}",
			"a\u202eb\r\nc",
		} {
			w.signal("tracer", s.id, text)
		}
		sleep(time.Second)
		r := s.tombstone()
		if len(r.Reason) > 1024 || strings.ContainsAny(r.Reason+r.Evidence, "\n\r\u202e") || strings.Contains(r.Reason+r.Evidence, "hunter2") {
			t.Errorf("%q\n%q", r.Reason, r.Evidence)
		}
		var all struct{ Samples []struct{ Said string } }
		if err := json.Unmarshal([]byte(r.Evidence), &all); err != nil {
			t.Fatal(err)
		}
		if data, err := s.templates().Encode(); err != nil || strings.Contains(string(data), "hunter2") {
			t.Errorf("the templates tell the secret, or are broken: %v", err)
		}
	})
}

// A soak of two hours in which errors come all the time stores its table a few times, one without errors never.
func TestTheTablesCostLittle(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		quiet := w.soak("quiet", 2*time.Hour, newErrors)
		s := w.soak("tracer", 2*time.Hour, anyErrors)
		for range 240 {
			w.signal("tracer", s.id, "ERROR boom")
			sleep(30 * time.Second)
		}
		s.ended()
		quiet.ended()
		sleep(time.Second)
		if n := len(w.stored(topology.StreamEvidence, topology.Templates(s.id))); n < 5 || n > 40 {
			t.Errorf("%d tables are stored", n)
		}
		if n := s.templates().Soaks[0].Templates[0].Count; n != 240 {
			t.Errorf("counted %d", n)
		}
		if n := len(w.stored(topology.StreamEvidence, topology.Templates(quiet.id))); n != 0 {
			t.Errorf("%d tables of a soak without errors", n)
		}
	})
}
