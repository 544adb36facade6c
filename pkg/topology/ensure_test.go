package topology_test

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/topology"
)

func TestMain(m *testing.M) { natstest.Main(m) }

const (
	release  = "01890a5d-ac96-774b-bcce-b302099a8057"
	release2 = "01890a5d-ac96-774b-bcce-b302099a8058"
)

type testBundle struct {
	srv *natstest.Server
	nc  *nats.Conn
	js  jetstream.JetStream
	ctx context.Context
}

// setup starts a server; the topology is made by the test.
func setup(t *testing.T) *testBundle {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	s := natstest.One(t)
	b := &testBundle{srv: s, nc: s.Conn(t), ctx: ctx}
	js, err := jetstream.New(b.nc)
	if err != nil {
		t.Fatal(err)
	}
	b.js = js
	return b
}

func (b *testBundle) ensure(t *testing.T, o topology.Options) {
	t.Helper()
	if err := topology.Ensure(b.ctx, b.js, o); err != nil {
		t.Fatal(err)
	}
}

func (b *testBundle) configs(t *testing.T) map[string]jetstream.StreamConfig {
	t.Helper()
	out := map[string]jetstream.StreamConfig{}
	for _, c := range topology.Streams(topology.Options{}) {
		s, err := b.js.Stream(b.ctx, c.Name)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		out[c.Name] = s.CachedInfo().Config
	}
	return out
}

func TestEnsureMakesWhatVerifyAccepts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var wrong *topology.WrongError
	if err := topology.Verify(b.ctx, b.js); !errors.As(err, &wrong) || len(wrong.Differences) != 6 {
		t.Fatalf("Verify of nothing: %v", err)
	}
	b.ensure(t, topology.Options{})
	if err := topology.Verify(b.ctx, b.js); err != nil {
		t.Fatal(err)
	}
	before := b.configs(t)
	b.ensure(t, topology.Options{})
	if after := b.configs(t); !reflect.DeepEqual(before, after) {
		t.Errorf("a second Ensure changed something:\n%+v\n%+v", before, after)
	}
}

func TestEnsureRunsTwiceAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	done := make(chan error)
	for range 4 {
		go func() { done <- topology.Ensure(b.ctx, b.js, topology.Options{}) }()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if err := topology.Verify(b.ctx, b.js); err != nil {
		t.Error(err)
	}
}

