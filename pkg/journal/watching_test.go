package journal_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/template"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// More lanes than the broker answers in one read.
func TestOwnersOfManyLanes(t *testing.T) {
	js := natstest.Topology(t, natstest.One(t).Conn(t))
	j, err := journal.Open(t.Context(), js, "test")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := j.Owners(t.Context(), "", 0); err != nil || len(got) != 0 {
		t.Fatalf("without lanes: %v, %v", got, err)
	}
	var want []string
	for i := range 1500 {
		r := lane.Record{Promoted: map[string]string{"p": "somebody"}}
		if i%5 != 0 {
			r.Owner = uuid.Must(uuid.NewV7()).String()
			want = append(want, r.Owner)
		}
		name := fmt.Sprintf("lane-%d", i)
		seq, err := j.SetLane(t.Context(), name, lane.Record{Owner: "the one before"}, 0)
		if err == nil {
			_, err = j.SetLane(t.Context(), name, r, seq)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := j.Owners(t.Context(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d owners, want %d", len(got), len(want))
	}
}

func TestLastBeat(t *testing.T) {
	js := natstest.Topology(t, natstest.One(t).Conn(t))
	j, err := journal.Open(t.Context(), js, "test")
	if err != nil {
		t.Fatal(err)
	}
	id := uuid.Must(uuid.NewV7()).String()
	for _, unknown := range []string{id, "not-an-id"} {
		if _, err := j.LastBeat(t.Context(), unknown); !errors.Is(err, journal.ErrNone) {
			t.Errorf("%s: %v", unknown, err)
		}
	}
	before := time.Now()
	for _, instance := range []string{"a", "b"} {
		body, err := releasepb.EncodeHeartbeat(releasepb.Heartbeat{Release: id, Instance: instance})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.Publish(t.Context(), topology.Heartbeat(id), body); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := j.LastBeat(t.Context(), id); err != nil || b.Instance != "b" || b.At.Before(before) {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestNextSignal(t *testing.T) {
	js := natstest.Topology(t, natstest.One(t).Conn(t))
	j, err := journal.Open(t.Context(), js, "test")
	if err != nil {
		t.Fatal(err)
	}
	id := uuid.Must(uuid.NewV7()).String()
	publish := func(release, text string, header nats.Header) uint64 {
		t.Helper()
		m := nats.NewMsg(topology.Signal("tracer", release))
		m.Data, m.Header = []byte(text), header
		ack, err := js.PublishMsg(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		return ack.Sequence
	}
	none := func(project, release string, after uint64, since time.Time) {
		t.Helper()
		if s, err := j.NextSignal(t.Context(), project, release, after, since); !errors.Is(err, journal.ErrNone) {
			t.Errorf("signals of %s %s after %d: %+v, %v", project, release, after, s, err)
		}
	}
	none("tracer", id, 0, time.Time{})
	none("no project", id, 0, time.Time{})
	publish("", "before", nil)
	before, err := j.NextSignal(t.Context(), "tracer", "", 0, time.Time{})
	if err != nil || string(before.Data) != "before" {
		t.Fatalf("%+v, %v", before, err)
	}
	since := before.At.Add(time.Nanosecond)
	none("tracer", "", 0, since)
	none("tracer", "", before.Seq, since)

	publish(id, "of the release", nil)
	first := publish("", "one", nats.Header{"Status": {"404"}, "Nats-Time-Stamp": {"2001-01-01T00:00:00Z"}, "Nats-Sequence": {"1"}})
	second := publish("", "two", nil)
	s, err := j.NextSignal(t.Context(), "tracer", "", 0, since)
	if err != nil || s.Seq != first || string(s.Data) != "one" || s.At.Before(since) {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err = j.NextSignal(t.Context(), "tracer", "", first, since); err != nil || s.Seq != second || string(s.Data) != "two" {
		t.Errorf("%+v, %v", s, err)
	}
	none("tracer", "", second, since)
	if s, err = j.NextSignal(t.Context(), "tracer", id, 0, since); err != nil || string(s.Data) != "of the release" {
		t.Errorf("%+v, %v", s, err)
	}
	none("other", "", 0, since)
}

// All signals are read in their order, in parts, and it is said how many there were; a header that hides a message from direct reads
// does not hide it.
func TestSignals(t *testing.T) {
	js := natstest.Topology(t, natstest.One(t).Conn(t))
	j, err := journal.Open(t.Context(), js, "test")
	if err != nil {
		t.Fatal(err)
	}
	id := uuid.Must(uuid.NewV7()).String()
	none := func(project, release string, after uint64, since time.Time) {
		t.Helper()
		if s, err := j.Signals(t.Context(), project, release, after, since); err != nil || len(s.All) != 0 || s.More || s.Stored != 0 {
			t.Errorf("signals of %s %s after %d: %+v, %v", project, release, after, s, err)
		}
	}
	none("tracer", id, 0, time.Time{})
	none("no project", id, 0, time.Time{})
	var want []string
	var seqs []uint64
	var last time.Time
	publish := func(release, text string, header nats.Header) {
		t.Helper()
		m := nats.NewMsg(topology.Signal("tracer", release))
		m.Data, m.Header = []byte(text), header
		ack, err := js.PublishMsg(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if release == "" {
			want, seqs = append(want, text), append(seqs, ack.Sequence)
		}
	}
	for i := range 2500 {
		publish("", fmt.Sprint(i), nil)
		if i%100 == 0 {
			publish(id, "of a release", nil)
		}
	}
	many := nats.Header{}
	for i := range 60 {
		many[fmt.Sprintf("X-%d", i)] = []string{"x"}
	}
	publish("", "hidden", many)
	publish("", "forged", nats.Header{"Status": {"404"}, "Nats-Subject": {"elsewhere"}, "Nats-Sequence": {"1"}, "Nats-Time-Stamp": {"2001-01-01T00:00:00Z"}})
	publish("", strings.Repeat("x", 15_000), nil)

	read := func(after uint64, since time.Time) (got []string) {
		t.Helper()
		for {
			s, err := j.Signals(t.Context(), "tracer", "", after, since)
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range s.All {
				got, after, last = append(got, string(one.Data)), one.Seq, one.At
			}
			if !s.More {
				return got
			}
			if len(s.All) == 0 || len(s.All) > 1000 {
				t.Fatalf("%d signals, and more", len(s.All))
			}
		}
	}
	if got := read(0, time.Time{}); !slices.Equal(got, want) {
		t.Errorf("%d signals, want %d", len(got), len(want))
	}
	if got := read(seqs[1999], time.Time{}); !slices.Equal(got, want[2000:]) {
		t.Errorf("%d signals, want %d", len(got), len(want)-2000)
	}
	if got := read(0, last); len(got) != 1 {
		t.Errorf("%d signals since the last one, want 1", len(got))
	}
	none("tracer", "", seqs[len(seqs)-1], time.Time{})
	none("tracer", "", 0, last.Add(time.Nanosecond))
	if s, err := j.Signals(t.Context(), "tracer", "", 0, time.Time{}); err != nil || s.Stored < 2500 {
		t.Errorf("%d were stored: %v", s.Stored, err)
	}
}

func TestTemplates(t *testing.T) {
	js := natstest.Topology(t, natstest.One(t).Conn(t))
	j, err := journal.Open(t.Context(), js, "test")
	if err != nil {
		t.Fatal(err)
	}
	id := uuid.Must(uuid.NewV7()).String()
	for _, unknown := range []string{id, "not-an-id"} {
		if _, err := j.Templates(t.Context(), unknown); !errors.Is(err, journal.ErrNone) {
			t.Errorf("%s: %v", unknown, err)
		}
	}
	for _, project := range []string{"one", "two"} {
		data, err := template.Stored{Release: id, Project: project}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.Publish(t.Context(), topology.Templates(id), data); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := j.Templates(t.Context(), id); err != nil || s.Project != "two" {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := js.Publish(t.Context(), topology.Templates(id), []byte("{")); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Templates(t.Context(), id); err == nil || errors.Is(err, journal.ErrNone) {
		t.Errorf("nonsense: %v", err)
	}
}

func TestAsked(t *testing.T) {
	js := natstest.Topology(t, natstest.One(t).Conn(t))
	j, err := journal.Open(t.Context(), js, "test")
	if err != nil {
		t.Fatal(err)
	}
	subject := topology.Request(topology.VerbHold, uuid.Must(uuid.NewV7()).String(), "watcher")
	if seq, at, err := j.Asked(t.Context(), subject); err != nil || seq != 0 || !at.IsZero() {
		t.Errorf("of none: %d, %s, %v", seq, at, err)
	}
	if _, err := js.Publish(t.Context(), subject, nil); err != nil {
		t.Fatal(err)
	}
	between := time.Now()
	ack, err := js.Publish(t.Context(), subject, nil)
	if err != nil {
		t.Fatal(err)
	}
	if seq, at, err := j.Asked(t.Context(), subject); err != nil || seq != ack.Sequence || at.Before(between) {
		t.Errorf("%d, %s, %v", seq, at, err)
	}
}
