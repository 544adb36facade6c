package cli

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/outlook"
	"github.com/sluice-gate/sluice/pkg/release"
)

// What a stop does to each release on its way.
func TestWhatAStopDoes(t *testing.T) {
	now := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	pause := release.Stop{Kind: release.Pause, Seq: 40}
	freeze := release.Stop{Kind: release.Freeze, Seq: 40, From: now.Add(2 * time.Hour)}
	soaking := release.State{Phase: release.Soaking, Due: now.Add(time.Hour)}
	overnight, forced, staged := soaking, soaking, soaking
	overnight.Due = now.Add(12 * time.Hour)
	forced.Forced, forced.Expedited = true, &release.Said{By: "ana"}
	staged.Policy.Stages = []release.StagePolicy{{Name: "qa"}, {Name: "eu"}}
	for name, c := range map[string]struct {
		state  release.State
		stop   release.Stop
		want   string
		around outlook.Around
	}{
		"claimed before":    {release.State{Phase: release.Promoting, Claim: 39}, pause, "its promotion was claimed before, at sequence 39, and goes on; a cancel is too late, roll it back instead", outlook.Around{}},
		"claimed after":     {release.State{Phase: release.Promoting, Claim: 41}, pause, "its promotion was claimed after it, at sequence 41, and does not count: it waits", outlook.Around{}},
		"ended meanwhile":   {release.State{Phase: release.Promoted, End: release.Said{At: now}}, pause, "promoted at 14:00:00", outlook.Around{}},
		"out":               {release.State{Phase: release.Baking, PhaseAt: now}, pause, "everybody has it, baking until 14:00:00; this does not stop it", outlook.Around{}},
		"on its way":        {release.State{Phase: release.Publishing}, pause, "publishing; it goes on until it is to be promoted, and waits then", outlook.Around{}},
		"soaking":           {soaking, pause, "soaking, 1h left, due 15:00:00; it waits then", outlook.Around{}},
		"before a freeze":   {soaking, freeze, "soaking, 1h left, due 15:00:00; this does not stop it", outlook.Around{}},
		"in a freeze":       {overnight, freeze, "soaking, 12h left, due Tue 02:00; it waits then", outlook.Around{}},
		"not the last":      {staged, pause, "soaking 1/2 qa, 1h left, due 15:00:00; it goes on to its last stage, and waits then", outlook.Around{}},
		"forced, a freeze":  {forced, release.Stop{Kind: release.Freeze, Seq: 40}, "expedited with force, about to be promoted; this does not stop it", outlook.Around{}},
		"forced, and pause": {forced, pause, "expedited with force, about to be promoted; it waits then", outlook.Around{}},
		"after another freeze": {state: soaking, stop: freeze, want: "soaking, 1h left, due 15:00:00; it waits then", around: outlook.Around{
			Read: true, Stops: []release.Stop{freeze, {Kind: release.Freeze, Seq: 39, Until: now.Add(3 * time.Hour)}},
		}},
	} {
		if got := effect(board.Row{State: c.state, Around: c.around}, c.stop, now); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
