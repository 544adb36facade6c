package trigger

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// waits says how patient the driver is.
type waits struct {
	first time.Duration // the pause before the first repetition; each further one is about twice as long
	tries uint          // how often a request is made at most
	doubt time.Duration // how long a run is looked for whose trigger got no answer
	show  time.Duration // how long one is that was accepted
}

func defaultWaits() waits {
	return waits{first: 500 * time.Millisecond, tries: 5, doubt: 15 * time.Second, show: 2 * time.Minute}
}

// mostPause bounds what an answer may ask for.
const mostPause = 24 * time.Hour

// paused is an error after which the same may be tried again, not before a time.
type paused struct {
	err   error
	after time.Duration
}

func (p *paused) Error() string { return p.err.Error() }
func (p *paused) Unwrap() error { return p.err }

// pauseOf is the pause that an answer asked for.
func pauseOf(err error) time.Duration {
	var p *paused
	if errors.As(err, &p) {
		return p.after
	}
	return 0
}

// repeat makes a request a bounded number of times. It gives up at once, with the request's own error, when the pause to come would be
// longer than the context lasts.
func repeat[T any](ctx context.Context, w waits, op func() (T, error)) (T, error) {
	growing := &backoff.ExponentialBackOff{InitialInterval: w.first, RandomizationFactor: 0.3, Multiplier: 2, MaxInterval: 10 * time.Second}
	var last error
	got, err := backoff.Retry(ctx, func() (T, error) {
		v, err := op()
		last = err
		if after := pauseOf(err); after > 0 {
			err = errors.Join(err, &backoff.RetryAfterError{Duration: after})
		}
		return v, err
	}, backoff.WithBackOff(growing), backoff.WithMaxTries(w.tries), backoff.WithMaxElapsedTime(left(ctx)))
	if err != nil && last != nil {
		if ended := ctx.Err(); ended != nil && !errors.Is(last, ended) {
			return got, errors.Join(last, ended)
		}
		var permanent *backoff.PermanentError
		if errors.As(last, &permanent) {
			return got, permanent.Err
		}
		return got, last
	}
	return got, err
}

// final marks an error that is not to be repeated.
func final(err error) error { return backoff.Permanent(err) }

// left is how long the context lasts.
func left(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return max(time.Until(end), 1) // zero would be no bound
	}
	return mostPause
}

// sleep waits, or returns the context's error; at once when the context ends before the pause does.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// askedPause is the pause that an answer asks for: Retry-After in seconds or as a date; or, where the allowance is used up, until the
// moment at which there is a new one, in seconds since 1970 (GitHub: X-RateLimit-*, GitLab: RateLimit-*).
func askedPause(h http.Header, now time.Time) time.Duration {
	if after := h.Get("Retry-After"); after != "" {
		if seconds, err := strconv.Atoi(after); err == nil {
			return min(max(time.Duration(min(seconds, int(mostPause/time.Second)))*time.Second, 0), mostPause)
		}
		if at, err := http.ParseTime(after); err == nil {
			return min(max(at.Sub(now), 0), mostPause)
		}
	}
	for _, prefix := range []string{"X-RateLimit-", "RateLimit-"} {
		if h.Get(prefix+"Remaining") != "0" {
			continue
		}
		if at, err := strconv.ParseInt(h.Get(prefix+"Reset"), 10, 64); err == nil {
			return min(max(time.Unix(at, 0).Sub(now), 0), mostPause)
		}
	}
	return 0
}
