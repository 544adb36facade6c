package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/topology"
)

// followAgain bounds how long Follow goes without looking when it hears nothing.
const followAgain = 5 * time.Second

// Follow calls see for every record of a release's journal from a sequence of the stream on, in order and once, those that
// are stored already and those that come, until see returns false or ctx ends; then its error is that of ctx. A release
// without a journal is waited for.
//
// quiet is called after every look that found nothing new, with the error of the look if it had one, and ends the following
// with an error of its own. So a follower may outlive a restart of the broker.
//
// What it hears on the subject is only a hint to look (see [Journal.UntilEnded]).
func (j *Journal) Follow(ctx context.Context, id string, from uint64, see func(Record) bool, quiet func(error) error) error {
	subject := topology.Release(id)
	if subject == "" {
		return fmt.Errorf("release %q: an unsafe name: %w", id, ErrNone)
	}
	hint := make(chan struct{}, 1)
	sub, err := j.nc.Subscribe(subject, func(*nats.Msg) {
		select {
		case hint <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return fmt.Errorf("listen to %s: %w", subject, err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	connected := j.nc.StatusChanged(nats.CONNECTED)
	defer j.nc.RemoveStatusListener(connected)
	for wait := lookSoon; ; {
		records, err := j.Records(ctx, id, from)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, r := range records {
			from = r.Seq + 1
			if !see(r) {
				return nil
			}
		}
		if len(records) == 0 {
			if errors.Is(err, ErrNone) {
				err = nil
			}
			if err := quiet(err); err != nil {
				return err
			}
		}
		heard, err := hear(ctx, hint, connected, wait)
		switch {
		case err != nil:
			return err
		case heard || len(records) > 0:
			wait = lookSoon // what is heard is about to be stored
		default:
			wait = min(2*wait, followAgain)
		}
	}
}

// hear waits for a hint, or for the broker to be back, but not longer than that.
func hear(ctx context.Context, hint <-chan struct{}, connected <-chan nats.Status, wait time.Duration) (bool, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-timer.C:
		return false, nil
	case <-hint:
		return true, nil
	case <-connected:
		return true, nil
	}
}
