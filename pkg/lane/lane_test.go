package lane_test

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// Where a release stands, as its events told it: exactly one of these.
type place string

const (
	owner     place = "owner"
	waiting   place = "waiting"
	displaced place = "displaced"
	refused   place = "refused"
	left      place = "left"
)

// machine is a lane shared by several projects, each with its policy, and what became of every release that entered.
type machine struct {
	record   lane.Record
	policies map[string]release.Collision
	entered  map[string]lane.Waiting
	places   map[string]place
	orders   uint64
}

func policies() []release.Collision {
	return []release.Collision{release.Newest, release.Queue, release.Supersede, release.Reject}
}

func (m *machine) in(p place) []string {
	var out []string
	for id, at := range m.places {
		if at == p {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// merge lets a release of any project enter, most often the newest one, sometimes one that was long in publishing.
func (m *machine) merge(t *rapid.T) {
	m.orders++
	w := lane.Waiting{
		Project: rapid.SampledFrom(slices.Sorted(maps.Keys(m.policies))).Draw(t, "project"),
		Order:   m.orders * 1000, Expedited: rapid.IntRange(0, 4).Draw(t, "expedited") == 0,
	}
	if rapid.IntRange(0, 3).Draw(t, "late") == 0 {
		w.Order = rapid.Uint64Range(0, m.orders-1).Draw(t, "order")*1000 + m.orders // nobody else's
	}
	w.Release = fmt.Sprintf("r%d", m.orders)
	m.enter(t, w)
}

// again enters a release that is in the lane already: its hint came twice, or it was expedited.
func (m *machine) again(t *rapid.T) {
	live := slices.Concat(m.in(owner), m.in(waiting))
	if len(live) == 0 {
		t.Skip("the lane is free")
	}
	w := m.entered[rapid.SampledFrom(live).Draw(t, "release")]
	w.Expedited = w.Expedited || rapid.Bool().Draw(t, "expedite")
	m.enter(t, w)
}

func (m *machine) enter(t *rapid.T, w lane.Waiting) {
	policy := m.policies[w.Project]
	before, copied := m.record, clone(m.record)
	e := lane.Enter(before, w, policy)
	if !reflect.DeepEqual(before, copied) {
		t.Fatalf("Enter changed its argument: %+v, was %+v", before, copied)
	}
	m.entered[w.Release] = w
	switch {
	case e.Owns:
		m.places[w.Release] = owner
	case e.Newer != "":
		m.places[w.Release] = displaced
		if o := m.entered[e.Newer]; m.places[e.Newer] != waiting || o.Project != w.Project || o.Order <= w.Order {
			t.Fatalf("%+v lost its place to %+v", w, o)
		}
	case e.Refused:
		m.places[w.Release] = refused
	default:
		m.places[w.Release] = waiting
	}
	if (e.Refused && !e.Full) != (policy == release.Reject && !e.Owns) {
		t.Fatalf("%s under %s: %+v", w.Release, policy, e)
	}
	if e.Behind != copied.Owner && !e.Owns {
		t.Fatalf("behind %s, the occupant is %s", e.Behind, copied.Owner)
	}
	for _, id := range e.Displace {
		if o := m.entered[id]; m.places[id] != waiting || o.Project != w.Project || o.Order >= w.Order || policy == release.Queue {
			t.Fatalf("%+v displaced %+v under %s", w, o, policy)
		}
		m.places[id] = displaced
	}
	if e.Cancel != "" && (policy != release.Supersede || e.Cancel != copied.Owner || m.entered[e.Cancel].Project != w.Project) {
		t.Fatalf("%+v cancels %s under %s", w, e.Cancel, policy)
	}
	m.record = e.Record
	if e.Owns || m.places[w.Release] == waiting { // once more: nothing changes
		twice := lane.Enter(m.record, w, policy)
		if !lane.Equal(twice.Record, m.record) || twice.Owns != e.Owns || twice.Cancel != e.Cancel || len(twice.Displace) > 0 || twice.Refused {
			t.Fatalf("entering twice:\n%+v\n%+v", e, twice)
		}
	}
}

// leave ends a release in the lane: the occupant, or one that was cancelled while it waited.
func (m *machine) leave(t *rapid.T) {
	live := slices.Concat(m.in(owner), m.in(waiting))
	if len(live) == 0 {
		t.Skip("the lane is free")
	}
	id := rapid.SampledFrom(live).Draw(t, "release")
	before, copied := m.record, clone(m.record)
	after := lane.Leave(before, id)
	if !reflect.DeepEqual(before, copied) {
		t.Fatalf("Leave changed its argument: %+v, was %+v", before, copied)
	}
	if id == copied.Owner && len(copied.Waiting) > 0 {
		head := copied.Waiting[0]
		if after.Owner != head.Release || after.Project != head.Project {
			t.Fatalf("the head of the queue is %+v, the owner %+v", head, after)
		}
		m.places[head.Release] = owner
	}
	m.places[id] = left
	if again := lane.Leave(after, id); !lane.Equal(again, after) {
		t.Fatalf("leaving twice: %+v, then %+v", after, again)
	}
	if rapid.Bool().Draw(t, "promoted") {
		project := m.entered[id].Project
		promoted := lane.Promote(after, project, id)
		if promoted.Promoted[project] != id || lane.Equal(promoted, after) && after.Promoted[project] != id {
			t.Fatalf("%+v", promoted)
		}
		after = promoted
	}
	m.record = after
}

// check is the invariants.
func (m *machine) check(t *rapid.T) {
	owners, queue := m.in(owner), m.in(waiting)
	if len(owners) > 1 {
		t.Fatalf("owners: %v", owners)
	}
	if m.record.Owner != strings.Join(owners, "") {
		t.Fatalf("the record's owner is %q, by what was told it is %v", m.record.Owner, owners)
	}
	if m.record.Owner == "" && len(m.record.Waiting) > 0 || m.record.Owner != "" && m.record.Project != m.entered[m.record.Owner].Project {
		t.Fatalf("%+v", m.record)
	}
	var got []string
	waits := map[string]int{}
	for i, w := range m.record.Waiting {
		got = append(got, w.Release)
		waits[w.Project]++
		if want := m.entered[w.Release]; w != want {
			t.Fatalf("waiting %+v, entered as %+v", w, want)
		}
		if i == 0 {
			continue
		}
		before := m.record.Waiting[i-1]
		if w.Expedited && !before.Expedited || w.Expedited == before.Expedited && w.Order < before.Order {
			t.Fatalf("%+v waits behind %+v", w, before)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, queue) { // nobody is lost, and nobody is there twice
		t.Fatalf("%v wait, by what was told %v", got, queue)
	}
	for project, n := range waits {
		if policy := m.policies[project]; policy == release.Reject || n > 1 && policy != release.Queue {
			t.Fatalf("%d of %s wait under %s", n, project, policy)
		}
	}
}

func clone(r lane.Record) lane.Record {
	r.Waiting, r.Promoted = slices.Clone(r.Waiting), maps.Clone(r.Promoted)
	return r
}

func sharedLane(t *rapid.T) {
	m := &machine{
		policies: map[string]release.Collision{}, entered: map[string]lane.Waiting{}, places: map[string]place{},
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "projects") {
		m.policies[fmt.Sprintf("p%d", i)] = rapid.SampledFrom(policies()).Draw(t, "policy")
	}
	t.Repeat(map[string]func(*rapid.T){"merge": m.merge, "again": m.again, "leave": m.leave, "": m.check})
	for m.record.Owner != "" { // everybody comes out again
		m.places[m.record.Owner] = left
		m.record = lane.Leave(m.record, m.record.Owner)
		if m.record.Owner != "" {
			m.places[m.record.Owner] = owner
		}
		m.check(t)
	}
}

func TestSharedLane(t *testing.T) { rapid.Check(t, sharedLane) }

func FuzzSharedLane(f *testing.F) { f.Fuzz(rapid.MakeFuzz(sharedLane)) }

// TestQueueKeepsMergeOrder, but for those expedited, whatever the order of entering.
func TestQueueKeepsMergeOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r lane.Record
		orders := rapid.Permutation([]uint64{2, 3, 4, 5, 6, 7, 8, 9}).Draw(t, "orders")
		expedited := rapid.Uint64Range(2, 9).Draw(t, "expedited")
		r = lane.Enter(r, lane.Waiting{Release: "1", Project: "p", Order: 1}, release.Queue).Record
		for _, o := range orders {
			r = lane.Enter(r, lane.Waiting{Release: fmt.Sprint(o), Project: "p", Order: o, Expedited: o == expedited}, release.Queue).Record
		}
		var got []uint64
		for r = lane.Leave(r, r.Owner); r.Owner != ""; r = lane.Leave(r, r.Owner) {
			var o uint64
			if _, err := fmt.Sscan(r.Owner, &o); err != nil {
				t.Fatal(err)
			}
			got = append(got, o)
		}
		if got[0] != expedited || !slices.IsSorted(got[1:]) || len(got) != len(orders) {
			t.Fatalf("%v, expedited %d", got, expedited)
		}
	})
}

func TestEnter(t *testing.T) {
	occupied := lane.Record{Owner: "r1", Project: "p", Waiting: []lane.Waiting{{Release: "r2", Project: "p", Order: 2}, {Release: "q1", Project: "q", Order: 3}}}
	newcomer := lane.Waiting{Release: "r4", Project: "p", Order: 4}
	for policy, want := range map[release.Collision]lane.Entry{
		release.Newest:    {Behind: "r1", Displace: []string{"r2"}},
		release.Supersede: {Behind: "r1", Displace: []string{"r2"}, Cancel: "r1"},
		release.Queue:     {Behind: "r1"},
		release.Reject:    {Behind: "r1", Refused: true},
	} {
		got := lane.Enter(occupied, newcomer, policy)
		want.Record = got.Record
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", policy, got, want)
		}
	}
	late := lane.Enter(occupied, lane.Waiting{Release: "r0", Project: "p", Order: 1}, release.Newest)
	if late.Newer != "r2" || !lane.Equal(late.Record, occupied) {
		t.Errorf("a latecomer: %+v", late)
	}
	other := lane.Enter(occupied, lane.Waiting{Release: "s1", Project: "s", Order: 5}, release.Supersede)
	if other.Cancel != "" || len(other.Displace) > 0 || other.Behind != "r1" {
		t.Errorf("of another project: %+v", other)
	}
}

