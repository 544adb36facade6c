package e2e_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/files"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// TestRollback: the channel goes back to the version before, and the version that was taken back is promoted again only when
// somebody insists.
func TestRollback(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", tenMinutes)
		w.start(all()...)
		w.promotes("tracer", "1.3.0")
		id := w.promotes("tracer", "1.4.0")
		w.ask("rollback", id, "ana", "login is broken")
		s := w.untilPhase(id, release.RolledBack)
		w.equal("who", s.End.By, "ana")
		w.equal("why", s.End.Reason, "login is broken")
		w.equal("latest", w.channel("tracer", "latest"), "1.3.0")
		w.contains("once more", w.refused(id, w.ask("rollback", id, "lee", "")), "too late")

		again := w.merge("tracer", "1.4.0", func(m *releasepb.MergeEvent) { m.Again = true })
		w.untilPhase(again, release.Soaking)
		w.contains("too early", w.refused(again, w.ask("rollback", again, "ana", "")), "nothing to roll back")
		for held, verb := range []string{"", "resume", "expedite"} {
			if verb != "" {
				w.ask(verb, again, "ana", "")
			}
			s = w.until(again, "held again", func(s release.State) bool { return s.Phase == release.Held && w.count(again, "held") == held+1 })
			w.contains("why it is held", s.Held.Reason, "1.4.0 was promoted before, and rolled back by ana", "expedite it with force")
			w.contains("what somebody should look at", w.attention(again, "held"), "rolled back by ana")
			w.equal("latest", w.channel("tracer", "latest"), "1.3.0")
		}
		w.ask("expedite", again, "lee", `{"force":true,"reason":"it was the database"}`)
		w.promotedAt(again, time.Now(), time.Second)
		w.equal("latest", w.channel("tracer", "latest"), "1.4.0")
	})
}

// TestRollbackMeetsTheNextClaim: the next release is about to claim when the one before is rolled back. Its claim is taken
// back, and it goes on when the rollback is done.
func TestRollbackMeetsTheNextClaim(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", tenMinutes)
		w.start(all()...)
		w.promotes("tracer", "1.2.0")
		bad := w.promotes("tracer", "1.3.0")
		next, _ := w.soaks("tracer", "1.4.0")
		rolling, postponed := make(chan struct{}), make(chan struct{})
		w.outside.first("tracer", driver.Promote, look, func() {
			w.ask("rollback", bad, "ana", "login is broken")
			<-rolling
		})
		w.outside.first("tracer", driver.Promote, undo, func() {
			close(rolling)
			<-postponed
		})
		w.onRecord(next, "postponed", func() { close(postponed) })

		w.untilPhase(next, release.Promoted)
		back, on := w.records(bad), w.records(next)
		took, _ := on[len(on)-3].Event.(release.WasPostponed) // before the second claim and the promotion
		w.equal("why it waited", took.Obstacle.Kind, release.ByRollback)
		w.contains("why it waited", took.Obstacle.Why, bad, "is being rolled back")
		w.equal("claims", len(w.claims(next)), 2)
		ended, again := back[len(back)-1], on[len(on)-2]
		w.equal("how the one before ended", ended.Type, string(release.RolledBack))
		if wait := again.at.Sub(ended.at); wait < 0 || wait > 20*time.Second {
			w.Errorf("claimed again %s after the rollback", wait)
		}
		w.equal("the channel in between", strings.HasPrefix(w.load(next).Latest.Before, "1.2.0@"), true)
		w.equal("latest", w.channel("tracer", "latest"), "1.4.0")
	})
}

// TestRollbackWaitsForAPromotion: the next release has claimed already. It is promoted, and then the rollback of the one before
// finds the channel moved on.
func TestRollbackWaitsForAPromotion(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", tenMinutes)
		w.start(all()...)
		old := w.promotes("tracer", "1.3.0")
		next, s := w.soaks("tracer", "1.4.0")
		w.outside.first("tracer", driver.Promote, do, func() {
			w.ask("rollback", old, "ana", "login is broken")
			time.Sleep(time.Minute) // in a bubble: the promotion takes its time
		})
		w.sleepTo(s.Due.Add(30 * time.Second))
		w.equal("its phase meanwhile", w.load(old).Phase, release.RollingBack)
		w.untilPhase(next, release.Promoted)
		s = w.untilPhase(old, release.RolledBack)
		w.contains("what is said", s.Latest.Note, "left alone")
		w.equal("latest", w.channel("tracer", "latest"), "1.4.0")
	})
}

// TestRollbackOfWhatWasMoved: somebody moved the channel by hand, and knows why.
func TestRollbackOfWhatWasMoved(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", tenMinutes)
		w.start(all()...)
		w.promotes("tracer", "1.3.0")
		id := w.promotes("tracer", "1.4.0")
		if _, err := w.catalog.Put(w.Context(), "fix.bin", strings.NewReader("a fix")); err != nil {
			w.Fatal(err)
		}
		digest, err := w.catalog.Pin(w.Context(), "fix.bin")
		if err != nil {
			w.Fatal(err)
		}
		hand, err := files.New(project.Files{Dir: w.dir}, driver.Promote)
		if err != nil {
			w.Fatal(err)
		}
		facts := driver.Facts{Release: "by-hand", Project: "tracer", Version: "1.4.1", Artifact: w.catalog.Artifact("fix.bin", digest)}
		if _, err := hand.Do(w.Context(), facts); err != nil {
			w.Fatal(err)
		}
		w.ask("rollback", id, "ana", "login is broken")
		s := w.untilPhase(id, release.RolledBack)
		w.contains("what is said", s.Latest.Note, "1.4.1 of release by-hand", "left alone")
		w.equal("latest", w.channel("tracer", "latest"), "1.4.1")
	})
}

