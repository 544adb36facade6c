package window_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/window"
)

func TestWeeklyRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "write it like Mon-Fri 09:00-16:00",
		"09:00-16:00":              "write it like",
		"Mon-Fri 09:00":            "write it like",
		"Mon-Fri 9-16":             `"9" is not a time of day`,
		"Mon Fri":                  "write it like",
		"Monday":                   "write it like",
		" Mon":                     "write it like",
		"Mon\n09:00-16:00":         "write it like",
		"Mit 09:00-16:00":          `"mit" is not a day`,
		"Mon-Tue-Wed":              `"tue-wed" is not a day`,
		"Mon 09:00-09:00":          "it ends when it begins",
		"Mon 24:00-02:00":          "begin it at 00:00",
		"Sun 24:00 - Mon 02:00":    "begin it at 00:00",
		"Mon 25:00-26:00":          `"25:00" is not a time of day`,
		"Mon 09:00-16:60":          `"16:60" is not a time of day`,
		"Fri 16:00 - Fri 16:00":    "it ends where it begins; the whole week is Mon-Sun",
		"Fri 16:00 - Xyz 09:00":    `"xyz" is not a day`,
		"Xyz 16:00 - Fri 09:00":    `"xyz" is not a day`,
		"Fri 16:00 - Mon 9":        `"9" is not a time of day`,
		strings.Repeat("Mon,", 99): "write it like",
	} {
		_, err := window.Weekly("", text)
		refused(t, text, err, "is not a weekly range: ", want)
	}
}

func TestCronRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                 "write minute, hour, day of month, month and day of week",
		"@daily":           "write minute, hour",
		"0 9 * *":          "write minute, hour",
		"0 0 9 * * *":      "write minute, hour",
		"TZ=UTC 0 9 * * *": "write minute, hour",
		"0 9 * * *\n":      "write minute, hour",
		"60 9 * * *":       "above maximum",
		"0 9 * * MON-FRY":  "failed to parse",
		"0 9 * * FRI-MON":  "beyond end of range",
		"*/0 9 * * *":      "should be a positive number",
		"0 0 30 2 *":       "no year has",
		"0 0 " + strings.Repeat("1,", 99) + "1 * *": "write minute, hour",
	} {
		_, err := window.Cron("", text, time.Hour)
		refused(t, text, err, "", want)
	}
	for lasts, want := range map[time.Duration]string{
		0: "can not last 0s: allowed are 1m to 30d", 59 * time.Second: "can not last 59s", window.MaxFor + time.Minute: "can not last 720h1m",
	} {
		_, err := window.Cron("", "0 9 * * *", lasts)
		refused(t, lasts.String(), err, "", want)
	}
}

func TestDatesRefuse(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"2026-12-20", "2026-12-19", "is over before it begins"},
		{"2026-12-20 16:00", "2026-12-20 16:00", "is over before it begins"},
		{"2026-12-20", "", `"" is not a date`},
		{"soon", "2026-12-20", `"soon" is not a date: write it like 2026-12-20 or 2026-12-20 16:00`},
		{"2026-02-30", "2026-12-20", "is not a date"},
		{"2026-12-20T16:00:00Z", "2026-12-21", "is not a date"},
		{"2026-12-20 24:00", "2026-12-22", "is not a date"},
	} {
		_, err := window.Dates("", c.from, c.to)
		refused(t, c.from+" to "+c.to, err, "", c.want)
	}
}

func TestZoneRefuses(t *testing.T) {
	for _, name := range []string{"", "Local", "Europe/Atlantis", "../etc/passwd", "/etc/localtime", "CEST", "+02:00", "Europe/Berlin\n", strings.Repeat("A", 99)} {
		z, err := window.Zone(name)
		refused(t, name, err, "", "is not a time zone: write one like Europe/Berlin")
		if z != nil {
			t.Errorf("%q: %v beside the error", name, z)
		}
	}
}

func TestNames(t *testing.T) {
	r, err := window.Weekly("weekend", "Fri 16:00 - Mon 09:00")
	if err != nil || r.Name != "weekend" || r.Text != "Fri 16:00 - Mon 09:00" {
		t.Errorf("%+v, %v", r, err)
	}
	for lasts, want := range map[time.Duration]string{
		30 * time.Minute: "30m", 7 * time.Hour: "7h", 90 * time.Minute: "1h30m", 70 * time.Second: "1m10s", 20 * time.Hour: "20h",
	} {
		r, err := window.Cron("", "0 9 * * *", lasts)
		if err != nil || r.Name != "cron 0 9 * * * for "+want || r.Text != r.Name {
			t.Errorf("%+v, %v", r, err)
		}
	}
}

// Whatever is written: no panic, an error is one line, and what is accepted has an end and a next beginning.
func FuzzRanges(f *testing.F) {
	for _, text := range []string{
		"Mon-Fri 09:00-16:00", "Fri 16:00 - Mon 09:00", "Sat", "Mon,Wed 10:00-12:00", "Sun 22:00-02:00", "Mon 00:00 - Sun 24:00", "mon-mon",
		"0 9 * * MON-FRI", "*/7 8-20/3 1,15 JAN-MAR ?", "0 0 29 2 *", "59 23 31 12 *", "2026-12-20", "2026-12-20 9:00", "İst", "@every 1s",
	} {
		f.Add(text, "2027-01-04", 420)
	}
	at := time.Date(2026, time.October, 24, 23, 30, 0, 1, time.UTC)
	berlin := zone(f, "Europe/Berlin")
	f.Fuzz(func(t *testing.T, text, to string, minutes int) {
		weekly, err := window.Weekly("", text)
		checkRange(t, berlin, at, weekly, err)
		cron, err := window.Cron("", text, time.Duration(minutes%(31*24*60))*time.Minute)
		checkRange(t, berlin, at, cron, err)
		dates, err := window.Dates("", text, to)
		checkRange(t, berlin, at, dates, err)
		if z, err := window.Zone(text); (z == nil) == (err == nil) {
			t.Errorf("%q: %v, %v", text, z, err)
		}
	})
}

func checkRange(t *testing.T, in *time.Location, at time.Time, r window.Range, err error) {
	t.Helper()
	if err != nil {
		if strings.ContainsAny(err.Error(), "\n\r\x00") {
			t.Errorf("not one line: %q", err)
		}
		return
	}
	if r.Name == "" || r.Text == "" {
		t.Errorf("no name: %+v", r)
	}
	opens := window.Schedule{Zone: in, Open: []window.Range{r}}
	frozen := window.Schedule{Zone: in, Freeze: []window.Range{r}}
	a, b := opens.At(at), frozen.At(at)
	if a.Open == b.Open {
		t.Errorf("%s: open %v, frozen %v", r.Name, a, !b.Open)
	}
	if !a.Open && !a.Until.IsZero() && !a.Until.After(at) || !b.Open && !b.Until.IsZero() && !b.Until.After(at) {
		t.Errorf("%s: opens %v, ends %v", r.Name, a.Until, b.Until)
	}
}

func refused(t *testing.T, text string, err error, wants ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%q: accepted", text)
		return
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\n\r") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
