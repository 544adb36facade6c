// Package again repeats what may go better the next time: a bounded number of times, with growing pauses or those that the other side
// asks for, and never past the end of the context.
package again

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Waits says how patient a driver is.
type Waits struct {
	First time.Duration // the pause before the first repetition; each further one is about twice as long, to 10 s
	Tries uint          // how often something is tried at most
}

// Default is for a peer far away.
func Default() Waits { return Waits{First: 500 * time.Millisecond, Tries: 5} }

// MostPause bounds what an answer may ask for.
const MostPause = 24 * time.Hour

// paused is an error after which the same may be tried again, not before a time.
type paused struct {
	err   error
	after time.Duration
}

func (p *paused) Error() string { return p.err.Error() }
func (p *paused) Unwrap() error { return p.err }

// After marks an error after which the same is not to be tried before the pause is over.
func After(err error, pause time.Duration) error { return &paused{err, pause} }

// Final marks an error that is not to be repeated. Do returns it without the mark.
func Final(err error) error { return backoff.Permanent(err) }

// Do repeats op until it succeeds, fails finally, or was tried often enough. It gives up at once, with op's own error, when the pause to
// come would be longer than the context lasts.
func Do[T any](ctx context.Context, w Waits, op func() (T, error)) (T, error) {
	growing := &backoff.ExponentialBackOff{InitialInterval: w.First, RandomizationFactor: 0.3, Multiplier: 2, MaxInterval: 10 * time.Second}
	var last error
	got, err := backoff.Retry(ctx, func() (T, error) {
		v, err := op()
		last = err
		var asked *paused
		if errors.As(err, &asked) && asked.after > 0 {
			err = errors.Join(err, &backoff.RetryAfterError{Duration: asked.after})
		}
		return v, err
	}, backoff.WithBackOff(growing), backoff.WithMaxTries(w.Tries), backoff.WithMaxElapsedTime(Left(ctx)))
	if err == nil || last == nil {
		return got, err
	}
	var permanent *backoff.PermanentError
	if errors.As(last, &permanent) {
		return got, permanent.Err
	}
	if ended := ctx.Err(); ended != nil && !errors.Is(last, ended) {
		return got, errors.Join(last, ended)
	}
	return got, last
}

// Left is how long the context lasts.
func Left(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return max(time.Until(end), 1) // zero would be no bound
	}
	return MostPause
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

// Asked is the pause that an answer asks for: Retry-After in seconds or as a date; or, where the allowance is used up, until the
// moment at which there is a new one, in seconds since 1970 (GitHub: X-RateLimit-*, GitLab: RateLimit-*). Zero for none.
func Asked(h http.Header, now time.Time) time.Duration {
	if after := h.Get("Retry-After"); after != "" {
		if seconds, err := strconv.Atoi(after); err == nil {
			return bounded(time.Duration(min(seconds, int(MostPause/time.Second))) * time.Second)
		}
		if at, err := http.ParseTime(after); err == nil {
			return bounded(at.Sub(now))
		}
	}
	for _, prefix := range []string{"X-RateLimit-", "RateLimit-"} {
		if h.Get(prefix+"Remaining") != "0" {
			continue
		}
		if at, err := strconv.ParseInt(h.Get(prefix+"Reset"), 10, 64); err == nil {
			return bounded(time.Unix(at, 0).Sub(now))
		}
	}
	return 0
}

func bounded(d time.Duration) time.Duration { return min(max(d, 0), MostPause) }
