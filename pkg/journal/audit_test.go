package journal_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

func signer(t testing.TB) *audit.Signer {
	t.Helper()
	seed, err := audit.NewSeed()
	if err != nil {
		t.Fatal(err)
	}
	s, err := audit.NewSigner(seed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ended takes a new release of the bundle's project to its end, and returns its last record.
func (b *bundle) ended(t testing.TB) journal.Entry {
	t.Helper()
	b.id = newID()
	e := b.soaking(t)
	commit := releasepb.CommitRecord{Release: b.id, Attempt: 1}
	if err := b.j.SetCommit(b.ctx, b.project, strings.ReplaceAll(b.id, "-", ""), commit, 0); err != nil {
		t.Fatal(err)
	}
	return b.append(t, e, release.WasCancelled{Said: release.Said{By: "ana", Reason: "no"}})
}

func (b *bundle) link(t testing.TB, e journal.Entry, s *audit.Signer) audit.Checkpoint {
	t.Helper()
	c, added, err := b.j.Link(b.ctx, e, s)
	if err != nil || !added {
		t.Fatalf("added %t, %v", added, err)
	}
	return c
}

// linkOnce: several link the ends of several releases, each several times.
func linkOnce(t *testing.T, b *bundle) {
	const releases, writers = 5, 4
	var all []journal.Entry
	for range releases {
		all = append(all, b.ended(t))
	}
	var mu sync.Mutex
	added := map[string]int{}
	var wg sync.WaitGroup
	for range writers {
		_, j := b.open(b.ctx, t)
		wg.Go(func() {
			for _, e := range append(all, all...) {
				_, ok, err := j.Link(b.ctx, e, nil)
				if err != nil {
					t.Error(err)
				}
				if ok {
					mu.Lock()
					added[e.State.Release]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for _, e := range all {
		if n := added[e.State.Release]; n != 1 {
			t.Errorf("release %s has %d links", e.State.Release, n)
		}
	}
	v, err := b.j.Verify(b.ctx, b.project, audit.Expect{})
	if err != nil || v.Links != releases || v.Releases != releases || v.Records != 7*releases || v.Unsigned != releases || v.Unlinked != 0 || v.Unchained != 0 {
		t.Errorf("%+v, %v", v, err)
	}
	// A later record of an ended release is linked, too; the earlier one is not any more.
	e := b.append(t, all[0], release.WasRefused{Verb: release.Hold})
	if _, ok, err := b.j.Link(b.ctx, e, nil); err != nil || !ok {
		t.Errorf("a later record: %t, %v", ok, err)
	}
	if _, ok, err := b.j.Link(b.ctx, all[0], nil); err != nil || ok {
		t.Errorf("the earlier record after the later one: %t, %v", ok, err)
	}
}

// auditVerifies: what several writers stored has no break, and what is not in the chain is told.
func auditVerifies(t *testing.T, b *bundle) {
	s := signer(t)
	live := b.merged(t)
	if err := b.j.SetCommit(b.ctx, "tracer", strings.ReplaceAll(live.State.Release, "-", ""), releasepb.CommitRecord{Release: live.State.Release}, 0); err != nil {
		t.Fatal(err)
	}
	if told, err := b.j.VerifyRelease(b.ctx, live.State.Release); err != nil || told.Records != 1 || told.Linked {
		t.Errorf("%+v, %v", told, err)
	}
	v, err := b.j.Verify(b.ctx, b.project, audit.Expect{})
	if err != nil || v.Links != 0 || v.Releases != 0 {
		t.Errorf("nothing yet: %+v, %v", v, err)
	}
	first := b.ended(t)
	if v, err = b.j.Verify(b.ctx, b.project, audit.Expect{}); err != nil || v.Unlinked != 1 || !v.Since.Equal(first.At) {
		t.Errorf("no chain: %+v, %v", v, err)
	}
	if _, ok, err := b.j.Checkpoint(b.ctx, b.project); ok || err != nil {
		t.Errorf("no chain: %t, %v", ok, err)
	}
	one := b.link(t, first, s)
	second := b.ended(t)
	if v, err = b.j.Verify(b.ctx, b.project, audit.Expect{}); err != nil || v.Unlinked != 1 || !v.Since.Equal(second.At) || v.Links != 1 {
		t.Errorf("not linked yet: %+v, %v", v, err)
	}
	two := b.link(t, second, s)
	expect := audit.Expect{Keys: []string{s.Key()}, Checkpoints: []audit.Checkpoint{one, two}}
	v, err = b.j.Verify(b.ctx, b.project, expect)
	if err != nil || v.Unlinked != 0 || v.Last.Hash != two.Hash || len(v.Keys) != 1 || v.Unsigned != 0 {
		t.Errorf("%+v, %v", v, err)
	}
	if c, ok, err := b.j.Checkpoint(b.ctx, b.project); !ok || err != nil || c.Verify() != nil || c.Hash != two.Hash || c.Index != 2 {
		t.Errorf("%+v, %t, %v", c, ok, err)
	}
	names, err := b.j.Audited(b.ctx)
	if err != nil || !strings.Contains(fmt.Sprint(names), b.project) {
		t.Errorf("%v, %v", names, err)
	}
	var seen []string
	err = b.j.Transitions(b.ctx, journal.From{Seq: 1}, second.State.Release, func(r journal.Transition) bool {
		seen = append(seen, r.Type)
		return true
	}, func(seq uint64, err error) { t.Errorf("#%d: %v", seq, err) })
	if err != nil || len(seen) != 7 || seen[6] != "cancelled" {
		t.Errorf("%v, %v", seen, err)
	}
}

// undefended is a broker whose stream lets single messages be deleted, as somebody would who may change the stream's files.
func undefended(t *testing.T) *bundle {
	t.Helper()
	server := natstest.One(t)
	b := &broker{connect: func(t testing.TB) *nats.Conn { return server.Conn(t) }, server: server}
	js, err := jetstream.New(server.Conn(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range topology.Streams(topology.Options{}) {
		if c.Name == topology.StreamSluice {
			c.DenyDelete = false
			if _, err := js.CreateStream(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
	}
	return b.setup(t)
}

// TestEveryDeletionIsSeen deletes, on a real broker, each record of a release's journal and each link of a project's chain, every time in
// a project of its own.
func TestEveryDeletionIsSeen(t *testing.T) {
	b := undefended(t)
	s := signer(t)
	sluice, err := b.js.Stream(b.ctx, topology.StreamSluice)
	if err != nil {
		t.Fatal(err)
	}
	var broken *audit.Break
	for record := range 7 {
		b.project = newID()
		e := b.ended(t)
		id := b.id
		b.link(t, e, s)
		b.link(t, b.ended(t), s) // it is not the last of the project
		records, err := b.j.Records(b.ctx, id, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := sluice.DeleteMsg(b.ctx, records[record].Seq); err != nil {
			t.Fatal(err)
		}
		_, err = b.j.Verify(b.ctx, b.project, audit.Expect{})
		if !errors.As(err, &broken) || broken.Release != id || broken.Project != b.project ||
			broken.Seq != records[min(record+1, len(records)-1)].Seq {
			t.Errorf("record %d, #%d, was deleted: %v", record, records[record].Seq, err)
		}
		if _, err = b.j.VerifyRelease(b.ctx, id); record < 6 && !errors.As(err, &broken) {
			t.Errorf("record %d was deleted, by the journal alone: %v", record, err)
		}
	}
	const links = 4
	for link := range links {
		b.project = newID()
		var last audit.Checkpoint
		for range links {
			last = b.link(t, b.ended(t), s)
		}
		var seqs []uint64
		for seq := uint64(1); ; {
			m, err := sluice.GetMsg(b.ctx, seq, jetstream.WithGetMsgSubject(topology.Audit(b.project)))
			if err != nil {
				break
			}
			seqs = append(seqs, m.Sequence)
			seq = m.Sequence + 1
		}
		if len(seqs) != links {
			t.Fatalf("%d links", len(seqs))
		}
		if err := sluice.DeleteMsg(b.ctx, seqs[link]); err != nil {
			t.Fatal(err)
		}
		_, err := b.j.Verify(b.ctx, b.project, audit.Expect{Checkpoints: []audit.Checkpoint{last}})
		if !errors.As(err, &broken) || broken.Project != b.project || broken.Release != "" {
			t.Errorf("link %d was deleted: %v", link+1, err)
		}
		if link == links-1 { // nobody knows better than the chain, but that a release is not in it
			v, err := b.j.Verify(b.ctx, b.project, audit.Expect{})
			if err != nil || v.Unlinked != 1 || v.Since.IsZero() {
				t.Errorf("the last link was deleted: %+v, %v", v, err)
			}
		}
	}
}

// TestWhatIsForgedIsSeen: somebody who may publish on the subjects, past the services, appends what is right in all but the hashes.
func TestWhatIsForgedIsSeen(t *testing.T) {
	b := single(t).setup(t)
	e := b.ended(t)
	b.link(t, e, nil)
	forge := func(subject string, data []byte) {
		t.Helper()
		if _, err := b.js.Publish(b.ctx, subject, data); err != nil {
			t.Fatal(err)
		}
	}
	v, err := b.j.Verify(b.ctx, b.project, audit.Expect{})
	if err != nil || v.Links != 1 {
		t.Fatalf("%+v, %v", v, err)
	}
	prev := make([]byte, 32)
	link, err := releasepb.EncodeLink(releasepb.Link{Index: 2, Prev: prev, Release: b.id, Seq: e.Seq, At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	forge(topology.Audit(b.project), link)
	var broken *audit.Break
	if _, err = b.j.Verify(b.ctx, b.project, audit.Expect{}); !errors.As(err, &broken) || !strings.Contains(broken.What, "link 2 of the chain") {
		t.Errorf("%v", err)
	}
	b.id = newID()
	other := b.soaking(t)
	data, err := releasepb.EncodeRecord(releasepb.Record{Event: release.WasHeld{}, State: release.Evolve(other.State, release.WasHeld{}), Prev: prev})
	if err != nil {
		t.Fatal(err)
	}
	forge(topology.Release(other.State.Release), data)
	if _, err := b.j.VerifyRelease(b.ctx, other.State.Release); !errors.As(err, &broken) || broken.Release != other.State.Release {
		t.Errorf("%v", err)
	}
}
