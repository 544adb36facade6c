package e2e_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// TestApprovals: two different people, whenever they approve.
func TestApprovals(t *testing.T) {
	bubble(t, func(w *world) {
		const two = "approvals: 2\n"
		w.apply("soaked", two+"soak: { delay: 10m, max_overdue: 30m }")
		w.apply("early", two+tenMinutes)
		w.apply("straight", two+"soak: { delay: 0s }")
		w.apply("free", tenMinutes)
		w.apply("never", two+tenMinutes+"limits: { hold: 20m }\n")
		w.start(all()...)
		ids := map[string]string{}
		for _, name := range []string{"soaked", "early", "straight", "free", "never"} {
			ids[name] = w.merge(name, "1.4.0")
		}
		// Before the soak is over: it is not promoted sooner.
		early := w.untilPhase(ids["early"], release.Soaking)
		w.ask("approve", ids["early"], "ana", "looks good")
		w.ask("approve", ids["early"], "lee", "")
		w.contains("an approval that nobody asked for", w.refused(ids["free"], w.ask("approve", ids["free"], "ana", "")),
			"stage staging needs no approval")
		w.contains("a third approval", w.refused(ids["early"], w.ask("approve", ids["early"], "kim", "")), "approved already: 2 of 2")
		w.promotedAt(ids["early"], early.Due, time.Second)

		// Without a soak.
		s := w.untilPostponed(ids["straight"], release.ByApproval)
		w.equal("why", s.Postponed.Why, "0 of 2 approvals")
		w.ask("approve", ids["straight"], "ana", "")
		w.until(ids["straight"], "half approved", func(s release.State) bool {
			return s.Postponed != nil && s.Postponed.Why == "1 of 2 approvals"
		})
		w.ask("approve", ids["straight"], "lee", "")
		w.promotedAt(ids["straight"], time.Now(), time.Second)

		// Not by enough people in time: it fails, though one of them approved at the last moment.
		never := w.untilPostponed(ids["never"], release.ByApproval)
		w.sleepTo(never.Due.Add(19 * time.Minute))
		w.ask("approve", ids["never"], "ana", "")

		// After it, so late that a release that nobody has to approve would be overdue.
		id := ids["soaked"]
		s = w.untilPostponed(id, release.ByApproval)
		w.ask("approve", id, "ana", "")
		w.contains("the same again", w.refused(id, w.ask("approve", id, "ana", "once more")), "ana approved already")
		w.contains("nobody's", w.refused(id, w.ask("approve", id, "", "by plain nats")), "who approves?")
		w.sleepTo(s.Due.Add(time.Hour))
		w.equal("its phase with one approval", w.load(id).Phase, release.Soaking)
		w.ask("approve", id, "lee", "")
		w.promotedAt(id, time.Now(), time.Second)

		end := w.untilPhase(ids["never"], release.Failed).End
		w.contains("why it failed", end.Reason, "waited for too long: 1 of 2 approvals")
		w.equal("how long it waited", end.At.Sub(never.Due).Round(time.Second), 20*time.Minute)
	})
}

// TestApprovalBesideAnExpedite: whichever comes first, and however close to the other, both are needed.
func TestApprovalBesideAnExpedite(t *testing.T) {
	bubble(t, func(w *world) {
		names := []string{"before", "after", "forced"}
		ids := map[string]string{}
		for _, name := range names {
			w.apply(name, "approvals: 1\nsoak: { delay: 2h }")
		}
		w.start(all()...)
		for _, name := range names {
			ids[name], _ = w.soaks(name, "1.4.0")
		}
		w.ask("approve", ids["before"], "ana", "")
		w.ask("expedite", ids["before"], "ana", "hotfix")
		w.promotedAt(ids["before"], time.Now(), 75*time.Second) // with the next heartbeat, for which it looks every ten seconds

		w.ask("expedite", ids["after"], "ana", "hotfix")
		w.untilPostponed(ids["after"], release.ByApproval)
		w.ask("expedite", ids["forced"], "ana", `{"force":true,"reason":"nobody can log in"}`)
		w.untilPostponed(ids["forced"], release.ByApproval)
		w.ask("approve", ids["after"], "lee", "")
		w.promotedAt(ids["after"], time.Now(), time.Second)
		w.ask("approve", ids["forced"], "lee", "")
		w.promotedAt(ids["forced"], time.Now(), time.Second)
	})
}

// TestStoppedClock: extend by a time and until one, hold and resume, during the soak and while it is postponed.
func TestStoppedClock(t *testing.T) {
	bubble(t, func(w *world) {
		names := []string{"by", "until", "postponed", "longer"}
		ids, at := map[string]string{}, map[string]release.State{}
		for _, name := range names {
			more := tenMinutes
			if name == "postponed" || name == "longer" {
				more += "approvals: 1\n"
			}
			w.apply(name, more)
		}
		w.start(all()...)
		for _, name := range names {
			ids[name], at[name] = w.soaks(name, "1.4.0")
		}
		w.ask("extend", ids["by"], "ana", "20m QA needs longer")
		until := time.Now().Add(time.Hour).Truncate(time.Second)
		w.ask("extend", ids["until"], "ana", until.Format(time.RFC3339)+" the demo")
		w.contains("until the past", w.refused(ids["until"], w.ask("extend", ids["until"], "ana", until.Add(-2*time.Hour).Format(time.RFC3339))),
			"the soak lasts until")

		// What waits is held, approved meanwhile, and goes on when it is resumed.
		w.untilPostponed(ids["postponed"], release.ByApproval)
		w.ask("hold", ids["postponed"], "ana", "wait")
		s := w.untilPhase(ids["postponed"], release.Held)
		w.equal("what is left of its soak", s.Remaining, time.Duration(0))
		w.ask("approve", ids["postponed"], "lee", "")
		time.Sleep(5 * time.Minute)
		w.equal("approved while it is held", w.load(ids["postponed"]).Phase, release.Held)
		w.ask("resume", ids["postponed"], "ana", "")
		w.promotedAt(ids["postponed"], time.Now(), time.Second)

		// What waits is extended: then it soaks on, and waits again.
		w.untilPostponed(ids["longer"], release.ByApproval)
		asked := time.Now()
		w.ask("extend", ids["longer"], "ana", "5m")
		s = w.until(ids["longer"], "extended", func(s release.State) bool { return s.Extra == 5*time.Minute })
		w.equal("postponed", s.Postponed == nil, true)
		w.ask("approve", ids["longer"], "lee", "")
		w.promotedAt(ids["longer"], asked.Add(5*time.Minute), time.Second)

		w.promotedAt(ids["by"], at["by"].Due.Add(20*time.Minute), time.Second)
		w.promotedAt(ids["until"], until, time.Second)
	})
}
