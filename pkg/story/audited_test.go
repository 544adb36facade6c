package story_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/story"
)

// What somebody asked without a name is not what the promoter did, which stored the answer.
func TestWhoeverGaveNoNameIsNotTheService(t *testing.T) {
	for _, one := range []struct {
		event release.Event
		want  string
	}{
		{release.WasCancelled{}, "somebody"},
		{release.WasCancelled{Said: release.Said{By: "ana"}}, "ana"},
		{release.WasHeld{}, "somebody"},
		{release.WasHeld{Holding: release.Holding{System: true}}, "promoter"},
		{release.WasSoaked{}, "promoter"},
	} {
		r := releasepb.Record{Event: one.event, Service: "promoter@one"}
		if got := story.AuditedOf(r, 1, time.Time{}, audit.Hash{}).Actor; got != one.want {
			t.Errorf("%T: %q, want %q", one.event, got, one.want)
		}
	}
}
