package lane_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// of is a release by its policy and the order of its merge, in which the hours pass, too.
func of(project string, policy release.Collision, order uint64) release.State {
	return release.State{
		Release: fmt.Sprint(project, order), Project: project, Policy: release.Policy{Collision: policy},
		Merge: release.Merge{Seq: order}, MergedAt: time.Unix(0, 0).Add(time.Duration(order) * time.Hour),
	}
}

func expedited(s release.State) release.State {
	s.Expedited = &release.Said{By: "ana"}
	return s
}

// TestQueueKeepsMergeOrder, but for those expedited, whatever the order of entering.
func TestQueueKeepsMergeOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		orders := rapid.Permutation([]uint64{2, 3, 4, 5, 6, 7, 8, 9}).Draw(t, "orders")
		urgent := rapid.Uint64Range(2, 9).Draw(t, "expedited")
		first := of("", release.Queue, 1)
		r := lane.Enter(lane.Record{}, release.State{}, first).Record
		for _, o := range orders {
			s := of("", release.Queue, o)
			if o == urgent {
				s = expedited(s)
			}
			r = lane.Enter(r, first, s).Record
		}
		var got []uint64
		for r = lane.Leave(r, first); r.Owner != ""; r = lane.Leave(r, release.State{Release: r.Owner}) {
			var o uint64
			if _, err := fmt.Sscan(r.Owner, &o); err != nil {
				t.Fatal(err)
			}
			got = append(got, o)
		}
		if got[0] != urgent || !slices.IsSorted(got[1:]) || len(got) != len(orders) {
			t.Fatalf("%v, expedited %d", got, urgent)
		}
	})
}

func TestEnter(t *testing.T) {
	occupied := lane.Record{Owner: "p1", Project: "p", Waiting: []lane.Waiting{{Release: "p2", Project: "p", Order: 2}, {Release: "q3", Project: "q", Order: 3}}}
	for policy, want := range map[release.Collision]lane.Entry{
		release.Newest:    {Behind: "p1", Displace: []string{"p2"}},
		release.Supersede: {Behind: "p1", Displace: []string{"p2"}, Cancel: "p1"},
		release.Queue:     {Behind: "p1"},
		release.Reject:    {Behind: "p1", Refused: true},
	} {
		got := lane.Enter(occupied, of("p", policy, 1), of("p", policy, 4))
		want.Record = got.Record
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", policy, got, want)
		}
	}
	late := lane.Enter(occupied, of("p", release.Newest, 1), of("p", release.Newest, 0))
	if late.Newer != "p2" || !lane.Equal(late.Record, occupied) {
		t.Errorf("a latecomer: %+v", late)
	}
	later := lane.Enter(lane.Record{Owner: "p1", Project: "p"}, of("p", release.Supersede, 1), of("p", release.Supersede, 0))
	if later.Newer != "p1" || later.Cancel != "" {
		t.Errorf("one that is older than the occupant: %+v", later)
	}
	other := lane.Enter(occupied, of("p", release.Supersede, 1), of("s", release.Supersede, 5))
	if other.Cancel != "" || len(other.Displace) > 0 || other.Behind != "p1" {
		t.Errorf("of another project: %+v", other)
	}
}

// queue is who waits, in order.
func queue(r lane.Record) string {
	var out []string
	for _, w := range r.Waiting {
		out = append(out, w.Release)
	}
	return strings.Join(out, " ")
}

// TestExpeditedWaiterStays: a later merge that nobody expedited waits behind it; one that somebody expedited takes its place.
func TestExpeditedWaiterStays(t *testing.T) {
	for _, policy := range []release.Collision{release.Newest, release.Supersede} {
		o := of("p", policy, 1)
		r := lane.Enter(lane.Record{}, release.State{}, o).Record
		r = lane.Enter(r, o, expedited(of("p", policy, 3))).Record
		e := lane.Enter(r, o, of("p", policy, 4))
		if got := queue(e.Record); got != "p3 p4" || len(e.Displace) > 0 {
			t.Errorf("%s: %s wait, displaced %v", policy, got, e.Displace)
		}
		e = lane.Enter(e.Record, o, of("p", policy, 5))
		if got := queue(e.Record); got != "p3 p5" {
			t.Errorf("%s: %s wait", policy, got)
		}
		if late := lane.Enter(e.Record, o, expedited(of("p", policy, 2))); late.Newer != "p3" {
			t.Errorf("%s: an older expedited one: %+v", policy, late)
		}
		e = lane.Enter(e.Record, o, expedited(of("p", policy, 6)))
		if got := queue(e.Record); got != "p6" {
			t.Errorf("%s: %s wait", policy, got)
		}
	}
}

