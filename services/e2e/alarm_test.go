package e2e_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// An alarm is a hint: whatever comes, whenever, and however often, the release is promoted once, when it is due.
func TestAlarms(t *testing.T) {
	const id = "01970000-0000-7000-8000-000000000009" // nobody's
	for name, disturb := range map[string]func(w *world, id string){
		"early": func(w *world, id string) { w.alarm(id) },
		"duplicate": func(w *world, id string) {
			for range 3 {
				w.alarm(id)
				synctest.Wait()
			}
		},
		"stale: the soak was extended since": func(w *world, id string) {
			w.ask("extend", id, "ana", "30m longer")
			w.until(id, "extended", func(s release.State) bool { return s.Extra == 30*time.Minute })
			w.alarm(id)
		},
		"lost: an early one took the delay with it": func(w *world, id string) {
			w.purge(topology.Delay(id))
			w.alarm(id)
		},
		"lost while the promoter was down": func(w *world, id string) {
			w.kill(thePromoter)
			w.purge(topology.Delay(id))
			w.alarm(id)
			w.start(thePromoter)
		},
		"lost, and nothing comes": func(w *world, id string) { w.purge(topology.Delay(id)) },
		"without a release":       func(w *world, _ string) { w.alarm(id) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.apply("tracer", "soak: { delay: 30m }")
				w.start(all()...)
				id := w.merge("tracer", "1.4.0")
				w.untilPhase(id, release.Soaking)
				time.Sleep(10 * time.Minute)
				disturb(w, id)
				s := w.untilPhase(id, release.Promoted)
				if late := s.End.At.Sub(s.Due); late < 0 || late > time.Second {
					w.Errorf("promoted %s after it was due", late)
				}
				claims := 0
				for _, r := range w.records(id) {
					if r.Type == string(release.Promoting) {
						claims++
					}
				}
				w.equal("claims", claims, 1)
				synctest.Wait()
				info, err := w.timers().Info(w.Context(), jetstream.WithSubjectFilter("sluice.>"))
				if err != nil {
					w.Fatal(err)
				}
				w.equal("timers left", len(info.State.Subjects), 0)
			})
		})
	}
}

// alarm is a due message out of turn.
func (w *world) alarm(id string) {
	w.Helper()
	if _, err := w.js.Publish(w.Context(), topology.Due(id), nil); err != nil {
		w.Fatal(err)
	}
}

// purge takes a timer away, as the broker does when a new delay races the alarm of the old one.
func (w *world) purge(subject string) {
	w.Helper()
	if err := w.timers().Purge(w.Context(), jetstream.WithPurgeSubject(subject)); err != nil {
		w.Fatal(err)
	}
}

func (w *world) timers() jetstream.Stream {
	w.Helper()
	s, err := w.js.Stream(w.Context(), topology.StreamTimers)
	if err != nil {
		w.Fatal(err)
	}
	return s
}
