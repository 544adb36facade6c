package release_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// I9: a further attempt at publishing publishes what the first one announced, whatever its caller planned meanwhile.
func TestPlanIsFixedByTheFirstAttempt(t *testing.T) {
	st := newStory(t)
	st.merge(2 * time.Hour)
	st.do(st.begin(release.Publish, "pub-1"))
	st.after(10 * time.Minute)
	again := st.begin(release.Publish, "pub-2")
	again.Plan = release.Plan{Version: "1.4.1", Beta: "1.4.1-beta.0", Digest: "sha256:d2", Before: "1.4.0-beta.0"}
	begun, ok := st.do(again).(release.WasBegun)
	if !ok || begun.Plan != plan() {
		t.Errorf("the second attempt announced %+v, want %+v", begun.Plan, plan())
	}
	want := plan()
	if st.s.Version != want.Version || st.s.Beta != want.Beta || st.s.Digest != want.Digest || st.s.BetaChannel.Before != want.Before {
		t.Errorf("after the second attempt: version %s, beta %s, digest %s, before %s; want %+v",
			st.s.Version, st.s.Beta, st.s.Digest, st.s.BetaChannel.Before, want)
	}
	s := release.Evolve(st.s, release.WasBegun{Work: release.Publish, Plan: again.Plan})
	if s.Digest != want.Digest {
		t.Errorf("a record changed the digest to %s", s.Digest)
	}
}

// I11: an attempt excludes other instances until its deadline, by the broker's time; its own instance may go on at once.
func TestAttemptsExcludeEachOther(t *testing.T) {
	for _, w := range []release.Work{release.Publish, release.Stage, release.Promote, release.RestoreBeta, release.RestoreStaging} {
		t.Run(string(w), func(t *testing.T) {
			st := newStory(t)
			st.merge(0)
			switch w {
			case release.Publish:
			case release.Stage:
				st.publish()
			case release.Promote:
				st = claimed(t, 0)
				st.after(10 * time.Minute)
			case release.RestoreBeta, release.RestoreStaging:
				st.publish()
				st.stage()
				st.answer(st.ask(release.Cancel, "ana"), "cancelled")
			}
			st.do(st.begin(w, "one"))
			st.after(10*time.Minute - 1)
			st.busy(st.begin(w, "two"))
			st.do(st.begin(w, "one"))
			st.after(10 * time.Minute)
			st.do(st.begin(w, "two"))
			st.busy(st.begin(w, "one"))
		})
	}
}

// I11: after a cancel in the middle of an attempt, another instance puts back only when that attempt's deadline has passed.
func TestRestoreWaitsForTheCancelledAttempt(t *testing.T) {
	st := newStory(t)
	st.merge(0)
	st.do(st.begin(release.Publish, "pub-1"))
	st.answer(st.ask(release.Cancel, "ana"), "cancelled")
	st.fails(release.Finish{Work: release.Publish, At: st.now}, release.ErrEnded)
	st.busy(st.begin(release.RestoreBeta, "pub-2"))
	st.do(st.begin(release.RestoreBeta, "pub-1"))
	st.do(release.Finish{Work: release.RestoreBeta, At: st.now})
	if st.s.Needs(release.RestoreBeta) || len(st.s.Attempts) != 0 {
		t.Errorf("after putting back: needs %t, attempts %+v", st.s.Needs(release.RestoreBeta), st.s.Attempts)
	}
	st.nothing(st.begin(release.RestoreBeta, "pub-2"))
}

// An attempt that failed is over: whoever puts back need not wait for its deadline.
func TestRestoreAfterAFailureAtOnce(t *testing.T) {
	st := newStory(t)
	st.merge(0)
	st.do(st.begin(release.Publish, "pub-1"))
	st.do(release.Fail{By: "publisher", Instance: "pub-1", Reason: "refused", At: st.now})
	st.do(st.begin(release.RestoreBeta, "pub-2"))
}

// I11: an instance whose attempt was taken over can not fail the release of the one that is at it now.
func TestFailureOfALostAttempt(t *testing.T) {
	st := claimed(t, 0) // pro-1
	st.after(10 * time.Minute)
	st.do(st.begin(release.Promote, "pro-2"))
	st.busy(release.Fail{By: "promoter", Instance: "pro-1", Reason: "time is up", At: st.now})
	st.busy(release.Fail{By: "promoter", Instance: "pro-1", Reason: "time is up"})
	st.in(release.Promoting)
	st.do(release.Fail{By: "promoter", Instance: "pro-2", Reason: "refused", At: st.now})
	st.in(release.Failed)
	st.fails(release.Fail{By: "promoter", Instance: "pro-1", Reason: "time is up"}, release.ErrEnded)
}

