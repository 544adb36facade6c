package release_test

import (
	"math"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

func hours(h float64) time.Time { return noon().Add(time.Duration(h * float64(time.Hour))) }

// I2, I14: which stop is in force for whom, and when. The beginning of a freeze belongs to it, its end does not.
func TestStopped(t *testing.T) {
	freeze := release.Stop{Kind: release.Freeze, Said: release.Said{By: "ana", Reason: "fair"}, From: hours(1), Until: hours(3)}
	pause := release.Stop{Kind: release.Pause}
	rolling := release.Stop{Kind: release.RollingStop, Release: "other"}
	mine, forced := release.State{Release: "r"}, release.State{Release: "r", Forced: true}
	own := rolling
	own.Release = "r"
	for name, c := range map[string]struct {
		s    release.State
		stop release.Stop
		at   float64
		want release.Obstructing
	}{
		"before the freeze":               {mine, freeze, 0.99, ""},
		"when it begins":                  {mine, freeze, 1, release.ByFreeze},
		"just before its end":             {mine, freeze, 2.99, release.ByFreeze},
		"when it ends":                    {mine, freeze, 3, ""},
		"forced through a freeze":         {forced, freeze, 2, ""},
		"a freeze that has begun":         {mine, release.Stop{Kind: release.Freeze, Until: hours(3)}, -1000, release.ByFreeze},
		"a freeze without an end":         {mine, release.Stop{Kind: release.Freeze}, 10000, release.ByFreeze},
		"paused":                          {mine, pause, 0, release.ByPause},
		"a pause is not to be forced":     {forced, pause, 0, release.ByPause},
		"another one is rolled back":      {mine, rolling, 0, release.ByRollback},
		"not to be forced either":         {forced, rolling, 0, release.ByRollback},
		"it is itself rolled back":        {mine, own, 0, ""},
		"a stop of a newer version of us": {mine, release.Stop{Kind: "unheard-of"}, 0, "unheard-of"},
	} {
		t.Run(name, func(t *testing.T) {
			o, stopped := release.Stopped(c.s, []release.Stop{c.stop}, hours(c.at))
			if o.Kind != c.want || stopped != (c.want != "") {
				t.Errorf("stopped %t by %q, want %q", stopped, o.Kind, c.want)
			}
		})
	}
}

// Of several stops the one that lasts longest is what is waited for, in whatever order they are read.
func TestStoppedByTheLongest(t *testing.T) {
	short := release.Stop{Kind: release.Freeze, Until: hours(3), Said: release.Said{By: "short"}}
	long := release.Stop{Kind: release.Freeze, Until: hours(5), All: true, Said: release.Said{By: "long", Reason: "fair"}}
	over := release.Stop{Kind: release.Freeze, Until: hours(1)}
	pause := release.Stop{Kind: release.Pause, Said: release.Said{By: "ana"}}
	for _, c := range []struct {
		stops []release.Stop
		why   string
		until time.Time
	}{
		{[]release.Stop{over}, "", time.Time{}},
		{[]release.Stop{short, over}, "the project is frozen by short", hours(3)},
		{[]release.Stop{short, long}, "all projects are frozen by long: fair", hours(5)},
		{[]release.Stop{long, short}, "all projects are frozen by long: fair", hours(5)},
		{[]release.Stop{pause, long, short}, "the project is paused by ana", time.Time{}},
		{[]release.Stop{long, pause}, "the project is paused by ana", time.Time{}},
	} {
		o, _ := release.Stopped(release.State{}, c.stops, hours(2))
		if o.Why != c.why || !o.Until.Equal(c.until) {
			t.Errorf("%+v: %+v, want %q until %s", c.stops, o, c.why, c.until)
		}
	}
}

// I10: only stops that were stored before the claim speak against it, judged at the time of the claim, whoever asks when.
func TestSettleWithStops(t *testing.T) {
	st := claimed(t, 2*time.Hour)
	pause := release.Stop{Kind: release.Pause, Seq: st.s.Claim - 1}
	after := release.Stop{Kind: release.Pause, Seq: st.s.Claim + 1}
	ended := release.Stop{Kind: release.Freeze, Until: st.now, Seq: 1}
	later := release.Stop{Kind: release.Freeze, From: st.now.Add(time.Hour), Seq: 1}
	for _, c := range []struct {
		stop      release.Stop
		effective bool
	}{{pause, false}, {after, true}, {ended, true}, {later, true}, {release.Stop{Kind: release.Pause, Seq: math.MaxUint64}, true}} {
		stops := []release.Stop{c.stop, after}
		against := st.s.Settle(nil, stops, st.now)
		if against.Effective() != c.effective || (against.Stop == nil) != c.effective {
			t.Errorf("%+v: settled to %+v", c.stop, against)
		}
		if stops[0] != c.stop || stops[1] != after {
			t.Errorf("settling changed the stops to %+v", stops)
		}
	}
	cancel := release.Request{Verb: release.Cancel, Seq: st.s.Claim - 2}
	if against := st.s.Settle([]release.Request{cancel}, []release.Stop{pause}, st.now); len(against.Requests) != 1 || against.Stop == nil {
		t.Errorf("a cancel and a pause: %+v", against)
	}
}

// I10: a claim that a stop made ineffective is taken back once, and only it; the next claim is a claim of its own.
func TestPostponedClaim(t *testing.T) {
	st := claimed(t, 2*time.Hour)
	claim := st.s.Claim
	o := release.Obstacle{Kind: release.ByPause, Why: "the project is paused by ana"}
	st.fails(release.Postpone{Claim: claim + 1, Obstacle: o}, release.ErrPhase)
	st.do(release.Postpone{Claim: claim, Obstacle: o, At: st.now})
	st.in(release.Soaking)
	if st.s.Claim != 0 || st.s.Latest != (release.Channel{}) || len(st.s.Attempts) != 0 || st.s.Postponed.Why != o.Why {
		t.Fatalf("after an ineffective claim: %+v", st.s)
	}
	st.fails(release.Postpone{Claim: claim, Obstacle: o, At: st.now}, release.ErrPhase)
	st.fails(release.Finish{Work: release.Promote, At: st.now}, release.ErrPhase)
	st.answer(st.ask(release.Cancel, "bob"), "cancelled") // after that claim, and in time
}

// I14: the order of the obstacles, and which of them force opens.
func TestGate(t *testing.T) {
	closed := release.Window{Closed: true, Until: hours(20), Why: "outside of Mon-Fri 09:00-17:00"}
	pause := []release.Stop{{Kind: release.Pause}}
	freeze := []release.Stop{{Kind: release.Freeze, Until: hours(9)}}
	for name, c := range map[string]struct {
		gate   release.Gate
		force  bool
		want   release.Obstructing
		expect string
	}{
		"open":                   {release.Gate{}, false, "", ""},
		"window":                 {release.Gate{Window: closed}, false, release.ByWindow, closed.Why},
		"window, forced":         {release.Gate{Window: closed}, true, "", ""},
		"freeze":                 {release.Gate{Stops: freeze, Window: closed}, false, release.ByFreeze, "the project is frozen by somebody"},
		"freeze, forced":         {release.Gate{Stops: freeze, Window: closed}, true, "", ""},
		"pause, forced":          {release.Gate{Stops: pause, Unmet: "x"}, true, release.ByPause, "the project is paused by somebody"},
		"need before the window": {release.Gate{Unmet: "needs api@2.0.0", Window: closed}, false, release.ByNeed, "needs api@2.0.0"},
		"need, forced":           {release.Gate{Unmet: "needs api@2.0.0"}, true, release.ByNeed, "needs api@2.0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			st := soaking(t, 2*time.Hour)
			if c.force {
				r := st.ask(release.Expedite, "ana")
				r.Force = true
				st.answer(r, "expedited")
			}
			st.after(2 * time.Hour)
			a := st.alarm()
			a.Gate = c.gate
			waits, ok := st.do(a).(release.WasPostponed)
			if ok != (c.want != "") || waits.Obstacle.Kind != c.want || waits.Obstacle.Why != c.expect {
				t.Fatalf("it waits %t for %+v, want %q", ok, waits.Obstacle, c.want)
			}
			if ok {
				st.nothing(a) // I6
			}
		})
	}
}

