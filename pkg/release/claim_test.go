package release_test

import (
	"math"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// I2, I7: until its claim is settled, a promoting release answers nobody. A refusal would be final, and the claim may yet
// turn out to be ineffective: then the request was in time for the next claim.
func TestUnsettledClaimAnswersNobody(t *testing.T) {
	st := soaking(t, 2*time.Hour)
	st.after(2 * time.Hour)
	extend := st.ask(release.Extend, "ana")
	st.do(st.alarm())
	cancel := st.ask(release.Cancel, "bob")

	st.fails(cancel, release.ErrUnsettled)
	st.fails(extend, release.ErrUnsettled)
	other := cancel
	other.Settled = st.s.Claim - 1 // some other claim
	st.fails(other, release.ErrUnsettled)

	if stop := st.s.Settle([]release.Request{cancel, extend}, nil, st.s.PhaseAt).Requests; len(stop) != 1 || stop[0].Seq != extend.Seq {
		t.Fatalf("settled to %+v, want the extend", stop)
	}
	st.answer(extend, "extended")
	st.in(release.Soaking)
	st.answer(cancel, "cancelled")
	st.in(release.Cancelled)
}

// I2: a state that nobody stamped does not know its claim, so nothing can be too late for it.
func TestUnstampedClaimAnswersNobody(t *testing.T) {
	st := claimed(t, 0)
	st.s.Claim = 0
	st.fails(st.ask(release.Cancel, "ana"), release.ErrUnsettled)
}

// I7: what came too late for an effective claim is refused as soon as the claim is settled, before the promotion is over.
func TestEffectiveClaimRefusesWhatIsTooLate(t *testing.T) {
	st := soaking(t, 2*time.Hour)
	st.after(2 * time.Hour)
	expedite := st.ask(release.Expedite, "ana")
	st.do(st.alarm())
	cancel := st.ask(release.Cancel, "bob")
	if stop := st.s.Settle([]release.Request{expedite, cancel}, nil, st.s.PhaseAt).Requests; len(stop) != 0 {
		t.Fatalf("settled to %+v, want an effective claim", stop)
	}
	st.answer(expedite, "refused")
	st.answer(cancel, "refused")
	if stop := st.s.Settle([]release.Request{expedite, cancel}, nil, st.s.PhaseAt).Requests; len(stop) != 0 {
		t.Fatalf("settled to %+v after refusals, want an effective claim", stop)
	}
	st.do(release.Finish{Work: release.Promote, Value: "1.4.0", At: st.now})
	st.in(release.Promoted)
}

// I10: sequences are ordered as the broker counts them, up to 2^64-1.
func TestSettleOrdersBySequence(t *testing.T) {
	st := claimed(t, 0)
	st.s.Claim = math.MaxUint64
	var requests []release.Request
	seqs := []uint64{math.MaxUint64 - 1, 100, math.MaxInt64 + 2, math.MaxInt64, 1<<63 + 1<<40}
	for _, seq := range seqs {
		requests = append(requests, release.Request{Verb: release.Hold, Seq: seq})
	}
	stop := st.s.Settle(requests, nil, st.s.PhaseAt).Requests
	if len(stop) != len(seqs) {
		t.Fatalf("%d requests stop the claim, want %d", len(stop), len(seqs))
	}
	for i := 1; i < len(stop); i++ {
		if stop[i-1].Seq > stop[i].Seq {
			t.Fatalf("sequence %d comes before %d", stop[i-1].Seq, stop[i].Seq)
		}
	}
}

// I10: settling and deciding agree. A request that would be refused in any case does not make a claim ineffective.
func TestSettleAgreesWithDecide(t *testing.T) {
	for name, by := range map[string]time.Duration{
		"nothing": 0, "negative": -time.Hour, "too much": release.MaxExtend + 1, "one nanosecond": 1, "the most": release.MaxExtend,
	} {
		t.Run(name, func(t *testing.T) {
			st := soaking(t, 2*time.Hour)
			st.after(2 * time.Hour)
			extend := st.ask(release.Extend, "ana")
			extend.By = by
			st.do(st.alarm())
			stops := len(st.s.Settle([]release.Request{extend}, nil, st.s.PhaseAt).Requests) > 0
			event := st.do(st.settled(extend))
			if _, refused := event.(release.WasRefused); refused == stops {
				t.Fatalf("settle says ineffective: %t; decide says %s", stops, event.Name())
			}
			if effective := st.s.Phase == release.Promoting; effective == stops {
				t.Fatalf("settle says ineffective: %t; then the release is %s", stops, st.s.Phase)
			}
		})
	}
}

// I2: a cancel or a hold is obeyed whatever its body. It hides the one before it on its subject from a settling read.
func TestUnreadableCancelAndHoldAreObeyed(t *testing.T) {
	for verb, want := range map[release.Verb]string{
		release.Cancel: "cancelled", release.Hold: "held", release.Extend: "refused", release.Expedite: "refused", release.Resume: "refused",
	} {
		st := soaking(t, 2*time.Hour)
		r := st.ask(verb, "ana")
		r.Invalid, r.Reason = "not UTF-8", ""
		st.after(2 * time.Hour)
		st.do(st.alarm())
		if stops := len(st.s.Settle([]release.Request{r}, nil, st.s.PhaseAt).Requests) > 0; stops != (want != "refused") {
			t.Errorf("an unreadable %s makes the claim ineffective: %t", verb, stops)
		}
		st.answer(r, want)
	}
}

// I10: an auditor who comes when all is over finds a promotion of an ineffective claim.
func TestSettleFindsAWrongPromotion(t *testing.T) {
	st := soaking(t, 0)
	cancel := st.ask(release.Cancel, "ana")
	st.do(st.alarm())
	st.do(release.Finish{Work: release.Promote, Value: "1.4.0", At: st.now}) // by a promoter that does not settle
	st.in(release.Promoted)
	if stop := st.s.Settle([]release.Request{cancel}, nil, st.s.PhaseAt).Requests; len(stop) != 1 {
		t.Errorf("settled afterwards to %+v, want the cancel", stop)
	}
}

// I10: an ineffective claim leaves nothing behind; the next claim is a claim of its own, with its own sequence.
func TestIneffectiveClaimIsForgotten(t *testing.T) {
	st := soaking(t, 2*time.Hour)
	st.after(2 * time.Hour)
	extend := st.ask(release.Extend, "ana")
	first := st.alarm()
	first.Before = "1.2.0"
	st.do(first)
	claim := st.s.Claim
	st.answer(extend, "extended")
	if st.s.Claim != 0 || st.s.Latest != (release.Channel{}) || len(st.s.Attempts) != 0 {
		t.Fatalf("after an ineffective claim: claim %d, latest %+v, attempts %+v", st.s.Claim, st.s.Latest, st.s.Attempts)
	}
	st.after(30 * time.Minute)
	st.do(st.alarm())
	if st.s.Claim != st.seq || st.s.Claim == claim || st.s.Latest.Before != "1.3.0" || st.s.Attempts[release.Promote].Number != 1 {
		t.Fatalf("the second claim: %d (first %d), latest %+v, attempts %+v", st.s.Claim, claim, st.s.Latest, st.s.Attempts)
	}
}

// I10: a further attempt at the promotion is not a new claim; what was settled stays settled.
func TestSecondAttemptIsNotAClaim(t *testing.T) {
	st := claimed(t, 2*time.Hour)
	claim := st.s.Claim
	cancel := st.ask(release.Cancel, "ana")
	st.after(10 * time.Minute)
	st.do(st.begin(release.Promote, "pro-2"))
	if st.s.Claim != claim || st.s.Latest.Before != "1.3.0" || st.s.Attempts[release.Promote].Number != 2 {
		t.Fatalf("claim %d (was %d), latest %+v, attempts %+v", st.s.Claim, claim, st.s.Latest, st.s.Attempts)
	}
	if stop := st.s.Settle([]release.Request{cancel}, nil, st.s.PhaseAt).Requests; len(stop) != 0 {
		t.Fatalf("a cancel after the claim and before its second attempt stopped it: %+v", stop)
	}
	st.answer(cancel, "refused")
}

// I10: stamping a record again, with whatever a later reader knows, changes nothing.
func TestStampOnce(t *testing.T) {
	st := claimed(t, 2*time.Hour)
	again := st.s.Stamp(st.seq+7, st.now.Add(time.Hour))
	if again.Claim != st.s.Claim || !again.StagedAt.Equal(st.s.StagedAt) ||
		again.Attempts[release.Promote] != st.s.Attempts[release.Promote] {
		t.Fatalf("stamped again: %+v, was %+v", again, st.s)
	}
	st.answer(st.ask(release.Cancel, "ana"), "refused")
	if st.s.Claim == st.seq {
		t.Fatal("a refusal while promoting became the claim")
	}
}
