package watcher_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/judge"
)

const canary = `watch:
  - name: canary
    interval: 1m
    prometheus:
      url: "http://prometheus.test"
      score:
        pass: 90
        groups:
          - name: latency
            metrics:
              - { name: p95, value: p95, baseline: base, tolerated: 1.2 }
              - { name: p50, value: p50, baseline: base }
          - { name: errors, metrics: [ { name: errors, value: errors, baseline: none, missing: zero } ] }`

// Several numbers are scored once, whoever watches, and judging again comes to the same.
func TestAScore(t *testing.T) {
	for name, c := range map[string]struct {
		times float64
		told  string
	}{"well": {1, ""}, "worse": {1.5, "check canary failed: a score of 50 of 100, fail: 90 passes; p95 is High, 1."}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				began := time.Now()
				w.staging.numbers = func(query string) (float64, bool) {
					at := time.Since(began)
					switch query {
					case "p95", "p50":
						return c.times * wobble(at+time.Minute), true
					case "base":
						return wobble(at + time.Hour), true
					}
					return 0, false
				}
				w.start("a")
				s := w.soak("tracer", 2*time.Hour, canary)
				sleep(30 * time.Minute)
				w.kill("a")
				w.start("b")
				sleep(65 * time.Minute)
				if all := s.tombstones(); len(all) != 0 {
					t.Fatalf("it was asked too soon: %+v", all)
				}
				sleep(2 * time.Minute)
				if c.told == "" {
					sleep(22 * time.Minute)
					if p := s.watched(119 * time.Minute); p < 97 || len(s.tombstones()) != 0 {
						t.Errorf("watched for %.1f%%, tombstones %+v", p, s.tombstones())
					}
					return
				}
				told := s.tombstone()
				contains(t, told.Reason, c.told, "p50 is High")
				r, p := s.read()
				if d := r.Decide(p); d.Word != judge.Fail || !strings.HasPrefix(told.Reason, d.Why) {
					t.Errorf("judged again: %+v", d)
				}
			})
		})
	}
}