// I6: an obstacle that is read again, its end given in another time zone, is not a new one.
func TestSameObstacleElsewhere(t *testing.T) {
	st := soaking(t, 2*time.Hour)
	st.after(2 * time.Hour)
	a := st.alarm()
	a.Gate.Window = release.Window{Closed: true, Until: hours(20), Why: "closed"}
	st.do(a)
	a.Gate.Window.Until = a.Gate.Window.Until.In(time.FixedZone("elsewhere", 3600))
	st.nothing(a)
	a.Gate.Window.Until = a.Gate.Window.Until.Add(time.Hour)
	if e := st.do(a); e.Name() != "postponed" {
		t.Errorf("another end: %s", e.Name())
	}
}

// I14: before the last stage only approvals are in the way; a pause stops promotions, not stages.
func TestStagesAreNotStopped(t *testing.T) {
	st := soakingUnder(t, twoStages())
	st.after(time.Hour)
	a := st.alarm()
	a.Gate = release.Gate{Stops: []release.Stop{{Kind: release.Pause}}, Unmet: "x", Window: release.Window{Closed: true}}
	st.do(a)
	st.in(release.Passed)
}

// I12: overdue is counted from when nothing was in the way any more.
func TestOverdueAfterAnObstacle(t *testing.T) {
	window := release.Window{Closed: true, Until: hours(20), Why: "closed"}
	pause := []release.Stop{{Kind: release.Pause}}
	for name, c := range map[string]struct {
		closed release.Gate
		opened release.Gate
		late   float64 // hours after noon
		want   string
	}{
		"just opened":             {release.Gate{Window: window}, release.Gate{}, 20, "promoting"},
		"six hours later":         {release.Gate{Window: window}, release.Gate{}, 26, "promoting"},
		"later than that":         {release.Gate{Window: window}, release.Gate{}, 26.1, "held"},
		"unpaused":                {release.Gate{Stops: pause}, release.Gate{Opened: hours(40)}, 41, "promoting"},
		"unpaused long ago":       {release.Gate{Stops: pause}, release.Gate{Opened: hours(40)}, 46.1, "held"},
		"needed, now promoted":    {release.Gate{Unmet: "x"}, release.Gate{}, 1000, "promoting"},
		"another was rolled back": {release.Gate{Stops: []release.Stop{{Kind: release.RollingStop, Release: "o"}}}, release.Gate{}, 1000, "promoting"},
	} {
		t.Run(name, func(t *testing.T) {
			st := soaking(t, 2*time.Hour)
			st.after(2 * time.Hour)
			a := st.alarm()
			a.Gate = c.closed
			st.do(a)
			a.At, a.Gate = hours(c.late), c.opened
			if e := st.do(a); e.Name() != c.want {
				t.Errorf("%s, want %s", e.Name(), c.want)
			}
		})
	}
}

