package retry

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Final marks an error of an operation that is not to be repeated. A driver.Refused needs no mark.
func Final(err error) error { return &final{err} }

type final struct{ err error }

func (f *final) Error() string { return f.err.Error() }
func (f *final) Unwrap() error { return f.err }

// Pause marks an error of an operation after which the peer asked for a pause, and says so. Zero is no such wish.
func Pause(err error, asked time.Duration) error {
	if asked <= 0 {
		return err
	}
	return &paused{err, asked}
}

type paused struct {
	err   error
	asked time.Duration
}

func (p *paused) Error() string {
	return fmt.Sprintf("%v (again in %s)", p.err, p.asked.Round(time.Second))
}
func (p *paused) Unwrap() error { return p.err }

// PauseOf is the pause that was asked for with an error; zero for none.
func PauseOf(err error) time.Duration {
	var p *paused
	if errors.As(err, &p) {
		return p.asked
	}
	return 0
}

// Later tells whether a request with that answer may be answered differently soon.
func Later(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusTooEarly:
		return true
	case http.StatusNotImplemented:
		return false
	}
	return status >= 500
}

// After is the pause that an answer asks for, at most [MostAsked]: by Retry-After, in seconds or until a date
// (https://www.rfc-editor.org/rfc/rfc9110#field.retry-after); or, where the allowance is used up, until there is a new one, in seconds
// since 1970. GitHub says that by X-RateLimit-Remaining and X-RateLimit-Reset
// (https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api), GitLab without the X-
// (https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/). Zero when it says nothing, or nothing to be understood.
func After(h http.Header, now time.Time) time.Duration {
	if after := strings.TrimSpace(h.Get("Retry-After")); after != "" {
		if pause, ok := seconds(after); ok {
			return pause
		}
		if at, err := http.ParseTime(after); err == nil {
			return bound(at.Sub(now))
		}
	}
	for _, prefix := range []string{"X-RateLimit-", "RateLimit-"} {
		if h.Get(prefix+"Remaining") != "0" {
			continue
		}
		if at, err := strconv.ParseInt(h.Get(prefix+"Reset"), 10, 64); err == nil {
			return bound(time.Unix(min(at, now.Add(MostAsked).Unix()), 0).Sub(now)) // farther than that, durations overflow
		}
	}
	return 0
}

// seconds reads digits, however many.
func seconds(digits string) (time.Duration, bool) {
	if strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > int64(MostAsked/time.Second) {
		return MostAsked, true
	}
	return time.Duration(n) * time.Second, true
}

func bound(pause time.Duration) time.Duration { return min(max(pause, 0), MostAsked) }
