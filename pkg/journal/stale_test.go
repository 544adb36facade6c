package journal_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// behind makes the first n direct reads be answered by a replica with this last sequence.
func behind(n int, last uint64) func(int) uint64 {
	return func(ask int) uint64 {
		if ask < n {
			return last
		}
		return 0
	}
}

func TestSettleAsksUntilTheAnswerHasTheClaim(t *testing.T) {
	b := single(t).setup(t)
	e := b.soaking(t)
	cancel := b.ask(t, release.Cancel, "ana", "no")
	c := b.append(t, e, claim())
	for _, last := range []uint64{1, e.Seq, cancel, c.Seq - 1} {
		m, j := b.meddle(t)
		m.set(hooks{lag: behind(3, last)})
		stop, err := requestsAgainst(j.Settle(b.ctx, c))
		if err != nil {
			t.Fatal(err)
		}
		same(t, stop, cancel)
		if n := m.asked(); n != 6 { // four for the claim, one for what the cancel may hide, one for the stops
			t.Errorf("a replica at %d: asked %d times", last, n)
		}
	}
	m, j := b.meddle(t)
	m.set(hooks{lag: behind(1<<30, c.Seq-1)})
	ctx, stop := context.WithTimeout(b.ctx, 500*time.Millisecond)
	defer stop()
	if got, err := j.Settle(ctx, c); !errors.Is(err, journal.ErrStale) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v, %v", got, err)
	}
	if m.asked() < 2 {
		t.Error("it was not asked again")
	}
}

func TestReadsFromAReplicaThatLagsBehind(t *testing.T) {
	b := single(t).setup(t)
	before := b.ask(t, release.Hold, "ana", "first")
	e := b.soaking(t)
	hold := b.ask(t, release.Hold, "ana", "second")
	extend := b.ask(t, release.Extend, "ana", "1m")
	tests := map[string]struct {
		last uint64
		do   func(t *testing.T, j *journal.Journal)
	}{
		"load: nothing there yet": {before, func(t *testing.T, j *journal.Journal) {
			if got, err := j.Load(b.ctx, b.id); err != nil || got.Seq != e.Seq {
				t.Error(got, err)
			}
		}},
		"load at": {e.Seq - 1, func(t *testing.T, j *journal.Journal) {
			if got, err := j.LoadAt(b.ctx, b.id, e.Seq); err != nil || got.Seq != e.Seq {
				t.Error(got, err)
			}
		}},
		"load at: nothing there yet": {before, func(t *testing.T, j *journal.Journal) {
			if got, err := j.LoadAt(b.ctx, b.id, e.Seq); err != nil || got.Seq != e.Seq {
				t.Error(got, err)
			}
		}},
		"snapshot: nothing there yet": {before, func(t *testing.T, j *journal.Journal) {
			if got, requests, err := j.Snapshot(b.ctx, b.id); err != nil || got.Seq != e.Seq || len(requests) != 3 {
				t.Error(got, requests, err)
			}
		}},
		"snapshot at": {extend - 1, func(t *testing.T, j *journal.Journal) {
			_, requests, err := j.SnapshotAt(b.ctx, b.id, extend)
			if err != nil {
				t.Fatal(err)
			}
			same(t, requests, before, hold, extend)
		}},
		"do: not yet begun, as it seems": {e.Seq - 4, func(t *testing.T, j *journal.Journal) {
			// The replica has the merge and the attempt to publish, and knows nothing of the soak.
			got, did, err := j.Do(b.ctx, b.id, release.Request{Verb: release.Hold, Seq: hold, At: e.At}, "test")
			if err != nil || !did || got.State.Phase != release.Held {
				t.Error(got, did, err)
			}
		}},
		"do: nothing to do, as it seems": {before, func(t *testing.T, j *journal.Journal) {
			got, did, err := j.Do(b.ctx, b.id, release.Request{Verb: release.Extend, By: 1, Seq: extend, At: e.At}, "test")
			if err != nil || !did || got.State.Folded != extend {
				t.Error(got, did, err)
			}
		}},
	}
	for _, name := range []string{
		"load: nothing there yet", "load at", "load at: nothing there yet", "snapshot: nothing there yet", "snapshot at",
		"do: not yet begun, as it seems", "do: nothing to do, as it seems",
	} {
		t.Run(name, func(t *testing.T) {
			m, j := b.meddle(t)
			m.set(hooks{lag: behind(2, tests[name].last)})
			tests[name].do(t, j)
			if m.asked() == 0 {
				t.Error("nothing was read")
			}
		})
	}
}