// I12: a release that waited for approvals is late from the last one on.
func TestOverdueAfterAnApproval(t *testing.T) {
	for late, want := range map[time.Duration]string{6 * time.Hour: "promoting", 6*time.Hour + 1: "held"} {
		p := policy()
		p.Approvals = 1
		st := soakingUnder(t, p)
		st.after(2 * time.Hour)
		st.do(st.alarm())
		st.after(100 * time.Hour)
		st.answer(st.ask(release.Approve, "ana"), "approved")
		st.after(late)
		if e := st.do(st.alarm()); e.Name() != want {
			t.Errorf("%s after the approval: %s, want %s", late, e.Name(), want)
		}
	}
}

// A forced release does not wait for what it opens; any expedite has all that is in the way looked at anew.
func TestExpediteWhilePostponed(t *testing.T) {
	for _, force := range []bool{false, true} {
		st := soaking(t, 2*time.Hour)
		st.after(2 * time.Hour)
		a := st.alarm()
		a.Gate.Window = release.Window{Closed: true, Until: hours(60), Why: "weekend"}
		st.do(a)
		r := st.ask(release.Expedite, "ana")
		r.Force = force
		st.answer(r, "expedited")
		if at, ok := st.s.Wake(st.now); !ok || at.After(st.now) {
			t.Errorf("forced %t: woken at %s", force, at)
		}
		a.At, a.Clean = st.now, st.now
		want := map[bool]string{false: "postponed", true: "promoting"}[force]
		if e := st.do(a); e.Name() != want {
			t.Errorf("forced %t: %s, want %s", force, e.Name(), want)
		}
	}
}

// I12: what was due while it was closed is overdue only from when it was open, by the windows and by freezes that followed each other.
func TestFreeFrom(t *testing.T) {
	at := func(hour int) time.Time { return noon().Add(time.Duration(hour) * time.Hour) }
	windows := func(open, shut int) func(time.Time) release.Window { // closed between the two
		return func(now time.Time) release.Window {
			return release.Window{Closed: !now.Before(at(open)) && now.Before(at(shut)), Until: at(shut)}
		}
	}
	frozen := release.Gate{Stops: []release.Stop{
		{Kind: release.Freeze, From: at(4), Until: at(6)}, {Kind: release.Pause}, {Kind: release.Freeze, From: at(20)},
	}}
	for name, c := range map[string]struct {
		gate    release.Gate
		windows func(time.Time) release.Window
		due     int
		force   bool
		want    int
	}{
		"open all the time":       {release.Gate{}, windows(0, 0), 1, false, 1},
		"due when closed":         {release.Gate{}, windows(0, 5), 1, false, 5},
		"due before it closed":    {release.Gate{}, windows(2, 5), 1, false, 1},
		"a freeze after a window": {frozen, windows(0, 5), 1, false, 6},
		"force goes through both": {frozen, windows(0, 5), 1, true, 1},
		"still closed":            {release.Gate{}, windows(0, 30), 1, false, 10},
		"closed for good":         {release.Gate{Stops: []release.Stop{{Kind: release.Freeze}}}, windows(0, 0), 1, false, 10},
	} {
		s := release.State{Phase: release.Soaking, Forced: c.force}
		if got := c.gate.FreeFrom(s, at(c.due), at(10), c.windows); !got.Equal(at(c.want)) {
			t.Errorf("%s: free from %s, want %s", name, got, at(c.want))
		}
	}
}
