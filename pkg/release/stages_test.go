package release_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// twoStages is a policy with a canary that soaks for an hour, and staging with two hours and two approvals.
func twoStages() release.Policy {
	p := policy()
	p.Stages = []release.StagePolicy{{Name: "canary", Delay: time.Hour}, {Name: "staging", Delay: 2 * time.Hour, Approvals: 2}}
	return p
}

// nextStage brings a release that passed a stage into the soak of the next.
func (st *story) nextStage() {
	st.t.Helper()
	st.in(release.Passed)
	st.stage()
	st.do(release.StartSoak{At: st.now})
}

// I3, I4: every stage has its own soak, which is watched for itself; only after the last one anything is promoted.
func TestEveryStageSoaks(t *testing.T) {
	st := soakingUnder(t, twoStages())
	st.due(st.now.Add(time.Hour))
	st.answer(st.ask(release.Extend, "ana"), "extended")
	st.after(90*time.Minute - 1)
	st.nothing(st.alarm())
	st.after(1)
	st.do(st.alarm())
	if st.s.StageName() != "staging" || !st.s.LastStage() || st.s.Extra != 0 || !st.s.StagedAt.IsZero() {
		t.Fatalf("after the canary: stage %s, extended by %s, staged at %s", st.s.StageName(), st.s.Extra, st.s.StagedAt)
	}
	st.fails(st.begin(release.Promote, "pro-1"), release.ErrPhase)
	st.nextStage()
	st.due(st.now.Add(2 * time.Hour))
	st.after(2 * time.Hour)
	a := st.alarm()
	a.Watched = time.Hour // of the canary it would be enough
	if held, ok := st.do(a).(release.WasHeld); !ok || held.Holding.Unwatched != time.Hour {
		t.Errorf("watched for 1h of 2h: %+v", held)
	}
}

// I14: a release leaves its stage when as many different people as it takes have approved, for that stage.
func TestApprovals(t *testing.T) {
	st := soakingUnder(t, twoStages())
	st.answer(st.ask(release.Approve, "ana"), "refused") // the canary needs none
	st.after(time.Hour)
	st.do(st.alarm())
	st.nextStage()
	st.answer(st.ask(release.Approve, ""), "refused")
	st.answer(st.ask(release.Approve, "ana"), "approved")
	st.answer(st.ask(release.Approve, "ana"), "refused")
	st.after(2 * time.Hour)
	waits, ok := st.do(st.alarm()).(release.WasPostponed)
	if !ok || waits.Obstacle.Kind != release.ByApproval || waits.Obstacle.Why != "1 of 2 approvals" {
		t.Fatalf("with one approval of two: %+v", waits)
	}
	st.nothing(st.alarm())
	st.answer(st.ask(release.Expedite, "bob"), "expedited") // haste is no approval
	st.do(st.alarm())
	st.in(release.Soaking)
	st.answer(st.ask(release.Approve, "bob"), "approved")
	st.answer(st.ask(release.Approve, "cyd"), "refused")
	st.do(st.alarm())
	st.in(release.Promoting)
}

// I14: an approval that was stored while the release was in another stage is not one of the stage that it has come to.
func TestApprovalOfAnotherStage(t *testing.T) {
	late := map[string]func(*story){
		"answered when it passed":   func(st *story) { st.now = st.now.Add(-time.Minute) }, // at once
		"answered when it soaks on": func(st *story) { st.nextStage() },
	}
	for name, happen := range late {
		t.Run(name, func(t *testing.T) {
			p := twoStages()
			p.Stages[0].Approvals = 1
			st := soakingUnder(t, p)
			st.answer(st.ask(release.Approve, "ana"), "approved")
			bob := st.ask(release.Approve, "bob") // nobody has seen it yet
			st.after(time.Hour)
			st.do(st.alarm())
			if a := st.s.Approvals(); a.Missing() != 2 || len(a.By) != 0 {
				t.Errorf("the next stage begins with %s", a)
			}
			st.after(time.Minute)
			happen(st)
			st.answer(bob, "refused")
			if st.s.Phase == release.Passed {
				st.answer(st.ask(release.Approve, "cyd"), "refused") // it is not there yet
				st.nextStage()
			}
			st.answer(st.ask(release.Approve, "bob"), "approved")
		})
	}
}

// I5: what was put back after a failure in the second stage is retried from the first, approvals included.
func TestRetryFromTheFirstStage(t *testing.T) {
	for _, putBack := range []bool{true, false} {
		p := twoStages()
		p.PutBack = putBack
		st := soakingUnder(t, p)
		st.after(time.Hour)
		st.do(st.alarm())
		st.nextStage()
		st.answer(st.ask(release.Approve, "ana"), "approved")
		st.do(release.Fail{By: "promoter", Reason: "refused", At: st.now})
		var stages []int
		for st.s.Needs(release.RestoreStaging) {
			stage, _ := st.s.LeftStage()
			stages = append(stages, stage)
			st.do(st.begin(release.RestoreStaging, "one"))
			st.do(release.Finish{Work: release.RestoreStaging, At: st.now})
		}
		if putBack {
			if len(stages) != 2 || stages[0] != 1 || stages[1] != 0 {
				t.Fatalf("put back were the stages %v, want 1, then 0", stages)
			}
			st.do(st.begin(release.RestoreBeta, "one"))
			st.do(release.Finish{Work: release.RestoreBeta, At: st.now})
		}
		st.answer(st.ask(release.Retry, "ana"), "retried")
		wantStage, wantApproved := 1, 1
		if putBack {
			wantStage, wantApproved = 0, 0
		}
		if st.s.Stage != wantStage || len(st.s.Passed) != wantStage || len(st.s.Approved) != wantApproved {
			t.Errorf("put back: %t: it is to go to stage %d, passed %d, approved by %d", putBack, st.s.Stage, len(st.s.Passed), len(st.s.Approved))
		}
	}
}

// I11: a stager that slept through its takeover does not end the deployment to the next stage.
func TestEndOfAnAttemptAtAnotherStage(t *testing.T) {
	st := newStory(t)
	st.mergeUnder(twoStages())
	st.publish()
	st.do(st.begin(release.Stage, "stage-1"))
	st.after(10 * time.Minute)
	st.do(st.begin(release.Stage, "stage-2"))
	st.do(release.Finish{Work: release.Stage, Instance: "stage-2", Value: "v", At: st.now})
	st.do(release.StartSoak{At: st.now})
	st.after(time.Hour)
	st.do(st.alarm())
	st.do(st.begin(release.Stage, "stage-2"))
	st.busy(release.Finish{Work: release.Stage, Instance: "stage-1", Value: "v", At: st.now})
	st.in(release.Staging)
}

// What a stage runs, by its number.
func TestStageValue(t *testing.T) {
	s := release.State{Stage: 1, Passed: []release.Channel{{Value: "a"}}, Staging: release.Channel{Value: "b"}}
	for stage, want := range map[int]string{0: "a", 1: "b", 2: "", -1: ""} {
		if got := s.StageValue(stage); got != want {
			t.Errorf("stage %d runs %q, want %q", stage, got, want)
		}
	}
	if name := (release.State{}).StageName(); name != release.DefaultStage {
		t.Errorf("the only stage is called %q", name)
	}
}
