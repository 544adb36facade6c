package promote

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/service"
)

func TestMain(m *testing.M) { natstest.Main(m) }

// TestWhatEndedWithoutALink: what a promoter of an older version ended is linked by those of this one, once, in order, when two look at the
// same time, and also what it ends while they run. Then the audit verifies.
func TestWhatEndedWithoutALink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		js := natstest.Topology(t, natstest.One(t).Conn(t))
		core, logs := observer.New(zap.InfoLevel)
		open := func(instance string) service.Env {
			env, err := service.Open(t.Context(), "promoter", instance, js, zap.New(core), service.NewMetrics())
			if err != nil {
				t.Fatal(err)
			}
			return env
		}
		env := open("test")
		ends := func(project string) journal.Entry { // and nobody links it
			id := uuid.Must(uuid.NewV7()).String()
			commit := releasepb.CommitRecord{Release: id, Attempt: 1}
			if err := env.Journal.SetCommit(t.Context(), project, strings.ReplaceAll(id, "-", ""), commit, 0); err != nil {
				t.Fatal(err)
			}
			e := journal.Entry{State: release.State{Release: id, Project: project}}
			for _, ev := range []release.Event{
				release.WasMerged{Release: id, Project: project, Merge: release.Merge{Commit: "c0ffee"}, At: time.Now()},
				release.WasCancelled{Said: release.Said{By: "ana", Reason: "no"}},
			} {
				var err error
				if e, err = env.Journal.Append(t.Context(), e, ev, "test"); err != nil {
					t.Fatal(err)
				}
			}
			return e
		}
		var ended []journal.Entry
		for range 5 {
			ended = append(ended, ends("tracer"))
		}
		if _, _, err := env.Journal.Link(t.Context(), ended[1], nil); err != nil { // by one that was upgraded already
			t.Fatal(err)
		}
		verify := func(links, unlinked int) {
			t.Helper()
			v, err := env.Journal.Verify(t.Context(), "tracer", audit.Expect{})
			if err != nil || v.Links != links || v.Unlinked != unlinked {
				t.Errorf("%d links, %d releases without, %v", v.Links, v.Unlinked, err)
			}
		}
		verify(1, 4)
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for _, instance := range []string{"promoter-0", "promoter-1"} {
			p := New(open(instance), nil, nil)
			all.Go(func() {
				if err := p.LinkEnded(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Minute)
		verify(5, 0)
		ends("tracer") // the old one still runs
		time.Sleep(time.Hour)
		verify(6, 0)
		var order []string
		for _, line := range logs.FilterMessageSnippet("ended without a link").All() {
			order = append(order, line.ContextMap()["release"].(string))
		}
		want := []string{ended[0].State.Release, ended[2].State.Release, ended[3].State.Release, ended[4].State.Release}
		if len(order) != 5 || strings.Join(order[:4], " ") != strings.Join(want, " ") {
			t.Errorf("linked %v, want %v and one more", order, want)
		}
		stop()
		all.Wait()
	})
}