// I11: nor can it, when it has slept, fail the release after somebody else has done the work.
func TestFailureOfAnAttemptThatSlept(t *testing.T) {
	st := newStory(t)
	st.merge(0)
	st.do(st.begin(release.Publish, "pub-1"))
	st.after(10 * time.Minute)
	st.do(st.begin(release.Publish, "pub-2"))
	st.do(release.Finish{Work: release.Publish, Value: "1.4.0-beta.0", At: st.now})
	st.nothing(release.Fail{By: "publisher", Instance: "pub-1", Reason: "time is up"})
	st.in(release.Published)
	st.do(release.Fail{By: "stager", Reason: "the lane is occupied"})
	st.in(release.Failed)
}

// An attempt that is never finished ends: live, the release fails; ended, it is said that nothing could be put back.
func TestAttemptsAreBounded(t *testing.T) {
	st := newStory(t)
	st.merge(0)
	for range release.MaxAttempts {
		st.do(st.begin(release.Publish, "pub-1"))
	}
	st.do(st.begin(release.Publish, "pub-1"))
	st.in(release.Failed)
	for range release.MaxAttempts {
		st.do(st.begin(release.RestoreBeta, "pub-1"))
	}
	st.do(st.begin(release.RestoreBeta, "pub-1"))
	if why, failed := st.s.NotPutBack(release.RestoreBeta); !failed || why == "" || st.s.Needs(release.RestoreBeta) {
		t.Errorf("after giving up: %+v", st.s.BetaChannel)
	}
	st.in(release.Failed)
}

// A command that comes before its time is an error, not silence: silence would say that nothing is left to do.
func TestTooEarlyIsAnError(t *testing.T) {
	st := newStory(t)
	none := []release.Command{
		st.begin(release.Publish, "x"), release.Finish{Work: release.Publish}, release.Fail{By: "x"}, release.Wait{}, release.Displace{},
		release.StartSoak{At: st.now},
	}
	for _, c := range none {
		st.fails(c, release.ErrPhase)
	}
	st.merge(0)
	for _, c := range []release.Command{
		st.begin(release.Stage, "x"), st.begin(release.Promote, "x"), release.Wait{}, release.StartSoak{At: st.now},
		release.Finish{Work: release.Publish}, release.Finish{Work: release.Stage}, release.Finish{Work: release.Promote},
		release.Finish{Work: release.RestoreBeta},
	} {
		st.fails(c, release.ErrPhase)
	}
	st.publish()
	st.nothing(st.begin(release.Publish, "x"))
	st.nothing(release.Finish{Work: release.Publish})
	st.stage()
	st.nothing(release.Wait{Behind: "x"})
	st.nothing(st.begin(release.Stage, "x"))
	st.do(release.StartSoak{At: st.now})
	st.nothing(release.StartSoak{At: st.now})
	// A promoter that acted on an ineffective claim must hear of it.
	st.fails(release.Finish{Work: release.Promote, At: st.now}, release.ErrPhase)
	st.fails(st.begin(release.Promote, "x"), release.ErrPhase)
}

// A project that leaves staging as it is has nothing to put back.
func TestNothingIsPutBackWhereItIsNotWanted(t *testing.T) {
	st := soaking(t, 0)
	st.s.Policy.PutBack = false
	st.answer(st.ask(release.Cancel, "ana"), "cancelled")
	if st.s.Needs(release.RestoreBeta) || st.s.Needs(release.RestoreStaging) {
		t.Error("it is put back")
	}
	st.nothing(st.begin(release.RestoreBeta, "pub-1"))
}

// When a release ended is what its command says, or else the broker's timestamp of the record.
func TestEndHasATime(t *testing.T) {
	for _, given := range []time.Time{{}, noon().Add(-time.Minute)} {
		want := given
		if given.IsZero() {
			want = noon()
		}
		for _, c := range []release.Command{release.Finish{Work: release.Promote, At: given}, release.Fail{By: "promoter", At: given}} {
			st := claimed(t, 0)
			st.do(c)
			if !st.s.End.At.Equal(want) {
				t.Errorf("%T at %v: ended at %s, want %s", c, given, st.s.End.At, want)
			}
		}
	}
}

// What was begun after an effective claim is not put back: it may be with everybody already.
func TestNothingIsPutBackAfterAnEffectiveClaim(t *testing.T) {
	st := claimed(t, 0)
	st.do(release.Fail{By: "promoter", Instance: "pro-1", Reason: "refused", At: st.now})
	if st.s.Needs(release.RestoreBeta) || st.s.Needs(release.RestoreStaging) {
		t.Error("a failed promotion is put back")
	}
	st = soaking(t, 0)
	cancel := st.ask(release.Cancel, "ana")
	st.do(st.alarm())
	st.answer(cancel, "cancelled")
	if !st.s.Needs(release.RestoreBeta) || !st.s.Needs(release.RestoreStaging) {
		t.Error("after an ineffective claim and a cancel nothing is put back")
	}
}
