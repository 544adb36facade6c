package watch

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/watcher/internal/probe"
)

func TestMain(m *testing.M) { natstest.Main(m) }

// What is heard may be stored only later, so it is looked for more than once. Then the watch that it began leaves again.
func TestWhatIsHeardIsLookedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := natstest.One(t)
		defer server.Stop()
		js := natstest.Topology(t, server.Conn(t))
		defer js.Conn().Close()
		staging(t, js)
		env, err := service.Open(t.Context(), "watcher", "w", js, zap.NewNop(), service.NewMetrics())
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var watches sync.WaitGroup
		w := New(env, probe.Tools{}, func(f func(context.Context)) { watches.Go(func() { f(ctx) }) })
		m := nats.NewMsg(topology.Release(id))
		m.Header.Set(journal.HeaderEvent, "staged")
		w.heardJournal(m)
		time.Sleep(500 * time.Millisecond)
		w.mu.Lock()
		if len(w.live) != 1 {
			t.Error("it was looked for once")
		}
		w.mu.Unlock()
		watches.Wait()
		if n := len(w.live); n != 0 {
			t.Errorf("in the end there are %d watches", n)
		}
	})
}
