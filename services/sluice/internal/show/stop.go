package show

import (
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/story"
)

// Stopped is a pause or a freeze of a project, or of all when it is empty, in one line, in the zone of now. One that begins
// later says so.
func Stopped(project string, s release.Stop, now time.Time) string {
	return story.Stopped(project, s, now).In(clockAt(now))
}
