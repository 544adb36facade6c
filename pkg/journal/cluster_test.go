package journal_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// settleLagging settles right after the claim at followers, until one of them has given an answer from
// before the claim. A settling that believes the first answers sends one request for it, one for what the cancel hides, one for the stops.
func settleLagging(t *testing.T, b *bundle) {
	leader := b.cluster.Leader(b.ctx, b.js.Conn(), topology.StreamSluice)
	type reader struct {
		nc *nats.Conn
		j  *journal.Journal
	}
	var readers []reader
	for i := range b.cluster.Len() {
		if i == leader {
			continue
		}
		nc := b.cluster.ConnTo(t, i, quiet())
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		j, err := journal.Open(b.ctx, js, "test")
		if err != nil {
			t.Fatal(err)
		}
		readers = append(readers, reader{nc, j})
	}
	settled, stale := 0, uint64(0)
	for stale == 0 {
		b.id = newID()
		e := b.soaking(t)
		cancel := b.ask(t, release.Cancel, "ana", "no")
		c := publishClaim(t, b, e)
		for _, r := range readers {
			before := r.nc.Stats().OutMsgs
			stop, err := requestsAgainst(r.j.Settle(b.ctx, c))
			if err != nil {
				t.Fatal(err)
			}
			same(t, stop, cancel)
			settled++
			stale += r.nc.Stats().OutMsgs - before - 3
		}
	}
	t.Logf("%d claims settled, %d answers refused", settled, stale)
}

// publishClaim stores a claim without reading it back, which would give the followers time.
func publishClaim(t *testing.T, b *bundle, e journal.Entry) journal.Entry {
	t.Helper()
	state := release.Evolve(e.State, claim())
	data := encodeRecord(t, claim(), state)
	seq := b.store(t, &nats.Msg{Subject: topology.Release(b.id), Data: data})
	return journal.Entry{State: state.Stamp(seq, time.Now()), Seq: seq}
}

// settleEverywhere races requests against claims while the leader steps down and the next one stops.
// Whoever settles a claim, wherever, comes to the answer that the stream itself gives.
func settleEverywhere(t *testing.T, b *bundle) {
	js, _ := b.anywhere(t)
	b.js = js
	var settlers []*journal.Journal
	for range 3 {
		_, j := b.anywhere(t)
		settlers = append(settlers, j)
	}
	faults := map[int]func(){
		5: func() {
			if err := b.cluster.StepDown(b.ctx, b.js.Conn(), topology.StreamSluice); err != nil {
				t.Error(err)
			}
		},
		20: func() { b.cluster.StopNode(max(b.cluster.Leader(b.ctx, b.js.Conn(), topology.StreamSluice), 0)) },
	}
	var under sync.WaitGroup
	for round := range 50 {
		if fault, ok := faults[round]; ok {
			under.Wait()
			under.Go(fault)
		}
		settleRace(t, b, settlers)
	}
	under.Wait()
}

// anywhere connects to any node and moves on when that one stops.
func (b *bundle) anywhere(t testing.TB) (jetstream.JetStream, *journal.Journal) {
	t.Helper()
	js, err := jetstream.New(b.cluster.Conn(t, quiet()))
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(b.ctx, js, "test")
	if err != nil {
		t.Fatal(err)
	}
	return js, j
}

// until repeats what may fail while the cluster is disturbed.
func (b *bundle) until(t testing.TB, do func(ctx context.Context) error) {
	t.Helper()
	for {
		ctx, cancel := context.WithTimeout(b.ctx, 2*time.Second)
		err := do(ctx)
		cancel()
		if err == nil {
			return
		}
		if b.ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

func settleRace(t *testing.T, b *bundle, settlers []*journal.Journal) {
	t.Helper()
	id, project := newID(), newID()
	var last journal.Entry
	var first uint64
	for _, ev := range upToSoakIn(project, id) {
		b.until(t, func(ctx context.Context) error {
			e, err := settlers[0].Append(ctx, last, ev, "test")
			if err != nil { // it may be stored all the same
				if got, lerr := settlers[1].Load(ctx, id); lerr == nil && got.Seq > last.Seq {
					e, err = got, nil
				}
			}
			if err == nil {
				last = e
			}
			return err
		})
		first = cmp.Or(first, last.Seq)
	}
	var race sync.WaitGroup
	for i, verb := range []release.Verb{release.Cancel, release.Hold, release.Expedite} {
		race.Go(func() {
			for range rand.N(3) {
				ctx, cancel := context.WithTimeout(b.ctx, time.Second) // it may get lost, and be stored all the same
				_, _ = b.js.Publish(ctx, topology.Request(string(verb), id, fmt.Sprint("a", i)), nil)
				cancel()
			}
		})
	}
	for i, verb := range []string{topology.StopPause, topology.StopUnpause} {
		race.Go(func() {
			for range rand.N(3) {
				ctx, cancel := context.WithTimeout(b.ctx, time.Second)
				_, _ = b.js.Publish(ctx, topology.Stop(verb, project, fmt.Sprint("a", i)), nil)
				cancel()
			}
		})
	}
	var c journal.Entry
	race.Go(func() {
		b.until(t, func(ctx context.Context) error {
			var err error
			if c, err = settlers[0].Append(ctx, last, claim(), "test"); err != nil {
				if got, lerr := settlers[1].Load(ctx, id); lerr == nil && got.State.Phase == release.Promoting {
					c, err = got, nil
				}
			}
			return err
		})
	})
	race.Wait()
	want, paused := b.stopsBefore(t, id, project, first, c.State.Claim)
	for _, j := range settlers {
		b.until(t, func(ctx context.Context) error {
			against, err := j.Settle(ctx, c)
			if err == nil {
				same(t, against.Requests, want...)
				if (against.Stop != nil) != paused {
					t.Errorf("stopped by %+v, and paused is %t", against.Stop, paused)
				}
			}
			return err
		})
	}
}

// stopsBefore reads the requests that stop a claim from the stream, message by message, and whether its project was paused.
func (b *bundle) stopsBefore(t *testing.T, id, project string, first, claim uint64) (stops []uint64, paused bool) {
	t.Helper()
	b.until(t, func(ctx context.Context) error {
		stops, paused = nil, false
		s, err := b.js.Stream(ctx, topology.StreamSluice)
		for seq := first; seq < claim && err == nil; seq++ {
			var m *jetstream.RawStreamMsg
			if m, err = s.GetMsg(ctx, seq); err != nil {
				return fmt.Errorf("sequence %d: %w", seq, err)
			}
			r, perr := topology.ParseSubject(m.Subject)
			if perr == nil && r.Release == id && (r.Verb == topology.VerbCancel || r.Verb == topology.VerbHold) {
				stops = append(stops, seq)
			}
			if perr == nil && r.Kind == topology.KindStop && r.Project == project {
				paused = r.Verb == topology.StopPause
			}
		}
		return err
	})
	return stops, paused
}
