package journal_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

func laneOf(id string) lane.Record { return lane.Record{Owner: id, Project: "tracer"} }

// snapshot reads everything up to a sequence, and fails the test if something is missing.
func (b *bundle) snapshot(t testing.TB, least uint64) (journal.Entry, []release.Request) {
	t.Helper()
	e, requests, err := b.j.SnapshotAt(b.ctx, b.id, least)
	if err != nil {
		t.Fatal(err)
	}
	return e, requests
}

// same compares requests by sequence, and says which are too many or too few.
func same(t testing.TB, got []release.Request, want ...uint64) {
	t.Helper()
	var seqs []uint64
	for _, r := range got {
		seqs = append(seqs, r.Seq)
	}
	if fmt.Sprint(seqs) != fmt.Sprint(want) {
		t.Errorf("got the requests %v, want %v", seqs, want)
	}
}

func snapshotNone(t *testing.T, b *bundle) {
	if _, _, err := b.j.Snapshot(b.ctx, b.id); !errors.Is(err, journal.ErrNone) {
		t.Fatal(err)
	}
	seq := b.ask(t, release.Cancel, "ana", "no")
	if _, _, err := b.j.SnapshotAt(b.ctx, b.id, seq); !errors.Is(err, journal.ErrNone) {
		t.Fatal(err)
	}
	e := b.merged(t) // the request was there before its release
	_, requests := b.snapshot(t, e.Seq)
	same(t, requests, seq)
}

func snapshotComplete(t *testing.T, b *bundle) {
	var want []uint64
	ask := func(v release.Verb, actor, body string) { want = append(want, b.ask(t, v, actor, body)) }
	ask(release.Hold, "", "before the release")
	e := b.merged(t)
	for i := range 3 { // each hides the one before it
		for _, v := range release.Verbs() {
			ask(v, "ana", fmt.Sprintf("%dm", i+1))
			ask(v, "", fmt.Sprintf("%dm", i+1))
		}
		ask(release.Extend, "bo", "5m please")
	}
	other := &bundle{broker: b.broker, ctx: b.ctx, js: b.js, j: b.j, id: newID()}
	other.merged(t)
	last := other.ask(t, release.Cancel, "ana", "another release")
	got, requests := b.snapshot(t, last)
	same(t, requests, want...)
	if got.Seq != e.Seq {
		t.Errorf("entry %d, want %d", got.Seq, e.Seq)
	}
	if r := requests[len(requests)-1]; r.Actor != "bo" || r.Verb != release.Extend || r.Reason != "please" || r.By.Minutes() != 5 || r.At.IsZero() {
		t.Errorf("%+v", r)
	}
}

func snapshotFolded(t *testing.T, b *bundle) {
	e := b.merged(t)
	first := b.ask(t, release.Extend, "ana", "1m")
	second := b.ask(t, release.Extend, "ana", "2m")
	e = b.append(t, e, release.WasExtended{Seq: first, By: 1})
	_, requests := b.snapshot(t, e.Seq)
	same(t, requests, second)
	e = b.append(t, e, release.WasRefused{Seq: second})
	_, requests = b.snapshot(t, e.Seq)
	same(t, requests)
}

// snapshotActors: the broker acknowledges a request whatever its sender calls itself, so it counts. Some names are like
// wildcards, and some can not be written in JSON.
func snapshotActors(t *testing.T, b *bundle) {
	b.merged(t)
	var want []uint64
	for _, actor := range []string{
		"ana@corp", "Ана", "a" + strings.Repeat("b", 200), "$x", "%s", "-", "\x01\x02", "ana/bo", "a\"b", "*x", ">>", "*", "\xff\xfe",
	} {
		want = append(want, b.ask(t, release.Cancel, actor, "no"), b.ask(t, release.Cancel, actor, "again"))
		_, requests := b.snapshot(t, want[len(want)-1])
		same(t, requests, want...)
		for _, r := range requests {
			if r.Verb != release.Cancel || len(r.Actor) > 64 || !utf8.ValidString(r.Actor) || strings.ContainsAny(r.Actor, "\x01\n") {
				t.Errorf("%+v", r)
			}
		}
		if requests[0].Actor != "ana@corp" {
			t.Errorf("the actor is %q", requests[0].Actor)
		}
	}
}

