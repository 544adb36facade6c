package react_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// TestOrphan: that a release has no journal is believed at once of a request, which may come before the merge, and of what only a
// service publishes only when it keeps being so.
func TestOrphan(t *testing.T) {
	none := fmt.Errorf("read it: %w", journal.ErrNone)
	for _, c := range []struct {
		kind      topology.Kind
		delivered uint64
		err       error
		want      bool
	}{
		{topology.KindRequest, 1, none, true},
		{topology.KindRequest, 1, nil, false},
		{topology.KindRequest, 1, errors.New("no answer"), false},
		{topology.KindRelease, 1, none, false},
		{topology.KindDue, 1, none, false},
		{topology.KindJudged, 10, none, false},
		{topology.KindDue, 11, none, true},
		{topology.KindDue, 11, errors.New("no answer"), false},
	} {
		h := react.Hint{Subject: topology.Subject{Kind: c.kind}, Delivered: c.delivered}
		if got := h.Orphan(c.err); got != c.want {
			t.Errorf("%s, delivered %d times, %v: %t, want %t", c.kind, c.delivered, c.err, got, c.want)
		}
	}
}
