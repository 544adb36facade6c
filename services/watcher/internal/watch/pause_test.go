package watch

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBackoff(t *testing.T) {
	for _, c := range []struct {
		every  time.Duration
		missed int
		share  float64
		want   time.Duration
	}{
		{10 * time.Second, 0, 0.5, 10 * time.Second},
		{10 * time.Second, 1, 0.5, 10 * time.Second},
		{10 * time.Second, 2, 0, 15 * time.Second},
		{10 * time.Second, 2, 0.5, 20 * time.Second},
		{10 * time.Second, 3, 0.5, 40 * time.Second},
		{10 * time.Second, 1000, 0.5, time.Minute},
		{time.Second, 1000, 0.5, 8 * time.Second},
		{time.Hour, 1000, 0.5, time.Hour},
	} {
		if got := backoff(c.every, c.missed, c.share); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestBackoffIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		every := time.Duration(rapid.Int64Range(int64(100*time.Millisecond), int64(time.Hour)).Draw(t, "every"))
		missed := rapid.IntRange(0, 1<<40).Draw(t, "missed")
		part := share(rapid.String().Draw(t, "release"), rapid.IntRange(0, 31).Draw(t, "check"), missed)
		if part < 0 || part >= 1 {
			t.Fatalf("a share of %v", part)
		}
		if got := backoff(every, missed, part); got < every || got > max(every, mostBackoff)*5/4 {
			t.Fatalf("every %s, after %d: %s", every, missed, got)
		}
	})
}
