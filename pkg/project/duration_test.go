package project_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/project"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0s": 0, "1ms": time.Millisecond, "1.5h": 90 * time.Minute, "1h30m": 90 * time.Minute, "2d": 48 * time.Hour,
		"1d12h": 36 * time.Hour, "90m": 90 * time.Minute, "0d": 0,
	} {
		got, err := project.ParseDuration(text)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "2", "-2h", "+2h", "2 h", "2H", "h", "1h1d", "1.5d", "1us", "99999d2000000h", "9999999999h", "106751d", "∞"} {
		if got, err := project.ParseDuration(text); err == nil {
			t.Errorf("%q: accepted as %v", text, got)
		}
	}
}
