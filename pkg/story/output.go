package story

import (
	"fmt"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// AttemptOf says which attempt an output is of: "stage staging, attempt 2".
func AttemptOf(o releasepb.Output) string {
	what := releasepb.Line(string(o.Work), 40)
	switch stage := releasepb.Line(o.Stage, 100); {
	case o.Work == release.Stage:
		what += " " + stage
	case stage != "":
		what += " (" + stage + ")"
	}
	what += fmt.Sprintf(", attempt %d", o.Attempt)
	if o.Try > 1 {
		what += fmt.Sprintf(", try %d", o.Try)
	}
	return what
}
