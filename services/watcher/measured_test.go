package watcher_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// measured is all that is stored of a check, in order.
func (s *soaking) measured(check string) (looks []judge.Measurement, source string) {
	s.Helper()
	all, unread, err := s.journal.Measured(s.Context(), s.id, s.from())
	if err != nil || unread != 0 {
		s.Fatalf("%d messages are unread: %v", unread, err)
	}
	for _, m := range all {
		if !judge.StretchOfStored(m.Measured).Same(judge.Stretch{From: s.from()}) {
			s.Fatalf("of another stretch: %+v", m)
		}
		for _, one := range m.Looks {
			if one.Check != check {
				continue
			}
			source = one.Source
			for _, l := range one.All {
				looks = append(looks, judge.MeasurementOf(l))
			}
		}
	}
	return looks, source
}

// rule is that of the first check of a watch block.
func (s *soaking) rule(watch string) (project.Check, judge.Rule) {
	s.Helper()
	p, err := project.Parse("x", fmt.Appendf(nil, "project: x\nsoak: { delay: 24h }\n%s", watch))
	if err != nil {
		s.Fatal(err)
	}
	c := p.Stages[0].Watch[0]
	return c, judge.RuleOf(c, s.from())
}

const patientCheck = `watch: [ { name: health, http: { url: "http://staging.test/healthz" }, interval: 10s, failures: 3 } ]`

// What a soak stored comes to the verdict that was told, at the same look.
func TestWhatASoakStoredComesToTheSameVerdict(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", 2*time.Hour, patientCheck)
		sleep(10*time.Minute + 5*time.Second)
		w.staging.set("/healthz", http.StatusBadGateway)
		sleep(20 * time.Second) // two looks
		w.staging.set("/healthz", http.StatusOK)
		sleep(30 * time.Minute)
		w.staging.set("/healthz", http.StatusServiceUnavailable)
		sleep(5 * time.Minute)
		told := s.tombstone()
		looks, source := s.measured("health")
		check, rule := s.rule(patientCheck)
		tally, at := judge.Replay(rule, looks)
		if source != judge.Source(check) || at != len(looks)-1 || len(looks) != w.staging.count() {
			t.Fatalf("source %s, failed at look %d of %d that are stored, of %d", source, at, len(looks), w.staging.count())
		}
		v := judge.Verdict{Check: "health", Stretch: judge.Stretch{From: s.from()}, Rule: rule, Tally: tally}
		v.Links = judge.LinksOf(check, s.entry.State)
		if v.Reason() != told.Reason || v.Evidence() != told.Evidence {
			t.Errorf("%s\n%s\ntold was %s\n%s", v.Reason(), v.Evidence(), told.Reason, told.Evidence)
		}
		// Another policy, on what is there.
		_, hasty := s.rule(strings.Replace(patientCheck, "failures: 3", "failures: 2", 1))
		if tally, at := judge.Replay(hasty, looks); at < 60 || at > 63 || tally.Last.At != looks[at].At || looks[at-2].OK == looks[at].OK {
			t.Errorf("with two failures it would have failed at look %d", at)
		}
	})
}

// An orderly stop loses no look, and whoever comes next goes on counting.
func TestARowOfFailuresIsContinued(t *testing.T) {
	for how, stop := range map[string]func(w *world, instance string){"drained": (*world).drain, "killed": (*world).kill} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.start("a")
				s := w.soak("tracer", 2*time.Hour, strings.Replace(patientCheck, "failures: 3", "failures: 13", 1))
				sleep(10*time.Minute + 5*time.Second)
				w.staging.set("/healthz", http.StatusBadGateway)
				sleep(2 * time.Minute) // twelve failures
				stop(w, "a")
				before, _ := s.measured("health")
				w.start("b")
				sleep(4 * time.Minute)
				told := s.tombstone()
				if took := told.At.Sub(s.from()); took > 15*time.Minute {
					t.Errorf("it began to count anew: it was told after %s", took)
				}
				contains(t, told.Reason, "failed 13 times in a row")
				looks, _ := s.measured("health")
				_, rule := s.rule(strings.Replace(patientCheck, "failures: 3", "failures: 13", 1))
				if _, at := judge.Replay(rule, looks); at != len(looks)-1 {
					t.Errorf("failed at look %d of %d", at, len(looks))
				}
				if asked := w.staging.count(); how == "drained" && len(looks) != asked || len(looks) <= len(before) {
					t.Errorf("%d looks are stored, %d of them by a, of %d", len(looks), len(before), asked)
				}
			})
		})
	}
}

