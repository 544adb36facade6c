package release_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// An expedited release is ready at once; whoever arms its alarm must not arm it for the end of the soak.
func TestWake(t *testing.T) {
	st := soaking(t, 2*time.Hour)
	if at, ok := st.s.Wake(st.now); !ok || !at.Equal(st.now.Add(2*time.Hour)) || !st.s.Ready(at) || st.s.Ready(at.Add(-1)) {
		t.Errorf("wake at %s, %t", at, ok)
	}
	st.after(time.Hour)
	st.answer(st.ask(release.Expedite, "ana"), "expedited")
	if at, ok := st.s.Wake(st.now); !ok || at.After(st.now) || !st.s.Ready(at) {
		t.Errorf("expedited: wake at %s, %t", at, ok)
	}
	st.answer(st.ask(release.Hold, "ana"), "held")
	if at, ok := st.s.Wake(st.now); ok {
		t.Errorf("held: wake at %s", at)
	}
}

// I13: every phase in which nothing would happen by itself has a deadline, and is left when it has come, not before.
func TestEveryPhaseHasADeadline(t *testing.T) {
	const work, patience = 20 * time.Minute, 24 * time.Hour
	limited := policy()
	limited.MaxPhase, limited.MaxHold, limited.Bake = work, patience, time.Hour
	postponed := func(o release.Obstacle) release.State {
		return release.State{Phase: release.Soaking, Due: hours(-1), PhaseAt: hours(-3), Postponed: &release.Postponement{Obstacle: o, Since: noon()}}
	}
	held := release.State{Phase: release.Held, Held: &release.Holding{Said: release.Said{By: "ana"}}}
	attempt := release.State{Phase: release.Staging, Attempts: map[release.Work]release.Attempt{release.Stage: {Started: noon(), Timeout: time.Hour}}}
	for name, c := range map[string]struct {
		s    release.State
		want time.Duration // after noon; 0: none
	}{
		"merged":               {release.State{Phase: release.Merged}, work},
		"publishing":           {release.State{Phase: release.Publishing}, work},
		"published":            {release.State{Phase: release.Published}, work},
		"passed":               {release.State{Phase: release.Passed}, work},
		"queued":               {release.State{Phase: release.Queued}, patience},
		"staging":              {release.State{Phase: release.Staging}, work},
		"staging, at work":     {attempt, time.Hour},
		"staged":               {release.State{Phase: release.Staged}, work},
		"soaking":              {release.State{Phase: release.Soaking, Due: hours(1000)}, 0},
		"held":                 {held, patience},
		"rolling back":         {release.State{Phase: release.RollingBack}, work},
		"promoting":            {release.State{Phase: release.Promoting}, 0},
		"baking":               {release.State{Phase: release.Baking}, 0},
		"promoted":             {release.State{Phase: release.Promoted}, 0},
		"paused":               {postponed(release.Obstacle{Kind: release.ByPause}), patience},
		"not approved":         {postponed(release.Obstacle{Kind: release.ByApproval}), patience},
		"frozen":               {postponed(release.Obstacle{Kind: release.ByFreeze, Until: hours(1)}), 0},
		"frozen for good":      {postponed(release.Obstacle{Kind: release.ByFreeze}), patience},
		"window":               {postponed(release.Obstacle{Kind: release.ByWindow, Until: hours(60)}), 0},
		"window not in sight":  {postponed(release.Obstacle{Kind: release.ByWindow}), patience},
		"needs":                {postponed(release.Obstacle{Kind: release.ByNeed}), patience},
		"another rolling back": {postponed(release.Obstacle{Kind: release.ByRollback}), patience},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.s
			if s.PhaseAt.IsZero() {
				s.PhaseAt = noon()
			}
			if _, ok := s.Deadline(); ok {
				t.Error("a deadline without a policy")
			}
			s.Policy = limited
			at, ok := s.Deadline()
			if ok != (c.want > 0) || ok && !at.Equal(noon().Add(c.want)) {
				t.Fatalf("a deadline %t at %s, want %s after noon", ok, at, c.want)
			}
			if _, woken := s.Wake(noon()); !woken && !s.Phase.Ended() && s.Phase != release.Promoting {
				t.Error("nobody looks at it again")
			}
			if !ok {
				if events, err := release.Decide(s, release.Expire{At: hours(1e5)}); len(events) > 0 || err != nil {
					t.Errorf("expired by %v, %v", events, err)
				}
				return
			}
			if events, err := release.Decide(s, release.Expire{At: at.Add(-1)}); len(events) > 0 || err != nil {
				t.Errorf("expired too early by %v, %v", events, err)
			}
			events, err := release.Decide(s, release.Expire{At: at})
			if len(events) != 1 || err != nil {
				t.Fatalf("expired by %v, %v", events, err)
			}
			after := release.Evolve(s, events[0])
			if !after.Phase.Ended() {
				t.Errorf("expired, and %s", after.Phase)
			}
			if events, err := release.Decide(after, release.Expire{At: at}); len(events) > 0 || err != nil {
				t.Errorf("expired again by %v, %v", events, err)
			}
		})
	}
}

