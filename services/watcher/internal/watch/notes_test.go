package watch

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/compare"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/watcher/internal/probe"
)

// another is another watch of the same release, with the same checks, that has just begun.
func another(t *testing.T, r *watch) *watch {
	t.Helper()
	o := newWatch(r.Watcher, r.id)
	o.entry, o.stretch = r.entry, r.stretch
	o.on = &duty{stretch: r.stretch, measured: make(chan measured, 1), stop: func() {}, since: r.on.since}
	for _, c := range r.on.checks {
		o.on.checks = append(o.on.checks, &check{Check: c.Check, rule: c.rule, source: c.source, looked: c.looked})
	}
	if err := o.resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	return o
}

func (r *watch) read(t *testing.T) (said []string) {
	t.Helper()
	all, unread, err := r.env.Journal.Measured(t.Context(), r.id, r.stretch.From)
	if err != nil || unread > 0 {
		t.Fatal(unread, err)
	}
	for _, m := range all {
		for _, one := range m.Looks {
			for _, l := range one.All {
				said = append(said, l.Said)
			}
		}
	}
	return said
}

func see(r *watch, said string) {
	r.take(measured{at: time.Now(), began: time.Now(), seen: probe.Seen{Said: said}})
}

// Of two that watch at the same time, the one that stores second begins anew, with what the first stored.
func TestTheSecondToStoreBeginsAnew(t *testing.T) {
	onWatch(t, func(t *testing.T, _ jetstream.JetStream, a *watch) {
		a.on.checks[0].rule.Limit = 9
		b := another(t, a)
		see(a, "a sees it")
		see(b, "b sees it")
		if err := a.store(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := b.store(t.Context()); err == nil || b.on != nil {
			t.Fatalf("both stored: %v", err)
		}
		c := another(t, a)
		if tally := c.on.checks[0].tally; tally.Count != 1 || tally.Last.Said != "a sees it" {
			t.Errorf("%+v", tally)
		}
		see(c, "c sees it")
		if err := c.store(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := c.read(t); !reflect.DeepEqual(got, []string{"a sees it", "c sees it"}) {
			t.Errorf("%q", got)
		}
	})
}

// On three nodes, with a leader that steps down in the middle: every look is stored once, and in its order, whoever stores it.
func TestNotesOnACluster(t *testing.T) {
	t.Parallel()
	c := natstest.Cluster(t, 3)
	nc := c.Conn(t)
	c.Wait(t)
	js := natstest.Topology(t, nc, topology.Options{Replicas: 3})
	r := onDuty(t, js)
	r.on.checks[0].rule.Limit = 1 << 30
	const looks = 30
	var want []string
	for i := range looks {
		if i == looks/2 {
			if err := c.StepDown(t.Context(), nc, topology.StreamEvidence); err != nil {
				t.Fatal(err)
			}
		}
		want = append(want, fmt.Sprint(i))
		see(r, want[i])
		on := r.on
		for err := r.store(t.Context()); err != nil && t.Context().Err() == nil; err = r.store(t.Context()) {
			t.Log(err)
			if r.on == nil { // it was stored, and the answer was lost
				r.on = on
				r = another(t, r)
				break
			}
		}
		if i%10 == 9 {
			r = another(t, r)
		}
	}
	if got := r.read(t); !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}

// An answer that was lost on its way does not make a look count twice.
func TestAStoredMessageWhoseAnswerWasLost(t *testing.T) {
	onWatch(t, func(t *testing.T, _ jetstream.JetStream, a *watch) {
		a.on.checks[0].rule.Limit = 9
		see(a, "once")
		batches := a.on.notes.batches
		if err := a.store(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.on.notes.batches, a.on.notes.last, a.on.notes.named = batches, 0, false
		if err := a.store(t.Context()); err == nil || a.on != nil {
			t.Fatalf("it was stored twice: %v", err)
		}
	})
}

// A comparison goes on from the counters that the one before saw last, with all that it had weighed.
func TestAComparisonIsContinued(t *testing.T) {
	onWatch(t, func(t *testing.T, _ jetstream.JetStream, a *watch) {
		metric := &project.Metric{Prometheus: &project.Prometheus{Compare: &project.Compare{Tolerated: 1, FalseAlarms: 1e-9}}}
		c := a.on.checks[0]
		c.Check = project.Check{Name: "errors", Metric: metric, Interval: time.Hour}
		c.rule, c.source = judge.RuleOf(c.Check, a.stretch.From), judge.Source(c.Check)
		look := func(r *watch, n int) {
			counters := &judge.Counters{Mine: compare.Count{Events: 3 * n, Exposure: float64(100 * n)}, Base: compare.Count{Events: n, Exposure: float64(100 * n)}}
			r.take(measured{at: time.Now(), began: time.Now(), seen: probe.Seen{OK: true, Counters: counters}})
		}
		watching := a
		for n := range 10 {
			look(watching, n)
			if err := watching.store(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n%3 == 0 {
				before := watching.on.checks[0].tally
				watching = another(t, watching)
				if after := watching.on.checks[0].tally; !reflect.DeepEqual(before, after) {
					t.Fatalf("%+v\nwant %+v", after, before)
				}
			}
		}
		if watching.on.checks[0].tally.Measured != 10 || watching.verdict != nil {
			t.Errorf("%+v", watching.on.checks[0].tally)
		}
	})
}

// Who takes over from somebody who died between the look and the request, tells.
func TestAFailedCheckIsFoundByWhoTakesOver(t *testing.T) {
	onWatch(t, func(t *testing.T, _ jetstream.JetStream, a *watch) {
		see(a, "no")
		see(a, "no")
		if a.verdict == nil {
			t.Fatal("it has not failed")
		}
		if err := a.store(t.Context()); err != nil {
			t.Fatal(err)
		}
		b := another(t, a)
		if b.verdict == nil || b.verdict.Reason() != a.verdict.Reason() {
			t.Errorf("%+v", b.verdict)
		}
	})
}

// What waits for a broker that does not answer is bounded, and what there was no room for is counted.
func TestNotesAreBounded(t *testing.T) {
	var n notes
	c := &check{}
	const looks = 200_000
	for i := range looks {
		n.add(c, judge.Measurement{Said: fmt.Sprintf("%d %s", i, strings.Repeat("x", 300))})
	}
	c.tally.Failed = true
	n.add(c, judge.Measurement{Said: "the last"})
	kept, size := 0, 0
	for _, b := range n.batches {
		kept += len(b.looks[c])
		size += b.size
	}
	if kept+n.lost != looks+1 || kept < 30_000 || size > (mostMessages+1)*mostOfMessage || len(n.batches) > mostMessages || kept == 0 {
		t.Errorf("%d looks of %d bytes in %d messages are kept, %d are lost", kept, size, len(n.batches), n.lost)
	}
	last := n.batches[len(n.batches)-1].looks[c]
	if said := last[len(last)-1].Said; said != "the last" {
		t.Errorf("the newest is not kept: %q", said)
	}
	if first := n.batches[0].looks[c]; !strings.HasSuffix(first[mostTexts-1].Said, "x") || first[mostTexts].Said != "" {
		t.Error("other texts are kept than the first")
	}
}

// A flood in the grace of a check is not stored whole, and that is said.
func TestNotesOfAGrace(t *testing.T) {
	var n notes
	c := &check{Check: project.Check{Signal: &project.Signal{}}, rule: judge.Rule{From: time.Unix(1000, 0)}}
	for i := range int64(10_000) {
		n.add(c, judge.Measurement{At: time.Unix(i/10, 0), Said: "boom"})
	}
	n.add(c, judge.Measurement{At: time.Unix(1000, 0), Said: "boom"})
	if kept := len(n.batches[0].looks[c]); kept != mostInGrace+1 || n.lost != 10_000-mostInGrace || len(n.batches) != 1 {
		t.Errorf("%d are kept and %d are lost", kept, n.lost)
	}
}

// The greatest message that there can be is stored: the broker takes it.
func TestAFullMessageIsStored(t *testing.T) {
	onWatch(t, func(t *testing.T, js jetstream.JetStream, r *watch) {
		r.on.checks[0].rule.Limit = 1 << 30
		for i := 0; !r.on.notes.full(); i++ {
			see(r, fmt.Sprintf("%d%s", i, strings.Repeat(`"`, 399)))
		}
		n := len(r.on.notes.batches[0].looks[r.on.checks[0]])
		if err := r.store(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := len(r.read(t)); got != n {
			t.Errorf("%d looks are stored, of %d", got, n)
		}
		stream, err := js.Stream(t.Context(), topology.StreamEvidence)
		if err != nil {
			t.Fatal(err)
		}
		m, err := stream.GetLastMsgForSubject(t.Context(), topology.Measured(id))
		if err != nil || len(m.Data) > topology.MaxEvidence {
			t.Errorf("%d bytes: %v", len(m.Data), err)
		}
	})
}
