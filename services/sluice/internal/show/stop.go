package show

import (
	"cmp"
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// Stopped is a pause or a freeze of a project, or of all when it is empty, in one line, in the zone of now. One that begins
// later says so.
func Stopped(project string, s release.Stop, now time.Time) string {
	who := "all projects are"
	if project != "" {
		who = project + " is"
	}
	what := "paused"
	if s.Kind == release.Freeze {
		what = "frozen"
	}
	when := "since " + Clock(s.Said.At, now)
	switch {
	case s.From.After(now):
		who, when = cmp.Or(project, "all projects"), "from "+Clock(s.From, now)
		what = "will be " + what
	case !s.From.IsZero():
		when = "since " + Clock(s.From, now)
	}
	if !s.Until.IsZero() {
		when += " until " + Clock(s.Until, now)
	}
	return reason(fmt.Sprintf("%s %s by %s %s", who, what, cmp.Or(s.Said.By, "somebody"), when), s.Said.Reason)
}
