package release_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// baking is a release that everybody gets and that bakes for an hour.
func baking(t *testing.T) *story {
	t.Helper()
	p := policy()
	p.Bake, p.MaxPhase = time.Hour, 30*time.Minute
	st := soakingUnder(t, p)
	st.claimNow()
	st.do(release.Finish{Work: release.Promote, Value: "1.4.0", At: st.now})
	st.in(release.Baking)
	return st
}

// I18: a bake ends as promoted when its time is over, however little of it was watched, and says so.
func TestBakeEndsByItself(t *testing.T) {
	st := baking(t)
	st.after(time.Hour - 1)
	st.nothing(st.alarm())
	st.after(1)
	a := st.alarm()
	a.Watched = 59 * time.Minute
	st.do(a)
	st.in(release.Promoted)
	if want := "baked for 1h0m0s, watched for 59m0s of it"; st.s.Latest.Note != want || st.s.Latest.Value != "1.4.0" {
		t.Errorf("the channel: %+v, want the note %q", st.s.Latest, want)
	}
	st.nothing(a)
}

// I18: nobody stops what is out; it is rolled back.
func TestBakingIsRolledBackNotCancelled(t *testing.T) {
	st := baking(t)
	for _, v := range []release.Verb{release.Cancel, release.Hold, release.Extend, release.Expedite, release.Resume, release.Approve, release.Retry} {
		st.answer(st.ask(v, "ana"), "refused")
	}
	st.nothing(release.Fail{By: "promoter", Reason: "late", At: st.now})
	st.in(release.Baking)
	r := st.ask(release.Recall, "watcher")
	r.Evidence = `{"errors":7}`
	st.answer(r, "recalled")
	st.in(release.RollingBack)
	if st.s.Evidence != r.Evidence || st.s.Recalled.By != "watcher" {
		t.Errorf("rolled back by %+v, evidence %q", st.s.Recalled, st.s.Evidence)
	}
	st.do(st.begin(release.Rollback, "one"))
	st.busy(st.begin(release.Rollback, "two"))
	st.do(release.Finish{Work: release.Rollback, Note: "1.3.0 again", At: st.now})
	st.in(release.RolledBack)
	if st.s.End.By != "watcher" || !st.s.Latest.Restored {
		t.Errorf("ended by %+v, the channel %+v", st.s.End, st.s.Latest)
	}
	for _, w := range []release.Work{release.RestoreStaging, release.RestoreBeta} { // the bake held the lane
		if !st.s.Needs(w) {
			t.Errorf("%s is not needed", w)
		}
	}
}

// I18: a rollback long after the promotion leaves staging and the beta to whoever has them now.
func TestRollbackAfterThePromotionPutsNothingElseBack(t *testing.T) {
	st := claimed(t, 0)
	st.do(release.Finish{Work: release.Promote, Value: "1.4.0", At: st.now})
	st.answer(st.ask(release.Recall, "ana"), "recalled")
	st.fails(release.Finish{Work: release.Rollback, At: st.now}, release.ErrPhase) // nobody began
	st.do(st.begin(release.Rollback, "one"))
	st.do(release.Finish{Work: release.Rollback, At: st.now})
	st.in(release.RolledBack)
	if st.s.Needs(release.RestoreStaging) || st.s.Needs(release.RestoreBeta) {
		t.Error("staging or the beta are to be put back")
	}
	st.answer(st.ask(release.Recall, "ana"), "refused")
	st.answer(st.ask(release.Retry, "ana"), "refused")
}

// I18: a rollback that fails, or takes too long, leaves the release as it was; of a bake nothing is left to wait for.
func TestRollbackFails(t *testing.T) {
	for name, give := range map[string]func(*story){
		"refused": func(st *story) { st.do(release.Fail{By: "promoter", Instance: "one", Reason: "refused", At: st.now}) },
		"too often": func(st *story) {
			for range release.MaxAttempts {
				st.do(st.begin(release.Rollback, "one"))
			}
		},
		"too long": func(st *story) { st.after(30 * time.Minute); st.do(release.Expire{At: st.now}) },
	} {
		t.Run(name, func(t *testing.T) {
			st := baking(t)
			st.answer(st.ask(release.Recall, "ana"), "recalled")
			st.do(st.begin(release.Rollback, "one"))
			give(st)
			st.in(release.Promoted)
			if st.s.Latest.Note == "" || st.s.End.At.IsZero() {
				t.Errorf("the note %q, ended at %s", st.s.Latest.Note, st.s.End.At)
			}
			st.nothing(st.alarm())
			st.answer(st.ask(release.Recall, "ana"), "recalled") // once more
		})
	}
}

// A record that is out of place does not make a release that never was.
func TestRollbackFailedOutOfPlace(t *testing.T) {
	for _, s := range []release.State{{}, {Phase: release.Held}, {Phase: release.RollingBack, RecalledIn: release.Held}} {
		if s = release.Evolve(s, release.WasNotRolledBack{}); s.Phase != release.Promoted {
			t.Errorf("it is %q", s.Phase)
		}
	}
}
