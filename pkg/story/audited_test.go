package story_test

import (
	"testing"

	"github.com/sluice-gate/sluice/pkg/journal"
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
		if got := story.AuditedOf(journal.Transition{Record: journal.Record{Record: r}}).Actor; got != one.want {
			t.Errorf("%T: %q, want %q", one.event, got, one.want)
		}
	}
}
