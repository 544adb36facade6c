package retry

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
)

func TestAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for name, c := range map[string]struct {
		header []string // names and values
		want   time.Duration
	}{
		"nothing":         {nil, 0},
		"seconds":         {[]string{"Retry-After", "90"}, 90 * time.Second},
		"spaces":          {[]string{"Retry-After", " 90 "}, 90 * time.Second},
		"zero":            {[]string{"Retry-After", "0"}, 0},
		"a day":           {[]string{"Retry-After", "86400"}, MostAsked},
		"too long":        {[]string{"Retry-After", "86401"}, MostAsked},
		"far too long":    {[]string{"Retry-After", "99999999999"}, MostAsked},
		"no number of it": {[]string{"Retry-After", strings.Repeat("9", 40)}, MostAsked},
		"negative":        {[]string{"Retry-After", "-5"}, 0},
		"signed":          {[]string{"Retry-After", "+5"}, 0},
		"fraction":        {[]string{"Retry-After", "1.5"}, 0},
		"words":           {[]string{"Retry-After", "$(sleep 1)"}, 0},
		"date":            {[]string{"Retry-After", at(2 * time.Minute)}, 2 * time.Minute},
		"RFC 850 date":    {[]string{"Retry-After", "Monday, 23-Nov-26 14:01:00 GMT"}, time.Minute},
		"asctime date":    {[]string{"Retry-After", "Mon Nov 23 14:01:00 2026"}, time.Minute},
		"a date gone by":  {[]string{"Retry-After", at(-time.Minute)}, 0},
		"far date":        {[]string{"Retry-After", at(1000 * time.Hour)}, MostAsked},
		"GitHub":          {[]string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1795442430"}, 30 * time.Second},
		"GitLab":          {[]string{"RateLimit-Remaining", "0", "RateLimit-Reset", "1795442430"}, 30 * time.Second},
		"some remain":     {[]string{"X-RateLimit-Remaining", "3", "X-RateLimit-Reset", "1795442430"}, 0},
		"reset gone by":   {[]string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "5"}, 0},
		"reset far":       {[]string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "9223372036854775807"}, MostAsked},
		"reset in words":  {[]string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "soon"}, 0},
		"both":            {[]string{"Retry-After", "7", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1795442430"}, 7 * time.Second},
		"words and reset": {[]string{"Retry-After", "soon", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1795442430"}, 30 * time.Second},
	} {
		h := http.Header{}
		for i := 0; i < len(c.header); i += 2 {
			h.Set(c.header[i], c.header[i+1])
		}
		if got := After(h, now); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestLater(t *testing.T) {
	for status, want := range map[int]bool{
		200: false, 301: false, 400: false, 401: false, 403: false, 404: false, 409: false, 501: false,
		408: true, 425: true, 429: true, 500: true, 502: true, 503: true, 504: true, 599: true,
	} {
		if Later(status) != want {
			t.Errorf("%d: %v", status, !want)
		}
	}
}

func TestSeries(t *testing.T) {
	s := Policy{First: time.Second, Tries: 8}.Begin()
	want := time.Second
	for range 7 {
		pause, again := s.Next(0, time.Hour)
		if !again || pause < want*7/10 || pause > want*13/10 {
			t.Errorf("%v, %v, want about %v", pause, again, want)
		}
		want = min(2*want, mostGrown)
	}
	if _, again := s.Next(0, time.Hour); again {
		t.Error("a ninth try")
	}
	for name, c := range map[string]struct {
		asked, left, want time.Duration
		again             bool
	}{
		"as asked":               {time.Minute, time.Hour, time.Minute, true},
		"asked more than allows": {1000 * time.Hour, 2 * MostAsked, MostAsked, true},
		"longer than there is":   {time.Minute, time.Minute, time.Minute, false},
		"over":                   {time.Minute, -1, time.Minute, false},
	} {
		for range 100 { // 0 is no bound
			if pause, again := (Policy{First: time.Second}).Begin().Next(c.asked, c.left); pause != c.want || again != c.again {
				t.Errorf("%s: %v, %v", name, pause, again)
			}
		}
	}
	if pause, _ := (Policy{First: time.Minute}).Begin().Next(1, time.Hour); pause < 6*time.Second {
		t.Errorf("after what is asked it is not less than it would be otherwise: %v", pause)
	}
}

var errBusy = errors.New("busy")

// failing is an operation that fails that often; tries counts.
func failing(times int, with error, tries *int) func() (string, error) {
	return func() (string, error) {
		if *tries++; *tries <= times {
			return "", with
		}
		return "done", nil
	}
}

func TestDo(t *testing.T) {
	for name, c := range map[string]struct {
		times    int
		with     error
		tries    int
		from, to time.Duration // how long it takes
		want     string        // the error; empty for none
	}{
		"at once":        {0, nil, 1, 0, 0, ""},
		"the third time": {2, errBusy, 3, 2 * time.Second, 4 * time.Second, ""},
		"never":          {9, errBusy, 4, 4 * time.Second, 10 * time.Second, "busy"},
		"as asked":       {1, Pause(errBusy, time.Minute), 2, time.Minute, time.Minute, ""},
		"asked too much": {1, Pause(errBusy, 3*time.Hour), 1, 0, 0, "busy (again in 3h0m0s)"},
		"final":          {1, Final(errBusy), 1, 0, 0, "busy"},
		"refused":        {1, driver.Refusef("no: %w", errBusy), 1, 0, 0, "no: busy"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
			defer cancel()
			tries, begun := 0, time.Now()
			got, err := Do(ctx, Policy{First: time.Second, Tries: 4}, failing(c.times, c.with, &tries))
			switch {
			case c.want == "" && (err != nil || got != "done"):
				t.Errorf("%s: %q, %v", name, got, err)
			case c.want != "" && (err == nil || err.Error() != c.want || !errors.Is(err, errBusy)):
				t.Errorf("%s: %v, want %s", name, err, c.want)
			}
			if took := time.Since(begun); tries != c.tries || took < c.from || took > c.to {
				t.Errorf("%s: %d tries in %v", name, tries, took)
			}
		})
	}
}

// The error has what was waited for and that the context has ended, whenever it ended.
func TestDoCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, within := range map[string]bool{"in a pause": false, "in a try": true} {
			ctx, cancel := context.WithCancel(t.Context())
			tries := 0
			_, err := Do(ctx, Policy{First: time.Hour}, func() (int, error) {
				tries++
				if within {
					cancel()
				} else {
					time.AfterFunc(time.Second, cancel)
				}
				return 0, errBusy
			})
			if !errors.Is(err, errBusy) || !errors.Is(err, context.Canceled) || tries != 1 || err.Error() != "busy: context canceled" {
				t.Errorf("%s: %v after %d tries", name, err, tries)
			}
			_, err = Do(ctx, Policy{First: time.Hour}, func() (int, error) { return 0, ctx.Err() })
			if err == nil || err.Error() != "context canceled" {
				t.Errorf("%s: the end is said once: %v", name, err)
			}
		}
	})
}

