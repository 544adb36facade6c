package release_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// I17: a promotion that failed is retried with its lane and a new claim, without a second soak.
func TestRetryOfAPromotion(t *testing.T) {
	st := failed(t)
	first, before := st.s.Claim, st.s.Latest.Before
	st.after(24 * time.Hour)
	st.answer(st.ask(release.Retry, "ana"), "retried")
	st.in(release.Queued)
	if s := st.s; s.Claim != 0 || s.End != (release.Said{}) || len(s.Attempts) != 0 {
		t.Errorf("retried, with claim %d, end %+v, attempts %+v", s.Claim, s.End, s.Attempts)
	}
	st.fails(st.begin(release.Stage, "stage-1"), release.ErrPhase) // it soaked
	st.do(release.StartSoak{At: st.now})
	st.due(st.now)
	a := st.alarm()
	a.Before = "1.4.0" // what the failed promotion left there
	st.do(a)
	if st.s.Claim == first || st.s.Claim != st.seq {
		t.Errorf("claim %d, the first was %d", st.s.Claim, first)
	}
	if st.s.Latest.Before != before {
		t.Errorf("before the promotion the channel was at %q, now it is said to have been at %q", before, st.s.Latest.Before)
	}
}

// I7: who only wants everybody to look gets an answer, and nothing else.
func TestALookRetriesNothing(t *testing.T) {
	st := failed(t)
	before := st.s
	r := st.ask(release.Retry, "doctor")
	r.Look = true
	st.answer(r, "refused")
	st.in(release.Failed)
	if st.s.End != before.End || st.s.LateCancel != nil || st.s.Claim != before.Claim {
		t.Errorf("%+v", st.s)
	}
	st.answer(st.ask(release.Retry, "ana"), "retried")
}

// I4: who forced a promotion that failed has not forced the next: without watching, or force, it is held.
func TestRetryForgetsTheHaste(t *testing.T) {
	st := soaking(t, 2*time.Hour)
	st.after(10 * time.Minute)
	r := st.ask(release.Expedite, "ana")
	r.Force = true
	st.answer(r, "expedited")
	st.do(st.alarm())
	st.do(release.Fail{By: "promoter", Instance: "pro-1", Reason: "refused", At: st.now})
	st.answer(st.ask(release.Retry, "ana"), "retried")
	st.do(release.StartSoak{At: st.now})
	a := st.alarm()
	a.Watched = 10 * time.Minute
	if held, ok := st.do(a).(release.WasHeld); !ok || held.Holding.Unwatched != 110*time.Minute {
		t.Errorf("retried: %+v", held)
	}
}

// I17: the new claim is settled for itself: what was stored between the two claims counts.
func TestRetriedClaimIsSettledForItself(t *testing.T) {
	st := failed(t)
	st.answer(st.ask(release.Retry, "ana"), "retried")
	st.do(release.StartSoak{At: st.now})
	cancel := st.ask(release.Cancel, "bob")
	st.do(st.alarm())
	if against := st.s.Settle([]release.Request{cancel}, nil, st.now); len(against.Requests) != 1 {
		t.Fatalf("settled to %+v, want the cancel", against)
	}
	st.answer(cancel, "cancelled")
}

// I16: who cancelled too late does not want it, so nobody retries it.
func TestLateCancelForbidsARetry(t *testing.T) {
	for name, when := range map[string]func(*story){
		"while promoting": func(st *story) {
			st.answer(st.ask(release.Cancel, "bob"), "refused")
			st.do(release.Fail{By: "promoter", Instance: "pro-1", Reason: "refused", At: st.now})
		},
		"after it failed": func(st *story) {
			st.do(release.Fail{By: "promoter", Instance: "pro-1", Reason: "refused", At: st.now})
			st.answer(st.ask(release.Cancel, "bob"), "refused")
		},
		"while it was rolled back": func(st *story) {
			st.do(release.Fail{By: "promoter", Instance: "pro-1", Reason: "refused", At: st.now})
			st.answer(st.ask(release.Recall, "ana"), "recalled")
			st.answer(st.ask(release.Cancel, "bob"), "refused")
			st.do(release.Fail{By: "promoter", Reason: "refused", At: st.now})
		},
	} {
		t.Run(name, func(t *testing.T) {
			st := claimed(t, 2*time.Hour)
			when(st)
			st.in(release.Failed)
			st.answer(st.ask(release.Retry, "ana"), "refused")
			st.in(release.Failed)
		})
	}
}

// I5: who retries an end without failure is told.
func TestOnlyAFailureIsRetried(t *testing.T) {
	st := soaking(t, time.Hour)
	st.answer(st.ask(release.Retry, "ana"), "refused")
	st.answer(st.ask(release.Cancel, "ana"), "cancelled")
	st.answer(st.ask(release.Retry, "ana"), "refused")
	st.in(release.Cancelled)
}

