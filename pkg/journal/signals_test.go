package journal_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// An application that makes its headers so that its signals are read one by one does not hide that some were dropped; and a stream that
// went back is no stream without news.
func TestSignalsThatAreNotThereAnyMore(t *testing.T) {
	js := natstest.Topology(t, natstest.One(t).Conn(t))
	j, err := journal.Open(t.Context(), js, "test")
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), topology.StreamSignals)
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	cfg.MaxMsgsPerSubject = 5
	if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	many := nats.Header{}
	for i := range 60 {
		many[fmt.Sprintf("X-%d", i)] = []string{"x"}
	}
	publish := func(n int) (last uint64) {
		t.Helper()
		for range n {
			ack, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: topology.Signal("tracer", ""), Data: []byte("boom"), Header: many})
			if err != nil {
				t.Fatal(err)
			}
			last = ack.Sequence
		}
		return last
	}
	first := publish(1)
	if s, err := j.Signals(t.Context(), "tracer", "", 0, time.Time{}); err != nil || len(s.All) != 1 || s.Stored >= 5 {
		t.Errorf("%+v, %v", s, err)
	}
	last := publish(9)
	known, err := j.SignalStream(t.Context(), time.Now())
	if err != nil || known.PerSubject != 5 || known.Last != last || known.Since.IsZero() {
		t.Errorf("%+v, %v", known, err)
	}
	if s, err := j.Signals(t.Context(), "tracer", "", first, time.Time{}); err != nil || len(s.All) != 1 || s.Stored < known.PerSubject {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := j.SignalAt(t.Context(), last); err != nil {
		t.Error(err)
	}
	if _, err := j.SignalAt(t.Context(), first); err == nil {
		t.Error("what was dropped is there")
	}
	for after, want := range map[uint64]bool{last: false, last + 7: true} {
		if s, err := j.Signals(t.Context(), "tracer", "", after, time.Time{}); err != nil || s.Rewound != want || len(s.All) != 0 {
			t.Errorf("after %d: %+v, %v", after, s, err)
		}
	}
}
