package journal_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

func doOnce(t *testing.T, b *bundle) {
	admit := release.Admit{Release: b.id, Project: "tracer", Merge: release.Merge{Commit: "c", Seq: 7}}
	begin := release.Begin{Work: release.Publish, Instance: "one", Timeout: time.Minute}
	finish := release.Finish{Work: release.Publish, Value: "v"}
	commands := []release.Command{admit, begin, finish}
	for i, c := range commands {
		var journals []*journal.Journal
		for range 6 {
			_, j := b.open(b.ctx, t)
			journals = append(journals, j)
		}
		did := make([]bool, len(journals))
		var all sync.WaitGroup
		for k, j := range journals {
			all.Go(func() {
				e, ok, err := j.Do(b.ctx, b.id, c, "test")
				if err != nil || e.State.Release != b.id {
					t.Errorf("%T: %+v: %v", c, e, err)
				}
				did[k] = ok
			})
		}
		all.Wait()
		n := 0
		for _, ok := range did {
			if ok {
				n++
			}
		}
		if i != 1 && n != 1 || n == 0 { // the same instance may begin again
			t.Errorf("%T was done %d times", c, n)
		}
	}
	e, err := b.j.Load(b.ctx, b.id)
	b.eventually(t, "the last of them can be read", func() bool {
		e, err = b.j.Load(b.ctx, b.id)
		return err == nil && e.State.Phase == release.Published
	})
	_, _, err = b.j.Do(b.ctx, b.id, release.Admit{Release: b.id, Merge: release.Merge{Seq: 8}}, "test")
	if !errors.Is(err, release.ErrTaken) {
		t.Errorf("another merge with the same id: %v", err)
	}
}

// doRace: commands of many writers on one release, in any order, all arrive.
func doRace(t *testing.T, b *bundle) {
	e := b.soaking(t)
	const writers = 8
	var all sync.WaitGroup
	for i := range writers {
		_, j := b.open(b.ctx, t)
		seq := e.Seq + uint64(i) + 1
		all.Go(func() {
			// Folding out of order skips those before: only the highest must arrive.
			r := release.Request{Verb: release.Extend, By: time.Minute, Seq: seq, Actor: fmt.Sprint(i), At: e.At}
			if _, _, err := j.Do(b.ctx, b.id, r, "test"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	b.eventually(t, "the highest request is folded", func() bool {
		got, err := b.j.Load(b.ctx, b.id)
		return err == nil && got.State.Folded == e.Seq+writers
	})
}

func doNone(t *testing.T, b *bundle) {
	for _, c := range []release.Command{release.StartSoak{}, release.Finish{Work: release.Publish}, release.Request{Verb: release.Cancel, Seq: 1}} {
		if _, did, err := b.j.Do(b.ctx, b.id, c, "test"); did || !errors.Is(err, journal.ErrNone) {
			t.Errorf("%T: %t %v", c, did, err)
		}
	}
}

func beats(t *testing.T, b *bundle) {
	subject := topology.Heartbeat(b.id)
	got, err := b.j.Beats(b.ctx, b.id, time.Time{})
	if err != nil || len(got.At) != 0 || !got.Clean.IsZero() {
		t.Fatal(got, err)
	}
	for range 5 {
		b.store(t, &nats.Msg{Subject: topology.Heartbeat(newID()), Data: []byte("{}")})
		b.store(t, &nats.Msg{Subject: subject, Data: []byte("{}")})
	}
	b.store(t, &nats.Msg{Subject: subject, Data: []byte(`{"failing":true}`)})
	read, err := b.j.Beats(b.ctx, b.id, time.Unix(0, 0))
	all := read.At
	if err != nil || len(all) != 6 || !read.Clean.Equal(all[4]) {
		t.Fatal(read, err)
	}
	for i, from := range all {
		for _, shift := range []time.Duration{0, 1} {
			got, err := b.j.Beats(b.ctx, b.id, from.Add(shift))
			if want := len(all) - i - int(shift); err != nil || len(got.At) != want {
				t.Errorf("from beat %d and %s: %d beats, want %d: %v", i, shift, len(got.At), want, err)
			}
		}
		if i > 0 && !all[i-1].Before(from) {
			t.Errorf("out of order: %v", all)
		}
	}
}

func now(t *testing.T, b *bundle) {
	before := b.merged(t).At
	at, err := b.j.Now(b.ctx)
	if err != nil || at.Before(before) || at.Sub(before) > time.Minute {
		t.Fatalf("%v after %v: %v", at, before, err)
	}
}

func ended(ctx context.Context, t *testing.T, b *bundle) {
	t.Helper()
	select {
	case <-ctx.Done():
	case <-b.ctx.Done():
	}
	if cause := context.Cause(ctx); !errors.Is(cause, release.ErrEnded) {
		t.Fatalf("cause: %v", cause)
	}
}

func untilEnded(t *testing.T, b *bundle) {
	e := b.soaking(t)
	_, j := b.open(b.ctx, t)
	ctx, cancel, err := j.UntilEnded(b.ctx, b.id)
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	e = b.append(t, e, release.WasExtended{By: 1})
	if ctx.Err() != nil {
		t.Fatal("it ended early")
	}
	b.append(t, e, release.WasCancelled{})
	ended(ctx, t, b)

	stopped, cancel, err := j.UntilEnded(b.ctx, newID()) // of a release that is still to come
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if cause := context.Cause(stopped); !errors.Is(cause, context.Canceled) {
		t.Fatalf("cause: %v", cause)
	}
}

func untilEndedAlready(t *testing.T, b *bundle) {
	b.append(t, b.soaking(t), release.WasCancelled{})
	ctx, cancel, err := b.j.UntilEnded(b.ctx, b.id)
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	ended(ctx, t, b)
}

// untilNotStored: a plain subscriber also sees what loses its compare-and-set.
func untilNotStored(t *testing.T, b *bundle) {
	before := b.soaking(t)
	e := b.append(t, before, release.WasExtended{By: 1})
	heard := make(chan struct{}, 1)
	sub, err := b.js.Conn().Subscribe(topology.Release(b.id), func(*nats.Msg) { heard <- struct{}{} })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	ctx, cancel, err := b.j.UntilEnded(b.ctx, b.id)
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	if _, err := b.j.Append(b.ctx, before, release.WasCancelled{}, "test"); !errors.Is(err, journal.ErrConflict) {
		t.Fatal(err)
	}
	<-heard
	e = b.append(t, e, release.WasExtended{By: 1})
	if ctx.Err() != nil {
		t.Fatal("it ended by a record that was not stored")
	}
	b.append(t, e, release.WasCancelled{})
	ended(ctx, t, b)
}

// oddTexts: what a driver prints and what a subject holds must not keep an outcome out of the journal.
func oddTexts(t *testing.T, b *bundle) {
	e := b.merged(t)
	for _, text := range []string{"\xff\xfe", strings.Repeat("é\xff\x00", 200<<10), strings.Repeat("\x1b", 300<<10)} {
		next, err := b.j.Append(b.ctx, e, release.WasHeld{Holding: release.Holding{Said: release.Said{By: text, Reason: text}}},
			"SLUICE 1 sluice.cancel."+b.id+".\xff")
		if err != nil {
			t.Fatal(err)
		}
		if h := next.State.Held; h == nil || h.Reason == "" || len(h.Reason) > releasepb.MaxText {
			t.Errorf("%d bytes came back as %+v", len(text), h)
		}
		e = next
	}
}
