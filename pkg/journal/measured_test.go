package journal_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

func TestMeasured(t *testing.T) {
	js := natstest.Topology(t, natstest.One(t).Conn(t))
	j, err := journal.Open(t.Context(), js, "test")
	if err != nil {
		t.Fatal(err)
	}
	id, other := uuid.Must(uuid.NewV7()).String(), uuid.Must(uuid.NewV7()).String()
	publish := func(id string, m releasepb.Measured) uint64 {
		t.Helper()
		data, err := releasepb.EncodeMeasured(m)
		if err != nil {
			t.Fatal(err)
		}
		ack, err := js.Publish(t.Context(), topology.Measured(id), data)
		if err != nil {
			t.Fatal(err)
		}
		return ack.Sequence
	}
	if all, unread, err := j.Measured(t.Context(), id, time.Time{}); err != nil || len(all) != 0 || unread != 0 {
		t.Errorf("%+v, %d, %v", all, unread, err)
	}
	for _, unknown := range []string{id, "not-an-id"} {
		if m, err := j.LastMeasured(t.Context(), unknown); !errors.Is(err, journal.ErrNone) || m.Seq != 0 {
			t.Errorf("%s: %+v, %v", unknown, m, err)
		}
	}
	if _, _, err := j.Measured(t.Context(), "not-an-id", time.Time{}); !errors.Is(err, journal.ErrNone) {
		t.Errorf("an unsafe name: %v", err)
	}
	publish(id, releasepb.Measured{Instance: "a"})
	publish(other, releasepb.Measured{Instance: "x"})
	second := publish(id, releasepb.Measured{Instance: "b", Stage: 1})
	last, err := j.LastMeasured(t.Context(), id)
	if err != nil || last.Seq != second || last.Instance != "b" || last.Stage != 1 || last.At.IsZero() {
		t.Errorf("%+v, %v", last, err)
	}
	all, unread, err := j.Measured(t.Context(), id, time.Time{})
	if err != nil || unread != 0 || len(all) != 2 || all[0].Instance != "a" || all[1].Seq != second {
		t.Errorf("%+v, %d, %v", all, unread, err)
	}
	if all, _, err := j.Measured(t.Context(), id, last.At.Add(time.Nanosecond)); err != nil || len(all) != 0 {
		t.Errorf("from after the last: %+v, %v", all, err)
	}
	// What can not be read is left out, and said so; whoever writes next still learns what came last.
	ack, err := js.Publish(t.Context(), topology.Measured(id), []byte(`{"looks":[{"came":"?"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if all, unread, err := j.Measured(t.Context(), id, time.Time{}); err != nil || unread != 1 || len(all) != 2 {
		t.Errorf("%+v, %d, %v", all, unread, err)
	}
	if m, err := j.LastMeasured(t.Context(), id); !errors.Is(err, releasepb.ErrMalformed) || m.Seq != ack.Sequence {
		t.Errorf("%+v, %v", m, err)
	}
}