// TestFullLane: as many as may wait can be stored, and the next one is refused instead of getting stuck.
func TestFullLane(t *testing.T) {
	project := func(i int) string { return fmt.Sprintf("%063d", i%100) }
	id := func(i int) string { return fmt.Sprintf("01890a5d-ac96-774b-bcce-%012d", i) }
	var r lane.Record
	for i := range lane.MaxWaiting + 1 {
		e := lane.Enter(r, lane.Waiting{Release: id(i), Project: project(i), Order: math.MaxUint64 - uint64(i), Expedited: true}, release.Queue)
		if e.Refused {
			t.Fatalf("release %d is refused", i)
		}
		r = e.Record
		r = lane.Promote(r, project(i), id(i))
	}
	data, err := releasepb.EncodeLane(r)
	if err != nil || len(data) > releasepb.MaxBody {
		t.Fatalf("%d bytes, at most %d can be stored: %v", len(data), releasepb.MaxBody, err)
	}
	t.Logf("%d wait in %d bytes", len(r.Waiting), len(data))
	e := lane.Enter(r, lane.Waiting{Release: "more", Project: "p", Order: 1}, release.Queue)
	if !e.Refused || !e.Full || !lane.Equal(e.Record, r) {
		t.Errorf("one more: refused %t, full %t", e.Refused, e.Full)
	}
	again := lane.Enter(r, r.Waiting[7], release.Queue)
	if again.Refused || !lane.Equal(again.Record, r) {
		t.Error("one that waits already is refused")
	}
	replaced := lane.Enter(r, lane.Waiting{Release: "newest", Project: project(1), Order: math.MaxUint64}, release.Newest)
	if replaced.Refused || len(replaced.Displace) == 0 {
		t.Error("one that takes the place of others is refused")
	}
}
