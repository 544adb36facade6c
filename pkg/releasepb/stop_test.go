package releasepb_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

func TestStopTexts(t *testing.T) {
	said := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		kind                      release.StopKind
		body, reason, from, until string
	}{
		{kind: release.Pause},
		{kind: release.Pause, body: "48h nobody is here\n", reason: "48h nobody is here"},
		{kind: release.Pause, body: `{"reason":"the fair","until":"2026-03-02T15:00:00Z","from":"2026-03-02T14:00:00Z"}`, reason: "the fair"},
		{kind: release.Freeze},
		{kind: release.Freeze, body: "the fair", reason: "the fair"},
		{kind: release.Freeze, body: "48h", until: "2026-03-04T12:00:00Z"},
		{kind: release.Freeze, body: " 48h \t the fair", until: "2026-03-04T12:00:00Z", reason: "the fair"},
		{kind: release.Freeze, body: "2026-03-02T16:00:00+01:00 the fair", until: "2026-03-02T15:00:00Z", reason: "the fair"},
		{kind: release.Freeze, body: "2d the fair", until: "2026-03-04T12:00:00Z", reason: "the fair"},
		{kind: release.Freeze, body: "1d12h", until: "2026-03-04T00:00:00Z"},
		{kind: release.Freeze, body: `{"for":"2d"}`, until: "2026-03-04T12:00:00Z"},
		{kind: release.Freeze, body: "2days of it", reason: "2days of it"},
		{kind: release.Freeze, body: "-2d", reason: "-2d"},
		{kind: release.Freeze, body: "1d-1h", reason: "1d-1h"},
		{kind: release.Freeze, body: "106751d24h the end of time", reason: "106751d24h the end of time"},
		{kind: release.Freeze, body: "48 hours", reason: "48 hours"},
		{kind: release.Freeze, body: "-48h", reason: "-48h"},
		{kind: release.Freeze, body: "2025-03-02T16:00:00Z a slip of the pen", reason: "2025-03-02T16:00:00Z a slip of the pen"},
		{kind: release.Freeze, body: "9999-12-31T23:59:59-23:00", reason: "9999-12-31T23:59:59-23:00"},
		{kind: release.Freeze, body: "9999-12-31T23:59:59Z", until: "9999-12-31T23:59:59Z"},
		{kind: release.Freeze, body: "99999999h", reason: "99999999h"},
		{kind: release.Freeze, body: `{"reason":"the fair","for":"1h"}`, reason: "the fair", until: "2026-03-02T13:00:00Z"},
		{kind: release.Freeze, body: `{"from":"2026-03-05T00:00:00Z","for":"1h"}`, from: "2026-03-05T00:00:00Z", until: "2026-03-05T01:00:00Z"},
		{kind: release.Freeze, body: `{"from":"2026-03-01T00:00:00Z","for":"1h"}`, from: "2026-03-01T00:00:00Z", until: "2026-03-02T13:00:00Z"},
		{kind: release.Freeze, body: `{"from":"2h","until":"3h"}`, from: "2026-03-02T14:00:00Z", until: "2026-03-02T15:00:00Z"},
		{kind: release.Freeze, body: `{"from":"2h","until":"2026-03-02T13:00:00Z"}`, from: "2026-03-02T14:00:00Z"},
		{kind: release.Freeze, body: `{"from":"2h","until":"2h"}`, from: "2026-03-02T14:00:00Z"},
		{kind: release.Freeze, body: `{"from":"monday","for":"1h","reason":"x"}`, reason: "x"},
		{kind: release.Freeze, body: `{"from":"monday","until":"2026-03-05T00:00:00Z"}`, until: "2026-03-05T00:00:00Z"},
		{kind: release.Freeze, body: `{"until":"monday","for":"1h"}`},
		{kind: release.Freeze, body: `{"for":"-1h"}`},
		{kind: release.Freeze, body: `{"until":"2026-03-02T11:59:59Z"}`},
		{kind: release.Freeze, body: `{"until":"2026-03-02T12:00:00Z"}`},
		{kind: release.Freeze, body: `{"until":"0000-01-01T00:00:00Z","from":"0000-01-01T00:00:00Z"}`},
		{kind: release.Freeze, body: `{"from":"0001-01-01T00:00:00Z","until":"2026-03-05T00:00:00Z"}`, until: "2026-03-05T00:00:00Z"},
		{kind: release.Freeze, body: `{"from":"9999-12-31T23:59:59-23:00"}`},
		{kind: release.Freeze, body: `{"end":"2026-03-05T00:00:00Z"}`},
		{kind: release.Freeze, body: `{"until":5}`, reason: `{"until":5}`},
		{kind: release.Freeze, body: `{"for":"1h"`, reason: `{"for":"1h"`},
	} {
		s := releasepb.DecodeStop(c.kind, "ana", 7, said, []byte(c.body))
		if s.Said.Reason != c.reason || stamp(s.From) != c.from || stamp(s.Until) != c.until {
			t.Errorf("%s %q: from %q until %q: %q", c.kind, c.body, stamp(s.From), stamp(s.Until), s.Said.Reason)
		}
		if s.Kind != c.kind || s.Seq != 7 || s.Said.By != "ana" || !s.Said.At.Equal(said) {
			t.Errorf("%s %q: %+v", c.kind, c.body, s)
		}
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// TestStopRoundTrip: what can be meant comes back as it was.
func TestStopRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := release.Stop{
			Kind: rapid.SampledFrom([]release.StopKind{release.Pause, release.Freeze}).Draw(t, "kind"),
			Said: release.Said{By: text().Draw(t, "by"), At: moment().Draw(t, "at"), Reason: lineOf(t, "reason")},
			Seq:  rapid.Uint64().Draw(t, "seq"),
		}
		if s.Kind == release.Freeze {
			s.From = moment().Draw(t, "from")
			if begins := later(s.Said.At, s.From); rapid.Bool().Draw(t, "ends") {
				s.Until = begins.Add(time.Duration(rapid.Int64Range(1, 1<<60).Draw(t, "length"))).UTC()
			}
		}
		roundTrip(t, s, releasepb.EncodeStop, func(data []byte) (release.Stop, error) {
			return releasepb.DecodeStop(s.Kind, s.Said.By, s.Seq, s.Said.At, data), nil
		})
	})
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// FuzzDecodeStop: whatever is stored on a stop's subject stops, from when it was said or from when it says, and what waits for
// it can be journaled.
func FuzzDecodeStop(f *testing.F) {
	for _, s := range []string{
		"", "48h the fair", "2026-03-02T15:00:00Z", `{"reason":"x","from":"2026-03-02T15:00:00Z","until":"2026-03-02T14:00:00Z"}`, `{"for":"1h"}`,
		`{"from":"9999-12-31T23:59:59-23:00","for":"1h"}`, `{"until":"0000-01-01T00:00:00Z"}`, "0000-01-01T00:00:00+23:00", "{", "\xff\xfe",
		"\x00\x1b[31m", `{"from":"1h","until":"1ns"}`, `{"reason":5}`, "2562047h47m16.854775807s", "\u202e\u2028", strings.Repeat("[", 5000),
	} {
		f.Add(s)
	}
	said := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body string) {
		for _, kind := range []release.StopKind{release.Pause, release.Freeze} {
			s := releasepb.DecodeStop(kind, "ana", 7, said, []byte(body))
			if r := s.Said.Reason; len(r) > releasepb.MaxReason || !utf8.ValidString(r) || strings.ContainsAny(r, "\x00\x1b\x7f\r\n\u2028\u202e") {
				t.Fatalf("not one printable line: %q", r)
			}
			state := release.State{Release: "r", Phase: release.Promoting, Claim: 8}
			o, stopped := release.Stopped(state, []release.Stop{s}, later(said, s.From))
			if !stopped {
				t.Fatalf("it stops nothing: %+v", s)
			}
			e := release.WasPostponed{Obstacle: o, At: said}
			data, err := releasepb.EncodeRecord(releasepb.Record{Event: e, State: release.Evolve(state, e)})
			if err != nil {
				t.Fatalf("%+v: %v", s, err)
			}
			if r, err := releasepb.DecodeRecord(data); err != nil || r.Event != release.Event(e) {
				t.Fatalf("%+v: %v", r, err)
			}
			again, err := releasepb.EncodeStop(s)
			if err != nil {
				t.Fatal(err)
			}
			if got := releasepb.DecodeStop(kind, "ana", 7, said, again); got != s {
				t.Fatalf("got  %+v\nwant %+v", got, s)
			}
		}
	})
}
