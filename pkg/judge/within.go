package judge

import (
	"cmp"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// How long a comparison of counters may have nothing to compare before there is no data: five minutes, or a twentieth of a soak that is
// short for that, but two looks at least.
const (
	idle      = 5 * time.Minute
	idleShare = 20
	leastIdle = 2
)

// Within is the rule for a soak or a bake of that length, which a merge may have made shorter than the project's, of which so many percent
// must be watched. What was not watched may be the end: so a test of ranks, or a score, which asks once, asks a tenth of the time before
// the part that may be missing, at the latest.
func (r Rule) Within(lasts time.Duration, coverage int) Rule {
	if lasts <= 0 {
		return r
	}
	if r.Compare != nil {
		r.Idle = max(leastIdle*r.interval, min(idle, lasts/idleShare))
	}
	const tenth, all = 10, 100
	latest := lasts / all * time.Duration(max(cmp.Or(coverage, release.DefaultCoverage)-tenth, tenth))
	if r.Score != nil && r.Score.After > latest {
		sooner := *r.Score
		sooner.After = latest
		r.Score = &sooner
	}
	if r.Compare != nil && r.Compare.After > latest {
		sooner := *r.Compare
		sooner.After = latest
		r.Compare = &sooner
	}
	return r
}

// Lasts is how long the stretch of a release is to last as it was merged. What it is extended by does not change how its checks are
// judged: who takes the watch over after that comes to the same.
func (t Stretch) Lasts(s release.State) time.Duration {
	if t.Bake {
		return s.Policy.Bake
	}
	if s.Merge.Delay != nil {
		return *s.Merge.Delay
	}
	if t.Stage >= 0 && t.Stage < len(s.Policy.Stages) {
		return s.Policy.Stages[t.Stage].Delay
	}
	return s.Policy.Delay
}