// What somebody reads who has to find out why it expired.
func TestExpireSaysWhy(t *testing.T) {
	p := policy()
	p.MaxPhase, p.MaxHold = time.Minute, time.Hour
	said := release.Said{By: "ana"}
	for want, s := range map[string]release.State{
		"stuck in staged, since 2026-03-02T12:00:00Z: look at the services, then retry it":     {Phase: release.Staged},
		"queued for too long, since 2026-03-02T12:00:00Z: look at the services, then retry it": {Phase: release.Queued},
		"held by ana for too long, since 2026-03-02T12:00:00Z: look at the services, then retry it": {
			Phase: release.Held, Held: &release.Holding{Said: said},
		},
		"waited for too long: 0 of 2 approvals, since 2026-03-02T13:00:00Z: look at the services, then retry it": {
			Phase: release.Soaking, Postponed: &release.Postponement{Obstacle: release.Obstacle{Why: "0 of 2 approvals"}, Since: hours(1)},
		},
	} {
		s.Policy, s.PhaseAt = p, noon()
		events, err := release.Decide(s, release.Expire{At: hours(100)})
		if err != nil || len(events) != 1 {
			t.Fatalf("%s: %v, %v", s.Phase, events, err)
		}
		if failed, ok := events[0].(release.WasFailed); !ok || failed.Said.Reason != want {
			t.Errorf("%+v, want %q", events[0], want)
		}
	}
}

// When somebody looks at a release again that waits, bakes, or has to be finished by a deadline.
func TestWakeOfWhoeverWaits(t *testing.T) {
	p := policy()
	p.MaxPhase, p.MaxHold, p.Bake = 20*time.Minute, 24*time.Hour, time.Hour
	soaks := func(o release.Obstacle) release.State {
		return release.State{Phase: release.Soaking, Due: hours(-1), Postponed: &release.Postponement{Obstacle: o, Since: noon()}}
	}
	for name, c := range map[string]struct {
		s    release.State
		want float64 // hours after noon
	}{
		"a freeze with an end":           {soaks(release.Obstacle{Kind: release.ByFreeze, Until: hours(5)}), 5},
		"a window far away":              {soaks(release.Obstacle{Kind: release.ByWindow, Until: hours(60)}), 60},
		"a pause":                        {soaks(release.Obstacle{Kind: release.ByPause}), 24},
		"a need":                         {soaks(release.Obstacle{Kind: release.ByNeed}), 1 + 15.0/3600},
		"another one rolling back":       {soaks(release.Obstacle{Kind: release.ByRollback}), 1 + 15.0/3600},
		"a bake":                         {release.State{Phase: release.Baking}, 1},
		"a phase that somebody works at": {release.State{Phase: release.Merged}, 20.0 / 60},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.s
			s.Policy, s.PhaseAt = p, noon()
			if at, ok := s.Wake(hours(1)); !ok || at.Sub(hours(c.want)).Abs() > time.Millisecond {
				t.Errorf("woken %t at %s, want %s", ok, at, hours(c.want))
			}
		})
	}
	s := soaks(release.Obstacle{Kind: release.ByNeed})
	s.Policy, s.PhaseAt = p, noon()
	if at, ok := s.Wake(hours(24).Add(-time.Second)); !ok || !at.Equal(hours(24)) {
		t.Errorf("just before its deadline: woken %t at %s", ok, at)
	}
}

// I19: an expedited release without force is promoted only when a watcher has seen all its checks pass since it was
// expedited, and since it is staged; it waits for that only so long.
func TestExpediteNeedsALook(t *testing.T) {
	st := soaking(t, 2*time.Hour)
	st.after(10 * time.Minute)
	r := st.ask(release.Expedite, "ana")
	st.answer(r, "expedited")
	st.after(time.Second)
	a := st.alarm()
	a.Watched, a.Clean = 0, r.At.Add(-1)
	st.nothing(a)
	looked := a
	looked.Clean = r.At
	if events, err := release.Decide(st.s, looked); err != nil || len(events) != 1 || events[0].Name() != "promoting" {
		t.Errorf("looked at: %v, %v", events, err)
	}
	if st.s.Patience() != 3*time.Minute {
		t.Errorf("it waits for %s, want 3m", st.s.Patience())
	}
	a.At = r.At.Add(st.s.Patience())
	st.nothing(a)
	a.At = a.At.Add(1)
	held, ok := st.do(a).(release.WasHeld)
	if !ok || !held.Holding.System {
		t.Fatalf("nobody looked: %+v", held)
	}
	r = st.ask(release.Expedite, "ana")
	r.Force = true
	st.answer(r, "expedited")
	if e := st.do(a); e.Name() != "promoting" {
		t.Errorf("by force: %s", e.Name())
	}
}

// I19: a look from before it was staged is none; a release without a soak needs none.
func TestExpediteBeforeTheSoak(t *testing.T) {
	for delay, want := range map[time.Duration]int{time.Hour: 0, 0: 1} {
		st := newStory(t)
		st.merge(delay)
		st.answer(st.ask(release.Expedite, "ana"), "expedited")
		st.after(time.Minute)
		clean := st.now
		st.after(time.Minute)
		st.publish()
		st.stage()
		st.do(release.StartSoak{At: st.now})
		a := st.alarm()
		a.Clean = clean
		if events, err := release.Decide(st.s, a); len(events) != want || err != nil {
			t.Errorf("a soak of %s: %v, %v", delay, events, err)
		}
	}
	if got := (release.State{}).Patience(); got != time.Minute {
		t.Errorf("without a soak the patience is %s", got)
	}
}

// How often the watcher has to look, by what it watches.
func TestBeatEvery(t *testing.T) {
	s := release.State{Policy: release.Policy{Delay: 2 * time.Hour, Bake: 4 * time.Minute}}
	if got := s.BeatEvery(); got != time.Minute {
		t.Errorf("soaking: every %s", got)
	}
	s.Phase, s.PhaseAt = release.Baking, noon()
	if got := s.BeatEvery(); got != 2*time.Second {
		t.Errorf("baking: every %s", got)
	}
	if got := s.Watched(at(2, 4, 6, 8, 500)); got != 8*time.Second {
		t.Errorf("watched for %s of the bake, want 8s", got)
	}
}
