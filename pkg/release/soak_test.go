package release_test

import (
	"math"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// I3: an extension lengthens the soak, by a bounded time. However many there are, nothing overflows into the past.
func TestExtendIsBounded(t *testing.T) {
	for _, by := range []time.Duration{0, -1, -time.Hour, release.MaxExtend + 1, math.MaxInt64, math.MinInt64} {
		st := soaking(t, 2*time.Hour)
		r := st.ask(release.Extend, "ana")
		r.By = by
		st.answer(r, "refused")
	}
	phases := map[string]func(*testing.T) *story{
		"before the soak": func(t *testing.T) *story { st := newStory(t); st.merge(2 * time.Hour); return st },
		"soaking":         func(t *testing.T) *story { return soaking(t, 2*time.Hour) },
		"held": func(t *testing.T) *story {
			st := soaking(t, 2*time.Hour)
			st.answer(st.ask(release.Hold, "ana"), "held")
			return st
		},
	}
	for name, begin := range phases {
		t.Run(name, func(t *testing.T) {
			st := begin(t)
			refused := false
			for range 4000 { // more than fit into a duration
				r := st.ask(release.Extend, "ana")
				r.By = release.MaxExtend
				_, refused = st.do(r).(release.WasRefused)
			}
			if !refused {
				t.Error("no extension was refused")
			}
			if st.s.Delay() < 2*time.Hour || st.s.Remaining < 0 || st.s.Due.Year() > 2100 {
				t.Errorf("the soak is %s, %s remain, due in %d", st.s.Delay(), st.s.Remaining, st.s.Due.Year())
			}
		})
	}
}

// I3: a merge's own delay can not make the soak end before it begins.
func TestDelayIsNeverNegative(t *testing.T) {
	for _, d := range []time.Duration{-time.Hour, math.MinInt64, 0} {
		s := release.State{Policy: policy(), Merge: release.Merge{Delay: &d}, Extra: time.Minute}
		if got := s.Delay(); got != time.Minute {
			t.Errorf("a delay of %d and an extension of 1m make %s", d, got)
		}
	}
	d := time.Duration(math.MaxInt64)
	if got := (release.State{Merge: release.Merge{Delay: &d}, Extra: time.Minute}).Delay(); got != d {
		t.Errorf("the longest delay and 1m make %s", got)
	}
}

// I3: who asks for more time, or holds, takes the haste of an expedite away.
func TestExtendTakesTheHasteAway(t *testing.T) {
	for _, v := range []release.Verb{release.Extend, release.Hold} {
		st := soaking(t, 2*time.Hour)
		st.answer(st.ask(release.Expedite, "ana"), "expedited")
		st.do(st.ask(v, "bob"))
		if st.s.Ready(st.now) || st.s.Expedited != nil {
			t.Errorf("expedited, then %s: ready %t, expedited %v", v, st.s.Ready(st.now), st.s.Expedited)
		}
	}
}

// I3: an extension of a release that is due already gives the time that it asks for, counted from the request.
func TestExtendWhenOverdueCountsFromTheRequest(t *testing.T) {
	for _, racing := range []bool{false, true} {
		st := soaking(t, 2*time.Hour)
		st.after(5 * time.Hour)
		r := st.ask(release.Extend, "ana")
		if racing {
			st.do(st.alarm())
		}
		st.answer(r, "extended")
		st.in(release.Soaking)
		st.due(r.At.Add(30 * time.Minute))
		st.nothing(st.alarm())
	}
}

// I3: an extension before the soak, and one during it, both count for how long the release soaks.
func TestExtensionsAddUp(t *testing.T) {
	st := newStory(t)
	st.merge(2 * time.Hour)
	st.answer(st.ask(release.Extend, "ana"), "extended")
	st.publish()
	st.stage()
	staged := st.now
	st.do(release.StartSoak{At: st.now})
	st.answer(st.ask(release.Extend, "ana"), "extended")
	st.due(staged.Add(3 * time.Hour))
	if st.s.Delay() != 3*time.Hour {
		t.Errorf("the soak is %s long, want 3h", st.s.Delay())
	}
}

// I3: a resume that was stored before staging was ready, and is answered after, does not let the soak begin before staging.
func TestResumeFromBeforeTheSoakIsNotEarly(t *testing.T) {
	st := newStory(t)
	st.merge(2 * time.Hour)
	st.answer(st.ask(release.Hold, "ana"), "held")
	resume := st.ask(release.Resume, "ana")
	st.after(90 * time.Minute) // the promoter is down; publisher and stager work
	st.publish()
	st.stage()
	staged := st.now
	st.do(release.StartSoak{At: st.now})
	st.in(release.Held)
	st.answer(resume, "resumed")
	st.due(staged.Add(2 * time.Hour))
}

// I3: a hold that was stored before the soak, and is answered after, leaves the whole soak and not more.
func TestHoldFromBeforeTheSoakLeavesTheSoak(t *testing.T) {
	st := newStory(t)
	st.merge(2 * time.Hour)
	hold := st.ask(release.Hold, "ana")
	st.after(90 * time.Minute)
	st.publish()
	st.stage()
	st.do(release.StartSoak{At: st.now})
	st.answer(hold, "held")
	if st.s.Remaining != 2*time.Hour {
		t.Errorf("%s remain, want 2h", st.s.Remaining)
	}
}

// I3: what was held and resumed between staging and the record of the soak has not soaked: the soak begins at the resume.
func TestHoldBetweenStagedAndSoaking(t *testing.T) {
	st := newStory(t)
	st.merge(2 * time.Hour)
	st.publish()
	st.stage()
	hold := st.ask(release.Hold, "ana") // the promoter is down
	st.after(30 * time.Minute)
	resume := st.ask(release.Resume, "ana")
	st.after(time.Hour)
	st.answer(hold, "held")
	st.answer(resume, "resumed")
	st.do(release.StartSoak{At: st.now})
	st.due(resume.At.Add(2 * time.Hour))
	st.answer(st.ask(release.Hold, "ana"), "held")
	if st.s.Remaining != time.Hour {
		t.Errorf("%s remain, want 1h", st.s.Remaining)
	}
}

// I3: the clock stands still while held.
func TestHoldStopsTheClock(t *testing.T) {
	st := soaking(t, 2*time.Hour)
	st.after(30 * time.Minute)
	st.answer(st.ask(release.Hold, "ana"), "held")
	st.after(10 * time.Hour)
	st.nothing(st.alarm())
	st.answer(st.ask(release.Extend, "bob"), "extended")
	st.in(release.Held)
	r := st.ask(release.Resume, "ana")
	st.answer(r, "resumed")
	st.due(r.At.Add(2 * time.Hour))
}

// I12: overdue is held, and one resume promotes it after all: the time in which nobody was there to watch is no soak.
func TestOverdueResumedIsPromoted(t *testing.T) {
	st := soaking(t, 2*time.Hour)
	st.after(12 * time.Hour) // everything was down for ten hours
	a := st.alarm()
	a.Watched = 2 * time.Hour
	held, ok := st.do(a).(release.WasHeld)
	if !ok || !held.Holding.System || held.Holding.Unwatched != 0 {
		t.Fatalf("overdue: %+v", held)
	}
	st.nothing(a)
	st.after(time.Hour)
	st.answer(st.ask(release.Resume, "ana"), "resumed")
	a.At = st.now
	if e := st.do(a); e.Name() != "promoting" {
		t.Fatalf("after the resume: %s %+v", e.Name(), e)
	}
}

// I4, I12: overdue and not watched enough is held once, and says what is missing.
func TestOverdueAndUnwatchedIsHeldOnce(t *testing.T) {
	st := soaking(t, 2*time.Hour)
	st.after(12 * time.Hour)
	a := st.alarm()
	a.Watched = 30 * time.Minute
	held, ok := st.do(a).(release.WasHeld)
	if !ok || held.Holding.Unwatched != 90*time.Minute {
		t.Fatalf("held for %s unwatched, want 1h30m", held.Holding.Unwatched)
	}
	r := st.ask(release.Resume, "ana")
	st.answer(r, "resumed")
	st.due(r.At.Add(90 * time.Minute))
	st.after(90 * time.Minute)
	a.At, a.Watched = st.now, 2*time.Hour
	if e := st.do(a); e.Name() != "promoting" {
		t.Fatalf("after the missing time: %s", e.Name())
	}
}

// I4: a release without a soak needs no watching, however long a person held it.
func TestNoSoakNeedsNoWatching(t *testing.T) {
	st := soaking(t, 0)
	st.answer(st.ask(release.Hold, "ana"), "held")
	st.after(3 * time.Hour)
	st.answer(st.ask(release.Resume, "ana"), "resumed")
	a := st.alarm()
	a.Watched = 0
	if e := st.do(a); e.Name() != "promoting" {
		t.Fatalf("a release without a soak: %s %+v", e.Name(), e)
	}
}

// I4: the time for which a person held it is no soak, and nobody asks that it was watched.
func TestHeldTimeNeedsNoWatching(t *testing.T) {
	st := soaking(t, 2*time.Hour)
	st.after(time.Hour)
	st.answer(st.ask(release.Hold, "ana"), "held")
	st.after(10 * time.Hour)
	st.answer(st.ask(release.Resume, "ana"), "resumed")
	st.after(time.Hour)
	a := st.alarm()
	a.Watched = 2 * time.Hour
	if e := st.do(a); e.Name() != "promoting" {
		t.Fatalf("watched for 2h of 2h: %s %+v", e.Name(), e)
	}
}

// I4: what was watched while a person held it does not stand in for the rest of the soak, which nobody watched.
func TestWatchedWhileHeldIsNoSoak(t *testing.T) {
	st := soaking(t, 2*time.Hour)
	var beats []time.Time
	watch := func(d time.Duration) {
		for until := st.now.Add(d); st.now.Before(until); {
			st.after(time.Minute)
			beats = append(beats, st.now)
		}
	}
	watch(10 * time.Minute)
	st.answer(st.ask(release.Hold, "ana"), "held")
	watch(10 * time.Hour)
	st.answer(st.ask(release.Resume, "ana"), "resumed")
	st.after(110 * time.Minute) // the watcher is gone
	a := st.alarm()
	a.Watched = st.s.Watched(beats)
	held, ok := st.do(a).(release.WasHeld)
	if !ok || held.Holding.Unwatched < 105*time.Minute || held.Holding.Unwatched > 110*time.Minute {
		t.Fatalf("watched for %s: %+v", a.Watched, held.Holding)
	}
	for _, there := range []bool{false, true} { // the watcher comes back, but is gone again after the resume; then it stays
		watch(10 * time.Hour)
		r := st.ask(release.Resume, "ana")
		st.answer(r, "resumed")
		st.due(r.At.Add(held.Holding.Unwatched))
		if there {
			watch(110 * time.Minute)
		}
		st.after(st.s.Due.Sub(st.now))
		a = st.alarm()
		a.Watched = st.s.Watched(beats)
		switch e := st.do(a); {
		case there && e.Name() != "promoting":
			t.Fatalf("watched for %s: %s", a.Watched, e.Name())
		case !there:
			held, ok = e.(release.WasHeld)
			if !ok || held.Holding.Unwatched < 100*time.Minute {
				t.Fatalf("watched for %s: %s %+v", a.Watched, e.Name(), e)
			}
		}
	}
}

// unwatched is a release that Sluice holds because 90 minutes of its two hours were not watched.
func unwatched(t *testing.T) *story {
	t.Helper()
	st := soaking(t, 2*time.Hour)
	st.after(2 * time.Hour)
	a := st.alarm()
	a.Watched = 30 * time.Minute
	st.do(a)
	st.in(release.Held)
	return st
}

// I4: an extension of a release that is held as unwatched comes on top of what is missing.
func TestExtendWhileUnwatched(t *testing.T) {
	st := unwatched(t)
	st.answer(st.ask(release.Extend, "ana"), "extended")
	r := st.ask(release.Resume, "ana")
	st.answer(r, "resumed")
	st.due(r.At.Add(2 * time.Hour))
}

// I4: a person's hold on top does not forget what is missing.
func TestHoldWhileUnwatched(t *testing.T) {
	st := unwatched(t)
	st.answer(st.ask(release.Hold, "ana"), "held")
	st.answer(st.ask(release.Expedite, "bob"), "refused")
	r := st.ask(release.Resume, "ana")
	st.answer(r, "resumed")
	st.due(r.At.Add(90 * time.Minute))
}

// I12: a resume from before Sluice held the release resumes nothing.
func TestResumeFromBeforeTheSystemHold(t *testing.T) {
	st := soaking(t, 2*time.Hour)
	st.after(time.Hour)
	stale := st.ask(release.Resume, "ana")
	st.after(11 * time.Hour)
	st.do(st.alarm())
	st.in(release.Held)
	st.answer(stale, "refused")
	st.in(release.Held)
}

// I8: who holds and who resumes is ordered by the stream, not by clocks: two brokers' timestamps may differ a little.
func TestResumeAfterHoldByTheStream(t *testing.T) {
	st := soaking(t, 2*time.Hour)
	st.after(time.Hour)
	st.answer(st.ask(release.Hold, "ana"), "held")
	st.after(-time.Second)
	st.answer(st.ask(release.Resume, "ana"), "resumed")
	st.in(release.Soaking)
}

// I8: a person's hold is ended by a resume or by an end, by nothing else.
func TestPersonsHoldStands(t *testing.T) {
	st := soaking(t, 2*time.Hour)
	st.answer(st.ask(release.Hold, "ana"), "held")
	st.answer(st.ask(release.Hold, "bob"), "refused")
	st.answer(st.ask(release.Expedite, "bob"), "refused")
	st.answer(st.ask(release.Extend, "bob"), "extended")
	st.after(1000 * time.Hour)
	st.nothing(st.alarm())
	st.nothing(release.StartSoak{At: st.now})
	st.in(release.Held)
	if st.s.Held.By != "ana" {
		t.Errorf("held by %q, want ana", st.s.Held.By)
	}
}
