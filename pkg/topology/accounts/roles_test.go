package accounts_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
)

// TestServicesCanDoTheirWork does under each service's user what the service does: look at the topology, take what its
// consumers deliver, acknowledge it, read journals and projects, append by compare-and-set.
func TestServicesCanDoTheirWork(t *testing.T) {
	t.Parallel()
	b := setupOne(t)
	if _, err := b.as(t, accounts.CI).js.ObjectStore(b.ctx, topology.BucketArtifacts); err != nil {
		t.Fatal(err)
	}
	artifact := bytes.Repeat([]byte("artifact"), 50_000)
	if err := put(b, b.as(t, accounts.CI), "tracer-1.4.0.tgz", artifact); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{accounts.Publisher, accounts.Stager, accounts.Promoter, accounts.Watcher} {
		u := b.as(t, name)
		if err := topology.Verify(b.ctx, u.js); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, c := range topology.Consumers() {
			if !strings.HasPrefix(c.Config.Durable, name) {
				continue
			}
			if err := takeOne(b, u, c); err != nil {
				t.Errorf("%s: %s: %v", name, c.Config.Durable, err)
			}
		}
		if err := readAll(b, u); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		live, err := u.nc.SubscribeSync(topology.Release(release2))
		if err != nil {
			t.Fatal(err)
		}
		if name != accounts.Watcher {
			if err := appendTo(b, u, topology.Release(release2)); err != nil {
				t.Errorf("%s: append: %v", name, err)
			}
			if _, err := live.NextMsg(5 * time.Second); err != nil {
				t.Errorf("%s does not hear of the journal: %v", name, err)
			}
			store, err := u.js.ObjectStore(b.ctx, topology.BucketArtifacts)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := store.GetBytes(b.ctx, "tracer-1.4.0.tgz"); err != nil || !bytes.Equal(got, artifact) {
				t.Errorf("%s: artifact: %d bytes, %v", name, len(got), err)
			}
		}
		if err := u.nc.LastError(); err != nil {
			t.Errorf("%s: the broker refused something: %v", name, err)
		}
	}
	for _, subject := range []string{topology.Project("victim"), topology.Audit("victim")} {
		if err := appendTo(b, b.as(t, accounts.Promoter), subject); err != nil {
			t.Errorf("the promoter can not append to %s: %v", subject, err)
		}
	}
	u := b.as(t, accounts.Publisher)
	if err := put(b, u, "sha256-c0ffee", artifact); err != nil {
		t.Errorf("the publisher can not keep an artifact: %v", err)
	}
	w := b.as(t, accounts.Watcher)
	signals, err := w.js.OrderedConsumer(b.ctx, topology.StreamSignals, jetstream.OrderedConsumerConfig{FilterSubjects: []string{"sluice.signal.victim"}})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := signals.Next(jetstream.FetchMaxWait(5 * time.Second)); err != nil {
		t.Errorf("the watcher can not read signals: %v (%v)", m, err)
	}
}

// takeOne feeds a consumer, takes one message from it and acknowledges it.
func takeOne(b *testBundle, u *user, c topology.Consumer) error {
	feed := map[string]*nats.Msg{
		topology.StreamSluice:   {Subject: topology.Release(release2), Data: []byte("{}")},
		topology.StreamEvidence: {Subject: topology.Judged(release2), Data: []byte("{}")},
		topology.StreamTimers:   topology.DelayMsg(release2, time.Now()),
	}[c.Stream]
	if c.Config.Durable == topology.ConsumerPublisher {
		feed = &nats.Msg{Subject: topology.Merge("tracer"), Data: []byte("{}")}
	}
	if _, err := b.js.PublishMsg(b.ctx, feed); err != nil {
		return err
	}
	consumer, err := u.js.Consumer(b.ctx, c.Stream, c.Config.Durable)
	if err != nil {
		return err
	}
	m, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
	if err != nil {
		return err
	}
	if err := m.InProgress(); err != nil {
		return err
	}
	return m.DoubleAck(b.ctx)
}

