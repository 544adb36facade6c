package find_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/find"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// bundle is a broker with the project tracer, and releases made by hand.
type bundle struct {
	*testing.T
	f *find.Finder
}

func setup(t *testing.T) *bundle {
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
	b := &bundle{T: t, f: &find.Finder{Journal: j, Catalog: c}}
	b.apply("tracer")
	return b
}

func (b *bundle) apply(name string) {
	b.Helper()
	if _, _, err := b.f.Catalog.Apply(b.Context(), name+".yaml", []byte("project: "+name)); err != nil {
		b.Fatal(err)
	}
}

func (b *bundle) merge(commit string, commands ...release.Command) string {
	b.Helper()
	id := uuid.Must(uuid.NewV7()).String()
	if err := b.f.Journal.SetCommit(b.Context(), "tracer", commit, releasepb.CommitRecord{Release: id}, 0); err != nil {
		b.Fatal(err)
	}
	for _, c := range append([]release.Command{release.Admit{Release: id, Project: "tracer"}}, commands...) {
		if _, _, err := b.f.Journal.Do(b.Context(), id, c, "test"); err != nil {
			b.Fatal(err)
		}
	}
	return id
}

func (b *bundle) finds(name, id string) {
	b.Helper()
	found, err := b.f.Release(b.Context(), name)
	if err != nil || found.ID != id {
		b.Errorf("%s: %s, want %s: %v", name, found.ID, id, err)
	}
}

func (b *bundle) refuses(name, why string) {
	b.Helper()
	found, err := b.f.Release(b.Context(), name)
	if err == nil || !strings.Contains(err.Error(), why) {
		b.Errorf("%s: %s, %v; want %q", name, found.ID, err, why)
	}
}

// A release that has ended occupies its lane until what it left is put back; it is not what a request by project means.
func TestOccupantThatHasEnded(t *testing.T) {
	b := setup(t)
	id := b.merge("c1")
	if _, err := b.f.Journal.SetLane(t.Context(), "tracer", lane.Record{Owner: id, Project: "tracer"}, 0); err != nil {
		t.Fatal(err)
	}
	b.finds("tracer", id)
	if _, _, err := b.f.Journal.Do(t.Context(), id, release.Fail{Reason: "no"}, "test"); err != nil {
		t.Fatal(err)
	}
	b.refuses("tracer", "nothing of tracer is in staging or on the way there: its newest release is "+id+" (no version yet, failed)")
	if found, err := b.f.Read(t.Context(), "tracer"); err != nil || found.ID != id || !found.Newest {
		t.Errorf("to look at: %+v, %v", found, err)
	}
}

// A project that moved to another lane with a release in flight occupies two.
func TestTwoLanes(t *testing.T) {
	b := setup(t)
	one, two := b.merge("c1"), b.merge("c2")
	for name, id := range map[string]string{"old": one, "new": two} {
		if _, err := b.f.Journal.SetLane(t.Context(), name, lane.Record{Owner: id, Project: "tracer"}, 0); err != nil {
			t.Fatal(err)
		}
	}
	b.refuses("tracer", "name a release by its id; there is "+one+" (no version yet, merged), "+two+" (no version yet, merged)")
	b.finds(one, one)
	b.finds(strings.ToUpper(two), two)
}

// A project may be called like the beginning of an id. A project it is.
func TestProjectLikeAnID(t *testing.T) {
	b := setup(t)
	id := b.merge("c1")
	b.finds(id[:18], id)
	b.apply(id[:18])
	b.refuses(id[:18], "nothing of "+id[:18]+" is in staging")
}

// A version, and a beta's name, belong to the release that took them last.
func TestByVersion(t *testing.T) {
	b := setup(t)
	id := b.merge("c1")
	for _, name := range []string{"1.4.0", "1.4.0-beta.0"} {
		if err := b.f.Journal.SetVersion(t.Context(), "tracer", name, id, 0); err != nil {
			t.Fatal(err)
		}
		b.finds("tracer@"+name, id)
		b.finds("tracer@v"+name, id)
	}
	b.refuses("tracer@1.4.1", "tracer has no release of version 1.4.1")
	b.refuses("tracer@", `version ""`)
	b.refuses("tracr@1.4.0", "did you mean tracer?")
}
