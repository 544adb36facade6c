package audit_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// story is the chain of a project and the journals of its releases, as a stream has them.
type story struct {
	t        testing.TB
	signer   *audit.Signer
	seq      uint64
	ids      []string
	journals map[string][]audit.Message
	states   map[string]release.State
	chain    []audit.Message
	points   []audit.Checkpoint
}

const project = "tracer"

func newStory(t testing.TB, signed bool) *story {
	t.Helper()
	s := &story{t: t, journals: map[string][]audit.Message{}, states: map[string]release.State{}}
	if signed {
		s.signer = newSigner(t)
	}
	return s
}

func newSigner(t testing.TB) *audit.Signer {
	t.Helper()
	seed, err := audit.NewSeed()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := audit.NewSigner(seed)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func (s *story) next(subject string, data []byte) audit.Message {
	s.seq += 3 // other messages are in between
	return audit.Message{Subject: subject, Seq: s.seq, At: time.Unix(1_700_000_000, int64(s.seq)*1001), Data: data}
}

func (s *story) merged() string {
	id := uuid.Must(uuid.NewV7()).String()
	s.ids = append(s.ids, id)
	s.append(id, release.WasMerged{Release: id, Project: project, Merge: release.Merge{Commit: "c1"}})
	return id
}

// append stores a record as a journal does, and links it if it is to be.
func (s *story) append(id string, events ...release.Event) {
	s.t.Helper()
	for _, e := range events {
		state := release.Evolve(s.states[id], e)
		prev := audit.First(topology.Release(id))
		if all := s.journals[id]; len(all) > 0 {
			prev = audit.Of(all[len(all)-1])
		}
		s.store(id, releasepb.Record{Event: e, State: state, Service: "promoter@a", Cause: "SLUICE 1 sluice.merge.tracer", Prev: prev[:]})
	}
}

func (s *story) store(id string, r releasepb.Record) {
	s.t.Helper()
	data, err := releasepb.EncodeRecord(r)
	if err != nil {
		s.t.Fatal(err)
	}
	m := s.next(topology.Release(id), data)
	s.journals[id] = append(s.journals[id], m)
	s.states[id] = r.State
	if audit.Links(r.Event.Name(), r.State.Phase) {
		s.link(id)
	}
}

func (s *story) link(id string) {
	s.t.Helper()
	var last audit.Message
	if n := len(s.chain); n > 0 {
		last = s.chain[n-1]
	}
	head := s.journals[id][len(s.journals[id])-1]
	body, point, err := audit.Next(project, last, audit.Head{Release: id, Seq: head.Seq, At: head.At, Hash: audit.Of(head)}, s.signer)
	if err != nil {
		s.t.Fatal(err)
	}
	s.chain, s.points = append(s.chain, s.next(topology.Audit(project), body)), append(s.points, point)
}

// told is four releases: promoted, cancelled and put back, failed and retried and cancelled, and one that soaks.
func told(t testing.TB, signed bool) *story {
	s := newStory(t, signed)
	said := release.Said{By: "ana", Reason: "the login is broken"}
	one, two, three, four := s.merged(), s.merged(), s.merged(), s.merged()
	soak := func(id string) {
		s.append(id, release.WasBegun{Work: release.Publish}, release.WasDone{Work: release.Publish, Value: "1"},
			release.WasBegun{Work: release.Stage}, release.WasDone{Work: release.Stage}, release.WasSoaked{})
	}
	soak(one)
	soak(two)
	s.append(one, release.WasBegun{Work: release.Promote}, release.WasDone{Work: release.Promote})
	s.append(three, release.WasFailed{Said: said}, release.WasRetried{Said: said})
	soak(four)
	s.append(two, release.WasCancelled{Said: said, Evidence: `{"n":1}`},
		release.WasBegun{Work: release.RestoreBeta}, release.WasDone{Work: release.RestoreBeta})
	s.append(three, release.WasCancelled{Said: said})
	return s
}

// verify is what an auditor does who has the whole stream.
func verify(expect audit.Expect, chain []audit.Message, journals map[string][]audit.Message) (*audit.Chain, *audit.Break) {
	for id, records := range journals {
		if _, b := audit.Journal(id, records); b != nil {
			return nil, b
		}
	}
	return verifyChain(expect, chain, journals)
}

// verifyChain is that for journals that have no break in themselves.
func verifyChain(expect audit.Expect, chain []audit.Message, journals map[string][]audit.Message) (*audit.Chain, *audit.Break) {
	c := audit.NewChain(project, expect)
	for _, m := range chain {
		l, b := c.Add(m)
		if b != nil {
			return c, b
		}
		if b := c.Holds(l, journals[l.Release]); b != nil {
			return c, b
		}
	}
	return c, c.End()
}

func TestWhatNobodyTouchedHasNoBreak(t *testing.T) {
	for _, signed := range []bool{true, false} {
		s := told(t, signed)
		expect := audit.Expect{}
		if signed {
			expect = audit.Expect{Keys: []string{s.signer.Key()}, Checkpoints: s.points}
		}
		c, b := verify(expect, s.chain, s.journals)
		if b != nil {
			t.Fatal(b)
		}
		if c.Links != 5 || len(c.Keys) == 0 == signed || c.Unsigned == 0 != signed || c.Last.Hash != s.points[4].Hash {
			t.Errorf("signed %t: %+v", signed, c)
		}
		for _, id := range s.ids {
			told, b := audit.Journal(id, s.journals[id])
			if b != nil || told.Records != len(s.journals[id]) || told.Unchained != 0 || told.Linked != (id != s.ids[3]) {
				t.Errorf("%s: %+v, %v", id, told, b)
			}
		}
	}
}

// without is a list without one message.
func without(all []audit.Message, i int) []audit.Message {
	return slices.Delete(slices.Clone(all), i, i+1)
}

// copied is a copy with a change to one message.
func copied(all []audit.Message, i int, change func(*audit.Message)) []audit.Message {
	all = slices.Clone(all)
	all[i].Data = slices.Clone(all[i].Data)
	change(&all[i])
	return all
}

// tampered tries every change of a list of messages, and calls try for each: every deletion, every pair exchanged, whole and by
// content, every byte of every message changed, all that the broker says of it changed, and every message stored twice. With the race
// detector, which makes this ten times slower, it changes every eleventh byte.
func tampered(all []audit.Message, try func(what string, at int, all []audit.Message)) {
	every := 1
	if raceDetector {
		every = 11
	}
	for i, m := range all {
		try("removed", i, without(all, i))
		try("twice", i, slices.Insert(slices.Clone(all), i, m))
		for b := 0; b < len(m.Data); b += every {
			try(fmt.Sprintf("byte %d", b), i, copied(all, i, func(m *audit.Message) { m.Data[b] ^= 0x01 }))
		}
		try("later", i, copied(all, i, func(m *audit.Message) { m.At = m.At.Add(1) }))
		try("moved on", i, copied(all, i, func(m *audit.Message) { m.Seq++ }))
		try("another subject", i, copied(all, i, func(m *audit.Message) { m.Subject += "x" }))
		try("longer", i, copied(all, i, func(m *audit.Message) { m.Data = append(m.Data, ' ') }))
		for j := i + 1; j < len(all); j++ {
			whole, content := slices.Clone(all), slices.Clone(all)
			whole[i], whole[j] = whole[j], whole[i]
			content[i].Data, content[j].Data = content[j].Data, content[i].Data
			try(fmt.Sprintf("exchanged with %d", j), i, whole)
			try(fmt.Sprintf("content exchanged with %d", j), i, content)
		}
	}
}

// TestEveryChangeOfAJournalIsSeen tries each change of each record of each journal. The last record of a release that has not ended is the
// one that nothing follows.
func TestEveryChangeOfAJournalIsSeen(t *testing.T) {
	s := told(t, true)
	links := map[string][]releasepb.Link{}
	for _, m := range s.chain {
		l, err := releasepb.DecodeLink(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		links[l.Release] = append(links[l.Release], l)
	}
	tried := 0
	for _, id := range s.ids {
		records, last := s.journals[id], len(s.journals[id])-1
		live := id == s.ids[3]
		tampered(records, func(what string, at int, all []audit.Message) {
			tried++
			_, b := audit.Journal(id, all)
			for _, l := range links[id] {
				if b == nil {
					b = audit.NewChain(project, audit.Expect{}).Holds(l, all)
				}
			}
			switch {
			case live && at == last && what != "twice" && what != "another subject":
				return
			case b == nil:
				t.Errorf("%s of record %d of %d of release %s is not seen", what, at, len(records), id)
			case b.Release != id || b.Project == "" && b.What == "" || strings.ContainsAny(b.Error(), "\n\r"):
				t.Errorf("%s of record %d of release %s: %v", what, at, id, b)
			case b.Seq != 0 && (b.Seq+1 < records[at].Seq || at < last && b.Seq > records[at+1].Seq && !strings.Contains(what, "exchanged")):
				t.Errorf("%s of record #%d is seen at #%d: %v", what, records[at].Seq, b.Seq, b)
			}
		})
	}
	t.Logf("%d changes", tried)
}

// TestEveryChangeOfAChainIsSeen is the same for the chain of the project, with the checkpoint of its last link, with the key only, and with
// nothing: then the end of the chain is what nobody proves.
func TestEveryChangeOfAChainIsSeen(t *testing.T) {
	for name, c := range map[string]struct{ signed, checkpoint, key bool }{
		"checkpoint": {true, true, false}, "key": {true, false, true}, "signed": {true, false, false}, "unsigned": {false, false, false},
	} {
		s := told(t, c.signed)
		expect := audit.Expect{}
		if c.checkpoint {
			expect.Checkpoints = s.points[len(s.points)-1:]
		}
		if c.key {
			expect.Keys = []string{s.signer.Key()}
		}
		tried, last := 0, len(s.chain)-1
		tampered(s.chain, func(what string, at int, all []audit.Message) {
			tried++
			_, b := verifyChain(expect, all, s.journals)
			place := what == "later" || what == "moved on" // that of a link is in the link itself
			switch {
			case place, at == last && len(all) == len(s.chain) && same(t, all[last], s.chain[last]), what == "removed" && at == last && !c.checkpoint:
			case b == nil:
				t.Errorf("%s: %s of link %d is not seen", name, what, at+1)
			case b.Project != project:
				t.Errorf("%s: %s of link %d: %v", name, what, at+1, b)
			}
		})
		t.Logf("%s: %d changes", name, tried)
	}
}

// same tells whether two links say the same, such as with a space more: nothing follows the last link that would be told by a byte.
func same(t *testing.T, a, b audit.Message) bool {
	t.Helper()
	was, err := releasepb.DecodeLink(b.Data)
	if err != nil {
		t.Fatal(err)
	}
	is, err := releasepb.DecodeLink(a.Data)
	return err == nil && a.Subject == b.Subject && reflect.DeepEqual(was, is)
}

// TestWhatWasCutOffIsSeen cuts the chain after each link, and looks with the checkpoint of each.
func TestWhatWasCutOffIsSeen(t *testing.T) {
	s := told(t, true)
	for left := range len(s.chain) {
		for known, point := range s.points {
			_, b := verify(audit.Expect{Checkpoints: []audit.Checkpoint{point}}, s.chain[:left], s.journals)
			if seen := b != nil; seen != (known >= left) {
				t.Errorf("%d links are left, and link %d is known: %v", left, known+1, b)
			}
		}
	}
}

// TestARewrittenHistoryIsSeen: somebody who may write everything, but has no seed, writes another history that is right in itself.
func TestARewrittenHistoryIsSeen(t *testing.T) {
	s := told(t, true)
	key := audit.Expect{Keys: []string{s.signer.Key()}}
	unsigned, other := told(t, false), told(t, true)
	for name, forged := range map[string]*story{"unsigned": unsigned, "signed by another": other} {
		if _, b := verify(audit.Expect{}, forged.chain, forged.journals); b != nil {
			t.Fatalf("%s: %v", name, b)
		}
		for what, expect := range map[string]audit.Expect{"key": key, "checkpoint": {Checkpoints: s.points[:1]}} {
			if _, b := verify(expect, forged.chain, forged.journals); b == nil {
				t.Errorf("%s: with a %s it is not seen", name, what)
			}
		}
	}
	// It begins as it was, and goes on without a signature.
	s.signer = nil
	id := s.merged()
	s.append(id, release.WasFailed{})
	if _, b := verify(key, s.chain, s.journals); b == nil || !strings.Contains(b.What, "not signed") {
		t.Errorf("%v", b)
	}
	if c, b := verify(audit.Expect{}, s.chain, s.journals); b != nil || c.Unsigned != 1 {
		t.Errorf("%+v, %v", c, b)
	}
}

// TestOlderRecords: what was stored before there were hashes, or by an older version during an upgrade, is told of and no break.
func TestOlderRecords(t *testing.T) {
	s := newStory(t, false)
	id := uuid.Must(uuid.NewV7()).String()
	old := func(e release.Event) {
		s.store(id, releasepb.Record{Event: e, State: release.Evolve(s.states[id], e)})
	}
	old(release.WasMerged{Release: id, Project: project})
	old(release.WasBegun{Work: release.Publish})
	upTo := s.seq
	s.append(id, release.WasDone{Work: release.Publish}, release.WasBegun{Work: release.Stage})
	told, b := audit.Journal(id, s.journals[id])
	if b != nil || told.Unchained != 2 || told.UpTo != upTo || told.Records != 4 {
		t.Errorf("%+v, %v", told, b)
	}
	old(release.WasDone{Work: release.Stage}) // by an instance of an older version
	s.append(id, release.WasFailed{})
	if told, b = audit.Journal(id, s.journals[id]); b != nil || told.Unchained != 3 {
		t.Errorf("%+v, %v", told, b)
	}
	if _, b := audit.Journal(id, s.journals[id][1:]); b == nil || !strings.Contains(b.What, `begins with "publishing"`) {
		t.Errorf("its beginning was removed: %v", b)
	}
	// A hash that is taken out of a record changes the record, and the next one tells, if it has one.
	for i, m := range s.journals[id] {
		r, err := releasepb.DecodeRecord(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Prev) == 0 || i == 3 {
			continue
		}
		r.Prev = nil
		data, err := releasepb.EncodeRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		journals := map[string][]audit.Message{id: copied(s.journals[id], i, func(m *audit.Message) { m.Data = data })}
		if _, b := verify(audit.Expect{}, s.chain, journals); b == nil {
			t.Errorf("the hash was taken out of record %d", i)
		}
	}
}

// TestARecordOfAnotherRelease: a record is bound to its journal, the first one too.
func TestARecordOfAnotherRelease(t *testing.T) {
	s := told(t, false)
	one, two := s.ids[0], s.ids[1]
	for i := range s.journals[one] {
		moved := slices.Clone(s.journals[one])
		moved[i] = s.journals[two][i]
		moved[i].Subject, moved[i].Seq = topology.Release(one), s.journals[one][i].Seq
		if _, b := audit.Journal(one, moved); b == nil {
			t.Errorf("record %d of another release is taken", i)
		}
	}
	if _, b := audit.Journal(two, s.journals[one]); b == nil {
		t.Error("the whole journal of another release is taken")
	}
}