// A row that a look ended is not continued, also if who saw that dies at once.
func TestARowThatEndedIsNotContinued(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("a")
		s := w.soak("tracer", 2*time.Hour, patientCheck)
		sleep(10*time.Minute + 45*time.Second)
		w.staging.set("/healthz", http.StatusBadGateway)
		sleep(20 * time.Second) // two failures, and a heartbeat
		w.staging.set("/healthz", http.StatusOK)
		sleep(11 * time.Second)
		w.kill("a")
		w.staging.set("/healthz", http.StatusBadGateway)
		sleep(2 * time.Minute)
		w.start("b")
		sleep(15 * time.Second) // two more
		w.staging.set("/healthz", http.StatusOK)
		sleep(10 * time.Minute)
		if all := s.tombstones(); len(all) != 0 {
			t.Errorf("told: %+v", all)
		}
	})
}

// Signals are counted and stored once, whoever watches.
func TestSignalsAreStoredOnce(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("a")
		s := w.soak("tracer", 2*time.Hour, `watch: [ { name: errors, signal: { max: 9 } } ]`)
		for i, stop := range []func(*world, string){(*world).kill, (*world).drain, (*world).kill} {
			sleep(5 * time.Minute)
			w.signal("tracer", s.id, "first")
			w.signal("tracer", "", "second")
			sleep(70 * time.Second)
			w.signal("tracer", "", fmt.Sprintf("not stored yet %d", i))
			sleep(time.Second)
			stop(w, []string{"a", "b"}[i%2])
			w.start([]string{"b", "a"}[i%2])
		}
		sleep(5 * time.Minute)
		looks, _ := s.measured("errors")
		if len(looks) != 9 {
			t.Errorf("%d signals are stored, want 9: %+v", len(looks), looks)
		}
		if all := s.tombstones(); len(all) != 0 {
			t.Fatalf("told: %+v", all)
		}
		w.signal("tracer", "", "the tenth")
		sleep(10 * time.Millisecond)
		contains(t, s.tombstone().Reason, "10 signals", "9 allowed", "the tenth")
	})
}

// Two that watch at the same time store one sequence of messages.
func TestTwoThatWatchStoreOneSequence(t *testing.T) {
	bubble(t, func(w *world) {
		s := w.soak("tracer", 2*time.Hour, patientCheck)
		sleep(10 * time.Minute)
		w.start("a")
		w.start("b")
		sleep(time.Hour)
		looks, _ := s.measured("health")
		for i := 1; i < len(looks); i++ {
			if looks[i].At.Before(looks[i-1].At) {
				t.Errorf("look %d at %s is stored after one at %s", i, looks[i].At, looks[i-1].At)
			}
		}
		if n := len(looks); n < 355 || n > 362 {
			t.Errorf("%d looks in an hour, want 360", n)
		}
	})
}

// What nobody could look at is stored, too, and why.
func TestThatItCouldNotLookIsStored(t *testing.T) {
	bubble(t, func(w *world) {
		w.noFiles["w"] = true
		w.start("w")
		s := w.soak("tracer", time.Hour, patientCheck)
		sleep(10 * time.Minute)
		looks, _ := s.measured("health")
		if len(looks) < 50 || looks[7].Lack != judge.Blind || !strings.Contains(looks[7].Said, "too many open files") {
			t.Errorf("%d looks: %+v", len(looks), looks[:min(len(looks), 8)])
		}
		s.ended()
		sleep(time.Minute)
		for _, j := range s.judgements(topology.Evidence(s.id)) {
			if j.Passed || !j.Inconclusive {
				t.Errorf("it could not look, and it is judged %+v", j)
			}
		}
		if n := len(w.stored(topology.StreamEvidence, topology.Measured(s.id))); n > 22 {
			t.Errorf("in %d messages, want one for each of the 20 intervals", n)
		}
	})
}

// A broker that is away loses no look, as long as there is room for them; then the oldest, and it is said how many.
func TestLooksWaitForTheBroker(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", 20*time.Hour, patientCheck)
		sleep(time.Hour)
		w.server.Stop()
		sleep(time.Hour)
		w.server.Start(t)
		sleep(30 * time.Minute)
		end := s.first()
		defer end()
		looks, _ := s.measured("health")
		if n := len(looks); n < w.staging.count()-60 {
			t.Errorf("%d looks are stored, of %d", n, w.staging.count())
		}
	})
}
