package e2e_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// signal publishes what an application of staging says.
func (w *world) signal(project, id, text string) {
	w.Helper()
	if _, err := w.js.Publish(w.Context(), topology.Signal(project, id), []byte(text)); err != nil {
		w.Fatal(err)
	}
}

// TestOnlyWhatIsNewCancels: an error that the promoted release had is no news in the next, also after all services were started anew;
// one that it did not have cancels. In the next one after that it is news again: the cancelled release was never everybody's.
func TestOnlyWhatIsNewCancels(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", tenMinutes+"watch: [ { name: news, signal: { level: error, new_only: true, max: 3 } } ]\n")
		w.start(all()...)
		first, s := w.soaks("tracer", "1.3.0")
		w.signal("tracer", first, "ERROR order 17 is late")
		w.signal("tracer", "", `{"level":"error","msg":"order 18 is late"}`)
		w.promotedAt(first, s.Due, time.Second)
		for _, name := range all() {
			w.kill(name)
		}
		w.start(all()...)
		w.apply("tracer", tenMinutes+"watch: [ { name: news, signal: { level: error, new_only: true } } ]\n")
		for _, version := range []string{"1.4.0", "1.4.1"} {
			id, _ := w.soaks("tracer", version)
			w.signal("tracer", id, "ERROR order 4711 is late")
			w.signal("tracer", id, `{"level":"error","msg":"order 19 is late"}`)
			time.Sleep(time.Minute)
			w.equal("its phase", w.load(id).Phase, release.Soaking)
			w.signal("tracer", id, "ERROR order 4711 is lost")
			s := w.untilPhase(id, release.Cancelled)
			w.contains("the reason", s.End.Reason, "news: 1 unusual error during the soak, 0 allowed: new error: ERROR order <num> is lost; for example: ERROR order 4711 is lost")
			w.equal("who", s.End.By, "watcher")
		}
		last, s := w.soaks("tracer", "1.4.2")
		w.signal("tracer", last, "ERROR order 1 is late")
		w.promotedAt(last, s.Due, time.Second)
	})
}

// TestWhatWasLostHolds: signals that nobody read are no pass, however late in the soak. A person looks, and decides.
func TestWhatWasLostHolds(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", tenMinutes+"watch: [ { name: errors, signal: { level: error } } ]\n")
		w.start(all()...)
		id, s := w.soaks("tracer", "1.4.0")
		w.sleepTo(s.Due.Add(-10 * time.Second)) // nearly all of it was watched
		w.signal("tracer", id, `{"gap":3}`)
		s = w.untilPhase(id, release.Held)
		w.contains("why it is held", s.Held.Said.Reason, "3 signals were lost before they were stored")
		w.equal("who", s.Held.Said.By, "watcher")
		time.Sleep(time.Hour)
		w.equal("the channel", w.channel("tracer", "latest"), "")
		w.ask("resume", id, "ana", "staging is well")
		w.untilPhase(id, release.Promoted)
	})
}
