package e2e_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivers"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/promoter"
	"github.com/sluice-gate/sluice/services/publisher"
	"github.com/sluice-gate/sluice/services/stager"
	"github.com/sluice-gate/sluice/services/watcher"
)

// raced are the tests that are run with the race detector, too: those in which the most happens at the same time. It makes what runs in
// bubbles five times slower, and does not reach into programs; each service has its own tests with it.
func raced() []string {
	return []string{
		"PromotedByItself", "KilledAtEveryStep", "KilledAtEveryAck$", "CancelAtEveryPhase", "HoldResumeExtendExpedite", "PauseRacesTheClaim",
		"RollbackMeetsTheNextClaim", "LaneIsNotTaken", "Stages", "Bake$", "APersonDecides", "OnlyWhatIsNewCancels", "RestartWithManyReleases",
		"Retry$", "Needs",
	}
}

func TestMain(m *testing.M) {
	flag.Parse()
	if run := flag.Lookup("test.run"); raceDetector && run.Value.String() == "" {
		if err := run.Value.Set("^Test(" + strings.Join(raced(), "|") + ")"); err != nil {
			panic(err)
		}
	}
	natstest.Main(m)
}

// world is a broker and all services in one bubble. The tester has a connection of its own.
type world struct {
	testing.TB
	server   *natstest.Server
	js       jetstream.JetStream
	journal  *journal.Journal
	catalog  *catalog.Catalog
	dir      string
	log      *zap.Logger
	staging  *staging
	outside  *outside
	services map[string]*running
	costless bool // nothing outside is touched
	prints   func(*driver.Output, string, driver.Facts) error
	broken   func(driver.Role, driver.Facts) error // what a deployment or a promotion fails with; nil: none does
}

type running struct {
	nc   *nats.Conn
	stop context.CancelFunc
	done chan struct{}
}

const (
	thePublisher = "publisher"
	theStager    = "stager"
	thePromoter  = "promoter"
	theWatcher   = "watcher"
)

func all() []string { return []string{thePublisher, theStager, thePromoter, theWatcher} }

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		TB: t, server: natstest.One(t), dir: t.TempDir(), log: zap.NewNop(), staging: &staging{running: map[string]string{}},
		outside: newOutside(), services: map[string]*running{},
	}
	if testing.Verbose() {
		w.log = zaptest.NewLogger(t)
	}
	w.js = natstest.Topology(t, w.server.Conn(t))
	var err error
	if w.journal, err = journal.Open(t.Context(), w.js, "test"); err != nil {
		t.Fatal(err)
	}
	if w.catalog, err = catalog.Open(t.Context(), w.js); err != nil {
		t.Fatal(err)
	}
	return w
}

