package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// How long UntilEnded waits before it looks at the journal again: soon after a hint, and then four times longer each time.
// The first look catches what was published while the cluster's other nodes did not know of the subscription yet.
const (
	lookSoon  = 5 * time.Millisecond
	lookFirst = 50 * time.Millisecond
	lookLast  = 5 * time.Minute
)

// UntilEnded returns a context that is cancelled with the cause [release.ErrEnded] as soon as the release has ended. The
// caller calls the CancelFunc when it has no more use for it.
//
// It listens on the journal's subject. A plain subscription sees what is published there before it is stored, and also what
// loses its compare-and-set, so what it hears is only a hint to look at the journal. And it can miss messages, while the
// client reconnects for one; so it looks once after subscribing, after every reconnect, and now and then.
func (j *Journal) UntilEnded(ctx context.Context, id string) (context.Context, context.CancelFunc, error) {
	subject := topology.Release(id)
	if subject == "" {
		return nil, nil, fmt.Errorf("release %q: an unsafe name: %w", id, ErrNone)
	}
	hint := make(chan struct{}, 1)
	sub, err := j.nc.Subscribe(subject, func(m *nats.Msg) {
		if rec, err := releasepb.DecodeRecord(m.Data); err == nil && !rec.State.Phase.Ended() {
			return
		}
		select {
		case hint <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return nil, nil, fmt.Errorf("listen to %s: %w", subject, err)
	}
	ended, err := j.listening(ctx, id)
	if err != nil {
		_ = sub.Unsubscribe()
		return nil, nil, err
	}
	until, cancel := context.WithCancelCause(ctx)
	if ended {
		_ = sub.Unsubscribe()
		cancel(release.ErrEnded)
		return until, func() {}, nil
	}
	connected := j.nc.StatusChanged(nats.CONNECTED)
	go func() {
		defer j.nc.RemoveStatusListener(connected)
		defer func() { _ = sub.Unsubscribe() }()
		j.look(until, id, hint, connected, cancel)
	}()
	return until, func() { cancel(context.Canceled) }, nil
}

// listening returns when the broker knows of the subscription, and tells whether the release has ended by then.
func (j *Journal) listening(ctx context.Context, id string) (bool, error) {
	if err := soon(ctx, j.nc.FlushWithContext); err != nil {
		return false, fmt.Errorf("listen to %s: %w", topology.Release(id), err)
	}
	e, err := j.Load(ctx, id)
	if errors.Is(err, ErrNone) {
		return false, nil
	}
	return e.State.Phase.Ended(), err
}

func (j *Journal) look(ctx context.Context, id string, hint <-chan struct{}, connected <-chan nats.Status, cancel context.CancelCauseFunc) {
	wait := lookFirst
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-hint:
			wait = 0
		case <-connected:
			wait = 0
		case <-timer.C:
		}
		timer.Stop()
		if e, err := j.Load(ctx, id); err == nil && e.State.Phase.Ended() {
			cancel(release.ErrEnded)
			return
		}
		wait = min(max(wait*4, lookSoon), lookLast)
	}
}
