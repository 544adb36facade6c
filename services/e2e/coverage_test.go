package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// TestGapIsMadeUpFor: the watcher is away for an hour of a soak of two. With on_gap: extend the release soaks on for what was not watched,
// and is promoted then, not before. How large a gap may be is the project's.
func TestGapIsMadeUpFor(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "soak: { on_gap: extend }")
		w.apply("lenient", "soak: { coverage: 50% }")
		w.apply("strict", "soak: { coverage: 100% }")
		w.start(all()...)
		strict := w.merge("strict", "1.4.0")
		w.untilPhase(strict, release.Soaking)
		time.Sleep(30 * time.Minute)
		w.kill(theWatcher)
		time.Sleep(10 * time.Minute)
		w.start(theWatcher)

		id, lenient := w.merge("tracer", "1.4.0"), w.merge("lenient", "1.4.0")
		due := w.untilPhase(id, release.Soaking).Due
		time.Sleep(20 * time.Minute)
		w.kill(theWatcher)
		time.Sleep(55 * time.Minute)
		w.start(theWatcher)
		w.contains("why the strict one is held", w.untilPhase(strict, release.Held).Held.Reason, "less than 100%")
		w.promotedAt(lenient, w.load(lenient).Due, time.Second)

		s := w.until(id, "soaking on", func(s release.State) bool { return s.Phase == release.Soaking && s.Due.After(due) })
		missing := s.Due.Sub(due)
		if missing < 50*time.Minute || missing > time.Hour {
			w.Errorf("it soaks on for %s, nobody watched for 55 minutes", missing)
		}
		w.equal("what was added", s.Prolonged.Round(time.Second), missing.Round(time.Second))
		w.promotedAt(id, s.Due, time.Second)
		var told []string
		for _, r := range w.records(id) {
			switch e := r.Event.(type) {
			case release.WasHeld:
				told = append(told, e.Holding.Reason)
			case release.WasResumed:
				told = append(told, e.Said.By, e.Said.Reason)
			}
		}
		w.contains("the journal", strings.Join(told, "\n"), "less than 90%", "it soaks on for", "promoter-0", "that nobody watched")
	})
}

// TestNeverWatched: what makes up for gaps has an end. Without any watcher the release soaks on for max_overdue in all, and is held then.
func TestNeverWatched(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "soak: { delay: 1h, on_gap: extend, max_overdue: 3h }")
		w.start(thePublisher, theStager, thePromoter)
		id := w.merge("tracer", "1.4.0")
		due := w.untilPhase(id, release.Soaking).Due
		s := w.until(id, "held for a person", func(s release.State) bool { return s.Phase == release.Held && !s.SoaksOn() })
		if late := s.Held.At.Sub(due); late < 3*time.Hour || late > 3*time.Hour+time.Minute {
			w.Errorf("held %s after it was due, want after three hours", late)
		}
		w.contains("why", s.Held.Reason, "watched for 0s of 1h0m0s", "resume it to soak the rest")
		w.equal("latest", w.channel("tracer", "latest"), "")
		w.start(theWatcher)
		w.ask("resume", id, "ana", "the watcher is back")
		w.promotedAt(id, w.until(id, "soaking", func(s release.State) bool { return s.Phase == release.Soaking }).Due, time.Second)
	})
}

// TestAPersonDecides: with require_human a failing check holds the release and says why. Whoever resumes it has seen that: what fails from
// then on counts, what failed before does not. A check that only warns stops nothing, though it has no data for the whole soak.
func TestAPersonDecides(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", `watch:
  - { name: health, http: { url: "http://health.test/" }, interval: 10s, failures: 3, require_human: true }
  - { name: errors, signal: { max: 0 }, require_human: true }
  - { name: slow, http: { url: "http://slow.test/" }, severity: warn }
  - { name: gone, json: { url: "http://gone.test/", value: body.n }, condition: value < 1.0, severity: warn }`)
		w.outside.says("slow.test", 500)
		w.outside.says("gone.test", 404)
		w.start(all()...)
		id := w.merge("tracer", "1.4.0")
		w.untilPhase(id, release.Soaking)
		time.Sleep(10 * time.Minute)
		w.outside.says("health.test", 503)
		s := w.untilPhase(id, release.Held)
		w.equal("who holds it", s.Held.By, "watcher")
		w.contains("why", s.Held.Reason, "check health failed 3 times in a row", "503")

		w.outside.says("health.test", 200)
		w.ask("resume", id, "ana", "it was the network")
		w.untilPhase(id, release.Soaking)
		time.Sleep(20 * time.Minute)
		if _, err := w.js.Publish(w.Context(), topology.Signal("tracer", ""), []byte("boom")); err != nil {
			w.Fatal(err)
		}
		w.contains("why", w.untilPhase(id, release.Held).Held.Reason, "check errors", "boom")
		time.Sleep(10 * time.Minute)
		w.kill(theWatcher) // what it held, and what was resumed, is not in its memory
		w.start(theWatcher)
		time.Sleep(10 * time.Minute)
		w.ask("resume", id, "ana", "we know that one")
		s = w.untilPhase(id, release.Soaking)
		w.promotedAt(id, s.Due, time.Second)
	})
}
