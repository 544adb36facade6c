package watcher_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
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
		TB: t, server: server, connect: connect, log: zap.NewNop(), staging: &staging{status: map[string]int{}}, running: map[string]*running{},
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

// soaking is a release in its soak.
type soaking struct {
	*world
	id      string
	project string
	entry   journal.Entry
}

// soak makes a release that was staged and soaks for so long; watch is the project file's.
func (w *world) soak(project string, delay time.Duration, watch string) *soaking {
	w.Helper()
	src := fmt.Sprintf("project: %s\nsoak: { delay: %s }\n%s\n", project, delay, watch)
	_, revision, err := w.catalog.Apply(w.Context(), project+".yaml", []byte(src))
	if err != nil {
		w.Fatal(err)
	}
	return w.soakAt(project, revision, delay)
}

func (w *world) soakAt(project, revision string, delay time.Duration) *soaking {
	w.Helper()
	s := &soaking{world: w, id: uuid.Must(uuid.NewV7()).String(), project: project}
	if _, err := w.journal.SetLane(w.Context(), project, lane.Record{Owner: s.id, Project: project}, w.lane(project)); err != nil {
		w.Fatal(err)
	}
	s.do(release.WasMerged{
		Release: s.id, Project: project, At: time.Now(), Merge: release.Merge{Commit: "c0ffee", Version: "1.4.0"},
		Policy: release.Policy{Revision: revision, Lane: project, Delay: delay},
	})
	s.do(release.WasBegun{Work: release.Publish, Plan: release.Plan{Version: "1.4.0", Beta: "1.4.0-beta.0"}})
	s.do(release.WasDone{Work: release.Publish})
	s.do(release.WasBegun{Work: release.Stage})
	s.do(release.WasDone{Work: release.Stage})
	s.do(release.WasSoaked{Due: s.entry.State.StagedAt.Add(delay)})
	return s
}

func (w *world) lane(name string) uint64 {
	_, seq, err := w.journal.Lane(w.Context(), name)
	if err != nil {
		w.Fatal(err)
	}
	return seq
}

// do appends an event.
func (s *soaking) do(ev release.Event) {
	s.Helper()
	var err error
	if s.entry, err = s.journal.Append(s.Context(), s.entry, ev, "test"); err != nil {
		s.Fatal(err)
	}
}

// ended appends the end of the soak.
func (s *soaking) ended() {
	s.Helper()
	s.do(release.WasBegun{Work: release.Promote})
	s.do(release.WasDone{Work: release.Promote})
}

func (s *soaking) beats() []time.Time {
	s.Helper()
	beats, err := s.journal.Beats(s.Context(), s.id, s.entry.State.StagedAt)
	if err != nil {
		s.Fatal(err)
	}
	return beats.At
}

// watched is how much of the soak was watched, in percent; after the soak began so long ago.
func (s *soaking) watched(soak time.Duration) float64 {
	s.Helper()
	from := s.entry.State.StagedAt
	return 100 * release.Watched(s.beats(), from, from.Add(soak), release.BeatInterval(s.entry.State.Delay())).Hours() / soak.Hours()
}

// tombstones are the stored cancels of the watcher.
func (s *soaking) tombstones() []release.Request {
	s.Helper()
	var out []release.Request
	for _, m := range s.stored(topology.StreamSluice, topology.Request("cancel", s.id, "watcher")) {
		out = append(out, releasepb.DecodeRequest(release.Cancel, "watcher", m.Sequence, m.Time, m.Data))
	}
	return out
}

// tombstone is the only one.
func (s *soaking) tombstone() release.Request {
	s.Helper()
	all := s.tombstones()
	if len(all) != 1 {
		s.Fatalf("%d tombstones, want 1: %+v", len(all), all)
	}
	return all[0]
}

func (s *soaking) judgements(subject string) []releasepb.Judgement {
	s.Helper()
	var out []releasepb.Judgement
	for _, m := range s.stored(topology.StreamEvidence, subject) {
		j, err := releasepb.DecodeJudgement(m.Data)
		if err != nil {
			s.Fatal(err)
		}
		out = append(out, j)
	}
	return out
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

// staging answers http probes without a network, by path.
type staging struct {
	mu     sync.Mutex
	status map[string]int
	asked  int
}

func (s *staging) set(path string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status[path] = status
}

func (s *staging) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// RoundTrip answers 200 unless told otherwise; 0 hangs until the probe gives up.
func (s *staging) RoundTrip(req *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.asked++
	status, ok := s.status[req.URL.Path]
	s.mu.Unlock()
	if !ok {
		status = http.StatusOK
	}
	if status == 0 {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	return &http.Response{
		StatusCode: status, Body: http.NoBody, Header: http.Header{}, Request: req, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// outOfFiles is what a host says that has no file descriptors left.
type outOfFiles struct{}

func (outOfFiles) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}
}

func contains(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q lacks %q", text, p)
		}
	}
}
