package e2e_test

import (
	"slices"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// TestOverdueAfterAnOutage: after two days without anything a person decides.
func TestOverdueAfterAnOutage(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "soak: { delay: 2h, max_overdue: 6h }")
		w.start(all()...)
		id, s := w.soaks("tracer", "1.4.0")
		w.sleepTo(s.Due.Add(-time.Minute))
		for _, name := range all() {
			w.kill(name)
		}
		w.server.Stop()
		time.Sleep(48 * time.Hour)
		w.server.Start(w)
		w.start(all()...)
		s = w.untilPhase(id, release.Held)
		w.contains("why", s.Held.Reason, "overdue by 47h59m", "more than max_overdue 6h", "resume it")
		w.contains("what somebody should look at", w.attention(id, "held"), "overdue by")
		w.equal("latest", w.channel("tracer", "latest"), "")
		w.ask("resume", id, "ana", "still good")
		w.promotedAt(id, time.Now(), time.Second)
		w.equal("latest", w.channel("tracer", "latest"), "1.4.0")
	})
}

const limited = tenMinutes + "limits: { phase: 15m, hold: 20m }\n"

// stuck is a way to get stuck in a phase, and who is missing. What it starts is stopped again by mend.
type stuck struct {
	missing []string
	more    string
	get     func(w *world, id string) // into the phase
	limit   time.Duration
	why     string
	mend    func(w *world, id string)
}

func stuckIn() map[release.Phase]stuck {
	nothing := func(*world, string) {}
	return map[release.Phase]stuck{
		release.Merged: {get: func(w *world, id string) {
			w.dies(id, release.Merged, thePublisher)
		}, limit: 15 * time.Minute, why: "stuck in merged"},
		release.Published: {missing: []string{theStager}, get: nothing, limit: 15 * time.Minute, why: "stuck in published"},
		release.Publishing: {get: func(w *world, _ string) {
			w.outside.first("tracer", driver.Publish, do, w.services[thePublisher].nc.Close)
		}, limit: 15 * time.Minute, why: "stuck in publishing"},
		release.Staging: {get: func(w *world, _ string) {
			w.outside.first("tracer", driver.Deploy, do, w.services[theStager].nc.Close)
		}, limit: 15 * time.Minute, why: "stuck in staging"},
		release.Queued: {more: "lane: eu\n", get: func(w *world, _ string) {
			w.apply("router", "lane: eu\n"+tenMinutes)
			first, _ := w.soaks("router", "1.0.0")
			w.ask("hold", first, "ana", "for days")
			w.untilPhase(first, release.Held)
		}, limit: 20 * time.Minute, why: "queued for too long", mend: func(w *world, _ string) {
			r, _, err := w.journal.Lane(w.Context(), "eu")
			if err != nil {
				w.Fatal(err)
			}
			w.ask("cancel", r.Owner, "ana", "")
		}},
		release.Held: {get: func(w *world, id string) { w.ask("hold", id, "ana", "for days") }, limit: 20 * time.Minute, why: "held by ana for too long"},
		release.Soaking: {get: func(w *world, _ string) { w.says(topology.StopPause, "tracer", "ana", "for days") },
			limit: 20 * time.Minute, why: "waited for too long: the project is paused by ana",
			mend: func(w *world, _ string) { w.says(topology.StopUnpause, "tracer", "ana", "") }},
		release.Passed: {get: func(w *world, id string) {
			w.dies(id, release.Passed, theStager)
		}, limit: 15 * time.Minute, why: "stuck in passed"},
	}
}

// dies cuts a service off as it begins its work on the release.
func (w *world) dies(id string, p release.Phase, service string) {
	w.onRecord(id, p, func() { w.services[service].nc.Close() })
}

