package window_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/window"
)

// model is a range with a second opinion about it: holds tells whether it holds what the clock on the wall shows.
type model struct {
	window.Range
	holds func(shows time.Time) bool
}

// TestUntilIsTheFirstOpenMoment holds At to an oracle that looks at every minute, around the changes of several zones.
func TestUntilIsTheFirstOpenMoment(t *testing.T) {
	const minutes = 9 * 24 * 60
	changes := map[string]list{
		"Europe/Berlin":       {"2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"},
		"America/New_York":    {"2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z"},
		"Australia/Lord_Howe": {"2026-10-03T15:30:00Z", "2026-04-04T15:00:00Z"},
		"Pacific/Apia":        {"2011-12-30T10:00:00Z"},
		"UTC":                 {"2027-01-01T00:00:00Z"},
	}
	zones := map[string]*time.Location{}
	var names list
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC"} {
		zones[name], names = zone(t, name), append(names, name)
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(names).Draw(t, "zone")
		change, err := time.Parse(time.RFC3339, rapid.SampledFrom(changes[name]).Draw(t, "change"))
		if err != nil {
			t.Fatal(err)
		}
		at := change.Add(time.Duration(rapid.IntRange(-8*24*60, 12*60).Draw(t, "minutes before or after")) * time.Minute)
		windows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) model { return drawRange(t, change) }), 0, 3).Draw(t, "open")
		freezes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) model { return drawRange(t, change) }), 0, 4).Draw(t, "freeze")

		s := window.Schedule{Zone: zones[name]}
		for _, m := range windows {
			s.Open = append(s.Open, m.Range)
		}
		for _, m := range freezes {
			s.Freeze = append(s.Freeze, m.Range)
		}
		open := func(at time.Time) bool {
			local := at.In(zones[name])
			shows := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), 0, time.UTC)
			return (len(windows) == 0 || holding(windows, shows)) && !holding(freezes, shows)
		}

		v := s.At(at)
		if v.Open != open(at) {
			t.Fatalf("%s: %+v", at, v)
		}
		if v.Open {
			return
		}
		first := at
		for range minutes {
			if open(first) {
				break
			}
			first = first.Add(time.Minute)
		}
		switch {
		case open(first) && !v.Until.Equal(first):
			t.Fatalf("%s: opens at %s, the verdict says %s", at, first, v.Until)
		case !open(first) && !v.Until.IsZero() && v.Until.Before(first):
			t.Fatalf("%s: not open before %s, the verdict says %s", at, first, v.Until)
		}
		if early := s.At(at.Add(time.Nanosecond)); early.Open || !early.Until.Equal(v.Until) {
			t.Fatalf("a nanosecond later: %+v, was %+v", early, v)
		}
	})
}

func holding(models []model, shows time.Time) bool {
	for _, m := range models {
		if m.holds(shows) {
			return true
		}
	}
	return false
}

func drawRange(t *rapid.T, near time.Time) model {
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		return drawDays(t)
	case 1:
		return drawSpan(t)
	case 2:
		return drawCron(t)
	default:
		return drawDates(t, near)
	}
}

// drawMinute prefers the hours in which clocks change.
func drawMinute(t *rapid.T, label string) int {
	return rapid.OneOf(rapid.IntRange(60, 200), rapid.IntRange(0, 24*60-1)).Draw(t, label)
}

func drawDay(t *rapid.T, label string) time.Weekday {
	return rapid.SampledFrom([]time.Weekday{time.Sunday, time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday}).Draw(t, label)
}

func short(d time.Weekday) string { return d.String()[:3] }

func clock(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }

func minuteOf(shows time.Time) int { return shows.Hour()*60 + shows.Minute() }

// drawDays is Mon,Thu-Sat 09:00-16:00, also over midnight, also whole days.
func drawDays(t *rapid.T) model {
	days := map[time.Weekday]bool{}
	var parts list
	for range rapid.IntRange(1, 3).Draw(t, "parts") {
		from, n := drawDay(t, "day"), rapid.IntRange(0, 4).Draw(t, "more days")
		for i := range n + 1 {
			days[(from+time.Weekday(i))%7] = true
		}
		part := short(from)
		if n > 0 {
			part += "-" + short((from+time.Weekday(n))%7)
		}
		parts = append(parts, part)
	}
	text := strings.Join(parts, ",")
	from, to := 0, 24*60
	if rapid.Bool().Draw(t, "has times") {
		from, to = drawMinute(t, "from"), drawMinute(t, "to")
		if from == to {
			to++
		}
		text += " " + clock(from) + "-" + clock(to)
	}
	r, err := window.Weekly("", text)
	if err != nil {
		t.Fatal(err)
	}
	return model{r, func(shows time.Time) bool {
		today, yesterday, m := days[shows.Weekday()], days[(shows.Weekday()+6)%7], minuteOf(shows)
		if from < to {
			return today && from <= m && m < to
		}
		return today && from <= m || yesterday && m < to
	}}
}

// drawSpan is Fri 16:00 - Mon 09:00.
func drawSpan(t *rapid.T) model {
	fromDay, from := drawDay(t, "from day"), drawMinute(t, "from")
	toDay, to := drawDay(t, "to day"), drawMinute(t, "to")
	if fromDay == toDay && from == to {
		from = (from + 1) % (24 * 60)
	}
	r, err := window.Weekly("", fmt.Sprintf("%s %s - %s %s", short(fromDay), clock(from), short(toDay), clock(to)))
	if err != nil {
		t.Fatal(err)
	}
	begin, end := int(fromDay)*24*60+from, int(toDay)*24*60+to
	return model{r, func(shows time.Time) bool {
		m := int(shows.Weekday())*24*60 + minuteOf(shows)
		if begin < end {
			return begin <= m && m < end
		}
		return begin <= m || m < end
	}}
}

// drawCron begins at one time of some days of the week, and may overlap itself.
func drawCron(t *rapid.T) model {
	minute, day, n := drawMinute(t, "at"), int(drawDay(t, "day")), rapid.IntRange(0, 3).Draw(t, "more days")
	last := min(day+n, 6)
	lasts := time.Duration(rapid.OneOf(rapid.IntRange(1, 180), rapid.IntRange(1, 50*60)).Draw(t, "lasts")) * time.Minute
	r, err := window.Cron("", fmt.Sprintf("%d %d * * %d-%d", minute%60, minute/60, day, last), lasts)
	if err != nil {
		t.Fatal(err)
	}
	return model{r, func(shows time.Time) bool {
		for ago := range 4 {
			begin := time.Date(shows.Year(), shows.Month(), shows.Day()-ago, 0, minute, 0, 0, time.UTC)
			if d := int(begin.Weekday()); day <= d && d <= last && !shows.Before(begin) && shows.Before(begin.Add(lasts)) {
				return true
			}
		}
		return false
	}}
}

// drawDates is some hours or days around the change.
func drawDates(t *rapid.T, near time.Time) model {
	from := near.Add(time.Duration(rapid.IntRange(-3*24*60, 3*24*60).Draw(t, "from")) * time.Minute)
	to := from.Add(time.Duration(rapid.IntRange(1, 4*24*60).Draw(t, "lasts")) * time.Minute)
	const form = "2006-01-02 15:04"
	r, err := window.Dates("", from.Format(form), to.Format(form))
	if err != nil {
		t.Fatal(err)
	}
	return model{r, func(shows time.Time) bool { return !shows.Before(from) && shows.Before(to) }}
}
