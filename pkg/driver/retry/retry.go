// Package retry is how drivers wait for a peer that is busy, down, or slow to show what it did.
//
// The decision is pure and small: [Series.Next] says how long the next pause is, or that there is no point in one. [Do] and [Poll]
// are the shell around it, and [After] reads from an answer what pause the peer asks for. A pause is at least what the peer asks
// for, otherwise about twice as long as the one before. One that would be longer than the context lasts is not begun: whoever waits
// for the action is told now, with the error of the last try, and comes back with the next attempt.
//
// What is repeated must bear it. A write whose answer was lost is looked for first; that is the driver's part.
package retry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// Bounds of one pause.
const (
	mostGrown = 10 * time.Second // unless the peer asks for more
	MostAsked = 24 * time.Hour   // that a peer may ask for
)

// Policy says how patient somebody is.
type Policy struct {
	First time.Duration // the pause before the first repetition; each further one is about twice as long
	Tries int           // how often at most; 0 is as often as the time allows
}

// Series is the tries of one operation. It is not safe for concurrent use.
type Series struct {
	made, most int
	growing    *backoff.ExponentialBackOff
}

// Begin begins a series.
func (p Policy) Begin() *Series { return &Series{most: p.Tries, growing: growing(p.First)} }

func growing(first time.Duration) *backoff.ExponentialBackOff {
	g := &backoff.ExponentialBackOff{InitialInterval: first, RandomizationFactor: 0.3, Multiplier: 2, MaxInterval: mostGrown}
	g.Reset()
	return g
}

// Next is the pause after a try that did not do, when the peer asked for that long (0: for nothing) and that much time is left. It
// reports false when that was the last try, or when the time would be over by the next.
func (s *Series) Next(asked, left time.Duration) (time.Duration, bool) {
	s.made++
	pause := max(s.growing.NextBackOff(), min(asked, MostAsked))
	return pause, pause < left && (s.most == 0 || s.made < s.most)
}

// Do repeats an operation until it succeeds or repeating it is pointless: its error is [Final] or driver.Refused, the context has
// ended, or the policy says so. The error is that of the last try, and when the context has ended, has the context's too.
// Before each try the context is for the operation to ask, which can say what it did not do.
func Do[T any](ctx context.Context, p Policy, operation func() (T, error)) (T, error) {
	for series := p.Begin(); ; {
		got, err := operation()
		if err == nil {
			return got, nil
		}
		var last *final
		if errors.As(err, &last) || driver.IsRefused(err) || ctx.Err() != nil {
			return got, with(err, ctx.Err())
		}
		pause, again := series.Next(PauseOf(err), Left(ctx))
		if !again {
			return got, err
		}
		if ended := Sleep(ctx, pause); ended != nil {
			return got, with(err, ended)
		}
	}
}

// with adds why there was no further try: what was to be waited for says more than that it was not.
func with(err, ended error) error {
	if ended == nil || errors.Is(err, ended) {
		return err
	}
	return fmt.Errorf("%w: %w", err, ended)
}

// Poll repeats a look until it says yes, and reports whether it did within that time. The last look is at its end. An error of the
// look ends it, and so does the context, with its error.
func Poll(ctx context.Context, first, within time.Duration, look func() (bool, error)) (bool, error) {
	end := time.Now().Add(within)
	for pauses := growing(first); ; {
		if yes, err := look(); yes || err != nil {
			return yes, err
		}
		left := time.Until(end)
		if left <= 0 {
			return false, nil
		}
		if err := Sleep(ctx, min(pauses.NextBackOff(), left)); err != nil {
			return false, err
		}
	}
}

// Sleep waits, or returns the context's error.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Left is how long the context lasts; very long when it has no deadline.
func Left(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return time.Until(end)
	}
	return 2 * MostAsked
}
