package journal_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// TestAskOnce: a request that is sent again by its key is stored once, whoever is at it at the same time; every other is stored.
func TestAskOnce(t *testing.T) {
	b := single(t).setup(t)
	subject := topology.Request("extend", b.id, "ana")
	seq, again, err := b.j.AskOnce(b.ctx, subject, []byte("30m"), "a-form")
	if err != nil || again || seq == 0 {
		t.Fatalf("%d %t %v", seq, again, err)
	}
	b.ask(t, release.Extend, "ana", "30m") // by the nats command, in between
	if same, again, err := b.j.AskOnce(b.ctx, subject, []byte("30m"), "a-form"); err != nil || !again || same != seq {
		t.Errorf("the same again: %d %t %v, want %d", same, again, err, seq)
	}
	if same, again, err := b.j.AskOnce(b.ctx, subject, []byte(`{ "by": "30m0s" }`), "a-form"); err != nil || !again || same != seq {
		t.Errorf("the same in other words: %d %t %v, want %d", same, again, err, seq)
	}
	if _, _, err := b.j.AskOnce(b.ctx, subject, []byte("2h"), "a-form"); !errors.Is(err, journal.ErrOtherKey) {
		t.Errorf("another request by the same key: %v", err)
	}
	if other, again, err := b.j.AskOnce(b.ctx, topology.Request("extend", b.id, "ben"), []byte("30m"), "a-form"); err != nil || again || other <= seq {
		t.Errorf("somebody else's: %d %t %v", other, again, err)
	}
	var asking sync.WaitGroup
	seqs, errs := make([]uint64, 6), make([]error, 6)
	for i := range seqs { // two forms, each sent three times
		asking.Go(func() {
			seqs[i], _, errs[i] = b.j.AskOnce(b.ctx, subject, []byte("30m"), []string{"one", "two"}[i%2])
		})
	}
	asking.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for i := range seqs {
		if seqs[i] != seqs[i%2] {
			t.Errorf("the same form is stored at %d and %d", seqs[i%2], seqs[i])
		}
	}
	if seqs[0] == seqs[1] {
		t.Error("two forms are one request")
	}
	n := 0
	if err := b.j.Requests(b.ctx, release.Extend, journal.From{Seq: 1}, func(a journal.Asking) bool {
		if a.Release == b.id && a.Actor == "ana" {
			n++
		}
		return true
	}); err != nil || n != 4 {
		t.Errorf("%d extends of ana are stored, want 4: %v", n, err)
	}
	for _, key := range []string{"", "a b", "a\r\nNats-Rollup: all", strings.Repeat("k", journal.MaxOnce+1)} {
		if _, _, err := b.j.AskOnce(b.ctx, subject, nil, key); err == nil {
			t.Errorf("the key %q is taken", key)
		}
	}
	if _, _, err := b.j.AskOnce(b.ctx, topology.Release(b.id), nil, "a-form"); err == nil {
		t.Error("a journal record is asked for")
	}
}
