package natstest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/topology"
)

func TestMain(m *testing.M) { natstest.Main(m) }

const release = "01890a5d-ac96-774b-bcce-b302099a8057"

// TestSixHoursPassInABubble is the canary: if an upgrade of Go or of nats-server breaks simulated time, this is the test
// that says so.
func TestSixHoursPassInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := natstest.One(t)
		js := natstest.Topology(t, s.Conn(t))
		ctx := context.Background()

		begin := time.Now()
		due := begin.Add(6*time.Hour + 123456789*time.Nanosecond)
		if _, err := js.PublishMsg(ctx, topology.DelayMsg(release, due)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Hour)
		s.Stop()
		time.Sleep(time.Hour)
		s.Start(t)

		c, err := js.Consumer(ctx, topology.StreamTimers, topology.ConsumerPromoterDue)
		for err != nil { // the client is reconnecting
			time.Sleep(time.Second)
			c, err = js.Consumer(ctx, topology.StreamTimers, topology.ConsumerPromoterDue)
		}
		msg, err := c.Next(jetstream.FetchMaxWait(3 * time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if msg.Subject() != topology.Due(release) {
			t.Errorf("got %s", msg.Subject())
		}
		if late := time.Since(due); late < 0 || late > 300*time.Millisecond {
			t.Errorf("the delayed message came %v after it was due", late)
		}
		if err := msg.DoubleAck(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestClusterSurvivesStepDownAndRestart(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := natstest.Cluster(t, 3)
	nc := c.Conn(t)
	js := natstest.Topology(t, nc, topology.Options{Replicas: 3})
	if err := topology.Verify(ctx, js); err != nil {
		t.Fatal(err)
	}
	first := c.Leader(ctx, nc, topology.StreamSluice)
	if err := c.StepDown(ctx, nc, topology.StreamSluice); err != nil {
		t.Fatal(err)
	}
	second := c.Leader(ctx, nc, topology.StreamSluice)
	if first < 0 || second < 0 || first == second {
		t.Fatalf("leaders: %d, then %d", first, second)
	}
	ack, err := js.Publish(ctx, topology.Merge("tracer"), []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range c.Len() {
		c.StopNode(i)
		c.StartNode(t, i)
		c.Wait(t)
	}
	for i := range c.Len() {
		js, err := jetstream.New(c.ConnTo(t, i))
		if err != nil {
			t.Fatal(err)
		}
		s, err := js.Stream(ctx, topology.StreamSluice)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := s.GetMsg(ctx, ack.Sequence); err != nil || m.Subject != topology.Merge("tracer") {
			t.Fatalf("node %d: %v %v", i, m, err)
		}
	}
}

func TestListeningServerKeepsPortAndStore(t *testing.T) {
	ctx := context.Background()
	s := natstest.One(t, natstest.Listen(), natstest.SyncAlways())
	url := s.URL()
	js := natstest.Topology(t, s.Conn(t))
	ack, err := js.Publish(ctx, topology.Merge("tracer"), []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	s.Restart(t)
	if s.URL() != url {
		t.Fatalf("URL was %s, is %s", url, s.URL())
	}
	stream, err := s.JetStream(t).Stream(ctx, topology.StreamSluice)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.GetMsg(ctx, ack.Sequence); err != nil {
		t.Fatal(err)
	}
}
