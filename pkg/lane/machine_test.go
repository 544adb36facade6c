package lane_test

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/release"
)

// Where a release stands, as its events told it: exactly one of these.
type where string

const (
	owner     where = "owner"
	waiting   where = "waiting"
	displaced where = "displaced"
	refused   where = "refused"
	left      where = "left"
)

// machine is a lane shared by several projects, each with its policy, and what became of every release that entered.
type machine struct {
	record   lane.Record
	policies map[string]release.Policy
	entered  map[string]release.State
	places   map[string]where
	rows     map[string]int // by project: occupants in a row that gave way, counted here
	orders   uint64
	now      time.Time
}

func policies() []release.Collision {
	return []release.Collision{release.Newest, release.Queue, release.Supersede, release.Reject}
}

func keepsNewest(p release.Policy) bool {
	return p.Collision == release.Newest || p.Collision == release.Supersede
}

func (m *machine) in(p where) []string {
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
	m.now = m.now.Add(time.Duration(rapid.IntRange(0, 120).Draw(t, "minutes")) * time.Minute)
	project := rapid.SampledFrom(slices.Sorted(maps.Keys(m.policies))).Draw(t, "project")
	s := release.State{
		Release: fmt.Sprintf("r%d", m.orders), Project: project, MergedAt: m.now, Policy: m.policies[project],
		Merge: release.Merge{Seq: m.orders * 1000},
	}
	if rapid.IntRange(0, 4).Draw(t, "expedited") == 0 {
		s.Expedited = &release.Said{By: "ana"}
	}
	if rapid.IntRange(0, 3).Draw(t, "late") == 0 {
		s.Merge.Seq = rapid.Uint64Range(0, m.orders-1).Draw(t, "order")*1000 + m.orders // nobody else's
	}
	m.enter(t, s)
}

// again enters a release that is in the lane already: its hint came twice, or it was expedited.
func (m *machine) again(t *rapid.T) {
	s := m.entered[m.live(t)]
	if rapid.Bool().Draw(t, "expedite") {
		s.Expedited = &release.Said{By: "ana"}
	}
	m.enter(t, s)
}

// hold stops a release, or lets it go on.
func (m *machine) hold(t *rapid.T) {
	s := m.entered[m.live(t)]
	if s.Held == nil {
		s.Held = &release.Holding{System: rapid.Bool().Draw(t, "by the system")}
	} else {
		s.Held = nil
	}
	m.entered[s.Release] = s
}

func (m *machine) live(t *rapid.T) string {
	live := slices.Concat(m.in(owner), m.in(waiting))
	if len(live) == 0 {
		t.Skip("the lane is free")
	}
	return rapid.SampledFrom(live).Draw(t, "release")
}

func (m *machine) enter(t *rapid.T, s release.State) {
	before, copied := m.record, clone(m.record)
	occupant := m.entered[copied.Owner]
	e := lane.Enter(before, occupant, s)
	if !reflect.DeepEqual(before, copied) {
		t.Fatalf("Enter changed its argument: %+v, was %+v", before, copied)
	}
	m.entered[s.Release] = s
	switch {
	case e.Owns:
		m.places[s.Release] = owner
	case e.Newer != "":
		m.places[s.Release] = displaced
		o := m.entered[e.Newer]
		if p := m.places[e.Newer]; p != waiting && p != owner || !replaces(o, s) || !keepsNewest(s.Policy) {
			t.Fatalf("%+v lost its place to %+v", s, o)
		}
	case e.Refused:
		m.places[s.Release] = refused
	default:
		m.places[s.Release] = waiting
	}
	if (e.Refused && !e.Full) != (s.Policy.Collision == release.Reject && !e.Owns) {
		t.Fatalf("%s: %+v", s.Release, e)
	}
	if e.Behind != copied.Owner && !e.Owns {
		t.Fatalf("behind %s, the occupant is %s", e.Behind, copied.Owner)
	}
	for _, id := range e.Displace {
		if o := m.entered[id]; m.places[id] != waiting || !replaces(s, o) || !keepsNewest(s.Policy) {
			t.Fatalf("%+v displaced %+v", s, o)
		}
		m.places[id] = displaced
	}
	m.cancels(t, occupant, s, copied, e)
	m.record = e.Record
	if e.Owns || m.places[s.Release] == waiting { // once more: nothing changes
		twice := lane.Enter(m.record, m.entered[m.record.Owner], s)
		if !lane.Equal(twice.Record, m.record) || twice.Owns != e.Owns || twice.Cancel != e.Cancel || len(twice.Displace) > 0 || twice.Refused {
			t.Fatalf("entering twice:\n%+v\n%+v", e, twice)
		}
	}
}

