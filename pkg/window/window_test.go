package window_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/window"
)

// ranges reads ranges as the tables write them: dates have "..", cron has "for", all else is weekly.
func ranges(t testing.TB, texts ...string) []window.Range {
	t.Helper()
	var out []window.Range
	for _, text := range texts {
		var r window.Range
		var err error
		if from, to, ok := strings.Cut(text, ".."); ok {
			r, err = window.Dates("", from, to)
		} else if expr, lasts, ok := strings.Cut(text, " for "); ok {
			d, bad := time.ParseDuration(lasts)
			if bad != nil {
				t.Fatal(bad)
			}
			r, err = window.Cron("", expr, d)
		} else {
			r, err = window.Weekly("", text)
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := window.Zone(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func when(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

type list = []string

const (
	isOpen = "open"
	never  = "never"
)

// verdict checks what the schedule says at a moment: isOpen, never, or the moment at which it opens.
func verdict(t *testing.T, s window.Schedule, at, want string) window.Verdict {
	t.Helper()
	got := s.At(when(t, at))
	said := never
	switch {
	case got.Open:
		said = isOpen
	case !got.Until.IsZero():
		said = got.Until.Format(time.RFC3339)
		if !s.At(got.Until).Open {
			t.Errorf("%s: not open at %s", at, said)
		}
		if s.At(got.Until.Add(-1)).Open {
			t.Errorf("%s: open before %s", at, said)
		}
	}
	if said != want {
		t.Errorf("%s: %s, want %s", at, said, want)
	}
	if (got.Why == "") != got.Open || got.Open && !got.Until.IsZero() {
		t.Errorf("%s: %+v", at, got)
	}
	return got
}

func TestAt(t *testing.T) {
	for name, c := range map[string]struct {
		open, freeze list
		want         map[string]string // in UTC
	}{
		"nothing said": {want: map[string]string{"2026-11-23T07:00:00Z": isOpen}},
		"office hours": {open: list{"Mon-Thu 09:00-16:00"}, want: map[string]string{
			"2026-11-23T08:59:59Z": "2026-11-23T09:00:00Z",
			"2026-11-23T09:00:00Z": isOpen,
			"2026-11-23T15:59:59Z": isOpen,
			"2026-11-23T16:00:00Z": "2026-11-24T09:00:00Z",
			"2026-11-26T16:00:00Z": "2026-11-30T09:00:00Z",
		}},
		"several days": {open: list{"Mon,wed 10:00 - 12:00"}, want: map[string]string{
			"2026-11-23T12:00:00Z": "2026-11-25T10:00:00Z",
			"2026-11-25T12:00:00Z": "2026-11-30T10:00:00Z",
		}},
		"whole days": {open: list{"Sat", "Tue-Wed, Fri"}, want: map[string]string{
			"2026-11-23T23:00:00Z": "2026-11-24T00:00:00Z",
			"2026-11-25T23:59:59Z": isOpen,
			"2026-11-26T00:00:00Z": "2026-11-27T00:00:00Z",
			"2026-11-28T23:59:59Z": isOpen,
			"2026-11-29T00:00:00Z": "2026-12-01T00:00:00Z",
		}},
		"over midnight": {open: list{"Fri 22:00-02:00"}, want: map[string]string{
			"2026-11-27T01:00:00Z": "2026-11-27T22:00:00Z",
			"2026-11-28T01:59:59Z": isOpen,
			"2026-11-28T02:00:00Z": "2026-12-04T22:00:00Z",
		}},
		"over midnight and the week's end": {open: list{"Sun 22:00-02:00"}, want: map[string]string{
			"2026-11-29T22:00:00Z": isOpen,
			"2026-11-30T01:59:59Z": isOpen,
			"2026-11-30T02:00:00Z": "2026-12-06T22:00:00Z",
		}},
		"to the end of the day": {open: list{"Sun 22:00-24:00"}, want: map[string]string{
			"2026-11-29T23:59:59Z": isOpen,
			"2026-11-30T00:00:00Z": "2026-12-06T22:00:00Z",
		}},
		"days over the week's end": {open: list{"Sat-Mon 10:00-11:00"}, want: map[string]string{
			"2026-11-27T10:30:00Z": "2026-11-28T10:00:00Z",
			"2026-11-29T11:00:00Z": "2026-11-30T10:00:00Z",
			"2026-11-30T11:00:00Z": "2026-12-05T10:00:00Z",
		}},
		"one span over the week's end": {freeze: list{"Fri 16:00 - Mon 09:00"}, want: map[string]string{
			"2026-11-27T15:59:59Z": isOpen,
			"2026-11-27T16:00:00Z": "2026-11-30T09:00:00Z",
			"2026-11-30T00:00:00Z": "2026-11-30T09:00:00Z",
			"2026-11-30T09:00:00Z": isOpen,
		}},
		"the whole week but an hour": {freeze: list{"Mon 10:00 - Mon 09:00"}, want: map[string]string{
			"2026-11-23T10:00:00Z": "2026-11-30T09:00:00Z",
			"2026-11-23T09:30:00Z": isOpen,
		}},
		"freezes overlap each other and the windows": {
			open: list{"Mon-Fri 09:00-16:00"}, freeze: list{"Fri 12:00 - Mon 09:00", "2026-11-29..2026-12-01", "Wed 08:00-10:00"},
			want: map[string]string{
				"2026-11-27T12:00:00Z": "2026-12-02T10:00:00Z",
				"2026-11-27T11:59:00Z": isOpen,
				"2026-11-30T10:00:00Z": "2026-12-02T10:00:00Z",
			},
		},
		"windows overlap each other": {open: list{"Mon 09:00-12:00", "Mon 11:00-13:00", "Mon 13:00-14:00"}, want: map[string]string{
			"2026-11-23T11:30:00Z": isOpen,
			"2026-11-23T13:00:00Z": isOpen,
			"2026-11-23T14:00:00Z": "2026-11-30T09:00:00Z",
		}},
		"dates with and without times": {freeze: list{"2026-12-20..2027-01-04", "2027-01-05 08:00..2027-01-05 09:30"}, want: map[string]string{
			"2026-12-19T23:59:59Z": isOpen,
			"2026-12-20T00:00:00Z": "2027-01-05T00:00:00Z",
			"2027-01-04T23:59:59Z": "2027-01-05T00:00:00Z",
			"2027-01-05T08:00:00Z": "2027-01-05T09:30:00Z",
		}},
		"one day":    {open: list{"2026-12-20..2026-12-20"}, want: map[string]string{"2026-12-20T23:59:59Z": isOpen, "2026-12-21T00:00:00Z": never}},
		"one window": {open: list{"2026-12-20..2026-12-21"}, want: map[string]string{"2026-11-23T00:00:00Z": "2026-12-20T00:00:00Z"}},
		"too far":    {open: list{"2030-01-01..2030-01-02"}, want: map[string]string{"2026-11-23T00:00:00Z": never, "2029-12-31T00:00:00Z": "2030-01-01T00:00:00Z"}},
		"at the horizon": {open: list{"2028-01-01..2028-01-02"}, want: map[string]string{
			"2026-11-27T00:00:00Z": "2028-01-01T00:00:00Z", "2026-11-26T23:59:59Z": never,
		}},
		"all frozen":              {freeze: list{"Mon-Sun"}, want: map[string]string{"2026-11-23T00:00:00Z": never}},
		"frozen whenever open":    {open: list{"Mon 09:00-10:00"}, freeze: list{"Mon"}, want: map[string]string{"2026-11-23T00:00:00Z": never}},
		"frozen for long":         {freeze: list{"2026-01-01..2099-01-01"}, want: map[string]string{"2026-11-23T00:00:00Z": never}},
		"cron":                    {open: list{"0 9 * * MON-FRI for 7h"}, want: map[string]string{"2026-11-27T15:59:59Z": isOpen, "2026-11-27T16:00:00Z": "2026-11-30T09:00:00Z"}},
		"cron that joins itself":  {freeze: list{"0 * 24 * * for 1h"}, want: map[string]string{"2026-11-24T00:00:00Z": "2026-11-25T00:00:00Z"}},
		"cron that overlaps":      {freeze: list{"*/10 8-9 * * * for 25m"}, want: map[string]string{"2026-11-24T08:00:00Z": "2026-11-24T10:15:00Z"}},
		"cron of the leap day":    {open: list{"0 0 29 2 * for 24h"}, want: map[string]string{"2027-03-01T00:00:00Z": "2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z": never}},
		"cron over the month end": {open: list{"0 22 31 12 * for 4h"}, want: map[string]string{"2027-01-01T01:59:59Z": isOpen, "2027-01-01T02:00:00Z": "2027-12-31T22:00:00Z"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := window.Schedule{Open: ranges(t, c.open...), Freeze: ranges(t, c.freeze...)}
			for at, want := range c.want {
				verdict(t, s, at, want)
			}
		})
	}
}

// Clocks go forward and back: in Berlin and New York by an hour, on Lord Howe Island by half of one.
func TestDaylightSaving(t *testing.T) {
	const (
		berlin = "Europe/Berlin"       // 2026-03-29 02:00 is 03:00; 2026-10-25 03:00 is 02:00
		york   = "America/New_York"    // 2026-03-08 02:00 is 03:00; 2026-11-01 02:00 is 01:00
		howe   = "Australia/Lord_Howe" // 2026-10-04 02:00 is 02:30; 2026-04-05 02:00 is 01:30
		apia   = "Pacific/Apia"        // there was no 2011-12-30
	)
	for name, c := range map[string]struct {
		zone         string
		open, freeze list
		want         map[string]string
	}{
		"a window in the gap is not": {berlin, list{"Sun 02:15-02:45"}, nil, map[string]string{
			"2026-03-29T01:59:59+01:00": "2026-04-05T02:15:00+02:00",
		}},
		"a window that begins in the gap begins after it": {berlin, list{"Sun 02:30-04:00"}, nil, map[string]string{
			"2026-03-29T01:59:59+01:00": "2026-03-29T03:00:00+02:00",
			"2026-03-29T03:59:59+02:00": isOpen,
			"2026-03-29T04:00:00+02:00": "2026-04-05T02:30:00+02:00",
		}},
		"a freeze that ends in the gap ends with it": {berlin, nil, list{"Sun 01:00-02:30"}, map[string]string{
			"2026-03-29T01:00:00+01:00": "2026-03-29T03:00:00+02:00",
		}},
		"a window that exists twice": {berlin, list{"Sun 02:15-02:45"}, nil, map[string]string{
			"2026-10-25T02:00:00+02:00": "2026-10-25T02:15:00+02:00",
			"2026-10-25T02:45:00+02:00": "2026-10-25T02:15:00+01:00",
			"2026-10-25T02:30:00+01:00": isOpen,
			"2026-10-25T02:45:00+01:00": "2026-11-01T02:15:00+01:00",
		}},
		"a freeze that ends within the repeated hour comes back": {berlin, nil, list{"Sun 01:00-02:30"}, map[string]string{
			"2026-10-25T01:00:00+02:00": "2026-10-25T02:30:00+02:00",
			"2026-10-25T02:59:59+02:00": isOpen,
			"2026-10-25T02:00:00+01:00": "2026-10-25T02:30:00+01:00",
		}},
		"dates within the repeated hour": {berlin, list{"2026-10-24..2026-10-25 02:30"}, nil, map[string]string{
			"2026-10-25T02:29:59+02:00": isOpen,
			"2026-10-25T02:30:00+02:00": "2026-10-25T02:00:00+01:00",
			"2026-10-25T02:30:00+01:00": never,
		}},
		"office hours stay those of the clock": {berlin, list{"Mon-Fri 09:00-16:00"}, nil, map[string]string{
			"2026-03-27T16:00:00+01:00": "2026-03-30T09:00:00+02:00",
			"2026-10-23T16:00:00+02:00": "2026-10-26T09:00:00+01:00",
		}},
		"a day of cron is the whole day": {berlin, nil, list{"0 0 * * SUN for 24h"}, map[string]string{
			"2026-03-29T00:00:00+01:00": "2026-03-30T00:00:00+02:00",
			"2026-10-25T00:00:00+02:00": "2026-10-26T00:00:00+01:00",
		}},
		"cron that begins in the gap is not lost": {berlin, nil, list{"30 2 * * SUN for 7h"}, map[string]string{
			"2026-03-29T01:59:59+01:00": isOpen,
			"2026-03-29T03:00:00+02:00": "2026-03-29T09:30:00+02:00",
		}},
		"the weekend of New York is longer": {york, nil, list{"Fri 16:00 - Mon 09:00"}, map[string]string{
			"2026-10-30T16:00:00-04:00": "2026-11-02T09:00:00-05:00",
			"2026-03-06T16:00:00-05:00": "2026-03-09T09:00:00-04:00",
		}},
		"New York's gap": {york, list{"Sun 02:00-03:00"}, nil, map[string]string{
			"2026-03-08T01:00:00-05:00": "2026-03-15T02:00:00-04:00",
		}},
		"New York's repeated hour": {york, list{"Sun 01:30-01:45"}, nil, map[string]string{
			"2026-11-01T01:45:00-04:00": "2026-11-01T01:30:00-05:00",
		}},
		"Lord Howe's gap of half an hour": {howe, list{"Sun 02:10-02:20", "Sun 02:25-02:40"}, nil, map[string]string{
			"2026-10-04T01:59:59+10:30": "2026-10-04T02:30:00+11:00",
		}},
		"Lord Howe's repeated half hour": {howe, list{"Sun 01:40-01:50"}, nil, map[string]string{
			"2026-04-05T01:50:00+11:00": "2026-04-05T01:40:00+10:30",
		}},
		"cron on Lord Howe, the day of the change": {howe, list{"0 9 * * * for 1h"}, nil, map[string]string{
			"2026-10-04T00:00:00+10:30": "2026-10-04T09:00:00+11:00",
			"2026-04-05T00:00:00+11:00": "2026-04-05T09:00:00+10:30",
		}},
		"a day that never was": {apia, list{"Fri"}, nil, map[string]string{
			"2011-12-29T23:00:00-10:00": "2012-01-06T00:00:00+14:00",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := window.Schedule{Zone: zone(t, c.zone), Open: ranges(t, c.open...), Freeze: ranges(t, c.freeze...)}
			for at, want := range c.want {
				verdict(t, s, at, want)
			}
		})
	}
}

func TestWhy(t *testing.T) {
	weekend, err := window.Weekly("weekend", "Sat-Sun")
	if err != nil {
		t.Fatal(err)
	}
	s := window.Schedule{Open: ranges(t, "Mon-Fri 09:00-16:00"), Freeze: append(ranges(t, "2026-11-29..2026-12-01", "0 4 * * * for 90m"), weekend)}
	for at, want := range map[string]string{
		"2026-11-27T08:00:00Z": "outside the windows",
		"2026-11-28T08:00:00Z": `freeze "weekend"`,
		"2026-11-29T05:00:00Z": `freeze "2026-11-29 to 2026-12-01", freeze "cron 0 4 * * * for 1h30m", freeze "weekend"`,
		"2026-12-01T10:00:00Z": `freeze "2026-11-29 to 2026-12-01"`,
		"2026-12-02T10:00:00Z": "",
	} {
		if got := s.At(when(t, at)); got.Why != want {
			t.Errorf("%s: %q, want %q", at, got.Why, want)
		}
	}
}

// A schedule may be without its parts, and a moment within a second.
func TestZeroValues(t *testing.T) {
	at := when(t, "2026-11-23T07:00:00.25Z")
	if v := (window.Schedule{Freeze: []window.Range{{Name: "nothing"}}}).At(at); !v.Open {
		t.Errorf("%+v", v)
	}
	if v := (window.Schedule{Open: []window.Range{{Name: "nothing"}}}).At(at); v.Open || !v.Until.IsZero() {
		t.Errorf("%+v", v)
	}
	s := window.Schedule{Zone: zone(t, "Asia/Kathmandu"), Freeze: ranges(t, "* * * * * for 1m", "Mon")}
	if v := s.At(at); v.Open || v.Until.Format(time.RFC3339Nano) == "" {
		t.Errorf("%+v", v)
	}
}

// What a schedule costs is bounded: one that changes all the time and is never open says when to ask again.
func TestTheSearchIsBounded(t *testing.T) {
	at := when(t, "2026-11-23T07:00:00Z")
	s := window.Schedule{Open: ranges(t, "*/2 * * * * for 1m"), Freeze: ranges(t, "*/2 * * * * for 1m")}
	v := s.At(at)
	if v.Open || !v.Until.After(at.Add(24*time.Hour)) || v.Until.After(at.Add(30*24*time.Hour)) || s.At(v.Until).Open {
		t.Errorf("%+v", v)
	}
	// A long freeze is passed in one step, however often windows open and other freezes end meanwhile.
	s.Freeze = ranges(t, "2026-11-01..2027-10-01", "* * * 1-9 * for 1m")
	verdict(t, s, "2027-01-01T00:00:00Z", "2027-10-02T00:00:00Z")
}

func TestNever(t *testing.T) {
	for name, c := range map[string]struct {
		open, freeze list
		want         bool
	}{
		"nothing":             {nil, nil, false},
		"frozen for a week":   {nil, list{"Mon-Sun"}, true},
		"frozen by two":       {nil, list{"Mon-Thu 12:00-12:01", "Fri - Thu"}, true},
		"frozen when open":    {list{"Mon 09:00-10:00"}, list{"Mon 08:00-10:00"}, true},
		"open for a minute":   {list{"Mon 09:00-10:01"}, list{"Mon 08:00-10:00"}, false},
		"dates are over":      {nil, list{"2000-01-01..2099-01-01"}, false},
		"open by date":        {list{"2026-01-01..2026-01-02"}, list{"Mon 08:00-10:00"}, false},
		"open by date or not": {list{"2026-01-01..2026-01-02", "Mon"}, list{"Mon-Sun"}, false},
		"the leap day":        {list{"0 0 29 2 * for 1h"}, list{"Mon"}, false},
		"changes all day":     {list{"*/2 * * * * for 1m"}, list{"*/2 * * * * for 1m"}, false},
	} {
		s := window.Schedule{Zone: zone(t, "Europe/Berlin"), Open: ranges(t, c.open...), Freeze: ranges(t, c.freeze...)}
		if got := s.Never(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
