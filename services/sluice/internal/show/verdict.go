package show

import (
	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/release"
)

// VerdictOf is what the watcher saw last of a release: fail when that is why it ended, inconclusive when a check had nothing to see at the
// last heartbeat, pass when none failed so far. It is empty for a release that nobody has watched yet, or that nobody was to watch.
func VerdictOf(row board.Row) judge.Word {
	s := row.State
	switch s.Phase {
	case release.Cancelled, release.RolledBack:
		if s.Evidence != "" {
			return judge.Fail
		}
		return ""
	case release.Soaking, release.Baking:
		if row.Around.Beat.IsZero() {
			return ""
		}
	case release.Promoted, release.Promoting:
		if s.Expedited != nil || s.StagedAt.IsZero() {
			return ""
		}
	case release.None, release.Merged, release.Publishing, release.Published, release.Queued, release.Staging, release.Staged, release.Held,
		release.Passed, release.RollingBack, release.Failed, release.Superseded:
		return ""
	}
	if len(row.Around.Doubts) > 0 {
		return judge.Inconclusive
	}
	return judge.Pass
}