// replaces says when a release takes the place of another: it is newer, and does not push an expedited one aside unasked.
func replaces(a, b release.State) bool {
	return a.Project == b.Project && a.Merge.Seq > b.Merge.Seq && (a.Expedited != nil || b.Expedited == nil)
}

// cancels checks whom the newcomer may have cancelled.
func (m *machine) cancels(t *rapid.T, occupant, s release.State, before lane.Record, e lane.Entry) {
	if e.Cancel == "" {
		if e.Record.GivesWay != before.GivesWay {
			t.Fatalf("%+v changed whether the occupant gives way: %+v", s, e)
		}
		return
	}
	if s.Policy.Collision != release.Supersede || e.Cancel != before.Owner || occupant.Project != s.Project || occupant.Merge.Seq > s.Merge.Seq {
		t.Fatalf("%+v cancels %+v", s, occupant)
	}
	if before.GivesWay {
		return // it was asked already
	}
	if !e.Record.GivesWay {
		t.Fatalf("it is not remembered that %s gives way: %+v", e.Cancel, e.Record)
	}
	if occupant.Held != nil && !occupant.Held.System || occupant.Expedited != nil && s.Expedited == nil {
		t.Fatalf("%+v cancels %+v", s, occupant)
	}
	if m.rows[s.Project]++; m.rows[s.Project] > s.Policy.SupersedeLimit {
		t.Fatalf("%d superseded in a row, the limit is %d", m.rows[s.Project], s.Policy.SupersedeLimit)
	}
	if row := before.Superseded[s.Project]; row.Count > 0 && s.MergedAt.Sub(row.Since) >= s.Policy.MaxWait {
		t.Fatalf("merged %s after the first superseded one, max_wait is %s", s.MergedAt.Sub(row.Since), s.Policy.MaxWait)
	}
}

