package e2e_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

const weekend = `windows: { zone: Europe/Berlin, freeze: [ { name: weekend, weekly: "Fri 16:00 - Mon 09:00" } ] }
`

// TestWeekendOverDaylightSaving: what comes due on the Sunday on which clocks are put forward is promoted on Monday at nine by the
// clock on the wall, an hour earlier than it would be by counting hours; or when somebody insists.
func TestWeekendOverDaylightSaving(t *testing.T) {
	bubbleAt(t, "2000-03-26T00:40:00Z", func(w *world) { // a Sunday; it is 01:40 in Berlin, and twenty minutes later 03:00
		for _, name := range []string{"tracer", "router", "web", "api"} {
			w.apply(name, weekend+tenMinutes)
		}
		w.start(all()...)
		ids := map[string]string{}
		for _, name := range []string{"tracer", "router", "web", "api"} {
			ids[name], _ = w.soaks(name, "1.4.0")
		}
		monday := moment(t, "2000-03-27T07:00:00Z")
		for name, id := range ids {
			s := w.untilPostponed(id, release.ByWindow)
			w.contains("why "+name+" waits", s.Postponed.Why, "weekend")
			if !s.Postponed.Until.Equal(monday) {
				w.Errorf("%s waits until %s, want %s", name, s.Postponed.Until, monday)
			}
			if late := s.Postponed.Since.Sub(s.Due); late < 0 || late > time.Second {
				w.Errorf("%s was due at %s, and postponed at %s", name, s.Due, s.Postponed.Since)
			}
			w.equal("latest of "+name, w.channel(name, "latest"), "")
		}
		w.ask("expedite", ids["router"], "ana", "hotfix")
		w.ask("expedite", ids["web"], "ana", "hotfix")
		w.ask("cancel", ids["api"], "ana", "login is broken")
		time.Sleep(time.Minute)
		w.equal("what an expedite alone came to", w.load(ids["router"]).Phase, release.Soaking)
		w.equal("what a cancel came to", w.load(ids["api"]).Phase, release.Cancelled)
		w.laneIsFree("api")

		seq := w.ask("expedite", ids["router"], "ana", `{"force":true}`)
		w.contains("a force without a reason", w.refused(ids["router"], seq), "force needs a reason")
		w.equal("and then", w.load(ids["router"]).Phase, release.Soaking)
		w.ask("expedite", ids["router"], "ana", `{"force":true,"reason":"nobody can log in"}`)
		w.promotedAt(ids["router"], time.Now(), time.Second)

		w.onlyPromoter()
		w.sleepTo(monday.Add(-time.Minute))
		w.promotedAt(ids["tracer"], monday, time.Second)
		w.promotedAt(ids["web"], monday, time.Second)
		for name, again := range map[string]int{"tracer": 0, "api": 0, "router": 1, "web": 1} { // after an expedite it is looked again
			w.equal("postponements of "+name, w.count(ids[name], "postponed"), 1+again)
		}
	})
}

