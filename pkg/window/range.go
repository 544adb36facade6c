package window

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Range is a part of the time that returns every week or by cron, or is there once. The zero Range holds no moment.
type Range struct {
	Name string // its text unless it was given another
	Text string // as it was written
	rule rule
}

// Bounds of a cron range's duration.
const (
	MinFor = time.Minute
	MaxFor = 30 * 24 * time.Hour
)

// rule tells whether a range holds the moment at which the clock on the wall shows a time, and the next time after it at
// which that may change; zero means never, which a range that holds a moment does not say.
//
//sumtype:decl
type rule interface {
	at(shows time.Time) (in bool, next time.Time)
}

func (r Range) at(shows time.Time) (in bool, next time.Time) {
	if r.rule == nil {
		return false, time.Time{}
	}
	return r.rule.at(shows)
}

// named is the range with its text for a name, if it has no other.
func named(name, text string, of rule) Range {
	if name == "" {
		name = text
	}
	return Range{Name: name, Text: text, rule: of}
}

// quote repeats what somebody wrote in an error, cut short, on one line.
func quote(text string) string {
	const most = 48
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return fmt.Sprintf("%q", text)
}

// crontab is a range that begins by a cron expression. Its times are those of the clock on the wall: the library computes in
// UTC, since over a change of half an hour, as on Lord Howe Island, it loses a day's times when it computes in the zone.
type crontab struct {
	begins *cron.SpecSchedule
	lasts  time.Duration
}

var fiveFields = regexp.MustCompile(`^[0-9A-Za-z*?,/-]+( +[0-9A-Za-z*?,/-]+){4}$`)

const maxCron = 128

// Cron reads a range that begins when the cron expression says and lasts for a while, from MinFor to MaxFor. The expression
// has five fields: minute, hour, day of month, month, day of week.
func Cron(name, text string, lasts time.Duration) (Range, error) {
	if len(text) > maxCron || !fiveFields.MatchString(text) {
		return Range{}, fmt.Errorf("%s is not a cron expression: write minute, hour, day of month, month and day of week, as in 0 9 * * MON-FRI",
			quote(text))
	}
	if lasts < MinFor || lasts > MaxFor {
		return Range{}, fmt.Errorf("a cron range can not last %s: allowed are 1m to 30d", short(lasts))
	}
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	parsed, err := parser.Parse(text)
	if err != nil {
		return Range{}, fmt.Errorf("%s is not a cron expression: %w", quote(text), err)
	}
	begins, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return Range{}, fmt.Errorf("%s is not a cron expression of five fields", quote(text))
	}
	begins.Location = time.UTC
	// From here the five years that the library looks ahead hold a 29 February.
	if begins.Next(time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Range{}, fmt.Errorf("%s names a day that no year has", quote(text))
	}
	return named(name, "cron "+text+" for "+short(lasts), crontab{begins, lasts}), nil
}

// short writes 7h, not 7h0m0s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// at looks for the first beginning that is recent enough. When ranges overlap, the next one takes over at the end of this.
func (c crontab) at(shows time.Time) (in bool, next time.Time) {
	begin := c.begins.Next(shows.Add(-c.lasts))
	if begin.IsZero() || begin.After(shows) {
		return false, begin
	}
	return true, begin.Add(c.lasts)
}

// dates is a range that is there once: from its first moment to before its last.
type dates struct{ from, to time.Time }

const (
	day       = "2006-01-02"
	dayMinute = "2006-01-02 15:04"
)

// Dates reads a range that is there once, such as from 2026-12-20 to 2027-01-04, or from 2026-12-20 16:00 to 2026-12-21 09:00.
// A time at the end is the first moment that is not in the range any more; a last day without a time is in it as a whole.
func Dates(name, from, to string) (Range, error) {
	begin, _, err := moment(from)
	if err != nil {
		return Range{}, err
	}
	end, bare, err := moment(to)
	if err != nil {
		return Range{}, err
	}
	if bare {
		end = end.AddDate(0, 0, 1)
	}
	if !begin.Before(end) {
		return Range{}, fmt.Errorf("%s to %s is over before it begins: put the earlier date first", quote(from), quote(to))
	}
	return named(name, from+" to "+to, dates{begin, end}), nil
}

// Moment tells whether text is a date, or a date with a time, as Dates reads it.
func Moment(text string) error {
	_, _, err := moment(text)
	return err
}

func moment(text string) (at time.Time, bare bool, err error) {
	if at, err = time.Parse(day, text); err == nil {
		return at, true, nil
	}
	if at, err = time.Parse(dayMinute, text); err == nil {
		return at, false, nil
	}
	return time.Time{}, false, fmt.Errorf("%s is not a date: write it like 2026-12-20 or 2026-12-20 16:00", quote(text))
}

func (d dates) at(shows time.Time) (in bool, next time.Time) {
	switch {
	case shows.Before(d.from):
		return false, d.from
	case shows.Before(d.to):
		return true, d.to
	}
	return false, time.Time{}
}
