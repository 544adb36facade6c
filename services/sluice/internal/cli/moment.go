package cli

import (
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/project"
)

// moment reads a time as a person says it, in the zone of now: 15:04 is the next time that the clock shows it.
func moment(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05"} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	clock, err := time.ParseInLocation("15:04", text, now.Location())
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a time: write it like 15:04, \"2006-01-02 15:04\" or 2006-01-02T15:04:05+01:00", text)
	}
	t := time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), 0, 0, now.Location())
	if !t.After(now) {
		t = time.Date(now.Year(), now.Month(), now.Day()+1, clock.Hour(), clock.Minute(), 0, 0, now.Location())
	}
	return t, nil
}

// ago reads a time that is over: a duration before now, a date, or a time as moment reads it.
func ago(text string, now time.Time) (time.Time, error) {
	if d, err := project.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	t, err := time.ParseInLocation(time.DateOnly, text, now.Location())
	if err != nil {
		if t, err = moment(text, now); err != nil {
			return time.Time{}, fmt.Errorf("%q is not a time: write it like 90d, 2006-01-02 or \"2006-01-02 15:04\"", text)
		}
	}
	if !t.Before(now) {
		return time.Time{}, fmt.Errorf("%q is not over yet", text)
	}
	return t, nil
}

// span is from when until when something is to last; a zero time is now, or until somebody ends it.
type span struct{ from, until time.Time }

// spanOf reads the flags --from, --until and --for, each of which may be empty.
func spanOf(from, until, lasts string, now time.Time) (s span, err error) {
	if until != "" && lasts != "" {
		return s, fmt.Errorf("--until %s and --for %s: give one of the two", until, lasts)
	}
	begin := now
	if from != "" {
		if s.from, err = moment(from, now); err != nil {
			return s, fmt.Errorf("--from: %w", err)
		}
		begin = s.from
	}
	if lasts != "" {
		d, err := project.ParseDuration(lasts)
		if err != nil || d <= 0 {
			return s, fmt.Errorf("--for %q: want for how long, such as 90m, 48h or 2d", lasts)
		}
		s.until = begin.Add(d)
	}
	if until != "" {
		if s.until, err = moment(until, begin); err != nil {
			return s, fmt.Errorf("--until: %w", err)
		}
	}
	if !s.until.IsZero() && (!s.until.After(begin) || !s.until.After(now)) {
		return s, fmt.Errorf("it would be over at %s: want a later end", s.until.In(now.Location()).Format("2006-01-02 15:04:05 MST"))
	}
	return s, nil
}
