package cli

import (
	"strings"
	"testing"
	"time"
)

func TestMoment(t *testing.T) {
	zone := time.FixedZone("CET", 3600)
	now := time.Date(2026, 12, 31, 15, 0, 30, 0, zone)
	for text, want := range map[string]time.Time{
		"15:01":                now.Add(30 * time.Second),
		"15:00":                time.Date(2027, 1, 1, 15, 0, 0, 0, zone),
		"2027-01-04 09:00":     time.Date(2027, 1, 4, 9, 0, 0, 0, zone),
		"2027-01-04T09:00":     time.Date(2027, 1, 4, 9, 0, 0, 0, zone),
		"2027-01-04 09:00:01":  time.Date(2027, 1, 4, 9, 0, 1, 0, zone),
		"2027-01-04T09:00:00Z": time.Date(2027, 1, 4, 9, 0, 0, 0, time.UTC),
	} {
		if got, err := moment(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s, want %s (%v)", text, got, want, err)
		}
	}
	for _, text := range []string{"", "2027-01-04", "9", "tomorrow", "25:00"} {
		if got, err := moment(text, now); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}

func TestAgo(t *testing.T) {
	now := time.Date(2026, 12, 31, 15, 0, 30, 0, time.FixedZone("CET", 3600))
	for text, want := range map[string]time.Time{
		"90d": now.AddDate(0, 0, -90), "1h": now.Add(-time.Hour), "2026-12-01": time.Date(2026, 12, 1, 0, 0, 0, 0, now.Location()),
		"2026-12-31 14:00": time.Date(2026, 12, 31, 14, 0, 0, 0, now.Location()), "2026-12-31T14:00:00Z": time.Date(2026, 12, 31, 14, 0, 0, 0, time.UTC),
	} {
		if got, err := ago(text, now); err != nil && text != "2026-12-31T14:00:00Z" || err == nil && !got.Equal(want) {
			t.Errorf("%s: %s, want %s (%v)", text, got, want, err)
		}
	}
	for text, want := range map[string]string{"": "is not a time", "0s": "is not a time", "2027-01-01": "is not over yet", "16:00": "is not over yet", "$(id)": "is not a time"} {
		if got, err := ago(text, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %s: %v", text, got, err)
		}
	}
}

func TestSpan(t *testing.T) {
	now := time.Date(2026, 12, 31, 15, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		from, until, lasts string
		want               span
		why                string
	}{
		"for good":      {"", "", "", span{}, ""},
		"for a time":    {"", "", "2d", span{until: now.Add(48 * time.Hour)}, ""},
		"until":         {"", "16:00", "", span{until: now.Add(time.Hour)}, ""},
		"from, for":     {"22:00", "", "4h", span{now.Add(7 * time.Hour), now.Add(11 * time.Hour)}, ""},
		"over midnight": {"22:00", "02:00", "", span{now.Add(7 * time.Hour), now.Add(11 * time.Hour)}, ""},
		"both":          {"", "16:00", "1h", span{}, "give one of the two"},
		"no length":     {"", "", "0s", span{}, `--for "0s"`},
		"no time":       {"", "soon", "", span{}, `--until: "soon" is not a time`},
		"no beginning":  {"soon", "", "", span{}, `--from: "soon" is not a time`},
		"backwards":     {"22:00", "2026-12-31 21:00", "", span{}, "it would be over at 2026-12-31 21:00:00 UTC"},
		"over":          {"", "2026-12-31 14:00", "", span{}, "want a later end"},
	} {
		got, err := spanOf(c.from, c.until, c.lasts, now)
		if c.why == "" && (err != nil || !got.from.Equal(c.want.from) || !got.until.Equal(c.want.until)) {
			t.Errorf("%s: %+v, want %+v (%v)", name, got, c.want, err)
		}
		if c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why)) {
			t.Errorf("%s: %v, want %q", name, err, c.why)
		}
	}
}
