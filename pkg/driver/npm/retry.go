package npm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// waits says how patient the driver is.
type waits struct {
	first  time.Duration // the pause before the first repetition; each further one is about twice as long
	tries  uint          // how often a request is made at most
	show   time.Duration // how long a write may take to show up in the registry's answers
	settle time.Duration // how long after moving a channel it is read once more, against somebody who moved it at the same time
}

// defaultWaits are for a registry far away. Two writers of one package wait for each other's locks on its side: a tag that verdaccio
// 6.8 was to move took 105 ms for it.
func defaultWaits() waits {
	return waits{first: 250 * time.Millisecond, tries: 5, show: 30 * time.Second, settle: time.Second}
}

// brief is for effects that are more likely not to be there at all.
func (w waits) brief() waits {
	w.show = max(2*w.settle, 8*w.first)
	return w
}

// final marks an error of an operation that is not to be repeated.
func final(err error) error { return backoff.Permanent(err) }

// pause marks an error of an operation that is to be repeated after exactly d; zero leaves that to the backoff.
func pause(err error, d time.Duration) error {
	if d == 0 {
		return err
	}
	return &paused{err, &backoff.RetryAfterError{Duration: d}}
}

type paused struct {
	err   error
	after *backoff.RetryAfterError
}

func (p *paused) Error() string   { return fmt.Sprintf("%v (again in %s)", p.err, p.after.Duration) }
func (p *paused) Unwrap() []error { return []error{p.err, p.after} }

// retry repeats an operation a bounded number of times. It gives up at once when the pause to come would be longer than the
// context lasts, with the operation's own error; when the context ends, the error has both.
func retry[T any](ctx context.Context, w waits, op func() (T, error)) (T, error) {
	return repeat(ctx, w.first, op, backoff.WithMaxTries(w.tries), backoff.WithMaxElapsedTime(left(ctx)))
}

// poll repeats a look until it says yes, for as long as a write may take to show, and reports whether it did.
func poll(ctx context.Context, w waits, look func() (bool, error)) (bool, error) {
	yes, err := repeat(ctx, w.first/4, func() (bool, error) {
		yes, err := look()
		switch {
		case err != nil:
			return false, final(err) // it has been repeated inside
		case !yes:
			return false, errNotYet
		}
		return true, nil
	}, backoff.WithMaxElapsedTime(min(w.show, left(ctx))))
	if errors.Is(err, errNotYet) && ctx.Err() == nil {
		return false, nil
	}
	return yes, err
}

var errNotYet = errors.New("not yet")

func repeat[T any](ctx context.Context, first time.Duration, op func() (T, error), options ...backoff.RetryOption) (T, error) {
	growing := &backoff.ExponentialBackOff{InitialInterval: first, RandomizationFactor: 0.3, Multiplier: 2, MaxInterval: 10 * time.Second}
	var last error
	got, err := backoff.Retry(ctx, func() (T, error) {
		v, err := op()
		last = err
		return v, err
	}, append(options, backoff.WithBackOff(growing))...)
	if ended := ctx.Err(); ended != nil && last != nil && errors.Is(err, context.Cause(ctx)) && !errors.Is(last, ended) {
		return got, fmt.Errorf("%w: %w", last, ended) // the context ended during a pause: what the pause was for says more
	}
	return got, err
}

// left is how long the context lasts.
func left(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return max(time.Until(end), 1) // zero would be no bound
	}
	return time.Hour
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
