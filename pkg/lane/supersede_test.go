package lane_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/release"
)

// bounded is a release of one project under supersede, merged so many minutes after the beginning.
func bounded(minute int, limit int, wait time.Duration) release.State {
	return release.State{
		Release: fmt.Sprintf("m%d", minute), Project: "p", Merge: release.Merge{Seq: uint64(minute)},
		MergedAt: time.Unix(0, 0).Add(time.Duration(minute) * time.Minute),
		Policy:   release.Policy{Collision: release.Supersede, SupersedeLimit: limit, MaxWait: wait},
	}
}

// ended is a release that was in staging.
func ended(id string, p release.Phase) release.State {
	return release.State{Release: id, Phase: p, Staging: release.Channel{Touched: true}}
}

// TestBoundOfSupersede tells which occupants of a lane give way, merge after merge. The waiting one follows at once.
func TestBoundOfSupersede(t *testing.T) {
	for name, c := range map[string]struct {
		limit   int
		wait    time.Duration
		minutes []int // of the merges
		want    string
	}{
		"by default three in a row": {0, 0, []int{1, 2, 3, 4, 5, 6}, "m1 m2 m3"},
		"one in a row":              {1, 0, []int{1, 2, 3, 4}, "m1"},
		"by default a day":          {0, 0, []int{1, 1000, 1440, 1441}, "m1 m1000"},
		"by time":                   {9, time.Hour, []int{1, 2, 60, 61, 62}, "m1 m2"},
		"the first always":          {9, time.Hour, []int{1, 100, 101}, "m1"},
		"below zero is no limit":    {-1, -time.Hour, []int{1, 2, 3, 4, 5, 6}, "m1 m2 m3"},
	} {
		var r lane.Record
		var occupant release.State
		got := ""
		for _, minute := range c.minutes {
			s := bounded(minute, c.limit, c.wait)
			e := lane.Enter(r, occupant, s)
			r = e.Record
			if e.Cancel != "" {
				got += " " + e.Cancel
				r = lane.Leave(r, ended(e.Cancel, release.Cancelled))
			}
			if r.Owner == s.Release {
				occupant = s
			}
		}
		if got != " "+c.want {
			t.Errorf("%s: gave way%s, want %s", name, got, c.want)
		}
	}
}

// TestWhatEndsARow of superseded ones, and what does not.
func TestWhatEndsARow(t *testing.T) {
	for name, c := range map[string]struct {
		asked  bool // to give way, before it left
		end    release.Phase
		staged bool
		left   int // of the row
	}{
		"gave way":                      {true, release.Cancelled, true, 2},
		"gave way before it was staged": {true, release.Cancelled, false, 2},
		"promoted, asked too late":      {true, release.Promoted, true, 0},
		"failed before it gave way":     {true, release.Failed, true, 0},
		"promoted":                      {false, release.Promoted, true, 0},
		"failed":                        {false, release.Failed, true, 0},
		"cancelled for its own sake":    {false, release.Cancelled, true, 0},
		"cancelled while it waited":     {false, release.Cancelled, false, 1},
		"failed while it waited":        {false, release.Failed, false, 1},
		"displaced while it waited":     {false, release.Superseded, false, 1},
		"overtaken by a promotion":      {false, release.Superseded, true, 1},
		"gone, with its journal":        {false, release.None, false, 1},
	} {
		r := lane.Record{Owner: "m2", Project: "p", Superseded: map[string]lane.Row{
			"p": {Count: 1, Since: bounded(1, 3, 0).MergedAt}, "q": {Count: 1},
		}}
		if c.asked {
			r = lane.Enter(r, bounded(2, 3, 0), bounded(3, 3, 0)).Record
		}
		s := ended("m2", c.end)
		s.Staging.Touched = c.staged
		r = lane.Leave(r, s)
		if got := r.Superseded["p"].Count; got != c.left || r.Superseded["q"].Count != 1 || r.GivesWay {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestSpared: whom supersede leaves alone, and why.
func TestSpared(t *testing.T) {
	held := func(system bool) *release.Holding { return &release.Holding{System: system} }
	said := &release.Said{By: "ana"}
	for name, c := range map[string]struct {
		held          *release.Holding
		occupant, new *release.Said // expedited
		want          lane.Spared
	}{
		"nobody asked anything":       {nil, nil, nil, ""},
		"held by a person":            {held(false), nil, nil, lane.SparedByHold},
		"held by a person, a hotfix":  {held(false), nil, said, lane.SparedByHold},
		"held because nobody watched": {held(true), nil, nil, ""},
		"expedited":                   {nil, said, nil, lane.SparedByExpedite},
		"both expedited":              {nil, said, said, ""},
		"a hotfix":                    {nil, nil, said, ""},
	} {
		occupant, me := bounded(1, 3, 0), bounded(2, 3, 0)
		occupant.Held, occupant.Expedited, me.Expedited = c.held, c.occupant, c.new
		e := lane.Enter(lane.Record{Owner: "m1", Project: "p"}, occupant, me)
		if e.Spared != c.want || (e.Cancel == "") != (c.want != "") || e.Record.GivesWay != (c.want == "") {
			t.Errorf("%s: %+v", name, e)
		}
		if len(e.Record.Waiting) != 1 {
			t.Errorf("%s: the newcomer does not wait: %+v", name, e.Record)
		}
	}
}

// TestSomethingIsLetFinish: whatever is merged and when, the occupants that give way are bounded in number and in time, and
// the record does not grow. A release is in staging for the soak, unless it has to give way.
func TestSomethingIsLetFinish(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		wait := time.Duration(rapid.IntRange(1, 300).Draw(t, "max_wait")) * time.Minute
		soak := time.Duration(rapid.IntRange(1, 120).Draw(t, "soak")) * time.Minute
		var r lane.Record
		var occupant, waits release.State
		var entered, first time.Time // when the occupant came in; the merge of the first superseded one
		row := 0
		takes := func(s release.State, at time.Time) { occupant, entered, waits = s, at, release.State{} }
		minute := 0
		for range rapid.IntRange(1, 200).Draw(t, "merges") {
			minute += rapid.IntRange(1, 90).Draw(t, "gap")
			s := bounded(minute, limit, wait)
			for r.Owner != "" && !entered.Add(soak).After(s.MergedAt) { // let finish, before this merge
				if done := entered.Add(soak); row > 0 && done.Sub(first) > max(wait, entered.Sub(first))+soak {
					t.Fatalf("promoted %s after the merge of the first superseded one", done.Sub(first))
				}
				row = 0
				r = lane.Leave(r, ended(r.Owner, release.Promoted))
				takes(waits, entered.Add(soak))
			}
			e := lane.Enter(r, occupant, s)
			r = e.Record
			switch {
			case e.Owns:
				takes(s, s.MergedAt)
			case e.Cancel != "":
				if row == 0 {
					first = occupant.MergedAt
				} else if s.MergedAt.Sub(first) >= wait {
					t.Fatalf("superseded %s after the merge of the first", s.MergedAt.Sub(first))
				}
				if row++; row > limit {
					t.Fatalf("%d superseded in a row, the limit is %d", row, limit)
				}
				r = lane.Leave(r, ended(e.Cancel, release.Cancelled))
				takes(s, s.MergedAt)
			default:
				waits = s
			}
			if len(r.Waiting) > 1 || len(r.Superseded) > 1 || len(r.Promoted) > 1 || r.Owner != occupant.Release {
				t.Fatalf("%+v", r)
			}
		}
	})
}
