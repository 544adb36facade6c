package judge

import (
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
)

// Stretch is a time during which a release is watched by the same checks: the soak of one stage, or the bake. Heartbeats,
// measurements and verdicts are of one stretch and mean nothing in the next.
type Stretch struct {
	Bake  bool
	Stage int       // index of the stage; of a bake, that of the last
	From  time.Time // when it began, by the broker
}

// StretchOf is the stretch that the release is in; false while it is not to be watched. From staged on the beta runs in the
// stage and the soak counts, also when the promoter takes its time to start the clock. While a release is held, or waits for
// something else though its delay is over, the judging goes on.
//
// What was retried after a failed promotion has soaked already and does not soak again. It is watched since it is back in
// its phase: in between its lane was another's, and the signals of the project were not about it.
func StretchOf(s release.State) (Stretch, bool) {
	at := Stretch{Stage: s.Stage, From: s.StagedAt}
	switch s.Phase { //nolint:exhaustive // only these are watched
	case release.Baking:
		at.Bake, at.From = true, s.PhaseAt
	case release.Staged, release.Soaking, release.Held:
		if s.Reached {
			at.From = s.PhaseAt
		}
	default:
		return Stretch{}, false
	}
	return at, true
}

// Watchable tells whether a release is to be watched.
func Watchable(s release.State) bool {
	_, ok := StretchOf(s)
	return ok
}

// Same tells whether both are the same stretch. A stage that a release is in for the second time is another one.
func (t Stretch) Same(o Stretch) bool {
	return t.Bake == o.Bake && t.Stage == o.Stage && t.From.Equal(o.From)
}

// Came is since when what is watched in the stretch may have been running: since its deployment to the stage began, or its promotion, and
// not only since that was done. states are the release's, in the order of its journal. What is back in its phase after a retry was
// deployed long ago: it came when the stretch began.
func (t Stretch) Came(states []release.State) time.Time {
	var before release.State
	for _, s := range states {
		if now, ok := StretchOf(s); ok && now.Same(t) {
			if work := before.Phase; t.Bake && work == release.Promoting || !t.Bake && work == release.Staging {
				return earlier(before.PhaseAt, t.From)
			}
			return t.From
		}
		before = s
	}
	return t.From
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// Decided is when a person last let the release go on that was held in this stretch: what was seen before that is decided. Zero: nobody
// did. That Sluice itself lets it soak on, for what nobody watched, decides nothing.
func (t Stretch) Decided(states []release.State) time.Time {
	var at time.Time
	var before release.State
	for _, s := range states {
		now, ok := StretchOf(s)
		if ok && now.Same(t) && before.Held != nil && s.Held == nil && s.Prolonged == before.Prolonged {
			at = s.SoakFrom // of one that was held before its clock began
			if before.Phase == release.Held {
				at = s.PhaseAt
			}
		}
		before = s
	}
	return at
}

// Checks are the project's for the stretch. An error says that the project file has no such stage, or no bake.
func (t Stretch) Checks(p *project.Project) ([]project.Check, error) {
	switch {
	case t.Bake && p.Bake == nil:
		return nil, fmt.Errorf("project %s has no bake", p.Name)
	case t.Bake:
		return p.Bake.Watch, nil
	case t.Stage < 0 || t.Stage >= len(p.Stages):
		return nil, fmt.Errorf("project %s has no stage %d, it has %d", p.Name, t.Stage+1, len(p.Stages))
	}
	return p.Stages[t.Stage].Watch, nil
}

// Verb is what a failed check asks for unless a person is to decide: see [Verdict.Verb].
func (t Stretch) Verb() release.Verb { return Verdict{Stretch: t}.Verb() }