// leave ends a release in the lane: the occupant, or one that was cancelled while it waited.
func (m *machine) leave(t *rapid.T) {
	id := m.live(t)
	end := rapid.SampledFrom([]release.Phase{release.Promoted, release.Cancelled, release.Failed, release.Superseded}).Draw(t, "end")
	if m.record.Owner != "" && rapid.Bool().Draw(t, "left") {
		m.record.Left = "who was there before"
	}
	before, copied := m.record, clone(m.record)
	s := m.entered[id]
	s.Phase, s.Staging.Touched = end, id == copied.Owner && (end == release.Promoted || rapid.Bool().Draw(t, "deployed"))
	after := lane.Leave(before, s)
	if !reflect.DeepEqual(before, copied) {
		t.Fatalf("Leave changed its argument: %+v, was %+v", before, copied)
	}
	if (after.GivesWay || after.Left != "") && after.Owner != copied.Owner {
		t.Fatalf("who follows gives way, or takes over what was left to the one before: %+v", after)
	}
	if after.Left != copied.Left && after.Owner == copied.Owner {
		t.Fatalf("what was left to the owner is forgotten: %+v", after)
	}
	if id == copied.Owner {
		if s.Staging.Touched && end != release.Superseded && (!copied.GivesWay || end != release.Cancelled) {
			m.rows[copied.Project] = 0
		}
		if len(copied.Waiting) > 0 {
			head := copied.Waiting[0]
			if after.Owner != head.Release || after.Project != head.Project {
				t.Fatalf("the head of the queue is %+v, the owner %+v", head, after)
			}
			m.places[head.Release] = owner
		}
	}
	project := m.entered[id].Project
	if is := after.Promoted[project] == id; is != (id == copied.Owner && end == release.Promoted) {
		t.Fatalf("%s ended as %s, remembered as promoted: %t", id, end, is)
	}
	m.places[id] = left
	if again := lane.Leave(after, s); !lane.Equal(again, after) {
		t.Fatalf("leaving twice: %+v, then %+v", after, again)
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
	if m.record.Owner == "" && (len(m.record.Waiting) > 0 || m.record.GivesWay) ||
		m.record.Owner != "" && m.record.Project != m.entered[m.record.Owner].Project {
		t.Fatalf("%+v", m.record)
	}
	var got []string
	waits := map[string]int{}
	for i, w := range m.record.Waiting {
		got = append(got, w.Release)
		waits[fmt.Sprint(w.Project, w.Expedited)]++
		s := m.entered[w.Release]
		if w.Project != s.Project || w.Order != s.Merge.Seq || w.Expedited != (s.Expedited != nil) || w.Place > w.Order {
			t.Fatalf("waiting %+v, entered as %+v", w, s)
		}
		if n := waits[fmt.Sprint(w.Project, w.Expedited)]; s.Policy.Collision == release.Reject || n > 1 && keepsNewest(s.Policy) {
			t.Fatalf("%d of %s wait under %s", n, w.Project, s.Policy.Collision)
		}
		if i == 0 {
			continue
		}
		before := m.record.Waiting[i-1]
		if w.Expedited && !before.Expedited || w.Expedited == before.Expedited && place(w) < place(before) {
			t.Fatalf("%+v waits behind %+v", w, before)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, queue) { // nobody is lost, and nobody is there twice
		t.Fatalf("%v wait, by what was told %v", got, queue)
	}
	for project, row := range m.record.Superseded {
		if m.policies[project].Collision != release.Supersede || row.Count != m.rows[project] || row.Count < 1 {
			t.Fatalf("%d of %s were superseded in a row, the record says %+v", m.rows[project], project, row)
		}
	}
}

func place(w lane.Waiting) uint64 { return cmp.Or(w.Place, w.Order) }

func clone(r lane.Record) lane.Record {
	r.Waiting, r.Promoted, r.Superseded = slices.Clone(r.Waiting), maps.Clone(r.Promoted), maps.Clone(r.Superseded)
	return r
}

func sharedLane(t *rapid.T) {
	m := &machine{
		policies: map[string]release.Policy{}, entered: map[string]release.State{}, places: map[string]where{}, rows: map[string]int{},
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "projects") {
		m.policies[fmt.Sprintf("p%d", i)] = release.Policy{
			Collision:      rapid.SampledFrom(policies()).Draw(t, "policy"),
			SupersedeLimit: rapid.IntRange(1, 4).Draw(t, "limit"), MaxWait: rapid.SampledFrom([]time.Duration{time.Hour, lane.DefaultMaxWait}).Draw(t, "wait"),
		}
	}
	t.Repeat(map[string]func(*rapid.T){"merge": m.merge, "again": m.again, "hold": m.hold, "leave": m.leave, "": m.check})
	for m.record.Owner != "" { // everybody comes out again
		m.places[m.record.Owner], m.rows[m.record.Project] = left, 0
		m.record = lane.Leave(m.record, release.State{Release: m.record.Owner, Phase: release.Promoted})
		if m.record.Owner != "" {
			m.places[m.record.Owner] = owner
		}
	}
	m.check(t)
}

func TestSharedLane(t *testing.T) { rapid.Check(t, sharedLane) }

func FuzzSharedLane(f *testing.F) { f.Fuzz(rapid.MakeFuzz(sharedLane)) }
