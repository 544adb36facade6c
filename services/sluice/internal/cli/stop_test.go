package cli

import (
	"testing"
	"time"

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
		state release.State
		stop  release.Stop
		want  string
	}{
		"claimed before": {release.State{Phase: release.Promoting, Claim: 39}, pause,
			"its promotion was claimed before, at sequence 39, and goes on; a cancel is too late, roll it back instead"},
		"claimed after": {release.State{Phase: release.Promoting, Claim: 41}, pause,
			"its promotion was claimed after it, at sequence 41, and does not count: it waits"},
		"ended meanwhile":   {release.State{Phase: release.Promoted, End: release.Said{At: now}}, pause, "promoted at 14:00:00"},
		"out":               {release.State{Phase: release.Baking, PhaseAt: now}, pause, "everybody has it, baking until 14:00:00; this does not stop it"},
		"on its way":        {release.State{Phase: release.Publishing}, pause, "publishing; it goes on until it is to be promoted, and waits then"},
		"soaking":           {soaking, pause, "soaking, 1h left, due 15:00:00; it waits then"},
		"before a freeze":   {soaking, freeze, "soaking, 1h left, due 15:00:00; this does not stop it"},
		"in a freeze":       {overnight, freeze, "soaking, 12h left, due Tue 02:00; it waits then"},
		"not the last":      {staged, pause, "soaking 1/2 qa, 1h left, due 15:00:00; it goes on to its last stage, and waits then"},
		"forced, a freeze":  {forced, release.Stop{Kind: release.Freeze, Seq: 40}, "expedited with force, about to be promoted; this does not stop it"},
		"forced, and pause": {forced, pause, "expedited with force, about to be promoted; it waits then"},
	} {
		if got := effect(c.state, c.stop, now); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
