package npm

import (
	"context"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver/retry"
)

// waits says how patient the driver is.
type waits struct {
	retry.Policy

	show   time.Duration // how long a write may take to show up in the registry's answers
	settle time.Duration // how long after moving a channel it is read once more, against somebody who moved it at the same time
}

// defaultWaits are for a registry far away. Two writers of one package wait for each other's locks on its side: a tag that verdaccio
// 6.8 was to move took 105 ms for it.
func defaultWaits() waits {
	return waits{retry.Policy{First: 250 * time.Millisecond, Tries: 5}, 30 * time.Second, time.Second}
}

// brief is for effects that are more likely not to be there at all.
func (w waits) brief() waits {
	w.show = max(2*w.settle, 8*w.First)
	return w
}

// poll repeats a look until it says yes, for as long as a write may take to show, and reports whether it did.
func poll(ctx context.Context, w waits, look func() (bool, error)) (bool, error) {
	return retry.Poll(ctx, w.First/4, w.show, look)
}