// Nothing is begun that would end after the deadline.
func TestDoDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		begun, tries := time.Now(), 0
		_, err := Do(ctx, Policy{First: time.Second}, failing(1000, errBusy, &tries))
		if took := time.Since(begun); !errors.Is(err, errBusy) || ctx.Err() != nil || took >= 20*time.Second || tries < 3 {
			t.Errorf("%v, %v, %d tries in %v", err, ctx.Err(), tries, took)
		}
	})
}

func TestPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks, begun := 0, time.Now()
		yes, err := Poll(t.Context(), time.Second, time.Minute, func() (bool, error) { looks++; return looks == 4, nil })
		if !yes || err != nil || looks != 4 {
			t.Errorf("%v, %v, %d looks", yes, err, looks)
		}
		begun = time.Now()
		yes, err = Poll(t.Context(), time.Second, time.Minute, func() (bool, error) { return time.Since(begun) >= time.Minute, nil })
		if took := time.Since(begun); !yes || err != nil || took != time.Minute {
			t.Errorf("the last look is at the end: %v, %v in %v", yes, err, took)
		}
		begun, looks = time.Now(), 0
		yes, err = Poll(t.Context(), time.Second, time.Minute, func() (bool, error) { looks++; return false, nil })
		if took := time.Since(begun); yes || err != nil || took != time.Minute || looks < 6 || looks > 20 {
			t.Errorf("%v, %v, %d looks in %v", yes, err, looks, took)
		}
		if yes, err = Poll(t.Context(), time.Second, 0, func() (bool, error) { return true, errBusy }); !yes || !errors.Is(err, errBusy) {
			t.Errorf("%v, %v", yes, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if yes, err = Poll(ctx, time.Second, time.Minute, func() (bool, error) { return false, nil }); yes || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, %v", yes, err)
		}
	})
}

func TestLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if got := Left(t.Context()); got <= MostAsked {
			t.Errorf("%v", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if got := Left(ctx); got != time.Minute {
			t.Errorf("%v", got)
		}
		cancel()
		begun := time.Now()
		if err := Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) || time.Since(begun) != 0 {
			t.Errorf("%v", err)
		}
		if err := Sleep(ctx, 0); !errors.Is(err, context.Canceled) { // whichever of the two is seen first
			t.Errorf("%v", err)
		}
	})
}
