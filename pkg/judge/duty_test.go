package judge_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/release"
)

func TestDuty(t *testing.T) {
	const beat = time.Minute
	now := noon().Add(time.Hour)
	base := judge.Duty{Me: "b", From: noon(), Now: now, Between: beat}
	with := func(change func(*judge.Duty)) judge.Duty {
		d := base
		change(&d)
		return d
	}
	young := now.Add(-4 * time.Second)
	fresh, stale := now.Add(-80*time.Second), now.Add(-90*time.Second)
	for name, c := range map[string]struct {
		duty judge.Duty
		want bool
	}{
		"nobody ever":                        {base, true},
		"nobody yet, the soak is young":      {with(func(d *judge.Duty) { d.From = young }), false},
		"nobody yet, for a while":            {with(func(d *judge.Duty) { d.From = fresh }), true},
		"nobody yet, given to me":            {with(func(d *judge.Duty) { d.From = young; d.Asked = true }), true},
		"another watches":                    {with(func(d *judge.Duty) { d.Last = "a"; d.LastAt = fresh }), false},
		"another watches, given to me":       {with(func(d *judge.Duty) { d.Last = "a"; d.LastAt = fresh; d.Asked = true }), false},
		"another is silent":                  {with(func(d *judge.Duty) { d.Last = "a"; d.LastAt = stale }), true},
		"I did before my restart":            {with(func(d *judge.Duty) { d.Last = "b"; d.LastAt = fresh }), true},
		"another watched the stage before":   {with(func(d *judge.Duty) { d.From = young; d.Last = "a"; d.LastAt = fresh }), false},
		"so it did, a while ago":             {with(func(d *judge.Duty) { d.From = now.Add(-5 * time.Second); d.Last = "a"; d.LastAt = fresh }), true},
		"so it did, given to me":             {with(func(d *judge.Duty) { d.From = young; d.Asked = true; d.Last = "a"; d.LastAt = fresh }), true},
		"I watched the stage before":         {with(func(d *judge.Duty) { d.From = young; d.Last = "b"; d.LastAt = fresh }), false},
		"I watch":                            {with(func(d *judge.Duty) { d.Active = true; d.Last = "b"; d.LastAt = fresh }), true},
		"I watch, nobody has sent a beat":    {with(func(d *judge.Duty) { d.Active = true }), true},
		"I watch, so does one before me":     {with(func(d *judge.Duty) { d.Active = true; d.Last = "a"; d.LastAt = fresh }), false},
		"I watch, so does one after me":      {with(func(d *judge.Duty) { d.Active = true; d.Last = "c"; d.LastAt = fresh }), true},
		"I watch, one before me did":         {with(func(d *judge.Duty) { d.Active = true; d.Last = "a"; d.LastAt = stale }), true},
		"I watch, and was given it, another": {with(func(d *judge.Duty) { d.Active, d.Asked = true, true; d.Last = "a"; d.LastAt = fresh }), false},
	} {
		if got := c.duty.Mine(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// Whatever instances do when (each looks every half interval while it stands by and sends every interval while it watches,
// and they die and come back), while at least one lives there is never a gap that heartbeats do not cover.
func TestSomebodyAlwaysWatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const beat = 10 * time.Second
		type instance struct {
			name   string
			alive  bool
			active bool
			next   time.Time
		}
		all := []*instance{{name: "a", alive: true}, {name: "b", alive: true}, {name: "c", alive: true}}
		for _, i := range all {
			i.next = noon().Add(time.Duration(rapid.IntRange(0, 10_000).Draw(t, "start")) * time.Millisecond)
		}
		var beats []time.Time
		last := judge.Duty{}
		for now := noon(); now.Before(noon().Add(10 * time.Minute)); now = now.Add(250 * time.Millisecond) {
			if rapid.IntRange(0, 60).Draw(t, "event") == 0 {
				i := all[rapid.IntRange(0, 2).Draw(t, "who")]
				living := 0
				for _, j := range all {
					if j.alive {
						living++
					}
				}
				if !i.alive || living > 1 {
					i.alive, i.active, i.next = !i.alive, false, now
				}
			}
			for _, i := range all {
				if i.alive && !now.Before(i.next) {
					d := judge.Duty{
						Me: i.name, Active: i.active, From: noon(), Now: now, Between: beat, Last: last.Last, LastAt: last.LastAt,
					}
					i.active, i.next = d.Mine(), now.Add(d.Again())
					if i.active {
						beats = append(beats, now)
						last.Last, last.LastAt, i.next = i.name, now, now.Add(beat)
					}
				}
			}
		}
		if got := release.Watched(beats, noon(), noon().Add(10*time.Minute), beat); got < 10*time.Minute {
			t.Fatalf("watched for %s of 10m: %v", got, beats)
		}
	})
}
