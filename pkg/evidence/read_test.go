package evidence_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/evidence"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

func TestMain(m *testing.M) { natstest.Main(m) }

// store makes a release in its soak, with so many heartbeats and messages of measurements of six looks each.
func store(t testing.TB, js jetstream.JetStream, j *journal.Journal, c project.Check, messages int) (id string, staged time.Time) {
	t.Helper()
	id = uuid.Must(uuid.NewV7()).String()
	var e journal.Entry
	var err error
	for _, ev := range []release.Event{
		release.WasMerged{Release: id, Project: "x", At: time.Now(), Policy: release.Policy{Delay: 2 * time.Hour}},
		release.WasBegun{Work: release.Publish}, release.WasDone{Work: release.Publish},
		release.WasBegun{Work: release.Stage}, release.WasDone{Work: release.Stage},
	} {
		if e, err = j.Append(t.Context(), e, ev, "test"); err != nil {
			t.Fatal(err)
		}
	}
	staged = e.State.StagedAt
	publish := func(subject string, data []byte, err error) {
		t.Helper()
		if err == nil {
			_, err = js.Publish(t.Context(), subject, data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for n := range messages {
		looks := releasepb.Looks{Check: c.Name, Source: judge.Source(c)}
		for i := range 6 {
			at := staged.Add(time.Duration(n*60+i*10) * time.Second).Truncate(time.Millisecond)
			looks.All = append(looks.All, releasepb.Look{At: at, OK: n != 1, Said: map[bool]string{false: "answered 500"}[n != 1]})
		}
		data, err := releasepb.EncodeMeasured(releasepb.Measured{Instance: "w", From: staged, Looks: []releasepb.Looks{looks}})
		publish(topology.Measured(id), data, err)
		data, err = releasepb.EncodeHeartbeat(releasepb.Heartbeat{Release: id, Instance: "w"})
		publish(topology.Heartbeat(id), data, err)
	}
	return id, staged
}

// A release that goes on has a span up to now, with every look in it, and nothing of another stretch or another release.
func TestRead(t *testing.T) {
	js := natstest.Topology(t, natstest.One(t).Conn(t))
	j, err := journal.Open(t.Context(), js, "test")
	if err != nil {
		t.Fatal(err)
	}
	p := policy(t, plain)
	c := p.Stages[0].Watch[0]
	id, staged := store(t, js, j, c, 3)
	store(t, js, j, c, 2)
	for _, body := range []string{`{"stage":1,"from":"2026-01-01T00:00:00Z","looks":[{"check":"up","came":"f","said":[0]}]}`, `nonsense`} {
		if _, err := js.Publish(t.Context(), topology.Measured(id), []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now().Add(time.Hour)
	r, err := evidence.Read(t.Context(), j, id, now)
	if err != nil || len(r.Spans) != 1 || r.Unread != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	s := r.Spans[0]
	if !s.Live || !s.To.Equal(now) || !s.From.Equal(staged) || s.Name != "staging" || s.Beats != 3 || len(s.Gaps) != 1 || s.Coverage() > 0.1 {
		t.Errorf("%+v", s)
	}
	if len(s.Checks) != 1 || len(s.Checks[0].Looks) != 18 {
		t.Fatalf("%+v", s.Checks)
	}
	if d := r.Decide(p); d.Word != judge.Fail || d.At.Sub(staged).Round(time.Second) != 70*time.Second {
		t.Errorf("%+v", d)
	}
	if _, err := evidence.Read(t.Context(), j, uuid.Must(uuid.NewV7()).String(), now); err == nil {
		t.Error("a release that is not there was read")
	}
}

// What a backtest of a release with a soak of two hours costs: reading 121 heartbeats and 121 messages of 720 looks, and judging them
// by two policies.
func BenchmarkTry(b *testing.B) {
	js := natstest.Topology(b, natstest.One(b).Conn(b))
	j, err := journal.Open(b.Context(), js, "test")
	if err != nil {
		b.Fatal(err)
	}
	own, other := policy(b, plain), policy(b, plain+fmt.Sprintf("\nsoak: { delay: %s }", "1h"))
	id, _ := store(b, js, j, own.Stages[0].Watch[0], 121)
	for b.Loop() {
		r, err := evidence.Read(b.Context(), j, id, time.Now())
		if err != nil {
			b.Fatal(err)
		}
		evidence.Try(r, own, other)
	}
}