// I5: what failed before its soak begins again where nothing is left of it: after it was put back, and not before.
func TestRetryWaitsUntilAllIsPutBack(t *testing.T) {
	st := soaking(t, 2*time.Hour)
	st.do(release.Fail{By: "promoter", Reason: "can not look at the channel", At: st.now})
	st.answer(st.ask(release.Retry, "ana"), "refused")
	for _, w := range []release.Work{release.RestoreStaging, release.RestoreBeta} {
		st.do(st.begin(w, "one"))
		st.do(release.Finish{Work: w, At: st.now})
	}
	digest := st.s.Digest
	st.answer(st.ask(release.Retry, "ana"), "retried")
	st.in(release.Merged)
	st.publish()
	st.stage()
	st.do(release.StartSoak{At: st.now})
	st.due(st.now.Add(2 * time.Hour))
	if st.s.Digest != digest {
		t.Errorf("the retry published %s, the first attempt %s", st.s.Digest, digest)
	}
	st.answer(st.ask(release.Cancel, "ana"), "cancelled")
	if !st.s.Needs(release.RestoreStaging) || !st.s.Needs(release.RestoreBeta) {
		t.Error("what the retry did is not put back")
	}
}

// I3: a retried promotion that failed again while it waited for its lane still needs no second soak, and is not staged.
func TestRetryAfterTheQueueFailed(t *testing.T) {
	st := failed(t)
	st.answer(st.ask(release.Retry, "ana"), "retried")
	st.do(release.Wait{Behind: "other", At: st.now})
	st.do(release.Fail{By: "sluice", Reason: "queued for too long", At: st.now})
	st.answer(st.ask(release.Retry, "ana"), "retried")
	st.in(release.Queued)
	st.fails(st.begin(release.Stage, "stage-1"), release.ErrPhase)
	st.do(release.StartSoak{At: st.now})
	st.in(release.Soaking)
}

// I3: an extension of a release that waits for its lane after a retry is time that it soaks; a hold there keeps only that.
func TestExtendAndHoldWhileQueuedAgain(t *testing.T) {
	for _, held := range []bool{false, true} {
		st := failed(t)
		st.after(10 * time.Hour)
		st.answer(st.ask(release.Retry, "ana"), "retried")
		st.answer(st.ask(release.Extend, "ana"), "extended") // by half an hour
		if held {
			st.answer(st.ask(release.Hold, "ana"), "held")
		}
		st.after(time.Hour)
		st.do(release.StartSoak{At: st.now})
		if held {
			st.in(release.Held)
			if st.s.Remaining != 30*time.Minute {
				t.Errorf("%s remain, want 30m", st.s.Remaining)
			}
			st.answer(st.ask(release.Resume, "ana"), "resumed")
		}
		st.in(release.Soaking)
		st.due(st.now.Add(30 * time.Minute))
	}
}

// I1: what a failed promotion may have left can be rolled back, also after a retry that was cancelled or overtaken.
func TestRollbackAfterAFailedRetry(t *testing.T) {
	for want, end := range map[release.Phase]func(*story){
		release.Cancelled:  func(st *story) { st.answer(st.ask(release.Cancel, "ana"), "cancelled") },
		release.Superseded: func(st *story) { st.do(release.Displace{Newer: "newer", At: st.now}) },
		release.Failed:     func(st *story) { st.do(release.Fail{By: "sluice", Reason: "queued for too long", At: st.now}) },
	} {
		st := failed(t)
		st.answer(st.ask(release.Retry, "ana"), "retried")
		st.answer(st.ask(release.Recall, "ana"), "refused")
		end(st)
		st.in(want)
		st.answer(st.ask(release.Recall, "ana"), "recalled")
		st.in(release.RollingBack)
		st.do(release.Fail{By: "promoter", Reason: "refused", At: st.now})
		st.in(want)
		st.answer(st.ask(release.Recall, "ana"), "recalled")
		st.do(st.begin(release.Rollback, "one"))
		st.do(release.Finish{Work: release.Rollback, At: st.now})
		st.in(release.RolledBack)
	}
}

// I11: an instance that slept through its takeover and a retry does not end the promotion of the claim that is there now.
func TestEndOfAnAttemptFromBeforeTheRetry(t *testing.T) {
	st := claimed(t, 0) // pro-1
	st.after(10 * time.Minute)
	st.do(st.begin(release.Promote, "pro-2"))
	st.do(release.Fail{By: "promoter", Instance: "pro-2", Reason: "refused", At: st.now})
	st.answer(st.ask(release.Retry, "ana"), "retried")
	st.do(release.StartSoak{At: st.now})
	a := st.alarm()
	a.Instance = "pro-2"
	st.do(a)
	st.busy(release.Finish{Work: release.Promote, Instance: "pro-1", At: st.now})
	st.in(release.Promoting)
	st.do(release.Finish{Work: release.Promote, Instance: "pro-2", At: st.now})
	st.in(release.Promoted)
}