// TestNewestTakesThePlace: a project that merges all the time is not kept from the lane by one that queues.
func TestNewestTakesThePlace(t *testing.T) {
	o := of("q", release.Queue, 1)
	r := lane.Enter(lane.Record{}, release.State{}, o).Record
	for order := range uint64(20) {
		policy, project := release.Queue, "q"
		if order%2 == 1 {
			policy, project = release.Newest, "p"
		}
		r = lane.Enter(r, o, of(project, policy, 10+order)).Record
	}
	r = lane.Enter(r, o, of("p", release.Newest, 29)).Record // its hint comes twice
	if got := queue(r); !strings.HasPrefix(got, "q10 p29 q12 q14") {
		t.Errorf("%s", got)
	}
}

// TestFullLane: as many as may wait can be stored, and the next one is refused instead of getting stuck.
func TestFullLane(t *testing.T) {
	project := func(i int) string { return fmt.Sprintf("%063d", i%100) }
	id := func(i int) string { return fmt.Sprintf("01890a5d-ac96-774b-bcce-%012d", i) }
	first := expedited(of("", release.Queue, 0))
	r := lane.Enter(lane.Record{}, release.State{}, first).Record
	r.Promoted, r.Superseded = map[string]string{}, map[string]lane.Row{}
	for i := range lane.MaxWaiting {
		s := expedited(of(project(i), release.Queue, math.MaxUint64-uint64(i)))
		s.Release = id(i)
		e := lane.Enter(r, first, s)
		if e.Refused {
			t.Fatalf("release %d is refused", i)
		}
		r = e.Record
		r.Promoted[project(i)] = id(i)
		r.Superseded[project(i)] = lane.Row{Count: 1 << 30, Since: time.Unix(1<<32, 123456789)}
	}
	for i := range r.Waiting {
		r.Waiting[i].Place = r.Waiting[i].Order - 1
	}
	data, err := releasepb.EncodeLane(r)
	if err != nil || len(data) > releasepb.MaxBody {
		t.Fatalf("%d bytes, at most %d can be stored: %v", len(data), releasepb.MaxBody, err)
	}
	t.Logf("%d wait in %d bytes", len(r.Waiting), len(data))
	e := lane.Enter(r, first, of("p", release.Queue, 1))
	if !e.Refused || !e.Full || !lane.Equal(e.Record, r) {
		t.Errorf("one more: refused %t, full %t", e.Refused, e.Full)
	}
	seventh := expedited(of(r.Waiting[7].Project, release.Queue, r.Waiting[7].Order))
	seventh.Release = r.Waiting[7].Release
	if again := lane.Enter(r, first, seventh); again.Refused || !lane.Equal(again.Record, r) {
		t.Error("one that waits already is refused")
	}
	replaced := lane.Enter(r, first, expedited(of(project(1), release.Newest, math.MaxUint64)))
	if replaced.Refused || len(replaced.Displace) == 0 {
		t.Error("one that takes the place of others is refused")
	}
}

func TestRejection(t *testing.T) {
	o := of("p", release.Reject, 1)
	o.Version = "1.4.0"
	if got, want := lane.Rejection("eu", o), "lane eu is occupied by p 1.4.0 (p1) and the project rejects merges meanwhile"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	o.Held = &release.Holding{Said: release.Said{By: "ana", Reason: "QA"}}
	want := "lane eu is occupied by p 1.4.0 (p1), which is held by ana: QA; and the project rejects merges meanwhile"
	if got := lane.Rejection("eu", o); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
