package project

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Bounds of the durations and counts in a project file.
const (
	MaxDelay = 30 * 24 * time.Hour  // also of grace, max_overdue, max_wait, bake.for and limits.phase
	MaxHold  = 365 * 24 * time.Hour // of limits.hold

	minOverdue       = time.Second
	minLimit         = time.Second
	minBake          = time.Second
	minActionTimeout = 100 * time.Millisecond
	maxActionTimeout = 24 * time.Hour
	minProbeTimeout  = 10 * time.Millisecond
	maxProbeTimeout  = 10 * time.Minute
	minProbeInterval = 100 * time.Millisecond
	maxProbeInterval = time.Hour
	maxFailures      = 1000
	maxChecks        = 32 // of a stage, and of the bake
	maxStages        = 8
	maxApprovals     = 16
	maxNeeds         = 32
	maxRanges        = 32 // of the windows, and of the freezes
	maxSupersede     = 100
	minCoverage      = 50  // percent
	maxWords         = 256 // of a command, its environment and env_from
	maxSignals       = 1_000_000_000
)

var duration = regexp.MustCompile(`^(?:([0-9]{1,5})d)?((?:[0-9]+(?:\.[0-9]+)?(?:h|m|s|ms))*)$`)

// ParseDuration reads a duration as a project file or a merge event writes it: whole days (d), then hours, minutes, seconds
// and milliseconds, such as 2h, 30m, 1h30m, 2d12h or 0s. A number without a unit is an error, and so is a sign.
func ParseDuration(text string) (time.Duration, error) {
	parts := duration.FindStringSubmatch(text)
	if text == "" || parts == nil {
		return 0, fmt.Errorf("%s is not a duration: write it like 2h, 30m, 1h30m, 2d or 0s", quote(text))
	}
	var days, rest time.Duration
	if parts[1] != "" {
		n, err := strconv.Atoi(parts[1])
		if err != nil {
			return 0, fmt.Errorf("%s is not a duration: %w", quote(text), err)
		}
		days = time.Duration(n) * 24 * time.Hour
	}
	if parts[2] != "" {
		var err error
		if rest, err = time.ParseDuration(parts[2]); err != nil {
			return 0, fmt.Errorf("%s is too long for a duration", quote(text))
		}
	}
	if days+rest < days {
		return 0, fmt.Errorf("%s is too long for a duration", quote(text))
	}
	return days + rest, nil
}

// ParseDelay reads the soak's delay, from a project file or from the merge event that overrides it: a duration of at most
// MaxDelay. 0s is allowed and disables the soak.
func ParseDelay(text string) (time.Duration, error) { return between(0, MaxDelay)(text) }

// between makes a parser of durations within bounds, both included.
func between(least, most time.Duration) func(string) (time.Duration, error) {
	return func(text string) (time.Duration, error) {
		d, err := ParseDuration(text)
		if err != nil {
			return 0, err
		}
		if d < least || d > most {
			return 0, fmt.Errorf("%s is out of bounds: allowed are %s to %s", quote(text), short(least), short(most))
		}
		return d, nil
	}
}

// short writes a duration the way a project file does: 30d, 2h30m, 90s as 1m30s.
func short(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	text := d.String() // 2h0m0s
	for _, zero := range []string{"m0s", "h0m"} {
		if n := len(text) - len(zero); n > 0 && text[n:] == zero {
			text = text[:n+1]
		}
	}
	return text
}
