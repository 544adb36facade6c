package e2e_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

const tenMinutes = "soak: { delay: 10m }\n"

// TestPause: what is due while its project is paused waits, also when somebody insists, and goes on within a second.
func TestPause(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", tenMinutes)
		w.apply("router", tenMinutes)
		w.start(all()...)
		tracer, _ := w.soaks("tracer", "1.4.0")
		router, _ := w.soaks("router", "2.0.0")
		w.says(topology.StopPause, "tracer", "ana", "we look into the logins")
		s := w.untilPostponed(tracer, release.ByPause)
		w.contains("why", s.Postponed.Why, "the project is paused by ana: we look into the logins")
		w.promotedAt(router, w.load(router).Due, time.Second)

		w.ask("expedite", tracer, "lee", `{"force":true,"reason":"it is urgent"}`)
		time.Sleep(time.Minute)
		w.equal("what is forced through a pause", w.load(tracer).Phase, release.Soaking)
		w.says(topology.StopPause, topology.AllProjects, "lee", "")
		w.says(topology.StopUnpause, "tracer", "lee", "found it")
		time.Sleep(time.Minute)
		w.contains("why", w.load(tracer).Postponed.Why, "all projects are paused by lee")
		w.says(topology.StopUnpause, topology.AllProjects, "", "")
		w.promotedAt(tracer, time.Now(), time.Second)
	})
}

// TestPauseRacesTheClaim: a pause that is stored before the claim stops it, though the promoter looked for pauses before; one
// that is stored after it is for the next release.
func TestPauseRacesTheClaim(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", tenMinutes)
		w.start(all()...)
		id, _ := w.soaks("tracer", "1.4.0")
		var paused uint64
		w.outside.first("tracer", driver.Promote, look, func() { paused = w.says(topology.StopPause, "tracer", "ana", "stop") })
		w.untilPostponed(id, release.ByPause)
		w.equal("latest", w.channel("tracer", "latest"), "")
		claims := w.claims(id)
		if len(claims) != 1 || paused == 0 || paused > claims[0] {
			w.Fatalf("claims at %v, the pause at %d: this was no race", claims, paused)
		}
		w.equal("what the channel was before", w.load(id).Latest, release.Channel{})
		time.Sleep(10 * time.Minute)
		w.equal("claims while it is paused", w.count(id, "promoting"), 1)
		w.says(topology.StopUnpause, "tracer", "ana", "")
		w.promotedAt(id, time.Now(), time.Second)
		w.equal("latest", w.channel("tracer", "latest"), "1.4.0")

		late, _ := w.soaks("tracer", "1.5.0")
		stored := make(chan uint64, 1)
		w.onRecord(late, release.Promoting, func() { stored <- w.says(topology.StopPause, "tracer", "ana", "stop") })
		s := w.until(late, "settled", func(s release.State) bool { return s.Phase == release.Promoted || s.Postponed != nil })
		want := release.Promoted
		if <-stored < w.claims(late)[0] { // it was quicker than the record itself
			want = release.Soaking
		}
		w.equal("what was claimed as the pause came", s.Phase, want)
		w.says(topology.StopUnpause, "tracer", "ana", "")
		w.untilPhase(late, release.Promoted)
		w.says(topology.StopPause, "tracer", "ana", "stop")
		next, _ := w.soaks("tracer", "1.6.0")
		w.untilPostponed(next, release.ByPause)
	})
}

// TestPauseWhileEverythingIsDown: the broker's word counts, whoever is there to hear it.
func TestPauseWhileEverythingIsDown(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", tenMinutes)
		w.apply("router", tenMinutes)
		w.start(all()...)
		tracer, s := w.soaks("tracer", "1.4.0")
		router, _ := w.soaks("router", "1.4.0")
		w.sleepTo(s.Due.Add(-30 * time.Second))
		for _, name := range all() {
			w.kill(name)
		}
		w.says(topology.StopPause, "tracer", "", "by plain nats")
		time.Sleep(10 * time.Minute)
		w.start(all()...)
		w.untilPhase(router, release.Promoted)
		w.untilPostponed(tracer, release.ByPause)
		time.Sleep(10 * time.Minute)
		for _, name := range all() {
			w.kill(name)
		}
		w.says(topology.StopUnpause, "tracer", "", "")
		time.Sleep(10 * time.Minute)
		w.equal("its phase", w.load(tracer).Phase, release.Soaking)
		w.start(all()...)
		w.promotedAt(tracer, time.Now(), time.Second)
	})
}

// TestChannelOutOfSightAfterAPause: how long it waited says nothing of how long nobody can look at the channel.
func TestChannelOutOfSightAfterAPause(t *testing.T) {
	bubble(t, func(w *world) {
		ids := map[string]string{}
		for _, name := range []string{"tracer", "router"} {
			w.apply(name, tenMinutes)
		}
		w.start(all()...)
		for _, name := range []string{"tracer", "router"} {
			ids[name], _ = w.soaks(name, "1.4.0")
			w.says(topology.StopPause, name, "ana", "")
			w.outside.fails(name, driver.Promote, look, "the registry is away")
		}
		w.untilPostponed(ids["router"], release.ByPause)
		time.Sleep(30 * time.Minute)
		w.says(topology.StopUnpause, "tracer", "ana", "")
		w.says(topology.StopUnpause, "router", "ana", "")
		opened := time.Now()
		time.Sleep(5 * time.Minute)
		w.equal("its phase", w.load(ids["tracer"]).Phase, release.Soaking)
		w.outside.mendsOf("tracer")
		w.promotedAt(ids["tracer"], time.Now(), 16*time.Second)
		end := w.untilPhase(ids["router"], release.Failed).End
		w.contains("why", end.Reason, "can not look at the channel: the registry is away")
		if patience := end.At.Sub(opened); patience < 10*time.Minute || patience > 11*time.Minute {
			w.Errorf("given up after %s, want 10m", patience)
		}
	})
}

// claims are the sequences of the records that claimed a promotion.
func (w *world) claims(id string) []uint64 {
	w.Helper()
	var out []uint64
	for _, r := range w.records(id) {
		if e, ok := r.Event.(release.WasBegun); ok && e.Work == release.Promote && e.Attempt.Number == 1 {
			out = append(out, r.seq)
		}
	}
	return out
}
