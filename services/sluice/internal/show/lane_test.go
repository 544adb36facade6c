package show_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

func waiter() release.State {
	return release.State{
		Release: "01970000-0000-7000-8000-000000000002", Project: "router", Version: "2.0.0", Phase: release.Queued,
		Merge: release.Merge{Actor: "bob"}, MergedAt: base(), Behind: "01960000-0000-7000-8000-000000000001",
	}
}

func occupant(p release.Phase) release.State {
	s := release.State{Release: "01980000-0000-7000-8000-000000000001", Project: "tracer", Version: "1.4.0", Phase: p}
	if p == release.Held || p == release.Staging {
		s.Held = &release.Holding{Said: release.Said{By: "ana", At: base().Add(3 * time.Minute), Reason: "wait for QA"}}
	}
	return s
}

// Who waits is told what for, by the lane and not by what was so when it began to wait.
func TestWhatAReleaseWaitsFor(t *testing.T) {
	now := base().Add(time.Hour)
	for want, ahead := range map[string]*board.Ahead{
		"behind 01960000-0000":              nil,
		"behind tracer 1.4.0":               {Place: 1, Occupant: occupant(release.Soaking)},
		"behind 2 waiting and tracer 1.4.0": {Place: 3, Occupant: occupant(release.Soaking)},
		"behind tracer 1.4.0, which is held by ana since 14:03:00: wait for QA":               {Place: 1, Occupant: occupant(release.Held)},
		"behind 1 waiting and tracer 1.4.0, which is held by ana since 14:03:00: wait for QA": {Place: 2, Occupant: occupant(release.Held)},
		"behind tracer 1.4.0, which will be held by ana: wait for QA":                         {Place: 1, Occupant: occupant(release.Staging)},
	} {
		row := board.Row{State: waiter(), Ahead: ahead}
		if l := show.LineOf(row, now); l.Why != want || l.By != "bob" || l.Warn {
			t.Errorf("%+v, want %q", l, want)
		}
		if got := show.Details(row, now, show.Style{}); !strings.Contains(got, "\n  waits     "+want+"\n") {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	held := waiter()
	held.Held = &release.Holding{Said: release.Said{By: "lee", Reason: "not on Friday"}}
	l := show.LineOf(board.Row{State: held, Ahead: &board.Ahead{Place: 1, Occupant: occupant(release.Soaking)}}, now)
	if want := "behind tracer 1.4.0; will be held: not on Friday"; l.Why != want || l.By != "lee" || !l.Warn {
		t.Errorf("%+v, want %q", l, want)
	}
}

func TestJSONOfAWaitingRelease(t *testing.T) {
	row := board.Row{State: waiter(), Ahead: &board.Ahead{Place: 2, Occupant: occupant(release.Held)}}
	got := show.JSONOf(row, base().Add(time.Hour))
	if got.Behind != row.Ahead.Occupant.Release || got.Place != 2 || got.HeldUp == nil || got.HeldUp.By != "ana" ||
		got.HeldUp.Reason != "wait for QA" || !got.HeldUp.Since.Equal(base().Add(3*time.Minute)) {
		t.Errorf("%+v", got)
	}
}

func TestLanes(t *testing.T) {
	now := base().Add(time.Hour)
	var six []release.State
	for range 6 {
		six = append(six, waiter())
	}
	got := show.Lanes([]board.Lane{
		{Name: "eu", Occupant: occupant(release.Held), Waiting: six[:2]},
		{Name: "us", Occupant: occupant(release.Soaking), Waiting: six},
		{Name: "za"},
	}, now, show.Style{})
	want := `lane eu: tracer 1.4.0 is held by ana since 14:03:00: wait for QA; then router 2.0.0, router 2.0.0
lane us: tracer 1.4.0 soaking; then router 2.0.0, router 2.0.0, router 2.0.0, router 2.0.0, router 2.0.0, 1 more
lane za: free
`
	if got != want {
		t.Errorf("\n%s, want\n%s", got, want)
	}
}
