package journal_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

func TestMain(m *testing.M) { natstest.Main(m) }

func TestClaimAfterCancelIsIneffective(t *testing.T) {
	s := natstest.One(t)
	js := natstest.Topology(t, s.Conn(t))
	ctx := t.Context()
	j, err := journal.Open(ctx, js, "test")
	if err != nil {
		t.Fatal(err)
	}
	id := uuid.Must(uuid.NewV7()).String()
	e := journal.Entry{}
	for _, ev := range []release.Event{
		release.WasMerged{Release: id, Project: "p", At: time.Now()},
		release.WasBegun{Work: release.Publish, Attempt: release.Attempt{Number: 1}},
		release.WasDone{Work: release.Publish},
		release.WasBegun{Work: release.Stage, Attempt: release.Attempt{Number: 1}},
		release.WasDone{Work: release.Stage},
		release.WasSoaked{Due: time.Now()},
	} {
		if e, err = j.Append(ctx, e, ev, "test"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := js.Publish(ctx, topology.Request("cancel", id, "ana"), []byte("no")); err != nil {
		t.Fatal(err)
	}
	claim, err := j.Append(ctx, e, release.WasBegun{Work: release.Promote, Attempt: release.Attempt{Number: 1}}, "test")
	if err != nil {
		t.Fatal(err)
	}
	stop, err := j.Settle(ctx, claim)
	if err != nil || len(stop) != 1 {
		t.Fatal(stop, err)
	}
	e2, reqs, err := j.Snapshot(ctx, id)
	if err != nil || len(reqs) != 1 || e2.Seq != claim.Seq {
		t.Fatal(e2, reqs, err)
	}
	t.Logf("%+v", e2)
}
