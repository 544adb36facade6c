package release_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/release"
)

func TestBeatInterval(t *testing.T) {
	for soak, want := range map[time.Duration]time.Duration{
		-time.Hour: time.Second, 0: time.Second, 10 * time.Second: time.Second, 2 * time.Minute: time.Second, 4 * time.Minute: 2 * time.Second,
		2 * time.Hour: time.Minute, 10 * time.Hour: 5 * time.Minute, 720 * time.Hour: 5 * time.Minute,
	} {
		if got := release.BeatInterval(soak); got != want {
			t.Errorf("a soak of %s has a heartbeat every %s, want %s", soak, got, want)
		}
	}
}

// at are times, in seconds after noon.
func at(seconds ...int) []time.Time {
	var ts []time.Time
	for _, s := range seconds {
		ts = append(ts, noon().Add(time.Duration(s)*time.Second))
	}
	return ts
}

// The watched part of 100 seconds with a heartbeat every 10: a beat vouches for gaps of up to 25 seconds.
func TestWatched(t *testing.T) {
	for name, c := range map[string]struct {
		beats []time.Time
		want  int // seconds
	}{
		"nobody":                              {nil, 0},
		"all the time":                        {at(10, 20, 30, 40, 50, 60, 70, 80, 90, 100), 100},
		"every fourth second beat is enough":  {at(25, 50, 75), 100},
		"a second too late":                   {at(26, 51, 76), 74},
		"a gap in the middle":                 {at(10, 20, 80, 90), 40},
		"gone after the first half":           {at(10, 20, 30, 40, 50), 50},
		"came in the second half":             {at(60, 70, 80, 90, 100), 40},
		"only before":                         {at(-30, -20, -10), 0},
		"before, and once near the beginning": {at(-10, 5), 5},
		"from before on":                      {at(-5, 20, 45, 70, 95), 100},
		"only long after":                     {at(1000), 0},
		"only shortly after":                  {at(101), 0},
		"until after":                         {at(20, 40, 60, 80, 104), 100},
		"then long after":                     {at(20, 40, 60, 80, 1000), 100},
		"the last gap too long":               {at(20, 40, 60, 1000), 60},
		"at the very ends":                    {at(0, 100), 0},
		"twice at once":                       {at(25, 25, 50, 50, 75, 75), 100},
		"the clock set back":                  {at(25, 50, 30, 75), 100},
	} {
		t.Run(name, func(t *testing.T) {
			ends := at(0, 100)
			got := release.Watched(c.beats, ends[0], ends[1], 10*time.Second)
			if got != time.Duration(c.want)*time.Second {
				t.Errorf("watched for %s, want %ds", got, c.want)
			}
		})
	}
}

// I4: a gap in the heartbeats is no shorter because the clock was started again in the middle of it.
func TestWatchedOverAResume(t *testing.T) {
	st := soaking(t, 100*time.Second) // a heartbeat every second vouches for 2.5 seconds
	st.after(50 * time.Second)
	st.answer(st.ask(release.Hold, "ana"), "held")
	st.after(2 * time.Second)
	st.answer(st.ask(release.Resume, "ana"), "resumed")
	var beats []time.Time
	for s := range 103 {
		if s <= 50 || s >= 54 {
			beats = append(beats, at(s)...)
		}
	}
	if got := st.s.Watched(beats); got > 98*time.Second || got < 96*time.Second {
		t.Errorf("watched for %s, want 98s, or what a heartbeat vouches for less", got)
	}
	if got := st.s.Watched(at(0)); got != 0 {
		t.Errorf("with one heartbeat at the beginning: %s", got)
	}
	if got := st.s.Watched(nil); got != 0 {
		t.Errorf("without heartbeats: %s", got)
	}
}

// A soak that is shorter than what a beat vouches for is watched if there is a beat near it.
func TestWatchedShortSoak(t *testing.T) {
	ends := at(0, 2)
	for seconds, want := range map[int]time.Duration{0: 2 * time.Second, 1: 2 * time.Second, 2: 2 * time.Second, 3: 0, 3600: 0, -1: 0} {
		if got := release.Watched(at(seconds), ends[0], ends[1], time.Second); got != want {
			t.Errorf("a beat at %ds: watched for %s, want %s", seconds, got, want)
		}
	}
	if got := release.Watched(at(1), ends[1], ends[0], time.Second); got != 0 {
		t.Errorf("a soak that ends before it begins was watched for %s", got)
	}
	if got := release.Watched(at(0, 1, 2), ends[0], ends[1], -time.Second); got != 0 {
		t.Errorf("with a negative interval: %s", got)
	}
}

