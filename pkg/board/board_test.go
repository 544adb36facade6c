package board_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// bundle is a broker with projects, and releases made by hand.
type bundle struct {
	*testing.T
	js   jetstream.JetStream
	r    *board.Reader
	seq  uint64
	name map[string]string // id: what a test calls it
}

func setup(t *testing.T, projects ...string) *bundle {
	t.Helper()
	js := natstest.Topology(t, natstest.One(t).Conn(t))
	j, err := journal.Open(t.Context(), js, "test")
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Open(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range projects {
		if _, _, err := c.Apply(t.Context(), p+".yaml", []byte("project: "+p)); err != nil {
			t.Fatal(err)
		}
	}
	return &bundle{T: t, js: js, r: &board.Reader{Journal: j, Catalog: c}, name: map[string]string{}}
}

// merge makes a release and takes it through commands.
func (b *bundle) merge(project, name string, commands ...release.Command) string {
	b.Helper()
	b.seq++
	id := uuid.Must(uuid.NewV7()).String()
	b.name[id] = name
	err := b.r.Journal.SetCommit(b.Context(), project, name, releasepb.CommitRecord{Release: id, Attempt: 1, MergeSeq: b.seq}, 0)
	if err != nil {
		b.Fatal(err)
	}
	at, err := b.r.Journal.Now(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	admit := release.Admit{Release: id, Project: project, At: at, Merge: release.Merge{Commit: name, Seq: b.seq}, Policy: release.Policy{Lane: "staging"}}
	for _, c := range append([]release.Command{admit}, commands...) {
		if _, _, err := b.r.Journal.Do(b.Context(), id, c, "test"); err != nil {
			b.Fatal(err)
		}
	}
	return id
}

func (b *bundle) lane(name string, r lane.Record) {
	b.Helper()
	if _, err := b.r.Journal.SetLane(b.Context(), name, r, 0); err != nil {
		b.Fatal(err)
	}
}

func (b *bundle) shows(got board.Board, want string) {
	b.Helper()
	var out []string
	for _, row := range got.Rows {
		out = append(out, fmt.Sprintf("%s %s %s", row.State.Project, b.name[row.State.Release], row.State.Phase))
	}
	for _, p := range got.Idle {
		out = append(out, p+" idle")
	}
	if text := strings.Join(out, ", "); text != want {
		b.Errorf("shown is\n%s, want\n%s", text, want)
	}
}

func cancel() release.Command { return release.Request{Verb: release.Cancel, Seq: 1, Actor: "ana"} }

func promote() []release.Command {
	var out []release.Command
	for _, w := range []release.Work{release.Publish, release.Stage} {
		out = append(out, release.Begin{Work: w, Instance: "i"}, release.Finish{Work: w})
	}
	return append(out, release.StartSoak{}, release.Alarm{Instance: "i", At: time.Now().Add(time.Hour)}, release.Finish{Work: release.Promote})
}

func queued() []release.Command {
	return []release.Command{
		release.Begin{Work: release.Publish, Instance: "i"}, release.Finish{Work: release.Publish}, release.Wait{Behind: "x"},
	}
}

func soaking() []release.Command { return promote()[:5] }

func TestBoard(t *testing.T) {
	b := setup(t, "router", "tracer", "zebra")
	b.merge("tracer", "older", cancel())
	b.merge("tracer", "slow", release.Begin{Work: release.Publish, Instance: "i"}) // merged first, and still under way
	good := b.merge("tracer", "good", promote()...)
	b.merge("tracer", "bad", cancel())
	holder := b.merge("tracer", "holder", soaking()...)
	waits := b.merge("tracer", "waits", queued()...)
	b.merge("tracer", "fresh")
	b.merge("router", "only", cancel())
	b.lane("tracer", lane.Record{
		Owner: holder, Project: "tracer", Waiting: []lane.Waiting{{Release: waits, Project: "tracer"}}, Promoted: map[string]string{"tracer": good},
	})

	all, err := b.r.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.shows(all, "router only cancelled, tracer holder soaking, tracer waits queued, tracer slow publishing, tracer fresh merged, tracer bad cancelled, zebra idle")
	one, err := b.r.Project(t.Context(), "tracer", 2)
	if err != nil {
		t.Fatal(err)
	}
	b.shows(one, "tracer holder soaking, tracer waits queued, tracer slow publishing, tracer fresh merged, tracer bad cancelled, tracer good promoted")
}

// A lane that several projects share names releases of all of them: who waits sees what it waits for.
func TestSharedLane(t *testing.T) {
	b := setup(t, "lonely", "router", "tracer")
	hold := release.Request{Verb: release.Hold, Seq: 1, Actor: "ana", Reason: "QA"}
	holder := b.merge("tracer", "holder", append(soaking(), hold)...)
	first, second := b.merge("tracer", "first", queued()...), b.merge("router", "second", queued()...)
	b.lane("staging", lane.Record{Owner: holder, Project: "tracer", Waiting: []lane.Waiting{
		{Release: first, Project: "tracer"}, {Release: second, Project: "router"},
	}})
	alone := b.merge("lonely", "alone", soaking()...)
	b.lane("lonely", lane.Record{Owner: alone, Project: "lonely"})
	one, err := b.r.Project(t.Context(), "router", 1)
	if err != nil {
		t.Fatal(err)
	}
	b.shows(one, "router second queued")
	row, _, err := b.r.Release(t.Context(), one.Rows[0].State)
	if err != nil {
		t.Fatal(err)
	}
	all, err := b.r.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.shows(all, "lonely alone soaking, router second queued, tracer holder held, tracer first queued")
	for _, row := range []board.Row{one.Rows[0], row, all.Rows[1]} {
		if a := row.Ahead; a == nil || a.Place != 2 || b.name[a.Occupant.Release] != "holder" || a.Occupant.Held.By != "ana" {
			t.Errorf("ahead of the second is %+v", a)
		}
	}
	if a := all.Rows[2].Ahead; a != nil {
		t.Errorf("ahead of the occupant is %+v", a)
	}
	for _, got := range [][]board.Lane{one.Shared, all.Shared} {
		if len(got) != 1 || got[0].Name != "staging" || b.name[got[0].Occupant.Release] != "holder" || len(got[0].Waiting) != 2 ||
			b.name[got[0].Waiting[0].Release] != "first" || b.name[got[0].Waiting[1].Release] != "second" {
			t.Errorf("shared lanes: %+v", got)
		}
	}
	if lonely, err := b.r.Project(t.Context(), "lonely", 1); err != nil || len(lonely.Shared) != 0 {
		t.Errorf("%+v, %v", lonely.Shared, err)
	}
}

func TestHeartbeats(t *testing.T) {
	b := setup(t, "tracer")
	id := b.merge("tracer", "holder", soaking()...)
	e, err := b.r.Journal.Load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	row, _, err := b.r.Release(t.Context(), e.State)
	if err != nil || !row.Around.Beat.IsZero() {
		t.Errorf("a heartbeat at %s without one (%v)", row.Around.Beat, err)
	}
	ack, err := b.js.Publish(t.Context(), topology.Heartbeat(id), []byte("{}"))
	if err != nil || ack.Stream != topology.StreamEvidence {
		t.Fatalf("%+v, %v", ack, err)
	}
	row, now, err := b.r.Release(t.Context(), e.State)
	if err != nil || row.Around.Beat.IsZero() || now.Before(row.Around.Beat) {
		t.Errorf("a heartbeat at %s, now %s (%v)", row.Around.Beat, now, err)
	}
}
