package journal_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// between makes the direct reads from one to another, both included, be answered by a replica with this last sequence.
func between(from, to int, last uint64) func(int) uint64 {
	return func(ask int) uint64 {
		if ask >= from && ask <= to {
			return last
		}
		return 0
	}
}

// TestStopsAreSettledByAnAnswerThatHasTheClaim: the requests were read from a replica that has it, and the stops come from one
// that has the claim not yet, nor the stop before it.
func TestStopsAreSettledByAnAnswerThatHasTheClaim(t *testing.T) {
	b := single(t).setup(t)
	e := b.soaking(t)
	pause := b.stop(t, topology.StopPause, b.project, "ana", "wait")
	c := b.append(t, e, claim())
	for _, last := range []uint64{1, e.Seq, pause - 1, pause, c.Seq - 1} {
		m, j := b.meddle(t)
		m.set(hooks{lag: between(1, 3, last)})
		against, err := j.Settle(b.ctx, c)
		if err != nil || against.Stop == nil || against.Stop.Kind != release.ByPause {
			t.Fatalf("a replica at %d: %+v, %v", last, against, err)
		}
		if n := m.asked(); n != 6 { // requests, stops in vain, requests in vain twice, requests, stops
			t.Errorf("a replica at %d: asked %d times", last, n)
		}
	}
	m, j := b.meddle(t)
	m.set(hooks{lag: func(ask int) uint64 { // of stops always
		if ask%2 == 1 {
			return pause - 1
		}
		return 0
	}})
	ctx, cancel := context.WithTimeout(b.ctx, 500*time.Millisecond)
	defer cancel()
	if against, err := j.Settle(ctx, c); !errors.Is(err, journal.ErrStale) {
		t.Fatalf("%+v, %v", against, err)
	}
	if m.asked() < 4 {
		t.Error("it was not asked again")
	}
}

func TestGateFromAReplicaThatLagsBehind(t *testing.T) {
	b := single(t).setup(t)
	before := b.stop(t, topology.StopFreeze, newID(), "ana", "")
	first := b.stop(t, topology.StopUnpause, b.project, "ana", "")
	e := b.soaking(t)
	pause := b.stop(t, topology.StopPause, b.project, "ana", "wait")
	for last, least := range map[uint64]uint64{before: 0, first: 0, e.Seq - 1: 0, e.Seq: pause, pause - 1: pause} {
		m, j := b.meddle(t)
		m.set(hooks{lag: between(0, 1, last)})
		g, err := j.Gate(b.ctx, e, least)
		if err != nil || len(g.Stops) != 1 || g.Stops[0].Seq != pause {
			t.Errorf("a replica at %d: %+v, %v", last, g, err)
		}
		if n := m.asked(); n != 3 {
			t.Errorf("a replica at %d: asked %d times", last, n)
		}
	}
}

// TestAProjectIsChangedOnWhatTheLeaderHas: a rollback is over, and the read of the project has not heard of its beginning.
func TestAProjectIsChangedOnWhatTheLeaderHas(t *testing.T) {
	b := single(t).setup(t)
	rolling := func(j *journal.Journal, id string) uint64 {
		t.Helper()
		seq, err := j.ChangeProject(b.ctx, b.project, func(r release.Record) (release.Record, error) {
			if id == "" && r.Rolling == "" && len(r.Promotions) == 0 {
				return r, errors.New("nothing was promoted")
			}
			r.Rolling = id
			return r.Promote(release.Promotion{Release: b.id}), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	nothing := b.stop(t, topology.StopPause, newID(), "", "")
	empty := rolling(b.j, "x")
	over := rolling(b.j, "")
	for _, last := range []uint64{nothing, over} {
		begun := rolling(b.j, "y")
		m, j := b.meddle(t)
		m.set(hooks{lag: behind(1<<30, last)})
		if seq := rolling(j, ""); seq <= begun {
			t.Errorf("a replica at %d: nothing was changed", last)
		}
		if r, _, err := b.j.Project(b.ctx, b.project); err != nil || r.Rolling != "" {
			t.Errorf("a replica at %d: %+v, %v", last, r, err)
		}
	}
	begun := rolling(b.j, "y")
	m, j := b.meddle(t)
	m.set(hooks{lag: behind(1<<30, empty)}) // what it reads is old, and loses
	if seq := rolling(j, ""); seq <= begun {
		t.Error("nothing was changed")
	}
}

// TestLatestHasTheEndOfAPause: no record says that a pause is over. Whoever asks the leader how far the stream is knows what a
// replica has to have.
func TestLatestHasTheEndOfAPause(t *testing.T) {
	b := single(t).setup(t)
	b.stop(t, topology.StopPause, b.project, "ana", "wait")
	e := b.soaking(t)
	over := b.stop(t, topology.StopUnpause, b.project, "ana", "")
	at, last, err := b.j.Latest(b.ctx)
	if err != nil || last != over || at.Before(e.At) {
		t.Fatalf("the last message is %d at %s, %v; the end of the pause is %d", last, at, err, over)
	}
	for least, stops := range map[uint64]int{0: 1, last: 0} {
		m, j := b.meddle(t)
		m.set(hooks{lag: between(0, 0, e.Seq)})
		if g, err := j.Gate(b.ctx, e, least); err != nil || len(g.Stops) != stops {
			t.Errorf("not from before %d, by a replica at %d: %+v, %v", least, e.Seq, g, err)
		}
	}
}

// Whoever waits for the promotions that were claimed before a sequence must see who occupied a lane then.
func TestOwnersFromAReplicaThatLagsBehind(t *testing.T) {
	b := single(t).setup(t)
	m, j := b.meddle(t)
	first, err := j.SetLane(b.ctx, b.id, lane.Record{Owner: "first", Project: b.id}, 0)
	if err != nil {
		t.Fatal(err)
	}
	second, err := j.SetLane(b.ctx, b.id, lane.Record{Owner: "second", Project: b.id}, first)
	if err != nil {
		t.Fatal(err)
	}
	m.set(hooks{lag: behind(2, first)})
	if got, err := j.Owners(b.ctx, b.id, second); err != nil || !slices.Equal(got, []string{"second"}) {
		t.Errorf("%v %v", got, err)
	}
}