// TestNobodyWaitsForEver for a replica that does not catch up, whatever time there is.
func TestNobodyWaitsForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := single(t).setup(t)
		e := b.soaking(t)
		b.ask(t, release.Hold, "ana", "wait")
		c := b.append(t, e, claim())
		m, j := b.meddle(t)
		ctx := t.Context()
		m.b.ctx = ctx
		for name, do := range map[string]func() error{
			"settle":      func() error { _, err := j.Settle(ctx, c); return err },
			"load at":     func() error { _, err := j.LoadAt(ctx, b.id, c.Seq); return err },
			"snapshot at": func() error { _, _, err := j.SnapshotAt(ctx, b.id, c.Seq); return err },
			"gate":        func() error { _, err := j.Gate(ctx, c, 0); return err },
			"append":      func() error { _, err := j.Append(ctx, c, release.WasHeld{}, "test"); return err },
		} {
			m.set(hooks{lag: func(int) uint64 { return e.Seq }})
			began := time.Now()
			if err := do(); !errors.Is(err, journal.ErrStale) {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(began); took < 5*time.Second || took > time.Minute {
				t.Errorf("%s took %s", name, took)
			}
		}
	})
}

// TestPartsOfAnAnswerFromAReplicaThatLagsBehind: the first part of an answer comes from a replica that has all of it, and for
// the next one another is asked.
func TestPartsOfAnAnswerFromAReplicaThatLagsBehind(t *testing.T) {
	b := single(t).setup(t)
	e := b.soaking(t)
	var want []uint64
	body := strings.Repeat("y", 200<<10)
	for i := range 30 {
		want = append(want, b.ask(t, release.Hold, fmt.Sprint("a", i), body))
	}
	c := b.append(t, e, claim())
	for _, last := range []uint64{1, want[10], c.Seq - 1} {
		m, j := b.meddle(t)
		m.set(hooks{lag: func(ask int) uint64 {
			if ask == 1 || ask == 2 {
				return last
			}
			return 0
		}})
		_, requests, err := j.Snapshot(b.ctx, b.id)
		if err != nil {
			t.Fatal(err)
		}
		same(t, requests, want...)
		m, j = b.meddle(t)
		m.set(hooks{lag: func(ask int) uint64 {
			if ask == 1 {
				return last
			}
			return 0
		}})
		stop, err := requestsAgainst(j.Settle(b.ctx, c))
		if err != nil {
			t.Fatal(err)
		}
		same(t, stop, want...)
	}
}

// TestDoConcludesFromTheLeader: a driver has finished, and the read of the release does not have its beginning yet.
func TestDoConcludesFromTheLeader(t *testing.T) {
	b := single(t).setup(t)
	first := b.merged(t)
	b.append(t, first, release.WasBegun{Work: release.Publish, Attempt: release.Attempt{Number: 1, Instance: "one", Timeout: time.Minute}})
	m, j := b.meddle(t)
	m.set(hooks{lag: behind(1, first.Seq)})
	e, did, err := j.Do(b.ctx, b.id, release.Finish{Work: release.Publish, Value: "v"}, "test")
	if err != nil || !did || e.State.Phase != release.Published {
		t.Fatal(e, did, err)
	}
}

// TestDoGoesOnFromTheLeader after a conflict: it was a replica that lags behind, and may lag for long.
func TestDoGoesOnFromTheLeader(t *testing.T) {
	b := single(t).setup(t)
	e := b.soaking(t)
	hold := b.ask(t, release.Hold, "ana", "wait")
	m, j := b.meddle(t)
	m.set(hooks{lag: func(ask int) uint64 {
		if ask < 10 && ask != 1 { // ask 1 reads back what was appended
			return e.Seq - 1
		}
		return 0
	}})
	got, did, err := j.Do(b.ctx, b.id, release.Request{Verb: release.Hold, Seq: hold, At: e.At}, "test")
	if err != nil || !did || got.State.Phase != release.Held || m.asked() != 2 {
		t.Fatal(got, did, err, m.asked())
	}
}

// TestAppendReadsItsRecordBack also from a replica that does not have it yet.
func TestAppendReadsItsRecordBack(t *testing.T) {
	b := single(t).setup(t)
	e := b.merged(t)
	m, j := b.meddle(t)
	m.set(hooks{lag: behind(3, e.Seq)})
	got, err := j.Append(b.ctx, e, release.WasExtended{By: 1}, "test")
	if err != nil || got.Seq <= e.Seq || got.At.IsZero() || m.asked() != 4 {
		t.Fatal(got, err, m.asked())
	}
}

func TestBeatsFromAReplicaThatLagsBehind(t *testing.T) {
	b := single(t).setup(t)
	var last uint64
	for range 6 {
		last = b.store(t, &nats.Msg{Subject: topology.Heartbeat(b.id), Data: []byte("{}")})
	}
	for _, at := range []uint64{1, last - 3, last - 1} {
		m, j := b.meddle(t)
		m.set(hooks{lag: behind(2, at)})
		read, err := j.Beats(b.ctx, b.id, time.Unix(0, 0))
		got := read.At
		if err != nil || len(got) != 6 {
			t.Errorf("a replica at %d: %d beats: %v", at, len(got), err)
		}
		for i := 1; i < len(got); i++ {
			if !got[i-1].Before(got[i]) {
				t.Errorf("a replica at %d: %v", at, got)
			}
		}
	}
}