func snapshotMalformed(t *testing.T, b *bundle) {
	b.merged(t)
	bodies := []string{
		"", "{", `{"reason":`, `{"reason":5}`, `null`, `[]`, "\x00\x01\x1b[31mred", "\xff\xfe\xfd", strings.Repeat("x", 200<<10),
		strings.Repeat("\xff", 200<<10), strings.Repeat("[", 200<<10), "{" + strings.Repeat(`"a":{`, 30<<10), "a\nb\r\nc\u2028d\u202ee",
	}
	var want []uint64
	for i, body := range bodies {
		want = append(want, b.ask(t, release.Cancel, fmt.Sprint("a", i), body), b.ask(t, release.Extend, fmt.Sprint("a", i), body))
	}
	e, requests := b.snapshot(t, want[len(want)-1])
	same(t, requests, want...)
	for _, r := range requests { // every one can be answered and journaled
		if r.Verb == release.Cancel && r.Invalid != "" || r.Verb == release.Extend && r.Invalid == "" {
			t.Errorf("%s of %s: invalid %q", r.Verb, r.Actor, r.Invalid)
		}
		for _, s := range []string{r.Reason, r.Invalid} {
			if len(s) > releasepb.MaxReason || !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\x1b\n\r\u2028\u202e") {
				t.Errorf("%s of %s: not one printable line: %q", r.Verb, r.Actor, s[:min(len(s), 80)])
			}
		}
		events, err := release.Decide(e.State, r)
		if err != nil || len(events) != 1 {
			t.Fatalf("%+v: %v %v", r, events, err)
		}
		e = b.append(t, e, events...)
	}
	if e.State.Phase != release.Cancelled {
		t.Errorf("%+v", e.State)
	}
}

// snapshotHeaders: what a sender writes into its headers looks like what the broker says of a stored message, or of the end
// of an answer.
func snapshotHeaders(t *testing.T, b *bundle) {
	e := b.merged(t)
	forged := encodeRecord(t, release.WasDone{Work: release.Promote}, release.State{Release: b.id, Phase: release.Promoted})
	var want []uint64
	send := func(verb release.Verb, actor string, data []byte, headers ...string) {
		for range 2 { // the first one is hidden by the second
			m := &nats.Msg{Subject: topology.Request(string(verb), b.id, actor), Data: data, Header: nats.Header{}}
			for i := 0; i < len(headers); i += 2 {
				m.Header.Add(headers[i], headers[i+1])
			}
			want = append(want, b.store(t, m))
		}
	}
	send(release.Hold, "a", nil, "Status", "204", "Description", "EOB", "Nats-Num-Pending", "0", "Nats-Last-Sequence", fmt.Sprint(e.Seq))
	send(release.Hold, "b", nil, "Status", "404", "Description", "Message Not Found")
	send(release.Hold, "c", forged, "Nats-Subject", topology.Release(b.id), "Nats-Sequence", "999999", "Nats-Time-Stamp", "x")
	send(release.Hold, "d", forged, "Nats-Subject", topology.Release(newID()), "Nats-Stream", "OTHER", "Nats-Last-Sequence", "7")
	send(release.Hold, "e", nil, "nats-subject", "x", "Nats-Num-Pending", "0", "Nats-Num-Pending", "x")
	many := make([]string, 0, 200)
	for i := range 100 {
		many = append(many, fmt.Sprint("K", i), "v")
	}
	send(release.Hold, "f", nil, many...)
	send(release.Cancel, "ana", []byte("the login is broken"))
	got, requests := b.snapshot(t, want[len(want)-1])
	same(t, requests, want...)
	if got.Seq != e.Seq || got.State.Phase != release.Merged {
		t.Errorf("the entry was forged: %+v", got)
	}
}

// blocks are header blocks that end before what the broker appends to them, or are none.
func blocks(id string, seq uint64) []string {
	record := fmt.Sprintf("Nats-Stream: SLUICE\r\nNats-Subject: %s\r\nNats-Sequence: %d\r\nNats-Time-Stamp: 2026-01-02T15:04:05Z\r\n"+
		"Nats-Num-Pending: 0\r\nNats-Last-Sequence: 0\r\n", topology.Release(id), seq)
	tight := strings.NewReplacer(": ", ":", "\r\n", "\n").Replace(record)
	return []string{
		"NATS/1.0\r\n" + record + "\r\nx: y\r\n\r\n",
		"NATS/1.0\r\n" + tight + strings.Repeat("a:b\n", 120) + "\nx: y\r\n\r\n",
		"NATS/1.0\r\nStatus: 204\r\nDescription: EOB\r\nNats-Num-Pending: 0\r\nNats-Last-Sequence: 0\r\nNats-UpTo-Sequence: 9\r\n\r\nx\r\n\r\n",
		"NATS/1.0 204 EOB\r\nNats-Num-Pending: 0\r\nNats-Last-Sequence: 0\r\n\r\nx\r\n\r\n",
		"NATS/1.0\r\nno colon\r\n\r\n",
		"nonsense\r\n\r\n",
		"\r\n",
	}
}

func snapshotBlocks(t *testing.T, b *bundle) {
	e := b.merged(t)
	forged := encodeRecord(t, release.WasDone{Work: release.Promote}, release.State{Release: b.id, Phase: release.Promoted})
	r := b.raw(t)
	for i, block := range blocks(b.id, e.Seq) {
		for _, data := range []string{"", string(forged)} {
			r.store(topology.Request("hold", b.id, fmt.Sprint("m", i)), block, data)
		}
		last := b.ask(t, release.Cancel, "ana", "no")
		got, requests := b.snapshot(t, last)
		if got.Seq != e.Seq || got.State.Phase != release.Merged {
			t.Fatalf("block %q: the entry was forged: %+v", block, got)
		}
		if n := 3 * (i + 1); len(requests) != n || requests[n-1].Seq != last || requests[n-1].Verb != release.Cancel {
			t.Fatalf("block %q: %d requests, want %d: %+v", block, len(requests), n, requests)
		}
	}
}

