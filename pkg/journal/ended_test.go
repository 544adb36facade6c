package journal_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
)

// TestUntilEndedMissesNothing: the release ends while the listener's connection is gone. It is not found out by one of the
// looks in between, which come after 1.05 and 4.25 seconds.
//
// Not in a bubble: the client reconnects with a timer of a pool of the whole process, and one from a bubble is of no use in
// another test.
func TestUntilEndedMissesNothing(t *testing.T) {
	b := single(t).setup(t)
	e := b.soaking(t)
	nc := b.server.Conn(t, quiet(), nats.CustomReconnectDelay(func(int) time.Duration { return 1300 * time.Millisecond }))
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(b.ctx, js, "test")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	ctx, cancel, err := j.UntilEnded(b.ctx, b.id)
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	gone := nc.StatusChanged(nats.RECONNECTING)
	id, err := nc.GetClientID()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.server.NATS().DisconnectClientByID(id); err != nil {
		t.Fatal(err)
	}
	<-gone
	b.append(t, e, release.WasCancelled{})
	ended(ctx, t, b)
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %s, most of it not for the connection", took)
	}
}

// TestUntilEndedIsCheap: who waits for hours asks rarely, and stops asking when told to.
func TestUntilEndedIsCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := single(t).setup(t)
		b.soaking(t)
		nc := b.connect(t)
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		j, err := journal.Open(b.ctx, js, "test")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel, err := j.UntilEnded(t.Context(), b.id)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		if ctx.Err() != nil {
			t.Fatal(ctx.Err())
		}
		if n := nc.Stats().OutMsgs; n < 20 || n > 40 {
			t.Errorf("%d messages in two hours", n)
		}
		cancel()
		synctest.Wait()
		before := nc.Stats().OutMsgs
		time.Sleep(time.Hour)
		if n := nc.Stats().OutMsgs; n != before {
			t.Errorf("%d more messages after it was cancelled", n-before)
		}
	})
}
