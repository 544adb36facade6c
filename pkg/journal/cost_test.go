package journal_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// TestCost counts the messages of each operation, as the connection sends and receives them. A change here is a change of
// what a release costs: of the numbers below, times a million releases.
func TestCost(t *testing.T) {
	b := single(t).setup(t)
	nc := b.connect(t)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(b.ctx, js, "test")
	if err != nil {
		t.Fatal(err)
	}
	e := b.soaking(t)
	count := func(what string, sent, received uint64, do func() error) {
		t.Helper()
		before := nc.Stats()
		if err := do(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		after := nc.Stats()
		if s, r := after.OutMsgs-before.OutMsgs, after.InMsgs-before.InMsgs; s != sent || r != received {
			t.Errorf("%s: %d sent and %d received, want %d and %d", what, s, r, sent, received)
		}
	}
	load := func() error { _, err := j.Load(b.ctx, b.id); return err }
	snapshot := func() error { _, _, err := j.Snapshot(b.ctx, b.id); return err }

	count("load", 1, 1, load)
	count("load at, of a record that is there", 1, 1, func() error { _, err := j.LoadAt(b.ctx, b.id, e.Seq); return err })
	count("snapshot without requests", 1, 2, snapshot)
	count("append", 2, 2, func() (err error) { e, err = j.Append(b.ctx, e, release.WasExtended{By: 1}, "test"); return err })
	count("do", 3, 3, func() error {
		_, _, err := j.Do(b.ctx, b.id, release.Request{Verb: release.Extend, By: 1, Seq: e.Seq}, "test")
		return err
	})
	count("do again: nothing to do", 2, 2, func() error {
		_, _, err := j.Do(b.ctx, b.id, release.Request{Verb: release.Extend, By: 1, Seq: e.Seq}, "test")
		return err
	})
	if e, err = b.j.Load(b.ctx, b.id); err != nil {
		t.Fatal(err)
	}
	seq := b.ask(t, release.Extend, "ana", "1m")
	count("snapshot with a request", 2, 5, snapshot)
	b.ask(t, release.Extend, "ana", "1m")
	count("snapshot with a request that hides another", 2, 6, snapshot)
	e = b.append(t, e, release.WasExtended{Seq: seq + 1, By: 1})
	count("snapshot with a folded request", 1, 3, snapshot)
	count("settle an effective claim, claim included", 4, 7, func() error {
		c, err := j.Append(b.ctx, e, claim(), "test")
		if err == nil {
			_, err = j.Settle(b.ctx, c)
		}
		return err
	})
	ended := b.ended(t)
	link := func() error { _, _, err := j.Link(b.ctx, ended, nil); return err }
	count("link an ended release", 2, 2, link)
	count("link it again: the link is read", 2, 3, link)
	for range 3 {
		b.store(t, &nats.Msg{Subject: topology.Heartbeat(b.id)})
	}
	count("beats", 2, 5, func() error { _, err := j.Beats(b.ctx, b.id, time.Unix(0, 0)); return err })
	count("now", 1, 1, func() error { _, err := j.Now(b.ctx); return err })
	count("lane: read and write", 2, 2, func() error {
		_, seq, err := j.Lane(b.ctx, "staging")
		if err == nil {
			_, err = j.SetLane(b.ctx, "staging", laneOf(b.id), seq)
		}
		return err
	})
}

// TestManyBeats reads more heartbeats than one answer has.
func TestManyBeats(t *testing.T) {
	b := single(t).setup(t)
	const many = 12_345
	subject := topology.Heartbeat(b.id)
	for range many - 1 {
		if err := b.js.Conn().Publish(subject, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	b.store(t, &nats.Msg{Subject: subject}) // acknowledged after all before it
	all, err := b.j.Beats(b.ctx, b.id, time.Unix(0, 0))
	if err != nil || len(all.At) != many {
		t.Fatalf("%d beats, want %d: %v", len(all.At), many, err)
	}
	for i := 1; i < many; i++ {
		if all.At[i].Before(all.At[i-1]) {
			t.Fatal("out of order")
		}
	}
	last, err := b.j.Beats(b.ctx, b.id, all.At[many-1])
	if err != nil || len(last.At) == 0 || !last.At[0].Equal(all.At[many-1]) {
		t.Fatal(last, err)
	}
}

func BenchmarkJournal(b *testing.B) {
	for name, options := range map[string][]natstest.Option{"fsync": {natstest.SyncAlways()}, "no fsync": nil} {
		b.Run("one node, "+name, func(b *testing.B) { benchmarks(b, single(b, options...)) })
	}
	b.Run("three nodes", func(b *testing.B) { benchmarks(b, three(b)) })
}

func benchmarks(b *testing.B, on *broker) {
	x := on.setup(b)
	e := x.soaking(b)
	b.Run("append", func(b *testing.B) {
		for b.Loop() {
			e = x.append(b, e, release.WasRefused{})
		}
	})
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			if _, err := x.j.Load(b.Context(), x.id); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("snapshot", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := x.j.Snapshot(b.Context(), x.id); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("claim and settle", func(b *testing.B) {
		for b.Loop() {
			c := x.append(b, e, claim())
			if _, err := x.j.Settle(b.Context(), c); err != nil {
				b.Fatal(err)
			}
			e = x.append(b, c, release.WasHeld{})
			e.State.Phase = release.Soaking
		}
	})
	b.Run("snapshot with 10 requests", func(b *testing.B) {
		for i := range 10 {
			x.ask(b, release.Hold, fmt.Sprint("a", i), "wait")
		}
		for b.Loop() {
			if _, _, err := x.j.Snapshot(b.Context(), x.id); err != nil {
				b.Fatal(err)
			}
		}
	})
}