// TestFreezes: of a project's own freeze and that of all projects the longer one counts, and each ends by its time, or by a word.
func TestFreezes(t *testing.T) {
	bubble(t, func(w *world) {
		ids := map[string]string{}
		names := []string{"tracer", "router", "web", "api"}
		for _, name := range names {
			w.apply(name, "soak: { delay: 1h, max_overdue: 2h }")
		}
		w.start(all()...)
		for _, name := range names {
			ids[name] = w.merge(name, "1.4.0")
		}
		for _, name := range names {
			w.untilPhase(ids[name], release.Soaking)
		}
		began := time.Now()
		w.says(topology.StopFreeze, topology.AllProjects, "ana", "6h the fair")
		w.says(topology.StopFreeze, "router", "lee", began.Add(8*time.Hour).Format(time.RFC3339)+" migration")
		w.says(topology.StopFreeze, "web", "", "")

		w.contains("why tracer waits", w.untilPostponed(ids["tracer"], release.ByFreeze).Postponed.Why, "all projects are frozen by ana: the fair")
		s := w.untilPostponed(ids["router"], release.ByFreeze)
		w.contains("why router waits", s.Postponed.Why, "the project is frozen by lee: migration")
		w.equal("until", s.Postponed.Until.Sub(began).Round(time.Second), 8*time.Hour)
		s = w.untilPostponed(ids["web"], release.ByFreeze)
		w.contains("why web waits", s.Postponed.Why, "the project is frozen by somebody")
		w.equal("until", s.Postponed.Until.IsZero(), true)

		w.ask("expedite", ids["api"], "ana", "hotfix")
		time.Sleep(time.Minute)
		w.onlyPromoter()
		w.sleepTo(began.Add(3 * time.Hour))
		w.equal("an expedited release", w.load(ids["api"]).Phase, release.Soaking)
		w.ask("expedite", ids["api"], "ana", `{"force":true,"reason":"nobody can log in"}`)
		w.promotedAt(ids["api"], time.Now(), time.Second)

		w.sleepTo(began.Add(4 * time.Hour))
		w.says(topology.StopUnfreeze, topology.AllProjects, "ana", "")
		w.promotedAt(ids["tracer"], time.Now(), time.Second)
		w.sleepTo(began.Add(8*time.Hour - time.Minute))
		w.equal("router's phase before its own freeze ends", w.load(ids["router"]).Phase, release.Soaking)
		w.promotedAt(ids["router"], began.Add(8*time.Hour).Truncate(time.Second), time.Second)
		w.sleepTo(began.Add(9 * time.Hour))
		w.says(topology.StopUnfreeze, "web", "lee", "")
		w.promotedAt(ids["web"], time.Now(), time.Second)
		for name, again := range map[string]int{"tracer": 0, "router": 0, "web": 0, "api": 1} {
			w.equal("postponements of "+name, w.count(ids[name], "postponed"), 1+again)
		}
	})
}

// onlyPromoter stops the services that have nothing to do with what waits: their idle hours cost the test most of its time.
func (w *world) onlyPromoter() {
	for _, name := range []string{thePublisher, theStager, theWatcher} {
		w.kill(name)
	}
}

// TestOverdueCountsWhatWasOpen: due in a freeze while nobody was there to see it, a release is overdue only since the freeze was over; due
// before it, since then.
func TestOverdueCountsWhatWasOpen(t *testing.T) {
	for merged, want := range map[string]release.Phase{"2000-03-24T14:55:00Z": release.Promoted, "2000-03-24T13:00:00Z": release.Held} {
		bubbleAt(t, merged, func(w *world) {
			w.apply("tracer", weekend+"soak: { delay: 10m, max_overdue: 6h }\n")
			w.start(all()...)
			id, s := w.soaks("tracer", "1.4.0")
			w.sleepTo(s.Due.Add(-time.Minute))
			w.kill(thePromoter)
			w.sleepTo(s.Due.Add(time.Minute))
			for _, name := range all() {
				w.kill(name)
			}
			w.sleepTo(moment(t, "2000-03-27T07:05:00Z")) // five minutes after it opened
			w.start(all()...)
			s = w.until(id, "held or promoted", func(s release.State) bool { return s.Phase == release.Held || s.Phase.Ended() })
			w.equal("merged at "+merged+" it", s.Phase, want)
		})
	}
}

// TestWindowClosesBeforeTheClaim: the promoter looks at the channel for twenty seconds, and the freeze of the project begins meanwhile.
// The claim comes too late, by the broker's time, and is taken back.
func TestWindowClosesBeforeTheClaim(t *testing.T) {
	bubbleAt(t, "2000-03-24T14:40:00Z", func(w *world) {
		w.apply("tracer", weekend+tenMinutes)
		w.start(all()...)
		id, _ := w.soaks("tracer", "1.4.0")
		freeze := moment(t, "2000-03-24T15:00:00Z")
		w.ask("extend", id, "ana", freeze.Add(-10*time.Second).Format(time.RFC3339)+" a little")
		w.outside.first("tracer", driver.Promote, look, func() { time.Sleep(20 * time.Second) })
		s := w.until(id, "postponed or ended", func(s release.State) bool { return s.Phase.Ended() || s.Postponed != nil })
		w.equal("its phase", s.Phase, release.Soaking)
		w.contains("why it waits", s.Postponed.Why, "weekend")
		w.equal("claims", w.count(id, "promoting"), 1)
		w.equal("latest", w.channel("tracer", "latest"), "")
		w.promotedAt(id, s.Postponed.Until, time.Second)
	})
}
