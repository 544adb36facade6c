package journal_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// TestBack: page by page, of any size and with other messages between, it tells what a reading forward tells, the newest first.
func TestBack(t *testing.T) {
	b := single(t).setup(t)
	odd := func(seq uint64, err error) { t.Errorf("#%d: %v", seq, err) }
	back := func(since time.Time, size int, most uint64) (seqs []uint64, pages int) {
		t.Helper()
		for before := uint64(0); pages == 0 || before != 0; pages++ {
			n := 0
			next, err := b.j.Back(b.ctx, since, before, most, func(r journal.Transition) bool {
				seqs = append(seqs, r.Seq)
				n++
				return n < size
			}, odd)
			if err != nil || before != 0 && next >= before || n > size {
				t.Fatalf("before %d: %d records, then before %d: %v", before, n, next, err)
			}
			before = next
		}
		return seqs, pages
	}
	if seqs, pages := back(time.Time{}, 10, 1); len(seqs) != 0 || pages != 1 {
		t.Errorf("of nothing: %v in %d pages", seqs, pages)
	}
	var middle time.Time
	for i := range 9 {
		b.id = newID()
		middle = b.soaking(t).At
		for range 300 * (i % 3) { // what Back looks past
			if _, err := b.js.PublishAsync(topology.Merge("tracer"), []byte(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		<-b.js.PublishAsyncComplete()
	}
	for _, since := range []time.Time{{}, middle} {
		var want []uint64
		err := b.j.Transitions(b.ctx, journal.From{At: since}, "", func(r journal.Transition) bool {
			want = append(want, r.Seq)
			return true
		}, odd)
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(want)
		for _, size := range []int{1, 7, len(want), 1000} {
			if got, _ := back(since, size, 1_000_000); !slices.Equal(got, want) || len(got) == 0 {
				t.Errorf("%d at a time: %v, want %v", size, got, want)
			}
		}
		if got, pages := back(since, 1000, 1); !slices.Equal(got, want) || since.IsZero() && pages < 3 {
			t.Errorf("looking a step at a time: %v in %d pages, want %v", got, pages, want)
		}
	}
}
