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
	r, err := releasepb.DecodeRecord([]byte(`{"type":"blessed","blessed":{"by":"ana"},"state":{"release":"r","phase":"soaking","folded":"7"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if r.Event != nil || r.Type != "blessed" || r.State.Phase != release.Soaking || r.State.Folded != 7 || r.Unknown != nil {
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
		"approved":[{"by":"bo"},{"by":"eve","via":"web"}], "policy":{"stages":[{"name":"qa","bake":"1h"},{"name":"eu"}]},
		"passed":[{"value":"v","host":"h"}],
		"attempts":{"publish":{"number":1,"host":"h"},"stage":{"number":2,"host":"gone"},"promote":{"number":3}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	delete(r.State.Attempts, release.Stage) // its attempt is over
	r.State.Approved = append(r.State.Approved, release.Said{By: "ana"})
	r.State.Passed = nil // it begins anew
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
		"merge": map[string]any{"pull": 7.0}, "held": map[string]any{"said": map[string]any{"by": "ana", "via": "web"}},
		"approved": []any{map[string]any{"by": "bo"}, map[string]any{"by": "eve", "via": "web"}, map[string]any{"by": "ana"}},
		"policy":   map[string]any{"stages": []any{map[string]any{"name": "qa", "bake": "1h"}, map[string]any{"name": "eu"}}},
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
		`{"commit":"c","id":"` + strings.ToUpper(anID) + `"}`:                              "id",
		`{"commit":"c","id":"00000000-0000-4000-8000-000000000000"}`:                       "version 7",
		`{"commit":"c","id":"` + strings.Repeat("\\u001b", 1000) + `"}`:                    "id",
		`{"` + strings.Repeat("x", 100<<10) + `":`:                                         "",
		"{\"commit\":\"\xff\"}":                                                            "",
		`{"commit":"c","commit":"d"}`:                                                      "commit",
		`{"commit":"c","needs":["api"]}`:                                                   "needs",
		`{"commit":"c","needs":["@1.4.0"]}`:                                                "needs",
		`{"commit":"c","needs":["api@"]}`:                                                  "needs",
		`{"commit":"c","needs":"api@1"}`:                                                   "syntax",
		`{"commit":"c","needs":["a@1"` + strings.Repeat(`,"a@1"`, release.MaxNeeds) + `]}`: "at most 32",
		strings.Repeat("[", 100<<10):                                                       "",
		`{"commit":` + strings.Repeat(`{"commit":`, 20000):                                 "",
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
	s := wideState()
	said := release.Said{By: strings.Repeat("a", 64), At: at(1), Reason: strings.Repeat("\"", releasepb.MaxReason)}
	for range 100 {
		s.Approved = append(s.Approved, said)
		s.Passed = append(s.Passed, release.Channel{Touched: true, Before: said.Reason, Value: said.Reason, Note: said.Reason})
	}
	data, err := releasepb.EncodeRecord(releasepb.Record{Event: release.WasApproved{Said: said}, State: s})
	if err != nil || len(data) > releasepb.MaxBody {
		t.Fatalf("%d bytes: %v", len(data), err)
	}
	if r, err := releasepb.DecodeRecord(data); err != nil || len(r.State.Approved) != len(s.Approved) || r.State.Approved[101].By != said.By {
		t.Errorf("%+v: %v", r.State.Approved, err)
	}
	unknown := []byte(`{"x":"` + strings.Repeat("x", 300<<10) + `"}`)
	if _, err := releasepb.EncodeRecord(releasepb.Record{Event: release.WasFailed{}, State: fullState(), Unknown: unknown}); err == nil {
		t.Error("what can not be stored was encoded")
	}
}

// TestProjectRecordsCanBeStored with as many promotions as they have, all of them rolled back at length.
func TestProjectRecordsCanBeStored(t *testing.T) {
	for _, text := range []string{strings.Repeat("\"", releasepb.MaxReason), strings.Repeat("\xff", 100<<10), strings.Repeat("é", 100<<10)} {
		r := release.Record{Rolling: anID}
		for i := range release.MaxPromotions + 1 {
			id := strings.Repeat("x", 30) + string(rune('0'+i))
			r = r.Promote(release.Promotion{Release: id, Version: "1.4.0", Order: 1 << 60, At: at(i)})
			r = r.RollBack(id, release.Said{By: strings.Repeat("a", 64), At: at(i), Reason: text})
		}
		data, err := releasepb.EncodeProject(r)
		if err != nil || len(data) > releasepb.MaxBody || !utf8.Valid(data) {
			t.Fatalf("%d bytes: %v", len(data), err)
		}
		got, err := releasepb.DecodeProject(data)
		if err != nil || got.Rolling != anID || len(got.Promotions) != release.MaxPromotions {
			t.Fatalf("%+v: %v", got, err)
		}
		for i, p := range got.Promotions {
			if p.RolledBack == nil || p.RolledBack.Reason == "" || p.Release != r.Promotions[i].Release {
				t.Fatalf("promotion %d: %+v", i, p)
			}
		}
	}
	tooMany := release.Record{Promotions: make([]release.Promotion, 5000)}
	for i := range tooMany.Promotions {
		tooMany.Promotions[i] = release.Promotion{Release: anID, Version: "1.4.0", At: at(i)}
	}
	if _, err := releasepb.EncodeProject(tooMany); err == nil || !strings.Contains(err.Error(), "the record of a project") {
		t.Errorf("what can not be stored was encoded: %v", err)
	}
}

func TestRequestTexts(t *testing.T) {
	for _, c := range []struct {
		verb         release.Verb
		body, reason string
		by           time.Duration
		until        string
		force        bool
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
		{verb: release.Extend, body: "2026-03-02T15:00:00+01:00 the demo is at two", until: "2026-03-02T14:00:00Z", reason: "the demo is at two"},
		{verb: release.Extend, body: `{"until":"2026-03-02T15:00:00Z"}`, until: "2026-03-02T15:00:00Z"},
		{verb: release.Extend, body: `{"until":"tomorrow","reason":"QA"}`, reason: "QA", invalid: true},
		{verb: release.Extend, body: `{"by":"5m","until":"2026-03-02T15:00:00Z"}`, by: 5 * time.Minute},
		{verb: release.Expedite, body: `{"force":true,"reason":"a security fix"}`, force: true, reason: "a security fix"},
		{verb: release.Expedite, body: "force", reason: "force"},
		{verb: release.Expedite, body: `{"force":"yes"}`, reason: `{"force":"yes"}`},
	} {
		r := releasepb.DecodeRequest(c.verb, "ana", 1, time.Time{}, []byte(c.body))
		until := ""
		if !r.Until.IsZero() {
			until = r.Until.Format(time.RFC3339Nano)
		}
		if r.Reason != c.reason || r.By != c.by || until != c.until || r.Force != c.force || (r.Invalid != "") != c.invalid {
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