// readAll reads what every service reads.
func readAll(b *testBundle, u *user) error {
	s, err := u.js.Stream(b.ctx, topology.StreamSluice)
	if err != nil {
		return err
	}
	if _, err := s.GetLastMsgForSubject(b.ctx, topology.Release(release)); err != nil {
		return err
	}
	if _, err := u.nc.Request("$JS.API.STREAM.MSG.GET.SLUICE_EVIDENCE", []byte(`{"last_by_subj":"`+topology.Judged(release)+`"}`), 5*time.Second); err != nil {
		return err
	}
	if _, err := multiLast(u, topology.StreamSluice, append(topology.RequestFilters(release), topology.Release(release))); err != nil {
		return err
	}
	stops, err := multiLast(u, topology.StreamSluice, append(topology.StopFilters("victim"), topology.Project("victim")))
	if err != nil || stops[topology.Stop(topology.StopPause, "victim", "ana")] != "nobody is here" {
		return fmt.Errorf("what stops the project: %v, %w", stops, err)
	}
	kv, err := u.js.KeyValue(b.ctx, topology.BucketProjects)
	if err != nil {
		return err
	}
	_, err = kv.Get(b.ctx, "victim")
	return err
}

func appendTo(b *testBundle, u *user, subject string) error {
	s, err := u.js.Stream(b.ctx, topology.StreamSluice)
	if err != nil {
		return err
	}
	last, err := s.GetLastMsgForSubject(b.ctx, subject)
	if err != nil {
		return err
	}
	_, err = u.js.Publish(b.ctx, subject, []byte("{}"), jetstream.WithExpectLastSequencePerSubject(last.Sequence))
	return err
}

// multiLast asks for the last message of many subjects, and collects the answers up to the one that ends them.
func multiLast(u *user, stream string, subjects []string) (map[string]string, error) {
	body, err := json.Marshal(map[string]any{"multi_last": subjects})
	if err != nil {
		return nil, err
	}
	inbox := u.nc.NewInbox()
	sub, err := u.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := u.nc.PublishRequest("$JS.API.DIRECT.GET."+stream, inbox, body); err != nil {
		return nil, err
	}
	got := map[string]string{}
	for {
		m, err := sub.NextMsg(5 * time.Second)
		if err != nil {
			return nil, err
		}
		if m.Header.Get("Status") == "204" {
			return got, nil
		}
		got[m.Header.Get("Nats-Subject")] = string(m.Data)
	}
}

func put(b *testBundle, u *user, name string, data []byte) error {
	store, err := u.js.ObjectStore(b.ctx, topology.BucketArtifacts)
	if err != nil {
		return err
	}
	_, err = store.PutBytes(b.ctx, name, data)
	return err
}

// TestPeopleAndProgramsCanDoTheirWork does what CI, operators, viewers, applications and the gateway do from OPS, on one
// node and on three.
func TestPeopleAndProgramsCanDoTheirWork(t *testing.T) {
	t.Parallel()
	for name, setup := range map[string]func(*testing.T) *testBundle{
		"one node":    setupOne,
		"three nodes": setupCluster,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			publish := func(name, subject string) {
				t.Helper()
				ack, err := b.as(t, name).js.Publish(b.ctx, subject, []byte("{}"))
				if err != nil || ack.Sequence == 0 {
					t.Errorf("%s: %s: %v %v", name, subject, ack, err)
				}
			}
			for range 2 { // the same artifact twice: the second put must not wait for a purge that it is not allowed
				begin := time.Now()
				if err := put(b, b.as(t, accounts.CI), "tracer-1.4.0.tgz", bytes.Repeat([]byte("x"), 300_000)); err != nil {
					t.Errorf("ci: put: %v", err)
				}
				if took := time.Since(begin); took > 4*time.Second {
					t.Errorf("ci: put took %v", took)
				}
			}
			publish(accounts.CI, topology.Merge("tracer"))
			publish(accounts.Operator, topology.Request(topology.VerbCancel, release2, ""))
			publish(accounts.Operator, topology.Request(topology.VerbHold, release2, ""))
			for _, v := range topology.Verbs() {
				publish(accounts.Operator, topology.Request(v, release2, accounts.Operator))
				publish(accounts.Gateway, topology.Request(v, release2, "ana"))
			}
			for _, scope := range []string{"tracer", topology.AllProjects} {
				publish(accounts.Operator, topology.Stop(topology.StopPause, scope, ""))
				publish(accounts.Operator, topology.Stop(topology.StopFreeze, scope, ""))
				for _, v := range topology.Stops() {
					publish(accounts.Operator, topology.Stop(v, scope, accounts.Operator))
					publish(accounts.Gateway, topology.Stop(v, scope, "ana"))
				}
			}
			publish(accounts.App, topology.Signal("tracer", ""))
			publish(accounts.App, topology.Signal("tracer", release2))
			tellsOfReleases(t, b)

			kv, err := b.as(t, accounts.Operator).js.KeyValue(b.ctx, topology.BucketProjects)
			if err != nil {
				t.Fatal(err)
			}
			rev, err := kv.Create(b.ctx, "tracer.0123456789abcdef", []byte("project: tracer"))
			if err != nil {
				t.Errorf("operator: apply: %v", err)
			}
			if _, err := kv.Put(b.ctx, "tracer", []byte("project: tracer")); err != nil {
				t.Errorf("operator: apply: %v", err)
			}
			if e, err := kv.Get(b.ctx, "tracer.0123456789abcdef"); err != nil || e.Revision() != rev {
				t.Errorf("operator: %v %v", e, err)
			}

			// What is stuck is seen by the alarms that are missing, and by the services that do not keep up.
			for _, name := range []string{accounts.Operator, accounts.Viewer} {
				u := b.as(t, name)
				if got, err := multiLast(u, topology.StreamTimers, []string{topology.Delay(release), topology.Due(release)}); err != nil || len(got) == 0 {
					t.Errorf("%s: alarms: %v %v", name, got, err)
				}
				for _, c := range topology.Consumers() {
					if _, err := u.js.Consumer(b.ctx, c.Stream, c.Config.Durable); err != nil {
						t.Errorf("%s: %s: %v", name, c.Config.Durable, err)
					}
				}
			}

			// An ended release is watched: subscribe, then read what is there, then hear the rest.
			for _, name := range []string{accounts.CI, accounts.Operator, accounts.Viewer, accounts.Gateway} {
				u := b.as(t, name)
				live, err := u.nc.SubscribeSync("sluice.release.*")
				if err != nil {
					t.Fatal(err)
				}
				if err := u.nc.Flush(); err != nil {
					t.Fatal(err)
				}
				if err := readAll(b, u); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				got, err := multiLast(u, topology.StreamSluice, append(topology.RequestFilters(release), topology.Release(release)))
				if err != nil || len(got) != 2 || got[topology.Release(release)] != `{"the journal":1}` {
					t.Errorf("%s: %v %v", name, got, err)
				}
				if _, err := b.js.Publish(b.ctx, topology.Release(release2), []byte(`{"ended":true}`)); err != nil {
					t.Fatal(err)
				}
				if m, err := live.NextMsg(5 * time.Second); err != nil || string(m.Data) != `{"ended":true}` {
					t.Errorf("%s does not hear of the release: %v", name, err)
				}
				if err := u.nc.LastError(); err != nil {
					t.Errorf("%s: the broker refused something: %v", name, err)
				}
			}
		})
	}
}

