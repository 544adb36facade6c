package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/find"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/sluice/internal/doctor"
)

const nobody = "01970000-0000-7000-8000-00000000ffff"

// examined is what the doctor finds on the bundle's broker, a line each.
func (b *bundle) examined(project string) string {
	b.Helper()
	s := &survey{client: b.c, project: project, names: []string{"tracer"}}
	if err := s.read(b.Context(), time.Hour); err != nil {
		b.Fatal(err)
	}
	var out strings.Builder
	for _, f := range doctor.Examine(s.facts) {
		fmt.Fprintf(&out, "%s: %s (repair %t)\n", f.Subject, f.What, f.Repair != "")
	}
	return out.String()
}

// What the broker holds reaches the findings, without a service that sees to anything.
func TestTheDoctorReadsWhatIsThere(t *testing.T) {
	b := setup(t, soaking()...)
	b.c.denied = make(chan error, 1)
	b.c.find = &find.Finder{Journal: b.c.journal, Catalog: b.c.catalog}
	if _, _, err := b.c.catalog.Apply(t.Context(), "tracer.yaml", []byte("project: tracer")); err != nil {
		t.Fatal(err)
	}
	record := lane.Record{Owner: b.id, Project: "tracer", Waiting: []lane.Waiting{{Release: nobody, Project: "tracer"}}}
	if _, err := b.c.journal.SetLane(t.Context(), "tracer", record, 0); err != nil {
		t.Fatal(err)
	}
	if err := b.c.journal.SetCommit(t.Context(), "tracer", "c0ffee", releasepb.CommitRecord{Release: nobody}, 0); err != nil {
		t.Fatal(err)
	}
	if err := b.c.journal.SetVersion(t.Context(), "tracer", "1.5.0", nobody, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := b.c.journal.ChangeProject(t.Context(), "tracer", func(r release.Record) (release.Record, error) {
		r.Rolling = nobody
		return r, nil
	}); err != nil {
		t.Fatal(err)
	}
	b.ask(release.Hold)
	if _, err := b.js.Publish(t.Context(), topology.Request(topology.VerbCancel, "01970000-0000-7000-8000-00000000eeee", "lee"), nil); err != nil {
		t.Fatal(err)
	}
	got := b.examined("")
	for _, want := range []string{
		"tracer 1.4.0 " + b.id + ": soaking, to be looked at",
		"no alarm is set (repair true)",
		"lane tracer: release " + nobody + " waits in it and has no journal (repair false)",
		"release " + nobody + ": commit c0ffee belongs to it",
		"release " + nobody + ": version 1.5.0 belongs to it",
		"release " + nobody + ": it has no journal, and the project waits for its rollback (repair false)",
		"tracer 1.4.0 " + b.id + ": the hold of ana is not answered",
		"release 01970000-0000-7000-8000-00000000eeee: nobody knows it, and lee asked for its cancel",
		"service publisher: nobody takes messages from consumer publisher;", "consumer publisher-journal;",
		"service stager: ", "consumer promoter;", "consumer promoter-due;", "consumer promoter-judged;", "service watcher: ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if only := b.examined("tracer"); !strings.Contains(only, b.id) || strings.Contains(only, "eeee") {
		t.Errorf("of the project alone:\n%s", only)
	}
	if _, err := b.js.PublishMsg(t.Context(), topology.DelayMsg(b.id, time.Now().Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	if got := b.examined(""); strings.Contains(got, "no alarm is set") {
		t.Errorf("with an alarm:\n%s", got)
	}
}

// Whether anybody notifies is told by the consumer of those who do, also by one that is not there.
func TestTheDoctorTellsWhenNobodyNotifies(t *testing.T) {
	b := setup(t)
	b.c.denied = make(chan error, 1)
	b.c.find = &find.Finder{Journal: b.c.journal, Catalog: b.c.catalog}
	apply := func(src string) {
		if _, _, err := b.c.catalog.Apply(t.Context(), "tracer.yaml", []byte(src)); err != nil {
			t.Fatal(err)
		}
	}
	const nobody = "notify: its file names 1 to be notified, and no gateway notifies"
	apply("project: tracer")
	if got := b.examined(""); strings.Contains(got, nobody) {
		t.Errorf("nobody is to be told:\n%s", got)
	}
	apply("project: tracer\nnotify: [ { slack: { url_env: SLACK_URL } } ]")
	if got := b.examined(""); !strings.Contains(got, nobody) {
		t.Errorf("a gateway never came:\n%s", got)
	}
	consumer, err := b.js.Consumer(t.Context(), topology.StreamSluice, topology.ConsumerGatewayNotify)
	if err != nil {
		t.Fatal(err)
	}
	reading, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = reading.Next() }() // the request for messages goes out with it
	for strings.Contains(b.examined(""), nobody) {
		if t.Context().Err() != nil {
			t.Fatal("a gateway is there, and is not seen")
		}
	}
	reading.Stop()
	if err := b.js.DeleteConsumer(t.Context(), topology.StreamSluice, topology.ConsumerGatewayNotify); err != nil {
		t.Fatal(err)
	}
	if got := b.examined(""); !strings.Contains(got, nobody) || strings.Contains(got, "can not tell") {
		t.Errorf("the broker has no such consumer:\n%s", got)
	}
}

// A repair is a request that the promoter refuses, in the journal: it makes every service look. What has failed is left alone.
func TestRepair(t *testing.T) {
	b := setup(t, soaking()...)
	b.c.denied = make(chan error, 1)
	said := b.app.err.(*bytes.Buffer)
	asked := make(chan *nats.Msg, 1)
	sub, err := b.js.Conn().ChanSubscribe("sluice.retry.*.*", asked)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	answered := make(chan error, 1)
	go func() { // in the promoter's place
		<-asked
		_, requests, err := b.c.journal.Snapshot(context.WithoutCancel(t.Context()), b.id)
		for err == nil && len(requests) == 0 { // it is heard before it is stored
			_, requests, err = b.c.journal.Snapshot(context.WithoutCancel(t.Context()), b.id)
		}
		if err == nil {
			_, _, err = b.c.journal.Do(context.WithoutCancel(t.Context()), b.id, requests[0], "test")
		}
		answered <- err
	}()
	if err := b.app.lookAgain(t.Context(), b.c, b.id, "ana", time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	if got := said.String(); got != b.id+": every service looks at it again\n" {
		t.Errorf("%q", got)
	}
	e, err := b.c.journal.Load(t.Context(), b.id)
	if err != nil || e.State.Phase != release.Soaking || e.Type != "refused" {
		t.Errorf("%s %s: %v", e.Type, e.State.Phase, err)
	}

	// It is asked for while no promoter runs, and fails before one answers.
	if err := b.app.lookAgain(t.Context(), b.c, b.id, "ana", time.Millisecond); err != nil {
		t.Fatal(err)
	}
	b.do(release.Fail{By: "promoter", Reason: "no room"})
	_, requests, err := b.c.journal.Snapshot(t.Context(), b.id)
	if err != nil || len(requests) != 1 {
		t.Fatalf("%v %v", requests, err)
	}
	b.do(requests[0])
	if e, err = b.c.journal.Load(t.Context(), b.id); err != nil || e.State.Phase != release.Failed || e.Type != "refused" {
		t.Errorf("%s %s: %v", e.Type, e.State.Phase, err)
	}

	said.Reset()
	if err := b.app.lookAgain(t.Context(), b.c, b.id, "ana", time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := said.String(); got != b.id+" has failed meanwhile: it is left alone\n" {
		t.Errorf("%q", got)
	}
	if _, requests, err := b.c.journal.Snapshot(t.Context(), b.id); err != nil || len(requests) != 0 {
		t.Errorf("asked all the same: %v %v", requests, err)
	}
}
