package watcher_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/evidence"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
)

const sincePrevious = `watch:
  - name: latency
    prometheus: { url: "http://prometheus.test", compare: { value: latency, baseline: previous } }
    interval: 10s
    link: "https://wiki.test/latency"
  - name: errors
    prometheus: { url: "http://prometheus.test", compare: { errors: e, requests: r, baseline: previous } }
    interval: 10s`

// wobble is a number around 1 that is another one every time.
func wobble(at time.Duration) float64 {
	n := uint64(at.Milliseconds()) * 0x9E3779B97F4A7C15
	return 0.9 + 0.2*float64(n>>40)/(1<<24)
}

// previously is a world whose staging has a latency and errors, so many percent of what is normal.
func previously(w *world) (percent *atomic.Int64) {
	began := time.Now()
	percent = new(atomic.Int64)
	percent.Store(100)
	w.staging.numbers = func(query string) (float64, bool) {
		d, normal := time.Since(began), float64(percent.Load())/100
		return map[string]float64{
			"latency": normal * 200 * wobble(d), "e": normal * float64(int(d.Seconds()/20)), "r": 10 * d.Seconds(),
		}[query], true
	}
	return percent
}

// read is what is stored of the release, as `sluice backtest` reads it.
func (s *soaking) read() (evidence.Release, *project.Project) {
	s.Helper()
	r, err := evidence.Read(s.Context(), s.journal, s.id, time.Now())
	if err != nil {
		s.Fatal(err)
	}
	p, err := s.catalog.At(s.Context(), s.project, s.entry.State.Policy.Revision)
	if err != nil {
		s.Fatal(err)
	}
	return r, p
}

// The soak of the release before is a baseline: what is no worse passes, what is worse is cancelled with the numbers, the baseline and where
// to look, and judging again what was stored comes to the same, without the other release.
func TestTheReleaseBeforeIsABaseline(t *testing.T) {
	bubble(t, func(w *world) {
		percent := previously(w)
		w.start("a")
		ignoring := strings.ReplaceAll(sincePrevious, "interval: 10s", "interval: 10s\n    no_data: ignore")
		first := w.promoted("tracer", "1.2.0", time.Hour, ignoring)
		if p := first.watched(time.Hour); p < 99 {
			t.Errorf("the first was watched for %.1f%%", p)
		}
		for _, j := range first.judgements("sluice.evidence." + first.id) {
			if j.Passed || !strings.Contains(j.Detail, "no earlier release") {
				t.Errorf("the first: %+v", j)
			}
		}
		second := w.promoted("tracer", "1.3.0", 2*time.Hour, sincePrevious) // longer than what it is compared with
		if p := second.watched(2 * time.Hour); p < 99 {
			t.Errorf("the second was watched for %.1f%%", p)
		}
		r, p := second.read()
		if d := r.Decide(p); d.Word != judge.Pass {
			t.Errorf("the second: %+v", d)
		}

		percent.Store(130)
		third := w.soak("tracer", 2*time.Hour, sincePrevious)
		sleep(5 * time.Minute)
		w.kill("a")
		w.start("b") // who takes over compares with the same
		sleep(55 * time.Minute)
		told := third.tombstone()
		contains(t, told.Reason, "check latency failed", "where the baseline has", "see https://wiki.test/latency")
		contains(t, told.Evidence, `"baseline":"release 1.3.0 (`+second.id, `"source":"http://prometheus.test"`)
		r, p = third.read()
		again := r.Decide(p)
		if again.Word != judge.Fail || again.Check != "latency" || !strings.HasPrefix(told.Reason, again.Why) {
			t.Errorf("judged again: %+v\ntold was %s", again, told.Reason)
		}
		laxer, err := project.Parse("x", []byte("project: tracer\nsoak: { delay: 2h }\n"+
			strings.ReplaceAll(sincePrevious, "baseline: previous", "baseline: previous, tolerated: 2")))
		if err != nil {
			t.Fatal(err)
		}
		if d := r.Decide(laxer); d.Word == judge.Fail {
			t.Errorf("by a laxer policy: %+v", d)
		}
	})
}

// The first release has nothing to compare with. Unless the project says otherwise nobody vouches for it, and that is said.
func TestNoReleaseBefore(t *testing.T) {
	bubble(t, func(w *world) {
		previously(w)
		w.start("w")
		s := w.soak("tracer", time.Hour, sincePrevious)
		sleep(time.Hour)
		if n := len(s.beats()); n != 0 {
			t.Errorf("%d heartbeats", n)
		}
		said := s.judgements("sluice.evidence." + s.id)
		if len(said) != 2 {
			t.Fatalf("%+v", said)
		}
		contains(t, said[0].Detail, "can not look: no earlier release was measured by this check in this stage", "no_data: ignore")
	})
}
