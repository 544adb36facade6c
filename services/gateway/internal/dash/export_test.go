package dash

import (
	"context"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
)

// Push puts an entry into the model as if it had been read, and tells whether that changed anything.
func (d *Dash) Push(e journal.Entry) bool { return len(d.hub.apply([]journal.Entry{e})) > 0 }

// Hurry sends every change at once.
func (d *Dash) Hurry() { d.gap.Store(1) }

// Sent is how many changes browsers were sent.
func (d *Dash) Sent() uint64 { return d.sent.Load() }

// Known is how many releases the model has.
func (d *Dash) Known() (n int) {
	d.hub.read(func(m *Model, _ time.Time, _ uint64) { n = m.Size() })
	return n
}

// Ready is closed when everything was read.
func (d *Dash) Ready() <-chan struct{} { return d.hub.ready }

// Busy has somebody else verify and export, until it is done.
func (d *Dash) Busy() (done func()) {
	d.proving <- struct{}{}
	d.exporting <- struct{}{}
	return func() { <-d.proving; <-d.exporting }
}

// ProveWithin changes how long a verification may take.
func (d *Dash) ProveWithin(most time.Duration) { d.proveWithin = most }

// Prove verifies every chain.
func (d *Dash) Prove(ctx context.Context) error {
	_, err := d.prove(ctx, Query{})
	return err
}
