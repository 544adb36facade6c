package notify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/notice"
)

func TestMain(m *testing.M) { natstest.Main(m) }

// world is a broker, journals without services, and gateways that notify.
type world struct {
	testing.TB
	broker *natstest.Server
	js     jetstream.JetStream
	env    service.Env
	logs   *observer.ObservedLogs
	log    *zap.Logger
}

func newWorld(t testing.TB, options ...natstest.Option) *world {
	t.Helper()
	w := &world{TB: t, broker: natstest.One(t, options...)}
	w.js = natstest.Topology(t, w.broker.Conn(t))
	core, logs := observer.New(zap.DebugLevel)
	w.log, w.logs = zap.New(core), logs
	w.env = w.open("test", w.js)
	return w
}

func (w *world) open(instance string, js jetstream.JetStream) service.Env {
	w.Helper()
	env, err := service.Open(w.Context(), "gateway", instance, js, w.log, service.NewMetrics())
	if err != nil {
		w.Fatal(err)
	}
	return env
}

// applies stores a project file: the name, and what stands under notify.
func (w *world) applies(name, notify string) {
	w.Helper()
	src := "project: " + name + "\nnotify:\n" + notify
	if _, _, err := w.env.Catalog.Apply(w.Context(), name+".yaml", []byte(src)); err != nil {
		w.Fatal(err)
	}
}

// begin starts a gateway and returns what stops it, and waits.
func (w *world) begin(instance string, cfg config.NotifyOut, to sender) (stop func()) {
	w.Helper()
	if cfg.Attempts == 0 {
		cfg.Attempts = 100
	}
	nc, err := w.broker.Connect()
	if err != nil {
		w.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	env := w.open(instance, js)
	if to == nil {
		to = newOutside(cfg, env.Log)
	}
	done := make(chan error, 1)
	go func() { done <- run(ctx, env, cfg, to) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				w.Errorf("%s: %v", instance, err)
			}
			nc.Close()
		})
	}
	w.Cleanup(stop)
	return stop
}

// records appends a record to the journal of a release, as the promoter does.
func (w *world) records(s release.State, e release.Event) uint64 {
	w.Helper()
	data, err := releasepb.EncodeRecord(releasepb.Record{Event: e, State: s, Service: "test"})
	if err != nil {
		w.Fatal(err)
	}
	m := nats.NewMsg(topology.Release(s.Release))
	m.Data = data
	if why := release.Attention(e); why != "" {
		m.Header.Set(journal.HeaderAttention, why)
	}
	ack, err := w.js.PublishMsg(w.Context(), m)
	if err != nil {
		w.Fatal(err)
	}
	return ack.Sequence
}

func newRelease(project string) release.State {
	return release.State{
		Release: uuid.Must(uuid.NewV7()).String(), Project: project, Version: "1.4.0", Merge: release.Merge{Commit: "c0ffee", Actor: "ana"},
	}
}

// cancels has somebody cancel a release of that project.
func (w *world) cancels(project, why string) release.State {
	w.Helper()
	s := newRelease(project)
	s.Phase = release.Cancelled
	w.records(s, release.WasCancelled{Said: release.Said{By: "ana", Reason: why}})
	return s
}

// fails has a release of that project fail.
func (w *world) fails(project, why string) release.State {
	w.Helper()
	s := newRelease(project)
	s.Phase = release.Failed
	w.records(s, release.WasFailed{Said: release.Said{Reason: why}})
	return s
}

// stored counts messages.
func (w *world) stored(stream, filter string) int {
	w.Helper()
	s, err := w.js.Stream(w.Context(), stream)
	if err != nil {
		w.Fatal(err)
	}
	info, err := s.Info(w.Context(), jetstream.WithSubjectFilter(filter))
	if err != nil {
		w.Fatal(err)
	}
	n := uint64(0)
	for _, one := range info.State.Subjects {
		n += one
	}
	return int(n)
}

// acknowledged tells that nothing is left to do.
func (w *world) acknowledged() error {
	c, err := w.js.Consumer(w.Context(), topology.StreamSluice, topology.ConsumerGatewayNotify)
	if err != nil {
		return err
	}
	info, err := c.Info(w.Context())
	if err != nil {
		return err
	}
	if info.NumPending > 0 || info.NumAckPending > 0 {
		return fmt.Errorf("%d records are not looked at, %d wait", info.NumPending, info.NumAckPending)
	}
	return nil
}

func (w *world) eventually(what string, ok func() error) {
	w.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("waited in vain until %s: %v", what, err)
		}
	}
}

// ear hears what is sent, and answers as it is told.
type ear struct {
	answer func(to string, m notice.Message) error // nil: takes all

	mu   sync.Mutex
	got  []heard
	keys []string
}

type heard struct {
	at   time.Time
	to   string
	whys []string
	more int
}

func (e *ear) Send(_ context.Context, to project.Notify, m notice.Message) error {
	if e.answer != nil {
		if err := e.answer(to.Name, m); err != nil {
			return err
		}
	}
	one := heard{at: time.Now().UTC(), to: to.Name, more: m.More}
	for _, n := range m.Notices {
		one.whys = append(one.whys, n.Why)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.got = append(e.got, one)
	e.keys = append(e.keys, m.Key)
	return nil
}

// heard is what a target got, in order: the times, and the reasons of what was told at once.
func (e *ear) heard(to string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []string
	for _, one := range e.got {
		if one.to == to {
			slices.Sort(one.whys)
			text := one.at.Format("Mon 15:04:05 ") + strings.Join(one.whys, ", ")
			if one.more > 0 {
				text += fmt.Sprintf(" and %d more", one.more)
			}
			out = append(out, text)
		}
	}
	return out
}
