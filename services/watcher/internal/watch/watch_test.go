package watch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/watcher/internal/probe"
)

// onWatch runs a test with a watch of a staged release that is done by hand: its loop and its one check do not run.
func onWatch(t *testing.T, f func(t *testing.T, js jetstream.JetStream, r *watch)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := natstest.One(t)
		defer server.Stop()
		js := natstest.Topology(t, server.Conn(t))
		defer js.Conn().Close()
		f(t, js, onDuty(t, js))
	})
}

// onDuty is a watch of a staged release that is done by hand.
func onDuty(t *testing.T, js jetstream.JetStream) *watch {
	t.Helper()
	env, err := service.Open(t.Context(), "watcher", "w", js, zap.NewNop(), service.NewMetrics())
	if err != nil {
		t.Fatal(err)
	}
	r := newWatch(New(env, probe.Tools{}, nil), id)
	r.clock.set(time.Now())
	r.asked.Store(true)
	if r.entry, err = env.Journal.Append(t.Context(), staging(t, js), release.WasDone{Work: release.Stage}, "test"); err != nil {
		t.Fatal(err)
	}
	if !r.enter(t.Context()) {
		t.Fatal("it is not to be watched")
	}
	now := time.Now()
	r.on = &duty{
		stretch: r.stretch, measured: make(chan measured, 1), stop: func() {}, since: now,
		checks: []*check{{
			Check: project.Check{Name: "up", HTTP: &project.HTTP{}, Interval: time.Hour}, rule: judge.Rule{Limit: 2, InARow: true},
			began: now, looked: now,
		}},
	}
	return r
}

// A failure that a probe has in hand when the heartbeat goes out is told by it.
func TestWhatAProbeHasInHandIsInTheHeartbeat(t *testing.T) {
	onWatch(t, func(t *testing.T, _ jetstream.JetStream, r *watch) {
		r.on.measured <- measured{began: time.Now(), seen: probe.Seen{Said: "no"}}
		if _, err := r.watching(t.Context()); err != nil {
			t.Fatal(err)
		}
		beats, err := r.env.Journal.Beats(t.Context(), id, r.stretch.From)
		if err != nil || len(beats.At) != 1 || !beats.Clean.IsZero() {
			t.Errorf("heartbeats %v, clean at %s: %v", beats.At, beats.Clean, err)
		}
	})
}

// Another instance stores its request between the look for one and ours. Then there is that one, and no more.
func TestARequestThatAnotherStoredInBetween(t *testing.T) {
	for _, bake := range []bool{false, true} {
		onWatch(t, func(t *testing.T, js jetstream.JetStream, r *watch) {
			r.verdict = &judge.Verdict{Check: "up", Stretch: judge.Stretch{Bake: bake}}
			subject := topology.Request(string(r.verdict.Stretch.Verb()), id, actor)
			r.env.JS = &hasty{JetStream: js, first: func() {
				if _, err := js.Publish(t.Context(), subject, []byte("another's")); err != nil {
					t.Error(err)
				}
			}}
			if err := r.condemn(t.Context()); err == nil || r.told {
				t.Errorf("%s: ours was stored as well: %v", subject, err)
			}
			if err := r.condemn(t.Context()); err != nil || !r.told {
				t.Errorf("%s: another's was not found: %v", subject, err)
			}
			stream, err := js.Stream(t.Context(), topology.StreamSluice)
			if err != nil {
				t.Fatal(err)
			}
			if m, err := stream.GetLastMsgForSubject(t.Context(), subject); err != nil || string(m.Data) != "another's" {
				t.Errorf("%s: the last is %v: %v", subject, m, err)
			}
		})
	}
}

// hasty lets another be first, once.
type hasty struct {
	jetstream.JetStream
	first func()
}

func (h *hasty) PublishMsg(ctx context.Context, m *nats.Msg, o ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	if h.first != nil {
		h.first()
		h.first = nil
	}
	return h.JetStream.PublishMsg(ctx, m, o...)
}

// staging makes the release's journal, up to its staging.
func staging(t *testing.T, js jetstream.JetStream) journal.Entry {
	t.Helper()
	j, err := journal.Open(t.Context(), js, "test")
	if err != nil {
		t.Fatal(err)
	}
	var e journal.Entry
	for _, ev := range []release.Event{
		release.WasMerged{Release: id, Project: "tracer", At: time.Now()},
		release.WasBegun{Work: release.Publish}, release.WasDone{Work: release.Publish}, release.WasBegun{Work: release.Stage},
	} {
		if e, err = j.Append(t.Context(), e, ev, "test"); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// When the stream is full it drops the oldest, whosever they are: who begins to read then, in the middle of a soak, can not know what they
// were.
func TestAFullStreamIsAGap(t *testing.T) {
	onWatch(t, func(t *testing.T, js jetstream.JetStream, r *watch) {
		listens := func() time.Time {
			d := &duty{stretch: r.stretch, checks: []*check{{Check: project.Check{Name: "errors", Signal: &project.Signal{}}}}}
			if err := r.listen(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			r.on = d
			if err := r.resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			return d.hears.gap.At
		}
		stream, err := js.Stream(t.Context(), topology.StreamSignals)
		if err != nil {
			t.Fatal(err)
		}
		cfg := stream.CachedInfo().Config
		cfg.MaxBytes = 64 << 10
		if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		publish := func(n int) {
			for range n {
				if _, err := js.Publish(t.Context(), topology.Signal("other", ""), make([]byte, 1<<10)); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(time.Second)
		publish(30)
		if at := listens(); !at.IsZero() {
			t.Errorf("a stream that is half full: a gap at %s", at)
		}
		publish(60)
		if at := listens(); !at.After(r.stretch.From) {
			t.Errorf("a stream that is full: a gap at %s", at)
		}
		time.Sleep(time.Second)
		r.stretch.From = time.Now()
		if at := listens(); !at.IsZero() {
			t.Errorf("it was full before the soak began: a gap at %s", at)
		}
	})
}