// TestARefusedRequestIsHeardAtOnce: what OPS does not import is answered by nobody, and says so.
func TestARefusedRequestIsHeardAtOnce(t *testing.T) {
	t.Parallel()
	b := setupOne(t)
	u := b.as(t, accounts.CI)
	if _, err := u.nc.Request("$JS.API.STREAM.PURGE.OBJ_sluice-artifacts", nil, 5*time.Second); err != nats.ErrNoResponders { //nolint:errorlint // exactly this
		t.Errorf("got %v", err)
	}
}

// tellsOfReleases is what the gateway does to tell of releases as CDEvents, and to notify: it takes records from its consumers, acknowledges them, and
// publishes; people hear it.
func tellsOfReleases(t *testing.T, b *testBundle) {
	t.Helper()
	u := b.as(t, accounts.Gateway)
	heard, err := b.as(t, accounts.Viewer).nc.SubscribeSync("sluice.cdevents.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, durable := range []string{topology.ConsumerGatewayCDEvents, topology.ConsumerGatewaySink, topology.ConsumerGatewayNotify} {
		consumer, err := u.js.Consumer(b.ctx, topology.StreamSluice, durable)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.js.Publish(b.ctx, topology.Release(release2), []byte("{}")); err != nil {
			t.Fatal(err)
		}
		m, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
		if err != nil || !strings.HasPrefix(m.Subject(), "sluice.release.") {
			t.Fatalf("gateway: %s: %v %v", durable, m, err)
		}
		if err := m.DoubleAck(b.ctx); err != nil {
			t.Errorf("gateway: %s: %v", durable, err)
		}
	}
	for _, subject := range []string{
		topology.CDEvents(release2), topology.Dead("cdevents", "1"), topology.Notify("tracer", "0123abcd"), topology.Dead("notify", "1"),
	} {
		if ack, err := u.js.Publish(b.ctx, subject, []byte("{}")); err != nil || ack.Sequence == 0 {
			t.Errorf("gateway: %s: %v %v", subject, ack, err)
		}
	}
	if _, err := heard.NextMsg(5 * time.Second); err != nil {
		t.Errorf("viewer does not hear of releases as CDEvents: %v", err)
	}
}
