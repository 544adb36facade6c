package watcher_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/watcher"
)

func TestMain(m *testing.M) { natstest.Main(m) }

// world is a broker, watchers, and a tester who writes the journals by hand.
type world struct {
	testing.TB
	server  *natstest.Server
	connect func() (*nats.Conn, error)
	js      jetstream.JetStream
	journal *journal.Journal
	catalog *catalog.Catalog
	staging *staging        // what http probes reach; nil: the real thing
	noFiles map[string]bool // instances that are out of file descriptors
	log     *zap.Logger
	running map[string]*running
}

type running struct {
	nc   *nats.Conn
	stop context.CancelFunc
	done chan error
}

func newWorld(t testing.TB) *world {
	t.Helper()
	server := natstest.One(t)
	return newWorldOn(t, server, func() (*nats.Conn, error) { return server.Connect() }, topology.Options{})
}

// newWorldOn is a world on a broker that is there; server is nil for a cluster.
func newWorldOn(t testing.TB, server *natstest.Server, connect func() (*nats.Conn, error), o topology.Options) *world {
	t.Helper()
	w := &world{
		TB: t, server: server, connect: connect, log: zap.NewNop(), staging: newStaging(), running: map[string]*running{},
		noFiles: map[string]bool{},
	}
	if testing.Verbose() {
		w.log = zaptest.NewLogger(t)
	}
	nc, err := connect()
	if err != nil {
		t.Fatal(err)
	}
	w.js = natstest.Topology(t, nc, o)
	if w.journal, err = journal.Open(t.Context(), w.js, "test"); err != nil {
		t.Fatal(err)
	}
	if w.catalog, err = catalog.Open(t.Context(), w.js); err != nil {
		t.Fatal(err)
	}
	return w
}

// bubble runs a test in simulated time.
func bubble(t *testing.T, f func(w *world)) {
	t.Helper()
	emptyPools()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		f(w)
	})
}

// emptyPools drops what sync.Pools hold: the NATS client keeps timers in one, and a timer that was made in one bubble must
// not be used in another, nor outside. What was in a pool for two collections is gone.
func emptyPools() {
	runtime.GC()
	runtime.GC()
}

// start starts an instance of the watcher and waits until it has done what it does at its start.
func (w *world) start(instance string) {
	w.Helper()
	nc, err := w.connect()
	if err != nil {
		w.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		w.Fatal(err)
	}
	env, err := service.Open(w.Context(), "watcher", instance, js, w.log, service.NewMetrics())
	if err != nil {
		w.Fatal(err)
	}
	cfg := watcher.Config{}
	if w.staging != nil {
		cfg.Transport = w.staging
	}
	if w.noFiles[instance] {
		cfg.Transport = outOfFiles{}
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{nc: nc, stop: stop, done: make(chan error, 1)}
	w.running[instance] = r
	go func() { r.done <- watcher.Run(ctx, env, cfg) }()
}

// kill cuts an instance off: nothing that it does from now on is stored.
func (w *world) kill(instance string) {
	w.Helper()
	r := w.running[instance]
	r.nc.Close()
	r.stop()
	if err := <-r.done; err != nil {
		w.Logf("%s was killed: %v", instance, err)
	}
	delete(w.running, instance)
}

// drain stops an instance as an orderly shutdown does.
func (w *world) drain(instance string) {
	w.Helper()
	r := w.running[instance]
	r.stop()
	if err := <-r.done; err != nil {
		w.Errorf("%s: %v", instance, err)
	}
	r.nc.Close()
	delete(w.running, instance)
}

func (w *world) end() {
	for instance := range w.running {
		w.drain(instance)
	}
	w.js.Conn().Close()
	if w.server != nil {
		w.server.Stop()
	}
}

func (w *world) stored(stream, subject string) []*jetstream.RawStreamMsg {
	w.Helper()
	st, err := w.js.Stream(w.Context(), stream)
	if err != nil {
		w.Fatal(err)
	}
	var out []*jetstream.RawStreamMsg
	for seq := uint64(1); ; {
		m, err := st.GetMsg(w.Context(), seq, jetstream.WithGetMsgSubject(subject))
		if err != nil {
			return out
		}
		out = append(out, m)
		seq = m.Sequence + 1
	}
}

// signal publishes an error signal as an application does, and returns when it was acknowledged.
func (w *world) signal(project, id, text string) {
	w.Helper()
	if _, err := w.js.Publish(w.Context(), topology.Signal(project, id), []byte(text)); err != nil {
		w.Fatal(err)
	}
}

// sleep passes time in a bubble, and lets everybody finish what they began.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func contains(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q lacks %q", text, p)
		}
	}
}