func TestVerifyRefusesEachDangerousDifference(t *testing.T) {
	t.Parallel()
	type cfg = jetstream.StreamConfig
	b := setup(t)
	b.ensure(t, topology.Options{})
	for _, c := range []struct {
		stream string
		change func(*cfg)
		want   string
	}{
		{topology.StreamSluice, func(c *cfg) { c.AllowRollup = true }, "allow roll-up is true, want false"},
		{topology.StreamSluice, func(c *cfg) { c.AllowMsgTTL = true }, "allow message TTL is true, want false"},
		{topology.StreamSluice, func(c *cfg) { c.AllowMsgSchedules, c.Discard = true, jetstream.DiscardOld }, "allow message schedules is true, want false"},
		{topology.StreamSluice, func(c *cfg) { c.Discard = jetstream.DiscardOld }, "discard is DiscardOld, want DiscardNew"},
		{topology.StreamSluice, func(c *cfg) { c.MaxAge = time.Hour }, "max age is 1h0m0s, want 0s"},
		{topology.StreamSluice, func(c *cfg) { c.MaxMsgs = 1000 }, "max messages is 1000"},
		{topology.StreamSluice, func(c *cfg) { c.MaxBytes = 1 << 20 }, "max bytes is 1048576"},
		{topology.StreamSluice, func(c *cfg) { c.MaxMsgsPerSubject = 1 }, "max messages per subject is 1"},
		{topology.StreamSluice, func(c *cfg) { c.MaxMsgSize = 1024 }, "max message size is 1024"},
		{topology.StreamSluice, func(c *cfg) { c.Storage = jetstream.MemoryStorage }, "storage is Memory, want File"},
		{topology.StreamSluice, func(c *cfg) { c.Retention = jetstream.InterestPolicy }, "retention is Interest, want Limits"},
		{topology.StreamSluice, func(c *cfg) { c.Subjects = c.Subjects[1:] }, "subject sluice.merge.* is missing"},
		{topology.StreamSluice, func(c *cfg) { c.Subjects = append(c.Subjects, "else.>") }, "subject else.> does not belong there"},
		{topology.StreamSluice, func(c *cfg) { c.Duplicates = 2 * time.Minute }, "duplicate window is 2m0s"},
		{topology.StreamSluice, func(c *cfg) { c.DenyDelete = false }, "deny delete is false, want true"},
		{topology.StreamSluice, func(c *cfg) { c.AllowDirect = false }, "allow direct is false, want true"},
		{topology.StreamSluice, func(c *cfg) { c.NoAck = true }, "no ack is true, want false"},
		{topology.StreamSluice, func(c *cfg) { c.RePublish = &jetstream.RePublish{Destination: "copy.>"} }, "it republishes messages"},
		{topology.StreamSluice, func(c *cfg) {
			c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: "sluice.merge.*", Destination: "sluice.lane.$1"}
		}, "it renames subjects"},
		{topology.StreamSluice, func(c *cfg) { c.Sources = []*jetstream.StreamSource{{Name: topology.StreamProjects}} }, "it takes messages from other streams"},
		{topology.StreamSluice, func(c *cfg) { c.AllowMsgCounter, c.Discard = true, jetstream.DiscardOld }, "allow counters is true"},
		{topology.StreamTimers, func(c *cfg) { c.AllowMsgSchedules = false }, "allow message schedules is false, want true"},
		{topology.StreamTimers, func(c *cfg) { c.AllowMsgTTL = true }, "allow message TTL is true, want false"},
		{topology.StreamTimers, func(c *cfg) { c.MaxAge = time.Hour }, "max age is 1h0m0s, want 0s"},
		{topology.StreamTimers, func(c *cfg) { c.Retention = jetstream.LimitsPolicy }, "retention is Limits, want WorkQueue"},
		{topology.StreamTimers, func(c *cfg) { c.MaxMsgsPerSubject = -1 }, "max messages per subject is -1, want 1"},
		{topology.StreamSignals, func(c *cfg) { c.MaxAge = 0 }, "max age is not set"},
		{topology.StreamSignals, func(c *cfg) { c.MaxMsgsPerSubject = 1 }, "max messages per subject is 1"},
		{topology.StreamEvidence, func(c *cfg) { c.AllowRollup = true }, "allow roll-up is true, want false"},
		{topology.StreamEvidence, func(c *cfg) { c.Subjects = c.Subjects[:1] }, "subject sluice.judged.* is missing"},
		{topology.StreamProjects, func(c *cfg) { c.AllowRollup, c.DenyPurge = true, false }, "allow roll-up is true, want false"},
		{topology.StreamProjects, func(c *cfg) { c.MaxAge = time.Hour }, "max age is 1h0m0s, want 0s"},
		{topology.StreamArtifacts, func(c *cfg) { c.MaxAge = time.Hour }, "max age is 1h0m0s, want 0s"},
		{topology.StreamArtifacts, func(c *cfg) { c.AllowRollup = false }, "allow roll-up is false, want true"},
	} {
		for _, want := range topology.Streams(topology.Options{}) {
			if want.Name != c.stream {
				continue
			}
			if err := b.js.DeleteStream(b.ctx, want.Name); err != nil {
				t.Fatal(err)
			}
			c.change(&want)
			if _, err := b.js.CreateStream(b.ctx, want); err != nil {
				t.Fatalf("%s, to be found as %q: %v", c.stream, c.want, err)
			}
			err := topology.Verify(b.ctx, b.js)
			var wrong *topology.WrongError
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), "stream "+c.stream+": "+c.want) {
				t.Errorf("%s: want %q, got %v", c.stream, c.want, err)
			} else {
				for _, line := range wrong.Differences {
					if strings.Contains(line, "\n") {
						t.Errorf("a difference of more than one line: %q", line)
					}
				}
			}
			if err := b.js.DeleteStream(b.ctx, want.Name); err != nil {
				t.Fatal(err)
			}
			b.ensure(t, topology.Options{})
		}
	}
	if err := topology.Verify(b.ctx, b.js); err != nil {
		t.Fatalf("after all was put right: %v", err)
	}
}

