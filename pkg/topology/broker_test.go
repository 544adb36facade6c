package topology_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// bubble is setup inside a synctest bubble.
func bubble(t *testing.T, f func(t *testing.T, b *testBundle)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := natstest.One(t)
		nc := s.Conn(t)
		f(t, &testBundle{srv: s, nc: nc, js: natstest.Topology(t, nc), ctx: context.Background()})
	})
}

func (b *testBundle) stream(t *testing.T, name string) *jetstream.StreamInfo {
	t.Helper()
	s, err := b.js.Stream(b.ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(b.ctx, jetstream.WithSubjectFilter(">"))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func (b *testBundle) due(t *testing.T) jetstream.Consumer {
	t.Helper()
	c, err := b.js.Consumer(b.ctx, topology.StreamTimers, topology.ConsumerPromoterDue)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDueMessagesDoNotPileUp(t *testing.T) {
	bubble(t, func(t *testing.T, b *testBundle) {
		const n = 2000
		at := time.Now().Add(2 * time.Hour)
		for range n {
			if _, err := b.js.PublishMsgAsync(topology.DelayMsg(uuid.NewString(), at)); err != nil {
				t.Fatal(err)
			}
		}
		<-b.js.PublishAsyncComplete()
		if got := b.stream(t, topology.StreamTimers).State.Msgs; got != n {
			t.Fatalf("%d delays are stored, want %d", got, n)
		}
		time.Sleep(2*time.Hour + time.Minute)
		if got := b.stream(t, topology.StreamTimers).State; got.Msgs != n || got.NumSubjects != n {
			t.Fatalf("before any acknowledgement: %d messages on %d subjects, want %d due ones", got.Msgs, got.NumSubjects, n)
		}
		seen := map[string]bool{}
		for len(seen) < n {
			batch, err := b.due(t).Fetch(500)
			if err != nil {
				t.Fatal(err)
			}
			for m := range batch.Messages() {
				seen[m.Subject()] = true
				if err := m.DoubleAck(b.ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := b.stream(t, topology.StreamTimers).State; got.Msgs != 0 || got.NumSubjects != 0 {
			t.Fatalf("after all were acknowledged: %d messages on %d subjects, want none", got.Msgs, got.NumSubjects)
		}
	})
}

func TestAnUnacknowledgedDueMessageStaysAndComesAgain(t *testing.T) {
	bubble(t, func(t *testing.T, b *testBundle) {
		if _, err := b.js.PublishMsg(b.ctx, topology.DelayMsg(release, time.Now().Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Hour) // nobody is there
		for range 3 {
			if _, err := b.due(t).Next(jetstream.FetchMaxWait(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestDelayFiresOnceAtItsNanosecond(t *testing.T) {
	bubble(t, func(t *testing.T, b *testBundle) {
		due := time.Now().Add(2*time.Hour + 7*time.Nanosecond)
		if _, err := b.js.PublishMsg(b.ctx, topology.DelayMsg(release, due)); err != nil {
			t.Fatal(err)
		}
		m, err := b.due(t).Next(jetstream.FetchMaxWait(3 * time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		meta, err := m.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		if late := meta.Timestamp.Sub(due); late < 0 || late > 300*time.Millisecond {
			t.Errorf("stored %v after it was due", late)
		}
		if got := m.Headers().Get(topology.HeaderDue); got != due.UTC().Format(time.RFC3339Nano) {
			t.Errorf("%s is %q", topology.HeaderDue, got)
		}
		if err := m.DoubleAck(b.ctx); err != nil {
			t.Fatal(err)
		}
		if m, err := b.due(t).Next(jetstream.FetchMaxWait(2 * time.Hour)); err == nil {
			t.Errorf("a second one came: %s", m.Subject())
		}
	})
}

func TestDelayPublishedAgainReplaces(t *testing.T) {
	bubble(t, func(t *testing.T, b *testBundle) {
		begin := time.Now()
		for _, d := range []time.Duration{time.Hour, 5 * time.Hour, 3 * time.Hour} { // later, then sooner
			if _, err := b.js.PublishMsg(b.ctx, topology.DelayMsg(release, begin.Add(d))); err != nil {
				t.Fatal(err)
			}
		}
		if got := b.stream(t, topology.StreamTimers).State.Msgs; got != 1 {
			t.Errorf("%d delays are stored, want 1", got)
		}
		m, err := b.due(t).Next(jetstream.FetchMaxWait(24 * time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if after := time.Since(begin); after < 3*time.Hour || after > 3*time.Hour+time.Second {
			t.Errorf("due after %v, want 3h", after)
		}
		if err := m.DoubleAck(b.ctx); err != nil {
			t.Fatal(err)
		}
		if m, err := b.due(t).Next(jetstream.FetchMaxWait(3 * time.Hour)); err == nil {
			t.Errorf("a second one came: %s", m.Subject())
		}
	})
}

func TestPastDelaysFireAtOnceAlsoAfterDowntime(t *testing.T) {
	bubble(t, func(t *testing.T, b *testBundle) {
		if _, err := b.js.PublishMsg(b.ctx, topology.DelayMsg(release, time.Now().Add(-time.Hour))); err != nil {
			t.Fatal(err)
		}
		if _, err := b.js.PublishMsg(b.ctx, topology.DelayMsg(release2, time.Now().Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
		m, err := b.due(t).Next(jetstream.FetchMaxWait(time.Second))
		if err != nil || m.Subject() != topology.Due(release) {
			t.Fatalf("the one that was past: %v", err)
		}
		if err := m.DoubleAck(b.ctx); err != nil {
			t.Fatal(err)
		}
		b.srv.Stop()
		time.Sleep(12 * time.Hour)
		up := time.Now()
		b.srv.Start(t)
		nc, err := b.srv.Connect()
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		c, err := js.Consumer(b.ctx, topology.StreamTimers, topology.ConsumerPromoterDue)
		if err != nil {
			t.Fatal(err)
		}
		m, err = c.Next(jetstream.FetchMaxWait(10 * time.Second))
		if err != nil || m.Subject() != topology.Due(release2) {
			t.Fatalf("the one that became due in the downtime: %v", err)
		}
		if late := time.Since(up); late > time.Second {
			t.Errorf("it came %v after the start", late)
		}
	})
}

// TestASecondAlarmIsNotLostBehindAnUnacknowledgedOne re-arms while the first due message is still in the promoter's hands.
func TestASecondAlarmIsNotLostBehindAnUnacknowledgedOne(t *testing.T) {
	bubble(t, func(t *testing.T, b *testBundle) {
		arm := func() {
			if _, err := b.js.PublishMsg(b.ctx, topology.DelayMsg(release, time.Now().Add(time.Second))); err != nil {
				t.Fatal(err)
			}
		}
		arm()
		first, err := b.due(t).Next(jetstream.FetchMaxWait(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		arm()
		time.Sleep(3 * time.Second) // the second fires and takes the first one's place in the stream
		if err := first.DoubleAck(b.ctx); err != nil {
			t.Fatal(err)
		}
		second, err := b.due(t).Next(jetstream.FetchMaxWait(time.Minute))
		if err != nil {
			t.Fatalf("the second alarm: %v", err)
		}
		if err := second.DoubleAck(b.ctx); err != nil {
			t.Fatal(err)
		}
		if got := b.stream(t, topology.StreamTimers).State.Msgs; got != 0 {
			t.Errorf("%d messages are left", got)
		}
	})
}

// TestSluiceRefusesWhatWouldUndoIt tries, with all rights, what would take a stored message away or forge one.
func TestSluiceRefusesWhatWouldUndoIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ensure(t, topology.Options{})
	cancel := topology.Request(topology.VerbCancel, release, "ana")
	ack, err := b.js.Publish(b.ctx, cancel, []byte("login is broken"))
	if err != nil {
		t.Fatal(err)
	}
	later := "@at " + time.Now().Add(time.Hour).UTC().Format(time.RFC3339Nano)
	for name, c := range map[string]struct {
		subject string
		headers []string
		size    int
	}{
		"roll up the stream":           {cancel, []string{"Nats-Rollup", "all"}, 1},
		"roll up the subject":          {cancel, []string{"Nats-Rollup", "sub"}, 1},
		"let it expire":                {cancel, []string{"Nats-TTL", "1s"}, 1},
		"forge by schedule":            {topology.Merge("x"), []string{"Nats-Schedule", later, "Nats-Schedule-Target", cancel}, 1},
		"purge by schedule":            {topology.Merge("x"), []string{"Nats-Schedule-Next", "purge", "Nats-Scheduler", cancel}, 1},
		"count":                        {cancel, []string{"Nats-Incr", "1"}, 0},
		"too large":                    {cancel, nil, topology.MaxRecord + 1},
		"another stream's":             {cancel, []string{"Nats-Expected-Stream", "SLUICE_TIMERS"}, 1},
		"atomic batch":                 {cancel, []string{"Nats-Batch-Id", "x", "Nats-Batch-Sequence", "1", "Nats-Batch-Commit", "1"}, 1},
		"an actor of two tokens":       {cancel + ".lee", nil, 1},
		"a journal of two tokens":      {topology.Release(release) + ".x", nil, 1},
		"a delay that targets SLUICE":  {topology.Delay(release), []string{"Nats-Schedule", later, "Nats-Schedule-Target", cancel}, 1},
		"a delay without a target":     {topology.Delay(release), []string{"Nats-Schedule", later}, 1},
		"a delay that is to expire":    {topology.Delay(release), []string{"Nats-Schedule", later, "Nats-Schedule-Target", topology.Due(release), "Nats-Schedule-TTL", "1s"}, 1},
		"a verb that nobody has heard": {"sluice.erase." + release, nil, 1},
		"a stop by two tokens":         {topology.Stop(topology.StopPause, "tracer", "ana") + ".lee", nil, 1},
		"a stop of nothing":            {"sluice.pause", nil, 1},
		"a stop that expires":          {topology.Stop(topology.StopFreeze, "tracer", ""), []string{"Nats-TTL", "1s"}, 1},
		"a project of two tokens":      {topology.Project("tracer") + ".x", nil, 1},
	} {
		m := nats.NewMsg(c.subject)
		for i := 0; i < len(c.headers); i += 2 {
			m.Header.Set(c.headers[i], c.headers[i+1])
		}
		m.Data = []byte(strings.Repeat("x", c.size))
		if ack, err := b.js.PublishMsg(b.ctx, m, jetstream.WithRetryAttempts(0)); err == nil {
			t.Errorf("%s: stored as %+v", name, ack)
		}
	}
	s, err := b.js.Stream(b.ctx, topology.StreamSluice)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteMsg(b.ctx, ack.Sequence); err == nil {
		t.Error("a message could be deleted")
	}
	if err := s.SecureDeleteMsg(b.ctx, ack.Sequence); err == nil {
		t.Error("a message could be erased")
	}
	if m, err := s.GetMsg(b.ctx, ack.Sequence); err != nil || string(m.Data) != "login is broken" {
		t.Errorf("%v %v", m, err)
	}
	if got := b.stream(t, topology.StreamSluice).State.Msgs; got != 1 {
		t.Errorf("%d messages, want 1", got)
	}
}

// TestSubjectsReachTheirStream publishes one subject of every kind and finds it in the stream that it belongs to.
func TestSubjectsReachTheirStream(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ensure(t, topology.Options{})
	want := map[string]string{
		topology.Merge("tracer"): topology.StreamSluice, topology.Release(release): topology.StreamSluice,
		topology.Commit("tracer", "c0ffee"): topology.StreamSluice, topology.Version("tracer", "1.4.0-beta.1"): topology.StreamSluice,
		topology.Lane("web"): topology.StreamSluice, topology.Project("tracer"): topology.StreamSluice, topology.Audit("tracer"): topology.StreamSluice, topology.Dead("merge", "17"): topology.StreamSluice,
		topology.Delay(release): topology.StreamTimers, topology.Due(release): topology.StreamTimers,
		topology.Signal("tracer", ""): topology.StreamSignals, topology.Signal("tracer", release): topology.StreamSignals,
		topology.Heartbeat(release): topology.StreamEvidence, topology.Evidence(release): topology.StreamEvidence,
		topology.Judged(release): topology.StreamEvidence, topology.Templates(release): topology.StreamEvidence,
		topology.Output(release): topology.StreamEvidence,
	}
	for _, v := range topology.Verbs() {
		want[topology.Request(v, release, "")] = topology.StreamSluice
		want[topology.Request(v, release, "ana")] = topology.StreamSluice
	}
	for _, v := range topology.Stops() {
		for _, scope := range []string{"tracer", topology.AllProjects} {
			want[topology.Stop(v, scope, "")] = topology.StreamSluice
			want[topology.Stop(v, scope, "ana")] = topology.StreamSluice
		}
	}
	for subject, stream := range want {
		ack, err := b.js.Publish(b.ctx, subject, []byte("x"))
		if err != nil || ack.Stream != stream {
			t.Errorf("%s: %+v, %v, want %s", subject, ack, err, stream)
		}
	}
	// What the promoter's durable gets: the journal, every request and every stop, nothing else.
	c, err := b.js.Consumer(b.ctx, topology.StreamSluice, topology.ConsumerPromoter)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := c.FetchNoWait(100)
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	for m := range batch.Messages() {
		s, err := topology.ParseSubject(m.Subject())
		if err != nil || s.Kind != topology.KindRelease && s.Kind != topology.KindRequest && s.Kind != topology.KindStop {
			t.Errorf("the promoter gets %s", m.Subject())
		}
		got++
	}
	if want := 1 + 2*len(topology.Verbs()) + 4*len(topology.Stops()); got != want {
		t.Errorf("the promoter gets %d messages, want %d", got, want)
	}
	// An unsafe token goes nowhere.
	if _, err := b.js.Publish(b.ctx, topology.Release("*"), nil); !errors.Is(err, nats.ErrBadSubject) {
		t.Errorf("publishing an unsafe subject: %v", err)
	}
}
