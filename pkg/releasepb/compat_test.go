package releasepb_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// TestUnknownEvent: a record whose event a newer version added still tells the state.
func TestUnknownEvent(t *testing.T) {
	r, err := releasepb.DecodeRecord([]byte(`{"type":"approved","approved":{"by":"ana"},"state":{"release":"r","phase":"soaking","folded":"7"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if r.Event != nil || r.Type != "approved" || r.State.Phase != release.Soaking || r.State.Folded != 7 || r.Unknown != nil {
		t.Errorf("%+v", r)
	}
	if _, err := releasepb.EncodeRecord(r); err == nil {
		t.Error("wrote a record without an event")
	}
}

// TestUnknownFieldsAreHandedOn through the hands of a version that does not know them, wherever they stand.
func TestUnknownFieldsAreHandedOn(t *testing.T) {
	r, err := releasepb.DecodeRecord([]byte(`{"type":"held", "held":{"seq":"1","zz":1}, "state": {
		"release":"r", "phase":"soaking", "approvals":2, "labels":{"a":["b"]}, "betaChannel":{"value":"v","mirror":"m"},
		"due":"2026-01-02T03:04:05Z", "merge":{"pull":7}, "held":{"said":{"by":"ana","via":"web"}},
		"attempts":{"publish":{"number":1,"host":"h"},"stage":{"number":2,"host":"gone"},"promote":{"number":3}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	delete(r.State.Attempts, release.Stage) // its attempt is over
	r.State.Phase = release.Cancelled
	r.Event = release.WasCancelled{}
	data, err := releasepb.EncodeRecord(r)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Type  string         `json:"type"`
		State map[string]any `json:"state"`
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"release": "r", "phase": "cancelled", "approvals": 2.0, "labels": map[string]any{"a": []any{"b"}},
		"beta_channel": map[string]any{"value": "v", "mirror": "m"}, "due": "2026-01-02T03:04:05Z",
		"merge": map[string]any{"pull": 7.0}, "policy": map[string]any{}, "held": map[string]any{"said": map[string]any{"by": "ana", "via": "web"}},
		"attempts": map[string]any{"publish": map[string]any{"number": 1.0, "host": "h"}, "promote": map[string]any{"number": 3.0}},
	}
	if !reflect.DeepEqual(got.State, want) {
		t.Errorf("got  %v\nwant %v", got.State, want)
	}
	again, err := releasepb.DecodeRecord(data)
	if err != nil || len(again.Unknown) == 0 || again.State.Phase != release.Cancelled {
		t.Errorf("%+v: %v", again, err)
	}
}

// TestUnknownFieldsOfMessages are skipped.
func TestUnknownFieldsOfMessages(t *testing.T) {
	m, err := releasepb.DecodeMergeEvent([]byte(`{"commit":"c","labels":["x"],"delay":"0s"}`))
	if err != nil || m.Commit != "c" || m.Delay == nil || *m.Delay != 0 {
		t.Error(m, err)
	}
	l, err := releasepb.DecodeLane([]byte(`{"owner":"r","color":"red","waiting":[{"release":"a","order":"1","weight":2}]}`))
	if err != nil || l.Owner != "r" || len(l.Waiting) != 1 {
		t.Error(l, err)
	}
	if r := releasepb.DecodeRequest(release.Cancel, "", 1, time.Time{}, []byte(`{"reason":"no","mood":"bad"}`)); r.Reason != "no" {
		t.Error(r)
	}
}

func TestMalformedMergeEvents(t *testing.T) {
	for body, want := range map[string]string{
		"":                                 "",
		"null":                             "",
		"[]":                               "",
		`{"commit":5}`:                     "commit",
		`{"ref":"x"}`:                      "commit is missing",
		`{"commit":"c","delay":"-1s"}`:     "delay",
		`{"commit":"c","delay":"soon"}`:    "delay",
		`{"commit":"c","delay":"999999h"}`: "delay",
		`{"commit":"c","id":"x"}`:          "id",
		`{"commit":"c","id":"` + strings.ToUpper(anID) + `"}`:           "id",
		`{"commit":"c","id":"00000000-0000-4000-8000-000000000000"}`:    "version 7",
		`{"commit":"c","id":"` + strings.Repeat("\\u001b", 1000) + `"}`: "id",
		`{"` + strings.Repeat("x", 100<<10) + `":`:                      "",
		"{\"commit\":\"\xff\"}":                                         "",
		`{"commit":"c","commit":"d"}`:                                   "commit",
		strings.Repeat("[", 100<<10):                                    "",
		`{"commit":` + strings.Repeat(`{"commit":`, 20000):              "",
	} {
		_, err := releasepb.DecodeMergeEvent([]byte(body))
		if !errors.Is(err, releasepb.ErrMalformed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v", body, err)
			continue
		}
		check(t, err)
	}
}

// TestRecordsCanBeStored however long or odd the texts are that came from outside.
func TestRecordsCanBeStored(t *testing.T) {
	for _, text := range []string{strings.Repeat("é", 1<<20), strings.Repeat("\x00", 300<<10), strings.Repeat("\xff", 300<<10), "a\xffb"} {
		s := fullState()
		s.End.Reason, s.Evidence, s.Held.Reason, s.Staging.Note, s.Latest.Note = text, text, text, text, text
		for w, a := range s.Attempts {
			a.Instance = text
			s.Attempts[w] = a
		}
		data, err := releasepb.EncodeRecord(releasepb.Record{
			Event: release.WasFailed{Said: release.Said{Reason: text}}, State: s, Cause: text, Service: text,
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > releasepb.MaxBody || !utf8.Valid(data) {
			t.Errorf("%d bytes", len(data))
		}
		r, err := releasepb.DecodeRecord(data)
		if err != nil {
			t.Fatal(err)
		}
		if r.State.End.Reason == "" || r.State.Release != anID || r.State.Digest != s.Digest || r.State.Folded != s.Folded {
			t.Errorf("%+v", r.State)
		}
	}
	unknown := []byte(`{"x":"` + strings.Repeat("x", 300<<10) + `"}`)
	if _, err := releasepb.EncodeRecord(releasepb.Record{Event: release.WasFailed{}, State: fullState(), Unknown: unknown}); err == nil {
		t.Error("what can not be stored was encoded")
	}
}

func TestRequestTexts(t *testing.T) {
	for _, c := range []struct {
		verb         release.Verb
		body, reason string
		by           time.Duration
		invalid      bool
	}{
		{verb: release.Cancel, body: "", reason: ""},
		{verb: release.Cancel, body: "the login\n is\tbroken \x1b[31m", reason: "the login  is broken  [31m"},
		{verb: release.Cancel, body: `{"reason":"the login"}`, reason: "the login"},
		{verb: release.Cancel, body: ` { "reason" : "the login" } ` + "\n", reason: "the login"},
		{verb: release.Cancel, body: `{"reason":`, reason: `{"reason":`},
		{verb: release.Cancel, body: "👩‍💻 says no", reason: "👩‍💻 says no"},
		{verb: release.Cancel, body: "a\u202eb\u2028c\ufeffd\u00a0e", reason: "a b c d e"},
		{verb: release.Extend, body: "30m", by: 30 * time.Minute},
		{verb: release.Extend, body: "30m QA needs longer\n", by: 30 * time.Minute, reason: "QA needs longer"},
		{verb: release.Extend, body: "  1h30m\nQA", by: 90 * time.Minute, reason: "QA"},
		{verb: release.Extend, body: `{"by":"30m","reason":"QA"}`, by: 30 * time.Minute, reason: "QA"},
		{verb: release.Extend, body: "QA needs 30m", reason: "needs 30m", invalid: true},
		{verb: release.Extend, body: "0s", invalid: true},
		{verb: release.Extend, body: "-5m", invalid: true},
		{verb: release.Extend, body: "721h", invalid: true},
		{verb: release.Extend, body: "720h", by: 720 * time.Hour},
		{verb: release.Extend, body: "", invalid: true},
	} {
		r := releasepb.DecodeRequest(c.verb, "ana", 1, time.Time{}, []byte(c.body))
		if r.Reason != c.reason || r.By != c.by || (r.Invalid != "") != c.invalid {
			t.Errorf("%s %q: %+v", c.verb, c.body, r)
		}
	}
}

func TestLine(t *testing.T) {
	for most := range 40 {
		for _, s := range []string{"éééééééééééé", "a\U0001F600b\U0001F600c", "   x   ", "\xff\xff\xff\xff", strings.Repeat("é", 5000)} {
			if got := releasepb.Line(s, most); len(got) > most || !utf8.ValidString(got) || strings.TrimSpace(got) != got {
				t.Errorf("%q in %d bytes: %q", s, most, got)
			}
		}
	}
}
