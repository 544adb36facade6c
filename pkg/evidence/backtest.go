package evidence

import (
	"time"

	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
)

// Change is how two decisions about a release differ.
type Change string

// The changes.
const (
	Same      Change = "same"     // the same decision, at the same time
	Sooner    Change = "sooner"   // both fail, the other policy sooner
	Later     Change = "later"    // both fail, the other policy later
	Fails     Change = "fails"    // only the other policy fails
	Spared    Change = "spared"   // only the release's own policy fails
	NotJudged Change = "unjudged" // the other policy can not judge what its own could
)

// Case is one release, judged by two policies.
type Case struct {
	Release Release
	Was     Decision // by the policy that it had
	Would   Decision // by the other
	Kept    bool     // there are measurements of it
}

// Try judges a release by its own policy, and by another. Its own is nil if it can not be read any more.
func Try(r Release, own, other *project.Project) Case {
	c := Case{Release: r, Was: Decision{Word: judge.Inconclusive, Why: "its project file can not be read any more"}, Would: r.Decide(other)}
	if own != nil {
		c.Was = r.Decide(own)
	}
	for _, s := range r.Spans {
		c.Kept = c.Kept || len(s.Checks) > 0 || s.Beats > 0
	}
	return c
}

// Change is how the decisions differ, and by how much the other policy decides sooner or later.
func (c Case) Change() (Change, time.Duration) {
	was, would := c.Was.Word == judge.Fail, c.Would.Word == judge.Fail
	switch {
	case was && would && c.Would.At.Before(c.Was.At):
		return Sooner, c.Was.At.Sub(c.Would.At)
	case was && would && c.Would.At.After(c.Was.At):
		return Later, c.Would.At.Sub(c.Was.At)
	case would && !was:
		return Fails, 0
	case was && !would:
		return Spared, 0
	case c.Was.Word == judge.Pass && c.Would.Word == judge.Inconclusive:
		return NotJudged, 0
	}
	return Same, 0
}

// Told tells whether the watcher stopped the release, by what its journal says.
func (c Case) Told() bool {
	s := c.Release.State
	return s.End.By == watcher || s.Recalled != nil && s.Recalled.By == watcher
}

// watcher is how the watcher calls itself in requests.
const watcher = "watcher"
