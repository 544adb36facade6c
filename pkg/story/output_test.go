package story_test

import (
	"testing"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/story"
)

func TestAttemptOf(t *testing.T) {
	for want, o := range map[string]releasepb.Output{
		"publish, attempt 1":                           {Work: release.Publish, Attempt: 1, Try: 1},
		"stage staging, attempt 2":                     {Work: release.Stage, Stage: "staging", Attempt: 2, Try: 1},
		"restore-staging (qa  [31m), attempt 1, try 2": {Work: release.RestoreStaging, Stage: "qa \x1b[31m", Attempt: 1, Try: 2},
	} {
		if got := story.AttemptOf(o); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
