package journal_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// All that drivers printed for a release is read, however much it is, the attempt first that began first, and of no other.
func TestOutputs(t *testing.T) {
	js := natstest.Topology(t, natstest.One(t).Conn(t))
	j, err := journal.Open(t.Context(), js, "test")
	if err != nil {
		t.Fatal(err)
	}
	id, other := uuid.Must(uuid.NewV7()).String(), uuid.Must(uuid.NewV7()).String()
	if all, unread, err := j.Outputs(t.Context(), id); err != nil || len(all) != 0 || unread != 0 {
		t.Errorf("of none: %v, %d, %v", all, unread, err)
	}
	if _, _, err := j.Outputs(t.Context(), "not.an.id"); !errors.Is(err, journal.ErrNone) {
		t.Errorf("an unsafe name: %v", err)
	}
	const attempts = 200 // more than one request asks for
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	put := func(id string, data []byte) {
		if _, err := js.Publish(t.Context(), topology.Output(id), data); err != nil {
			t.Fatal(err)
		}
	}
	for i := range attempts { // stored in the order of their ends, the other way round
		data, err := releasepb.EncodeOutput(releasepb.Output{
			Work: release.Stage, Attempt: attempts - i, Began: began.Add(time.Duration(attempts-i) * time.Second), Text: strings.Repeat("text\n", 2000),
		})
		if err != nil {
			t.Fatal(err)
		}
		put(id, data)
		if put(other, data); i == attempts/2 {
			put(id, []byte("{"))
		}
	}
	all, unread, err := j.Outputs(t.Context(), id)
	if err != nil || len(all) != attempts || unread != 1 {
		t.Fatalf("%d, %d unread, %v", len(all), unread, err)
	}
	for i, o := range all {
		if o.Attempt != i+1 || len(o.Text) != 10_000 || o.Seq == 0 || o.At.IsZero() {
			t.Fatalf("at %d is attempt %d of %d bytes", i, o.Attempt, len(o.Text))
		}
	}
}