// TestStuckInEveryPhase: whoever is missing, and whatever is waited for, the release ends with a reason, and can be taken up
// when that is mended.
func TestStuckInEveryPhase(t *testing.T) {
	for phase, c := range stuckIn() {
		t.Run(string(phase), func(t *testing.T) {
			bubble(t, func(w *world) {
				if phase == release.Passed {
					w.applies("tracer", threeStages+"limits: { phase: 15m }\n")
				} else {
					w.apply("tracer", limited+c.more)
				}
				w.start(slices.DeleteFunc(all(), func(name string) bool { return slices.Contains(c.missing, name) })...)
				const id = "01970000-0000-7000-8000-000000000001"
				c.get(w, id)
				w.mergeAs(id, "tracer", "1.4.0")
				s := w.until(id, "stuck", func(s release.State) bool {
					return s.Phase == phase && (phase != release.Soaking || s.Postponed != nil)
				})
				at := s.PhaseAt
				if s.Postponed != nil {
					at = s.Postponed.Since
				}
				s = w.untilPhase(id, release.Failed)
				w.contains("why", s.End.Reason, c.why, "then retry it")
				w.equal("where", s.FailedIn, phase)
				w.equal("who says so", s.End.By, "sluice")
				if late := s.End.At.Sub(at.Add(c.limit)); late < 0 || late > time.Second {
					w.Errorf("it failed %s after its deadline\n%s", late, w.story(id))
				}
				for _, name := range all() {
					w.kill(name)
				}
				w.start(all()...)
				if c.mend != nil {
					c.mend(w, id)
				}
				w.until(id, "put back", putBack)
				w.ask("retry", id, "ana", "mended")
				w.until(id, "on its way", func(s release.State) bool { return s.Phase == release.Soaking && s.Stage == 0 })
				if phase != release.Passed {
					w.untilPhase(id, release.Promoted)
				}
			})
		})
	}
}

// TestStuckWhilePromoterWasAway: its deadline counts also for a release whose first records no promoter saw in time.
func TestStuckWhilePromoterWasAway(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", limited)
		w.start(thePublisher)
		id := w.merge("tracer", "1.4.0")
		s := w.untilPhase(id, release.Published)
		w.start(thePromoter)
		end := w.untilPhase(id, release.Failed).End
		w.contains("why", end.Reason, "stuck in published")
		if late := end.At.Sub(s.PhaseAt.Add(15 * time.Minute)); late < 0 || late > time.Second {
			w.Errorf("it failed %s after its deadline", late)
		}
	})
}

// TestStuckAfterAQueue: how long a release may be queued has nothing to do with how long it may then be on its way to staging.
func TestStuckAfterAQueue(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "soak: { delay: 1h, collision: queue }\nlimits: { phase: 15m, hold: 48h }\n")
		w.start(all()...)
		w.soaks("tracer", "1.4.0")
		const id = "01970000-0000-7000-8000-000000000001"
		w.dies(id, release.Staging, theStager)
		w.mergeAs(id, "tracer", "1.5.0")
		w.untilPhase(id, release.Queued)
		s := w.untilPhase(id, release.Staging)
		end := w.untilPhase(id, release.Failed).End
		w.contains("why", end.Reason, "stuck in staging")
		if late := end.At.Sub(s.PhaseAt.Add(15 * time.Minute)); late < 0 || late > time.Second {
			w.Errorf("it failed %s after its deadline", late)
		}
	})
}

// TestPromotionThatIsNotPossible: what the promoter's host lacks fails the promotion when it is due, and says what is missing.
func TestPromotionThatIsNotPossible(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", tenMinutes)
		w.start(all()...)
		w.outside.shuts(driver.Refusef("no such file: .npmrc"), driver.Promote)
		id, s := w.soaks("tracer", "1.4.0")
		failed := w.untilPhase(id, release.Failed)
		w.contains("why", failed.End.Reason, "promote: ", "no such file: .npmrc")
		if late := failed.End.At.Sub(s.Due); late > time.Second {
			w.Errorf("it failed %s after it was due", late)
		}
	})
}

// TestStagingThatCanNotBeOpened: what the stager's host lacks fails the deployment; when it is missing only for putting back, that is given
// up and said, and the lane goes to the next.
func TestStagingThatCanNotBeOpened(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "soak: { delay: 1h, collision: queue }")
		w.start(all()...)
		id, _ := w.soaks("tracer", "1.4.0")
		next := w.merge("tracer", "1.5.0")
		w.untilPhase(next, release.Queued)
		w.outside.shuts(driver.Refusef("no such file: kubeconfig"), driver.Deploy)
		w.ask("cancel", id, "ana", "no")
		s := w.until(id, "given up", func(s release.State) bool { return s.Staging.Restored })
		w.contains("what is said of staging", s.Staging.Note, "no such file: kubeconfig")
		w.contains("why the next fails", w.untilPhase(next, release.Failed).End.Reason, "stage: ", "no such file: kubeconfig")
		w.outside.mends()
		last := w.merge("tracer", "1.6.0")
		w.untilPhase(last, release.Promoted)
	})
}
