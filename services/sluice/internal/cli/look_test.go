package cli

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/outlook"
	"github.com/sluice-gate/sluice/pkg/release"
)

// Time that passes is no change; what happens to a release is, and so is that somebody should look.
func TestWhatIsAChange(t *testing.T) {
	now := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	s := release.State{
		Release: "01970000-0000-7000-8000-000000000001", Phase: release.Soaking, StagedAt: now, SoakFrom: now, Due: now.Add(time.Hour),
		Policy: release.Policy{Delay: time.Hour},
	}
	keyOf := func(s release.State, beat, later time.Duration) string {
		t.Helper()
		k, err := key(board.Board{Now: now.Add(later), Rows: []board.Row{{State: s, Around: outlook.Around{Beat: now.Add(beat)}}}})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	first := keyOf(s, 0, 0)
	if later := keyOf(s, time.Minute, time.Minute); later != first {
		t.Errorf("a minute later: %s, and before: %s", later, first)
	}
	overdue := keyOf(s, time.Hour, 2*time.Hour)
	if overdue == first {
		t.Error("overdue, and nobody is told")
	}
	if later := keyOf(s, time.Hour, 3*time.Hour); later != overdue {
		t.Errorf("more overdue: %s, and before: %s", later, overdue)
	}
	s.Extra = time.Minute
	if extended := keyOf(s, 0, 0); extended == first {
		t.Error("extended, and nobody is told")
	}
	other := release.State{Release: "01980000-0000-7000-8000-000000000001", Project: "router", Phase: release.Soaking}
	lanes := func(s release.State) string {
		t.Helper()
		k, err := key(board.Board{Now: now, Shared: []board.Lane{{Name: "eu", Occupant: s}}})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	before := lanes(other)
	other.Held = &release.Holding{Said: release.Said{By: "ana", At: now}}
	if lanes(other) == before {
		t.Error("the lane is held, and nobody is told")
	}
}