// TestRollbackFails: it stays promoted, says so, and stops nobody.
func TestRollbackFails(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", tenMinutes)
		w.start(all()...)
		w.promotes("tracer", "1.3.0")
		id := w.promotes("tracer", "1.4.0")
		w.outside.breaks("tracer", driver.Promote, undo, "the other side is down")
		w.ask("rollback", id, "ana", "login is broken")
		s := w.until(id, "given up", func(s release.State) bool { return s.Phase == release.Promoted && s.Recalled != nil })
		w.contains("the note", s.Latest.Note, "rollback failed", "the other side is down")
		w.contains("what somebody should look at", w.attention(id, "rollback-failed"), "not rolled back", "the other side is down")
		w.equal("latest", w.channel("tracer", "latest"), "1.4.0")
		w.outside.mends()
		next := w.promotes("tracer", "1.5.0") // the project is not stopped

		w.ask("rollback", next, "ana", "neither")
		w.untilPhase(next, release.RolledBack)
		w.equal("latest", w.channel("tracer", "latest"), "1.4.0")
		w.ask("rollback", id, "ana", "login is broken")
		w.untilPhase(id, release.RolledBack)
		w.equal("latest", w.channel("tracer", "latest"), "1.3.0")
	})
}

// TestRollbackIsTakenUp: the promoter dies in the middle of it. Nothing of the project is promoted until it is done.
func TestRollbackIsTakenUp(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", tenMinutes)
		w.start(all()...)
		w.promotes("tracer", "1.3.0")
		id := w.promotes("tracer", "1.4.0")
		next, s := w.soaks("tracer", "1.5.0")
		w.sleepTo(s.Due.Add(-time.Minute / 2))
		dead := make(chan struct{})
		w.outside.first("tracer", driver.Promote, undo, func() {
			w.services[thePromoter].nc.Close()
			close(dead)
		})
		w.ask("rollback", id, "ana", "login is broken")
		<-dead
		w.kill(thePromoter)
		time.Sleep(15 * time.Minute)
		w.equal("its phase meanwhile", w.load(id).Phase, release.RollingBack)
		w.start(thePromoter)
		s = w.untilPhase(id, release.RolledBack)
		w.promotedAt(next, s.End.At, 20*time.Second)
		w.equal("latest", w.channel("tracer", "latest"), "1.5.0")
	})
}

// TestFailedRollbackOfWhatWasSuperseded: whatever a release is when its rollback fails, its project goes on.
func TestFailedRollbackOfWhatWasSuperseded(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", tenMinutes)
		w.start(all()...)
		w.promotes("tracer", "1.3.0")
		w.outside.breaks("tracer", driver.Promote, do, "down")
		id := w.merge("tracer", "1.4.0")
		w.untilPhase(id, release.Failed)
		w.outside.mends()
		next, _ := w.soaks("tracer", "1.5.0")
		w.ask("hold", next, "ana", "a moment")
		w.ask("retry", id, "ana", "")
		w.untilPhase(id, release.Superseded)
		w.outside.breaks("tracer", driver.Promote, undo, "no such thing")
		w.ask("rollback", id, "ana", "clean up")
		w.until(id, "not rolled back", func(release.State) bool { return w.count(id, "rollback-failed") == 1 })
		w.outside.mends()
		w.ask("resume", next, "ana", "")
		w.promotedAt(next, w.until(next, "soaking", func(s release.State) bool { return s.Phase == release.Soaking }).Due, time.Second)
	})
}

// TestRollbackThatIsNotPossible: settings that are missing where the promoter runs fail the rollback at once and say so; what can not even
// begin fails it at its deadline. In between the project is not promoted, and afterwards it is.
func TestRollbackThatIsNotPossible(t *testing.T) {
	const phase = 15 * time.Minute
	for name, c := range map[string]struct {
		shut   error
		within time.Duration
		why    string
	}{
		"settings":  {driver.Refusef("no such file: .npmrc"), time.Second, ".npmrc"},
		"for hours": {errors.New("no route to the vault"), phase + time.Minute, "rolling-back"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.apply("tracer", tenMinutes+"limits: { phase: 15m }\n")
				w.start(all()...)
				id := w.promotes("tracer", "1.3.0")
				w.outside.shuts(c.shut, driver.Promote)
				asked := time.Now()
				w.ask("rollback", id, "ana", "broken")
				w.until(id, "not rolled back", func(release.State) bool { return w.count(id, "rollback-failed") == 1 })
				if took := time.Since(asked); took > c.within+10*time.Second {
					w.Errorf("it took %s, want %s", took, c.within)
				}
				w.contains("why", w.load(id).Latest.Note, c.why)
				w.outside.mends()
				w.promotes("tracer", "1.4.0")
			})
		})
	}
}
