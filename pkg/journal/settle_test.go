package journal_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

func settleOrder(t *testing.T, b *bundle) {
	e := b.soaking(t)
	expedite := b.ask(t, release.Expedite, "ana", "")
	hold := b.ask(t, release.Hold, "bo", "wait")
	cancel := b.ask(t, release.Cancel, "", "no")
	c := b.append(t, e, claim())
	b.ask(t, release.Cancel, "ana", "too late")
	b.ask(t, release.Cancel, "", "too late") // hides the one in time
	stop, err := requestsAgainst(b.j.Settle(b.ctx, c))
	if err != nil {
		t.Fatal(err)
	}
	same(t, stop, hold, cancel)
	if expedite > hold {
		t.Error("the stream is out of order")
	}
}

func settleEffective(t *testing.T, b *bundle) {
	e := b.soaking(t)
	extend := b.ask(t, release.Extend, "ana", "1m")
	e = b.append(t, e, release.WasExtended{Seq: extend, By: 1})
	c := b.append(t, e, claim())
	b.ask(t, release.Cancel, "ana", "too late")
	stop, err := requestsAgainst(b.j.Settle(b.ctx, c))
	if err != nil || len(stop) != 0 {
		t.Fatal(stop, err)
	}
}

// settleHidden: a request that can not be understood hides one that can, in a read of last messages.
func settleHidden(t *testing.T, b *bundle) {
	e := b.soaking(t)
	extend := b.ask(t, release.Extend, "ana", "30m")
	b.ask(t, release.Extend, "ana", "thirty minutes")
	c := b.append(t, e, claim())
	stop, err := requestsAgainst(b.j.Settle(b.ctx, c))
	if err != nil {
		t.Fatal(err)
	}
	same(t, stop, extend)
}

// settleLater: whoever settles comes to the same answer, also when the journal has gone on.
func settleLater(t *testing.T, b *bundle) {
	e := b.soaking(t)
	cancel := b.ask(t, release.Cancel, "ana", "no")
	c := b.append(t, e, claim())
	later := b.append(t, c, release.WasBegun{Work: release.Promote, Attempt: release.Attempt{Number: 2}})
	for range 4 {
		_, j := b.open(b.ctx, t)
		stop, err := requestsAgainst(j.Settle(b.ctx, later))
		if err != nil {
			t.Fatal(err)
		}
		same(t, stop, cancel)
	}
}

func settleBlocks(t *testing.T, b *bundle) {
	e := b.soaking(t)
	r := b.raw(t)
	for i, block := range blocks(b.id, e.Seq+1) {
		r.store(topology.Request("expedite", b.id, fmt.Sprint("m", i)), block, "")
	}
	cancel := b.ask(t, release.Cancel, "ana", "no")
	c := b.append(t, e, claim())
	stop, err := requestsAgainst(b.j.Settle(b.ctx, c))
	if err != nil {
		t.Fatal(err)
	}
	same(t, stop, cancel)
}

func encodeRecord(t *testing.T, ev release.Event, state release.State) []byte {
	t.Helper()
	data, err := releasepb.EncodeRecord(releasepb.Record{Event: ev, State: state})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func settlePhase(t *testing.T, b *bundle) {
	if _, err := b.j.Settle(b.ctx, b.soaking(t)); !errors.Is(err, release.ErrPhase) {
		t.Fatal(err)
	}
}