func TestVerifyRefusesWrongConsumers(t *testing.T) {
	t.Parallel()
	type cfg = jetstream.ConsumerConfig
	b := setup(t)
	b.ensure(t, topology.Options{})
	for _, c := range []struct {
		change func(*cfg)
		want   string
	}{
		{func(c *cfg) { c.FilterSubjects = c.FilterSubjects[1:] }, "filter sluice.release.* is missing"},
		{func(c *cfg) { c.FilterSubjects = append(c.FilterSubjects, "sluice.merge.*") }, "filter sluice.merge.* does not belong there"},
		{func(c *cfg) { c.FilterSubjects = nil }, "it has no filter"},
		{func(c *cfg) { c.MaxDeliver = 5 }, "max deliver is 5, want -1"},
		{func(c *cfg) { c.AckPolicy = jetstream.AckNonePolicy }, "ack policy is AckNone, want AckExplicit"},
		{func(c *cfg) { c.AckWait = time.Second }, "ack wait is 1s, want 10s"},
		{func(c *cfg) { c.DeliverPolicy = jetstream.DeliverNewPolicy }, "deliver policy is new, want all"},
		{func(c *cfg) { c.InactiveThreshold = time.Hour }, "inactive threshold is 1h0m0s"},
		{func(c *cfg) { c.MaxAckPending = 1 }, "max ack pending is 1, want 10000"},
		{func(c *cfg) { c.HeadersOnly = true }, "headers only is true"},
		{func(c *cfg) { c.BackOff = []time.Duration{time.Second} }, "it has a back-off list"},
	} {
		for _, want := range topology.Consumers() {
			if want.Config.Durable != topology.ConsumerPromoter {
				continue
			}
			if err := b.js.DeleteConsumer(b.ctx, want.Stream, want.Config.Durable); err != nil {
				t.Fatal(err)
			}
			c.change(&want.Config)
			if _, err := b.js.CreateConsumer(b.ctx, want.Stream, want.Config); err != nil {
				t.Fatalf("%q: %v", c.want, err)
			}
			if err := topology.Verify(b.ctx, b.js); err == nil || !strings.Contains(err.Error(), "consumer promoter of stream SLUICE: "+c.want) {
				t.Errorf("want %q, got %v", c.want, err)
			}
		}
	}
	if err := b.js.DeleteConsumer(b.ctx, topology.StreamTimers, topology.ConsumerPromoterDue); err != nil {
		t.Fatal(err)
	}
	if err := topology.Verify(b.ctx, b.js); err == nil || !strings.Contains(err.Error(), "consumer promoter-due of stream SLUICE_TIMERS: missing") {
		t.Errorf("got %v", err)
	}
}

func TestVerifyTellsABrokerOutOfReachFromAWrongOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ensure(t, topology.Options{})
	b.srv.Stop()
	ctx, cancel := context.WithTimeout(b.ctx, 100*time.Millisecond)
	defer cancel()
	err := topology.Verify(ctx, b.js)
	var wrong *topology.WrongError
	if err == nil || errors.As(err, &wrong) {
		t.Errorf("got %v", err)
	}
}