// I4: what was watched is between nothing and all; one more heartbeat never makes it less; counting by seconds agrees.
func watchedProperty(t *rapid.T) {
	offset := rapid.IntRange(-100, 400)
	seconds := rapid.SliceOfN(offset, 0, 30).Draw(t, "beats")
	slices.Sort(seconds)
	to := rapid.IntRange(-10, 300).Draw(t, "to")
	interval := time.Duration(rapid.IntRange(0, 40).Draw(t, "interval")) * time.Second
	ends := at(0, to)
	watched := func(seconds []int) time.Duration { return release.Watched(at(seconds...), ends[0], ends[1], interval) }

	got := watched(seconds)
	if got < 0 || got > max(0, ends[1].Sub(ends[0])) {
		t.Fatalf("watched for %s of %ds", got, to)
	}
	more := append(slices.Clone(seconds), offset.Draw(t, "one more"))
	slices.Sort(more)
	if g := watched(more); g < got {
		t.Fatalf("watched for %s, and with one more heartbeat for %s", got, g)
	}
	inside := slices.DeleteFunc(slices.Clone(seconds), func(s int) bool { return s < 0 || s > to })
	w := &world{beats: at(inside...)}
	if byHand := w.covered(ends[0], ends[1], interval*5/2); watched(inside) != byHand {
		t.Fatalf("watched for %s, counted by seconds %s", watched(inside), byHand)
	}
}

func TestWatchedProperty(t *testing.T) { rapid.Check(t, watchedProperty) }

func FuzzWatched(f *testing.F) { f.Fuzz(rapid.MakeFuzz(watchedProperty)) }

// I4: the boundary. 90% are enough, a nanosecond less is not; and what is missing is what a resume soaks.
func TestMinCoverage(t *testing.T) {
	for watched, want := range map[time.Duration]string{108 * time.Minute: "promoting", 108*time.Minute - 1: "held", 0: "held"} {
		st := soaking(t, 2*time.Hour)
		st.after(2 * time.Hour)
		a := st.alarm()
		a.Watched = watched
		e := st.do(a)
		if e.Name() != want {
			t.Errorf("watched for %s: %s, want %s", watched, e.Name(), want)
		}
		if held, ok := e.(release.WasHeld); ok && held.Holding.Unwatched != 2*time.Hour-watched {
			t.Errorf("watched for %s: %s are missing", watched, held.Holding.Unwatched)
		}
	}
}

// I4, I13: with on_gap: extend what was held for want of watching soaks on by itself for what is missing, until that adds up to
// max_overdue; a person's hold on top of it stays. Without on_gap nobody goes on but a person.
func TestProlong(t *testing.T) {
	p := policy()
	p.OnGap, p.MaxOverdue = release.ExtendOnGap, 3*time.Hour
	st := soakingUnder(t, p)
	for _, watched := range []time.Duration{90 * time.Minute, 0, 30 * time.Minute} {
		st.after(st.s.Due.Sub(st.now))
		a := st.alarm()
		a.Watched = watched
		st.do(a)
		st.in(release.Held)
		if fits := st.s.Prolonged+2*time.Hour-watched <= 3*time.Hour; st.s.SoaksOn() != fits {
			t.Fatalf("prolonged by %s, %s missing: soaks on %t", st.s.Prolonged, 2*time.Hour-watched, st.s.SoaksOn())
		}
		if !st.s.SoaksOn() {
			break
		}
		before := st.s
		st.do(release.Prolong{Instance: "pro-1", At: st.now})
		st.in(release.Soaking)
		st.due(st.now.Add(2*time.Hour - watched))
		if added := st.s.Prolonged - before.Prolonged; added != 2*time.Hour-watched {
			t.Errorf("%s was added, %s were missing", added, 2*time.Hour-watched)
		}
		st.nothing(release.Prolong{Instance: "pro-2", At: st.now})
		before.Held.System = false
		if before.SoaksOn() {
			t.Error("a person's hold is ended by nobody")
		}
	}
	if st.s.Prolonged != 150*time.Minute {
		t.Errorf("prolonged by %s in all", st.s.Prolonged)
	}
	st.nothing(release.Prolong{Instance: "pro-1", At: st.now})

	other := soaking(t, 2*time.Hour)
	other.after(2 * time.Hour)
	a := other.alarm()
	a.Watched = time.Hour
	other.do(a)
	other.nothing(release.Prolong{Instance: "pro-1", At: other.now})
}

// I12: the boundary. Late by max_overdue is promoted, later is held; 0 means never.
func TestMaxOverdue(t *testing.T) {
	for late, want := range map[time.Duration]string{0: "promoting", 6 * time.Hour: "promoting", 6*time.Hour + 1: "held"} {
		st := soaking(t, 2*time.Hour)
		st.after(2*time.Hour + late)
		if e := st.do(st.alarm()); e.Name() != want {
			t.Errorf("late by %s: %s, want %s", late, e.Name(), want)
		}
	}
	st := soaking(t, 2*time.Hour)
	st.s.Policy.MaxOverdue = 0
	st.after(10000 * time.Hour)
	if e := st.do(st.alarm()); e.Name() != "promoting" {
		t.Errorf("without max_overdue: %s", e.Name())
	}
}
