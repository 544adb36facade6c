package release_test

import (
	"maps"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/release"
)

// anyEvent is an event with anything in it, also what Decide would never cause: a journal may be older or newer than this code.
func anyEvent(t *rapid.T) release.Event {
	work := rapid.SampledFrom([]release.Work{
		release.Publish, release.Stage, release.Promote, release.RestoreBeta, release.RestoreStaging, release.Rollback, "unheard-of",
	}).Draw(t, "work")
	when := noon().Add(time.Duration(rapid.IntRange(-10_000, 10_000).Draw(t, "at")) * time.Second)
	seq := rapid.Uint64Range(0, 20).Draw(t, "seq")
	said := release.Said{By: "ana", At: when}
	events := []release.Event{
		release.WasMerged{Release: "r", Project: "p", Policy: rapid.SampledFrom(policies()).Draw(t, "policy"), At: when},
		release.WasBegun{Work: work, Attempt: release.Attempt{Number: 1, Instance: "one", Timeout: time.Minute}, At: when},
		release.WasDone{Work: work, Value: "v", At: when},
		release.WasQueued{Behind: "other", At: when},
		release.WasSoaked{Due: when, At: when},
		release.WasHeld{Holding: release.Holding{Said: said, System: seq == 0, Unwatched: time.Minute}, Seq: seq},
		release.WasResumed{Said: said, Seq: seq, Due: when},
		release.WasExtended{Said: said, Seq: seq, By: time.Minute},
		release.WasExpedited{Said: said, Seq: seq},
		release.WasCancelled{Said: said, Seq: seq},
		release.WasFailed{Said: said},
		release.WasSuperseded{Newer: "newer", At: when},
		release.WasRefused{Verb: release.Cancel, Seq: seq, Said: said},
		release.WasApproved{Said: said, Seq: seq},
		release.WasPostponed{Obstacle: release.Obstacle{Kind: release.ByPause}, At: when},
		release.WasPassed{At: when},
		release.WasBaking{Value: "v", At: when},
		release.WasRetried{Said: said, Seq: seq},
		release.WasRecalled{Said: said, Seq: seq},
		release.WasNotRolledBack{Said: said},
		nil, // of a newer version
	}
	return rapid.SampledFrom(events).Draw(t, "event")
}

// I0: Evolve never fails, changes nothing but what it returns, and never lets the watermark go back; only a merge begins anew.
func evolveProperty(t *rapid.T) {
	var s release.State
	for i := range rapid.IntRange(1, 40).Draw(t, "events") {
		e := anyEvent(t)
		before := s
		before.Attempts = maps.Clone(s.Attempts)
		if s.Held != nil {
			held := *s.Held
			before.Held = &held
		}
		folded := release.Evolve(s, e)
		attempts := maps.Clone(folded.Attempts)
		after := folded.Stamp(uint64(i)+1, noon())
		if !maps.Equal(attempts, folded.Attempts) {
			t.Fatalf("stamping changed the state it was given: %+v, was %+v", folded.Attempts, attempts)
		}
		if !reflect.DeepEqual(s, before) {
			t.Fatalf("%T changed the state it was given: %+v, was %+v", e, s, before)
		}
		if _, merged := e.(release.WasMerged); after.Folded < s.Folded && !merged {
			t.Fatalf("%T brought the watermark from %d to %d", e, s.Folded, after.Folded)
		}
		if again := after.Stamp(1000, noon().Add(time.Hour)); !reflect.DeepEqual(again, after) {
			t.Fatalf("stamped twice after %T: %+v, was %+v", e, again, after)
		}
		if e == nil && !reflect.DeepEqual(after, s.Stamp(uint64(i)+1, noon())) {
			t.Fatalf("an unknown event changed %+v to %+v", s, after)
		}
		answeredOnce(t, after)
		decidesAnything(t, after)
		s = after
	}
}

// answeredOnce: I6, I7: whatever the state, a request is answered by one event, and then never again.
func answeredOnce(t *rapid.T, s release.State) {
	r := release.Request{
		Verb: rapid.SampledFrom(release.Verbs()).Draw(t, "verb"), Seq: rapid.Uint64Range(0, 50).Draw(t, "request"), Actor: "bob",
		By: time.Minute, At: noon(), Settled: s.Claim,
	}
	events, err := release.Decide(s, r)
	open := s.Phase != release.None && r.Seq > s.Folded
	if err != nil || len(events) > 1 || open != (len(events) == 1) {
		t.Fatalf("%s of %d in %+v: %d events, error %v", r.Verb, r.Seq, s, len(events), err)
	}
	for _, e := range events {
		s = release.Evolve(s, e)
		if again, err := release.Decide(s, r); len(again) > 0 || err != nil && s.Phase != release.Promoting {
			t.Fatalf("answered by %s, and again by %v, error %v", e.Name(), again, err)
		}
	}
}

// decidesAnything: whatever the state, the other commands and questions come to an answer; what they cause leads somewhere.
func decidesAnything(t *rapid.T, s release.State) {
	for _, l := range alphabet(s, policy()) {
		events, _ := release.Decide(s, l.command)
		for _, e := range events {
			if after := release.Evolve(s, e); after.Phase == release.None && s.Phase != release.None {
				t.Fatalf("%s, and the release is nothing: %+v", e.Name(), s)
			}
		}
	}
	at, limited := s.Deadline()
	if woken, ok := s.Wake(noon()); limited && (!ok || woken.After(at)) {
		t.Fatalf("the deadline of %+v is %s, and it is woken %t at %s", s, at, ok, woken)
	}
	if left, ok := s.LeftStage(); ok && (left < 0 || left > max(s.Stage, len(s.Passed))) {
		t.Fatalf("the stage %d is to be put back of %+v", left, s)
	}
	_ = s.Settle(nil, []release.Stop{{Kind: release.Pause, Seq: 1}}, noon())
}

func TestEvolveProperty(t *testing.T) { rapid.Check(t, evolveProperty) }

func FuzzEvolve(f *testing.F) { f.Fuzz(rapid.MakeFuzz(evolveProperty)) }