func TestEnsurePutsRightWithoutLosingAnything(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range topology.Streams(topology.Options{}) {
		if c.Name == topology.StreamSluice {
			c.MaxAge, c.Subjects, c.Discard, c.DenyDelete = time.Hour, c.Subjects[:1], jetstream.DiscardOld, false
			c.AllowRollup, c.Duplicates, c.Metadata = true, time.Minute, map[string]string{"team": "web"}
			if _, err := b.js.CreateStream(b.ctx, c); err != nil {
				t.Fatal(err)
			}
		}
	}
	ack, err := b.js.Publish(b.ctx, topology.Merge("tracer"), []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	b.ensure(t, topology.Options{})
	if err := topology.Verify(b.ctx, b.js); err != nil {
		t.Error(err)
	}
	s, err := b.js.Stream(b.ctx, topology.StreamSluice)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.GetMsg(b.ctx, ack.Sequence); err != nil {
		t.Errorf("the message is gone: %v", err)
	}
	if s.CachedInfo().Config.Metadata["team"] != "web" {
		t.Error("the deployment's metadata is gone")
	}
}

func TestEnsureSaysWhatItCanNotPutRight(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range topology.Streams(topology.Options{}) {
		if c.Name == topology.StreamSluice {
			c.AllowMsgTTL = true // for good: the broker does not switch it off again
			if _, err := b.js.CreateStream(b.ctx, c); err != nil {
				t.Fatal(err)
			}
		}
	}
	ack, err := b.js.Publish(b.ctx, topology.Merge("tracer"), []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	err = topology.Ensure(b.ctx, b.js, topology.Options{})
	if err == nil || !strings.Contains(err.Error(), "stream SLUICE") || !strings.Contains(err.Error(), "TTL") {
		t.Errorf("got %v", err)
	}
	s, err := b.js.Stream(b.ctx, topology.StreamSluice)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.GetMsg(b.ctx, ack.Sequence); err != nil {
		t.Errorf("the message is gone: %v", err)
	}
}

func TestEnsureKeepsTheDeploymentsChoices(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ensure(t, topology.Options{EvidenceAge: 90 * 24 * time.Hour, SignalAge: 48 * time.Hour})
	b.ensure(t, topology.Options{})
	got := b.configs(t)
	if age := got[topology.StreamEvidence].MaxAge; age != 90*24*time.Hour {
		t.Errorf("evidence is kept %v", age)
	}
	if age := got[topology.StreamSignals].MaxAge; age != 48*time.Hour {
		t.Errorf("signals are kept %v", age)
	}
	b.ensure(t, topology.Options{EvidenceAge: time.Hour})
	if age := b.configs(t)[topology.StreamEvidence].MaxAge; age != time.Hour {
		t.Errorf("evidence is kept %v", age)
	}
	if err := topology.Verify(b.ctx, b.js); err != nil {
		t.Error(err)
	}
}

func TestBucketsAreUsableByTheirClients(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ensure(t, topology.Options{})
	kv, err := b.js.KeyValue(b.ctx, topology.BucketProjects)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Create(b.ctx, "tracer", []byte("project: tracer")); err != nil {
		t.Fatal(err)
	}
	rev, err := kv.Put(b.ctx, "tracer", []byte("project: tracer\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Update(b.ctx, "tracer", []byte("x"), rev-1); err == nil {
		t.Error("an update with an old revision was taken")
	}
	if e, err := kv.Get(b.ctx, "tracer"); err != nil || e.Revision() != rev {
		t.Errorf("%v %v", e, err)
	}
	if err := kv.Purge(b.ctx, "tracer"); err == nil {
		t.Error("a project's history could be purged")
	}

	store, err := b.js.ObjectStore(b.ctx, topology.BucketArtifacts)
	if err != nil {
		t.Fatal(err)
	}
	big := bytes.Repeat([]byte("0123456789abcdef"), 40_000)
	for range 2 { // the same name again replaces it
		if _, err := store.PutBytes(b.ctx, "tracer-1.4.0.tgz", big); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := store.GetBytes(b.ctx, "tracer-1.4.0.tgz"); err != nil || !bytes.Equal(got, big) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
