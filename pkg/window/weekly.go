package window

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	oneDay  = 24 * time.Hour
	oneWeek = 7 * oneDay
)

// weekly is a range that returns every week.
type weekly struct {
	spans []span // at least one; in order, apart from each other, within the week
}

// span is a part of the week, since Monday 00:00: from is in it, to is not.
type span struct{ from, to time.Duration }

// The two forms of a weekly range.
var (
	onDays  = regexp.MustCompile(`^([a-z]{3}(?: *[,-] *[a-z]{3})*)(?: +([0-9:]+) *- *([0-9:]+))?$`)
	oneSpan = regexp.MustCompile(`^([a-z]{3}) +([0-9:]+) *- *([a-z]{3}) +([0-9:]+)$`)
	clock   = regexp.MustCompile(`^([01]?[0-9]|2[0-3]):([0-5][0-9])$`)
)

const maxWeekly = 128

// Weekly reads a range that returns every week: "Mon-Fri 09:00-16:00", "Mon,Wed 10:00-12:00", "Sat", "Fri 16:00 - Mon 09:00".
// An empty name leaves it its text for a name.
func Weekly(name, text string) (Range, error) {
	if len(text) > maxWeekly {
		return Range{}, errNotWeekly(text, errForm)
	}
	lower := strings.ToLower(text)
	var spans []span
	var err error
	if form := oneSpan.FindStringSubmatch(lower); form != nil {
		spans, err = overDays(form[1], form[2], form[3], form[4])
	} else if form := onDays.FindStringSubmatch(lower); form != nil {
		spans, err = eachDay(form[1], form[2], form[3])
	} else {
		err = errForm
	}
	if err != nil {
		return Range{}, errNotWeekly(text, err)
	}
	return named(name, text, weekly{inWeek(spans)}), nil
}

var errForm = errors.New("write it like Mon-Fri 09:00-16:00, Sat or Fri 16:00 - Mon 09:00")

func errNotWeekly(text string, err error) error {
	return fmt.Errorf("%s is not a weekly range: %w", quote(text), err)
}

// overDays is the one span from a time of one day to a time of another.
func overDays(fromDay, fromTime, toDay, toTime string) ([]span, error) {
	from, err := atTime(fromDay, beginTime, fromTime)
	if err != nil {
		return nil, err
	}
	to, err := atTime(toDay, clockTime, toTime)
	if err != nil {
		return nil, err
	}
	if to == from {
		return nil, errors.New("it ends where it begins; the whole week is Mon-Sun")
	}
	if to < from {
		to += oneWeek
	}
	return []span{{from, to}}, nil
}

func atTime(day string, read func(string) (time.Duration, error), text string) (time.Duration, error) {
	i, err := dayIndex(day)
	if err != nil {
		return 0, err
	}
	t, err := read(text)
	return time.Duration(i)*oneDay + t, err
}

// eachDay is a span on each of the days: the whole of them when there is no time.
func eachDay(list, fromTime, toTime string) ([]span, error) {
	from, to := time.Duration(0), oneDay
	if fromTime != "" {
		var err error
		if from, err = beginTime(fromTime); err != nil {
			return nil, err
		}
		if to, err = clockTime(toTime); err != nil {
			return nil, err
		}
		if from == to {
			return nil, errors.New("it ends when it begins; a whole day has no times")
		}
		if to < from { // over midnight
			to += oneDay
		}
	}
	var spans []span
	for part := range strings.SplitSeq(list, ",") {
		first, last, several := strings.Cut(part, "-")
		i, err := dayIndex(first)
		if err != nil {
			return nil, err
		}
		j := i
		if several {
			if j, err = dayIndex(last); err != nil {
				return nil, err
			}
		}
		for n := range (j-i+7)%7 + 1 {
			start := time.Duration((i+n)%7) * oneDay
			spans = append(spans, span{start + from, start + to})
		}
	}
	return spans, nil
}

// dayIndex counts from Monday.
func dayIndex(text string) (int, error) {
	i := slices.Index([]string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}, strings.TrimSpace(text))
	if i < 0 {
		return 0, fmt.Errorf("%s is not a day: write Mon, Tue, Wed, Thu, Fri, Sat or Sun, and two of them as Mon-Fri", quote(strings.TrimSpace(text)))
	}
	return i, nil
}

// beginTime is the time of day at which a range begins.
func beginTime(text string) (time.Duration, error) {
	t, err := clockTime(text)
	if err == nil && t == oneDay {
		err = errors.New("24:00 is the end of a day: begin it at 00:00 of the next one")
	}
	return t, err
}

// clockTime is the time of day since midnight, up to 24:00.
func clockTime(text string) (time.Duration, error) {
	if text == "24:00" {
		return oneDay, nil
	}
	parts := clock.FindStringSubmatch(text)
	if parts == nil {
		return 0, fmt.Errorf("%s is not a time of day: write 00:00 to 24:00", quote(text))
	}
	hours, err := strconv.Atoi(parts[1])
	if err != nil {
		return 0, err
	}
	minutes, err := strconv.Atoi(parts[2])
	if err != nil {
		return 0, err
	}
	return time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute, nil
}

// inWeek cuts spans, which begin in the week, at the end of the week, sorts them and joins those that touch.
func inWeek(spans []span) []span {
	var cut []span
	for _, s := range spans {
		if s.to > oneWeek {
			cut = append(cut, span{0, s.to - oneWeek})
		}
		cut = append(cut, span{s.from, min(s.to, oneWeek)})
	}
	slices.SortFunc(cut, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	joined := cut[:1]
	for _, s := range cut[1:] {
		if last := &joined[len(joined)-1]; s.from <= last.to {
			last.to = max(last.to, s.to)
		} else {
			joined = append(joined, s)
		}
	}
	return joined
}

func (w weekly) at(shows time.Time) (in bool, next time.Time) {
	monday := shows.Truncate(oneWeek) // the zero time is a Monday
	since := shows.Sub(monday)
	for _, s := range w.spans {
		if since < s.from {
			return false, monday.Add(s.from)
		}
		if since < s.to {
			return true, monday.Add(s.to)
		}
	}
	return false, monday.Add(oneWeek + w.spans[0].from)
}