// start starts services that are not running. Instances keep their names over restarts, as a StatefulSet's do.
func (w *world) start(names ...string) {
	w.Helper()
	for _, name := range names {
		nc, err := w.server.Connect()
		if err != nil {
			w.Fatal(err)
		}
		js, err := jetstream.New(nc)
		if err != nil {
			w.Fatal(err)
		}
		env, err := service.Open(w.Context(), name, name+"-0", js, w.log, service.NewMetrics())
		if err != nil {
			w.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		r := &running{nc: nc, stop: stop, done: make(chan struct{})}
		w.services[name] = r
		go func() {
			defer close(r.done)
			if err := w.run(ctx, name, env); err != nil && ctx.Err() == nil && !nc.IsClosed() {
				w.Errorf("%s: %v", name, err)
			}
		}()
	}
}

func (w *world) run(ctx context.Context, name string, env service.Env) error {
	switch name {
	case thePublisher:
		return publisher.Run(ctx, env, publisher.Config{Open: w.open})
	case theStager:
		return stager.Run(ctx, env, stager.Config{Open: w.open})
	case thePromoter:
		return promoter.Run(ctx, env, promoter.Config{Open: w.open})
	case theWatcher:
		return watcher.Run(ctx, env, watcher.Config{Transport: w.outside})
	}
	return fmt.Errorf("no service %q", name)
}

// kill cuts a service off at once: nothing that it does from now on is stored. Then it waits until it is gone.
func (w *world) kill(name string) {
	r := w.services[name]
	if r == nil {
		return
	}
	r.nc.Close()
	r.stop()
	<-r.done
	delete(w.services, name)
}

// drain stops a service as an orderly shutdown does.
func (w *world) drain(name string) {
	r := w.services[name]
	if r == nil {
		return
	}
	r.stop()
	<-r.done
	r.nc.Close()
	delete(w.services, name)
}

// end stops everything, which a bubble needs before it ends.
func (w *world) end() {
	for _, name := range all() {
		w.drain(name)
	}
	w.js.Conn().Close()
	w.server.Stop()
}

func (w *world) open(p *project.Project, a project.Action, role driver.Role) (d driver.Driver, err error) {
	if w.costless {
		return costless{}, nil
	}
	if err := w.outside.closed(role); err != nil {
		return nil, err
	}
	d = w.staging
	if role != driver.Deploy || a.Exec == nil {
		d, err = drivers.Open(p, a, role)
	}
	if role != driver.Publish { // that can do more than others
		d = breakable{d, w, role}
	}
	return w.printer(w.outside.around(d, p.Name, role), role), err
}

// staging is a deployment target in memory. It counts what is done to it.
type staging struct {
	mu      sync.Mutex
	running map[string]string // project -> version
	deploys int
	during  func(ctx context.Context, f driver.Facts) // what happens in the middle of a deployment; nil: nothing
}

func (s *staging) Look(_ context.Context, f driver.Facts) (driver.Seen, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return driver.Seen{Value: s.running[f.Project]}, nil
}

func (s *staging) Do(ctx context.Context, f driver.Facts) (driver.Done, error) {
	if s.during != nil {
		s.during(ctx, f)
		if err := ctx.Err(); err != nil {
			return driver.Done{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[f.Project] == f.Beta {
		return driver.Done{Value: f.Beta, Existed: true}, nil
	}
	s.running[f.Project] = f.Beta
	s.deploys++
	return driver.Done{Value: f.Beta}, ctx.Err()
}

func (s *staging) Undo(_ context.Context, f driver.Facts, back driver.Back) (driver.Done, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[f.Project] == f.Beta {
		s.running[f.Project] = back.Value
	}
	return driver.Done{Value: s.running[f.Project]}, nil
}

// apply stores a project file whose publish and promote are the files driver.
func (w *world) apply(name, more string) {
	w.Helper()
	src := fmt.Sprintf("project: %s\npublish: { files: { dir: %q } }\nstage: { exec: { command: [in-memory] } }\n"+
		"promote: { files: { dir: %q } }\n%s", name, w.dir, w.dir, more)
	if _, _, err := w.catalog.Apply(w.Context(), name+".yaml", []byte(src)); err != nil {
		w.Fatal(err)
	}
}

// merge publishes a merge event with a new artifact and returns the release's id.
func (w *world) merge(name, version string, change ...func(*releasepb.MergeEvent)) string {
	w.Helper()
	artifact := name + "-" + version + ".bin"
	if _, err := w.catalog.Put(w.Context(), artifact, strings.NewReader(name+" "+version)); err != nil {
		w.Fatal(err)
	}
	m := releasepb.MergeEvent{
		ID: uuid.Must(uuid.NewV7()).String(), Commit: "c" + strings.ReplaceAll(version, ".", "-"), Version: version,
		Artifact: artifact, Actor: "ana",
	}
	for _, c := range change {
		c(&m)
	}
	data, err := releasepb.EncodeMergeEvent(m)
	if err != nil {
		w.Fatal(err)
	}
	if _, err := w.js.Publish(w.Context(), topology.Merge(name), data); err != nil {
		w.Fatal(err)
	}
	return m.ID
}

// ask publishes a request as the nats command does.
func (w *world) ask(verb, id, actor, body string) uint64 {
	w.Helper()
	ack, err := w.js.Publish(w.Context(), topology.Request(verb, id, actor), []byte(body))
	if err != nil {
		w.Fatal(err)
	}
	return ack.Sequence
}

// until waits, in the bubble's time, until the release is in a phase for which ok is true.
func (w *world) until(id string, what string, ok func(release.State) bool) release.State {
	w.Helper()
	var last release.State
	for i, ended := 0, 0; i < 60_000 && ended < 60; i++ {
		if e, err := w.journal.Load(w.Context(), id); err == nil {
			if last = e.State; ok(last) {
				return last
			}
			if putBack(last) {
				ended++
			}
		}
		pause := time.Second
		if i > 1000 {
			pause = 10 * time.Second
		}
		time.Sleep(pause) // in a bubble
	}
	w.Fatalf("release %s never became %s: it is %s (%s)\n%s", id, what, last.Phase, last.End.Reason, w.story(id))
	return last
}

func (w *world) untilPhase(id string, p release.Phase) release.State {
	w.Helper()
	return w.until(id, string(p), func(s release.State) bool { return s.Phase == p })
}

// story is the release's journal, a line for each record.
func (w *world) story(id string) string {
	var b strings.Builder
	for _, r := range w.records(id) {
		fmt.Fprintf(&b, "%s %-11s %s\n", r.at.Format("15:04:05.000"), r.Type, r.Cause)
	}
	return b.String()
}

type record struct {
	releasepb.Record
	seq uint64
	at  time.Time
}

func (w *world) records(id string) []record {
	w.Helper()
	s, err := w.js.Stream(w.Context(), topology.StreamSluice)
	if err != nil {
		w.Fatal(err)
	}
	var out []record
	for seq := uint64(1); ; {
		m, err := s.GetMsg(w.Context(), seq, jetstream.WithGetMsgSubject(topology.Release(id)))
		if err != nil {
			return out
		}
		r, err := releasepb.DecodeRecord(m.Data)
		if err != nil {
			w.Fatal(err)
		}
		out = append(out, record{r, m.Sequence, m.Time})
		seq = m.Sequence + 1
	}
}

// channel is the version that a channel's users get; "" for none.
func (w *world) channel(name, channel string) string {
	w.Helper()
	data, err := os.ReadFile(filepath.Join(w.dir, "channels", name, channel+".json"))
	if os.IsNotExist(err) {
		return ""
	}
	if err != nil {
		w.Fatal(err)
	}
	_, rest, _ := bytes.Cut(data, []byte(`"version": "`))
	version, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(version)
}

// emptyPools drops what sync.Pools hold. nats.go keeps timers in one, and a timer of one bubble must not be used in another,
// nor outside. What was in a pool for two collections is gone.
func emptyPools() {
	runtime.GC()
	runtime.GC()
}

func bubble(t *testing.T, f func(w *world)) {
	t.Helper()
	emptyPools()
	defer emptyPools()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		f(w)
	})
}

// tooSlow tells whether a test is left to the run without the race detector, which makes what runs in bubbles five times slower.
func tooSlow(t *testing.T) bool {
	t.Helper()
	if raceDetector {
		t.Log("run without the race detector, by make test")
	}
	return raceDetector
}

func (w *world) equal(what string, got, want any) {
	w.Helper()
	if got != want {
		w.Errorf("%s is %v, want %v", what, got, want)
	}
}

func putBack(s release.State) bool {
	return s.Phase.Ended() && !s.Needs(release.RestoreBeta) && !s.Needs(release.RestoreStaging)
}

// laneIsFree waits until nobody occupies the lane or waits for it.
func (w *world) laneIsFree(name string) {
	w.Helper()
	for range 100 {
		r, _, err := w.journal.Lane(w.Context(), name)
		if err != nil {
			w.Fatal(err)
		}
		if r.Owner == "" && len(r.Waiting) == 0 {
			return
		}
		time.Sleep(time.Second) // in a bubble
	}
	r, _, _ := w.journal.Lane(w.Context(), name)
	w.Errorf("lane %s is still occupied: %+v", name, r)
}

// onRecord calls f once, as soon as a record of that type is on its way into the release's journal.
func (w *world) onRecord(id string, p release.Phase, f func()) {
	w.Helper()
	var once sync.Once
	_, err := w.js.Conn().Subscribe(topology.Release(id), func(m *nats.Msg) {
		if m.Header.Get(journal.HeaderEvent) == string(p) {
			once.Do(f)
		}
	})
	if err != nil {
		w.Fatal(err)
	}
}

func (s *staging) version(project string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running[project]
}