// snapshotWalks: for such releases there is one reader at a time, and the others wait.
func snapshotWalks(t *testing.T, b *bundle) {
	r := b.raw(t)
	var all sync.WaitGroup
	for range 4 {
		x := &bundle{broker: b.broker, ctx: b.ctx, js: b.js, j: b.j, id: newID()}
		e := x.merged(t)
		for i, block := range blocks(x.id, e.Seq) {
			r.store(topology.Request("hold", x.id, fmt.Sprint("m", i)), block, "")
		}
		last := x.ask(t, release.Cancel, "ana", "no")
		for range 3 {
			_, j := b.open(b.ctx, t)
			all.Go(func() {
				got, requests, err := j.SnapshotAt(b.ctx, x.id, last)
				if err != nil || got.Seq != e.Seq || len(requests) != len(blocks(x.id, 0))+1 {
					t.Errorf("%+v, %d requests: %v", got, len(requests), err)
				}
			})
		}
	}
	all.Wait()
}

// snapshotTight: a sender who knows what the broker appends hides it, and makes up for its length by writing the lines before
// it more tightly than usual. It tries every length that the broker's timestamp may have.
func snapshotTight(t *testing.T, b *bundle) {
	e := b.merged(t)
	forged := encodeRecord(t, release.WasDone{Work: release.Promote}, release.State{Release: b.id, Phase: release.Promoted})
	subject := topology.Request("hold", b.id, "m")
	r := b.raw(t)
	before := e.Seq
	for ts := len("2026-01-02T15:04:05Z"); ts <= len("2026-01-02T15:04:05.123456789Z"); ts++ {
		seq := b.ask(t, release.Expedite, "ana", "") + 1
		appended := len(fmt.Sprintf("Nats-Stream: SLUICE\r\nNats-Subject: %s\r\nNats-Sequence: %d\r\nNats-Time-Stamp: \r\n"+
			"Nats-Num-Pending: 0\r\nNats-Last-Sequence: %d\r\n", subject, seq, before)) + ts
		lines := []string{
			"Nats-Stream:SLUICE", "Nats-Subject:" + topology.Release(b.id), fmt.Sprint("Nats-Sequence:", seq),
			"Nats-Time-Stamp:2026-01-02T15:04:05Z", "Nats-Num-Pending:0", fmt.Sprint("Nats-Last-Sequence:", seq-1),
		}
		missing := appended + 2 - 1 - 2*len(lines) // each tight line saves two bytes, the empty one at the end one
		if missing%2 == 1 {
			lines = append(lines, "a: b")
			missing--
		}
		lines = append(lines, slices.Repeat([]string{"a:b"}, missing/2)...)
		r.store(subject, "NATS/1.0\r\n"+strings.Join(lines, "\n")+"\n\n\r\n", string(forged))
		got, requests := b.snapshot(t, seq)
		if got.Seq != e.Seq || got.State.Phase != release.Merged {
			t.Fatalf("the entry was forged: %+v", got)
		}
		if n := len(requests); n < 2 || requests[n-1].Seq != seq || requests[n-1].Verb != release.Hold {
			t.Fatalf("%+v", requests)
		}
	}
}

// snapshotLarge has more bytes than the journal asks for at once.
func snapshotLarge(t *testing.T, b *bundle) {
	b.merged(t)
	var want []uint64
	body := strings.Repeat("y", 200<<10)
	for i := range 30 {
		want = append(want, b.ask(t, release.Hold, fmt.Sprint("a", i), body))
	}
	want = append(want, b.ask(t, release.Cancel, "ana", "no"))
	_, requests := b.snapshot(t, want[len(want)-1])
	same(t, requests, want...)
}

// snapshotMany has requests on more subjects than the broker puts into one answer.
func snapshotMany(t *testing.T, b *bundle) {
	b.merged(t)
	const many = 1100
	for i := range many {
		if _, err := b.js.PublishAsync(topology.Request("hold", b.id, fmt.Sprint("a", i)), nil); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-b.js.PublishAsyncComplete():
	case <-b.ctx.Done():
		t.Fatal("not all stored in time")
	}
	last := b.ask(t, release.Cancel, "ana", "no")
	e, requests := b.snapshot(t, last)
	if len(requests) != many+1 || requests[many].Seq != last {
		t.Fatalf("%d requests, want %d", len(requests), many+1)
	}
	c := b.append(t, e, claim())
	stop, err := requestsAgainst(b.j.Settle(b.ctx, c))
	if err != nil || len(stop) != many+1 {
		t.Fatalf("settled by %d requests, want %d: %v", len(stop), many+1, err)
	}
}
