package e2e_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// TestForgedStatus: an empty message can have the headers with which the broker tells a client that its consumer is gone. The
// services go on all the same.
func TestForgedStatus(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "soak: { delay: 1h }")
		w.start(all()...)
		for _, subject := range []string{topology.Merge("tracer"), topology.Request("cancel", "01970000-0000-7000-8000-000000000009", "ana")} {
			m := nats.NewMsg(subject)
			m.Header.Set("Status", "409")
			m.Header.Set("Description", "Consumer Deleted")
			if _, err := w.js.PublishMsg(w.Context(), m); err != nil {
				w.Fatal(err)
			}
		}
		w.untilPhase(w.merge("tracer", "1.4.0"), release.Promoted)
	})
}
