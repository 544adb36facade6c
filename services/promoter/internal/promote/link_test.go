package promote

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// What can not be linked keeps nothing waiting: neither the release's other hints, nor, for ever, the consumer.
func TestLinkingKeepsNothingWaiting(t *testing.T) {
	e := journal.Entry{Seq: 7, Type: "promoted", State: release.State{Release: "r", Project: "tracer", Phase: release.Promoted}}
	var l *look
	synctest.Test(t, func(t *testing.T) {
		p := New(service.Env{Log: zap.NewNop()}, nil, nil)
		l = &look{Promoter: p, hint: react.Hint{Seq: 7, Subject: topology.Subject{Kind: topology.KindRelease}, Delivered: 1}}
		p.turn("tracer") <- struct{}{} // somebody else links, and does not come back
		var later *react.LaterError
		if err := l.link(t.Context(), e); !errors.As(err, &later) || later.In != linkPatience {
			t.Errorf("%v", err)
		}
	})
	denied := errors.New("nothing came for 5s")
	for _, c := range []struct {
		n    uint64
		age  time.Duration
		want string
	}{
		{1, 0, "again"}, {linkSlowly, 0, "later"}, {1, 2 * linkWithin, "again"}, {linkSlowly, 2 * linkWithin, "never"},
	} {
		l.hint.Delivered, e.At = c.n, time.Now().Add(-c.age)
		var later *react.LaterError
		err, got := l.unlinked(t.Context(), e, denied), "again"
		switch {
		case err == nil:
			got = "never"
		case errors.As(err, &later):
			got = "later"
		}
		if got != c.want {
			t.Errorf("delivery %d after %s: %v", c.n, c.age, err)
		}
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := l.unlinked(stopped, e, denied); !errors.Is(err, denied) {
		t.Errorf("%v", err)
	}
}
