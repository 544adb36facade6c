package releasepb_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// roundTrip fails the test if a value does not come back as it was.
func roundTrip[T any](t *rapid.T, v T, encode func(T) ([]byte, error), decode func([]byte) (T, error)) {
	data, err := encode(v)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(data) {
		t.Fatalf("not JSON: %s", data)
	}
	got, err := decode(data)
	if err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	if !reflect.DeepEqual(got, v) {
		t.Fatalf("got  %+v\nwant %+v\n%s", got, v, data)
	}
}

func recordRoundTrip(t *rapid.T) {
	roundTrip(t, record().Draw(t, "record"), releasepb.EncodeRecord, releasepb.DecodeRecord)
}

func messagesRoundTrip(t *rapid.T) {
	roundTrip(t, releasepb.CommitRecord{
		Release: text().Draw(t, "release"), Attempt: int(rapid.Int32().Draw(t, "attempt")), MergeSeq: rapid.Uint64().Draw(t, "seq"),
	}, releasepb.EncodeCommit, releasepb.DecodeCommit)
	roundTrip(t, text().Draw(t, "release"), releasepb.EncodeVersion, releasepb.DecodeVersion)
	roundTrip(t, releasepb.Heartbeat{
		Release: text().Draw(t, "release"), Instance: text().Draw(t, "instance"), Checks: int(rapid.Int32().Draw(t, "checks")),
		Failing: rapid.Bool().Draw(t, "failing"),
	}, releasepb.EncodeHeartbeat, releasepb.DecodeHeartbeat)
	roundTrip(t, releasepb.Judgement{
		Release: text().Draw(t, "release"), Check: text().Draw(t, "check"), Passed: rapid.Bool().Draw(t, "passed"),
		Detail: lineOf(t, "detail"), Count: rapid.Int64().Draw(t, "count"), Since: moment().Draw(t, "since"),
	}, releasepb.EncodeJudgement, releasepb.DecodeJudgement)
	measuredRoundTrip(t)
	d := releasepb.DeadLetter{
		Reason: lineOf(t, "reason"), Subject: text().Draw(t, "subject"), Seq: rapid.Uint64().Draw(t, "seq"),
		Body: rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "body"),
	}
	roundTrip(t, d, releasepb.EncodeDeadLetter, releasepb.DecodeDeadLetter)
	roundTrip(t, release.Record{Promotions: list(promotion()).Draw(t, "promotions"), Rolling: text().Draw(t, "rolling")},
		releasepb.EncodeProject, releasepb.DecodeProject)
	hash := rapid.SliceOfN(rapid.Byte(), 1, 64)
	roundTrip(t, releasepb.Link{
		Index: rapid.Uint64().Draw(t, "index"), Prev: hash.Draw(t, "prev"), Release: text().Draw(t, "release"), Seq: rapid.Uint64().Draw(t, "seq"),
		At: moment().Draw(t, "at"), Head: hash.Draw(t, "head"), Key: text().Draw(t, "key"), Signature: hash.Draw(t, "signature"),
	}, releasepb.EncodeLink, releasepb.DecodeLink)
	mergeEventRoundTrip(t)
	laneRoundTrip(t)
}

func measuredRoundTrip(t *rapid.T) {
	m := releasepb.Measured{
		Instance: text().Draw(t, "instance"), Stage: int(rapid.Int32().Draw(t, "stage")), Bake: rapid.Bool().Draw(t, "bake"),
		From: moment().Draw(t, "from"), Totals: list(rapid.IntRange(0, 1<<32-1)).Draw(t, "totals"), Open: rapid.Bool().Draw(t, "open"),
		Signals: [2]uint64{rapid.Uint64().Draw(t, "project"), rapid.Uint64().Draw(t, "release")}, Lost: rapid.IntRange(0, 1<<32-1).Draw(t, "lost"),
		Looks: list(looks()).Draw(t, "looks"),
	}
	roundTrip(t, m, releasepb.EncodeMeasured, releasepb.DecodeMeasured)
}

func looks() *rapid.Generator[releasepb.Looks] {
	return rapid.Custom(func(t *rapid.T) releasepb.Looks {
		out := releasepb.Looks{Check: text().Draw(t, "check"), Source: text().Draw(t, "source")}
		at := time.UnixMilli(rapid.Int64Range(0, 1<<43).Draw(t, "at")).UTC()
		for range rapid.IntRange(0, 20).Draw(t, "looks") {
			l := releasepb.Look{At: at, OK: rapid.Bool().Draw(t, "ok")}
			switch kind := rapid.IntRange(0, 6).Draw(t, "kind"); {
			case kind < 3:
				l.OK, l.Lack = false, []string{"none", "busy", "blind"}[kind]
			case kind == 3:
				l.OK, l.Counters = true, new([4]float64)
				for i := range l.Counters {
					l.Counters[i] = rapid.Float64().Draw(t, "counter")
				}
			case kind == 4:
				value := rapid.OneOf(rapid.Float64(), rapid.Just(math.Inf(1)), rapid.Just(math.Inf(-1))).Draw(t, "value")
				l.Value = &value
			case kind == 5:
				value, baseline := rapid.Float64().Draw(t, "value"), rapid.Float64().Draw(t, "baseline")
				l.OK, l.Value, l.Baseline = true, &value, &baseline
			}
			if !l.OK {
				l.Said = text().Draw(t, "said")
			}
			out.All = append(out.All, l)
			at = at.Add(time.Duration(rapid.Int32().Draw(t, "after")) * time.Millisecond)
		}
		return out
	})
}

// Looks that are years apart come back, in several parts.
func TestLooksThatAreFarApart(t *testing.T) {
	var all []releasepb.Look
	for _, year := range []int{1, 1970, 2026, 1999, 9999} {
		all = append(all, releasepb.Look{At: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC), Said: "x"})
	}
	data, err := releasepb.EncodeMeasured(releasepb.Measured{Looks: []releasepb.Looks{{Check: "health", All: all}}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := releasepb.DecodeMeasured(data)
	if err != nil {
		t.Fatal(err)
	}
	var got []releasepb.Look
	for _, one := range m.Looks {
		got = append(got, one.All...)
	}
	if !reflect.DeepEqual(got, all) {
		t.Errorf("%+v", got)
	}
}

// What is stored wrongly is refused in one clear line.
func TestMeasurementsThatAreWrong(t *testing.T) {
	for want, body := range map[string]string{
		"2 looks with 1 times":        `{"looks":[{"check":"x","came":"pp"}]}`,
		"look 0 has no value":         `{"looks":[{"came":"P"}]}`,
		"look 0 has no counters":      `{"looks":[{"came":"c","counters":[1,2,3]}]}`,
		"look 0: what it said is":     `{"looks":[{"came":"f"}]}`,
		"look 0: it said text 2 of 1": `{"looks":[{"came":"f","texts":["a"],"said":[2]}]}`,
		"look 0 came to 'z', which":   `{"looks":[{"came":"z"}]}`,
		"unexpected token 3":          `{"looks":3}`,
		"look 1 came to 'Ã', which":   `{"looks":[{"came":"pä","after":[1,1]}]}`,
	} {
		if _, err := releasepb.DecodeMeasured([]byte(body)); err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, releasepb.ErrMalformed) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}

func lineOf(t *rapid.T, name string) string { return releasepb.Line(text().Draw(t, name), 100) }

func mergeEventRoundTrip(t *rapid.T) {
	m := releasepb.MergeEvent{
		Commit: rapid.StringN(1, 20, 60).Draw(t, "commit"), Ref: lineOf(t, "ref"), Version: text().Draw(t, "version"),
		Artifact: text().Draw(t, "artifact"), Digest: text().Draw(t, "digest"), Actor: lineOf(t, "actor"), URL: lineOf(t, "url"),
		Again: rapid.Bool().Draw(t, "again"),
	}
	m.Needs = list(rapid.Custom(func(t *rapid.T) release.Need {
		return release.Need{Project: rapid.StringMatching(`[a-z0-9-]{1,9}`).Draw(t, "project"), Version: rapid.StringN(1, 9, 30).Draw(t, "version")}
	})).Draw(t, "needs")
	if rapid.Bool().Draw(t, "has id") {
		var id uuid.UUID
		copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
		m.ID = id.String()
	}
	if rapid.Bool().Draw(t, "has delay") {
		d := time.Duration(rapid.Int64Range(0, int64(release.MaxExtend)).Draw(t, "delay"))
		m.Delay = &d
	}
	roundTrip(t, m, releasepb.EncodeMergeEvent, releasepb.DecodeMergeEvent)
}

func laneRoundTrip(t *rapid.T) {
	r := lane.Record{
		Owner: text().Draw(t, "owner"), Project: text().Draw(t, "project"), GivesWay: rapid.Bool().Draw(t, "gives way"),
		Left: text().Draw(t, "left"),
	}
	for range rapid.IntRange(0, 5).Draw(t, "waiting") {
		r.Waiting = append(r.Waiting, lane.Waiting{
			Release: text().Draw(t, "release"), Project: text().Draw(t, "project"),
			Order: rapid.Uint64().Draw(t, "order"), Place: rapid.Uint64().Draw(t, "place"), Expedited: rapid.Bool().Draw(t, "expedited"),
		})
	}
	if promoted := rapid.MapOf(text(), text()).Draw(t, "promoted"); len(promoted) > 0 {
		r.Promoted = promoted
	}
	row := rapid.Custom(func(t *rapid.T) lane.Row {
		return lane.Row{Count: int(rapid.Int32().Draw(t, "count")), Since: moment().Draw(t, "since")}
	})
	if superseded := rapid.MapOf(text(), row).Draw(t, "superseded"); len(superseded) > 0 {
		r.Superseded = superseded
	}
	roundTrip(t, r, releasepb.EncodeLane, releasepb.DecodeLane)
}

func TestRecordRoundTrip(t *testing.T)   { rapid.Check(t, recordRoundTrip) }
func TestMessagesRoundTrip(t *testing.T) { rapid.Check(t, messagesRoundTrip) }
func TestRequestRoundTrip(t *testing.T)  { rapid.Check(t, requestRoundTrip) }

func FuzzRecordRoundTrip(f *testing.F)   { f.Fuzz(rapid.MakeFuzz(recordRoundTrip)) }
func FuzzMessagesRoundTrip(f *testing.F) { f.Fuzz(rapid.MakeFuzz(messagesRoundTrip)) }

// TestGeneratorsFillEverything: a field that the generators leave out is not shown to survive.
func TestGeneratorsFillEverything(t *testing.T) {
	seen := map[string]bool{}
	for seed := range 1000 {
		mark(seen, "Record", reflect.ValueOf(record().Example(seed)))
	}
	for _, v := range []any{
		releasepb.Record{}, release.State{}, release.WasMerged{}, release.WasBegun{}, release.WasDone{}, release.WasQueued{}, release.WasSoaked{},
		release.WasHeld{}, release.WasResumed{}, release.WasExtended{}, release.WasExpedited{}, release.WasCancelled{}, release.WasFailed{},
		release.WasSuperseded{}, release.WasRefused{}, release.WasApproved{}, release.WasPostponed{}, release.WasPassed{}, release.WasBaking{},
		release.WasRetried{}, release.WasRecalled{}, release.WasNotRolledBack{}, release.Need{}, release.StagePolicy{},
		release.Postponement{}, release.Obstacle{}, release.Merge{}, release.Policy{}, release.Channel{}, release.Attempt{}, release.Plan{},
		release.Said{}, release.Holding{},
	} {
		for i := range reflect.TypeOf(v).NumField() {
			name := reflect.TypeOf(v).Name() + "." + reflect.TypeOf(v).Field(i).Name
			if !seen[name] && name != "Record.Unknown" {
				t.Errorf("%s was never set", name)
			}
		}
	}
}

func mark(seen map[string]bool, name string, v reflect.Value) {
	if v.IsZero() {
		return
	}
	seen[name] = true
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		mark(seen, name, v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			mark(seen, name, v.Index(i))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			mark(seen, name, v.MapIndex(k))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				mark(seen, v.Type().Name()+"."+v.Type().Field(i).Name, v.Field(i))
			}
		}
	}
}

func requestRoundTrip(t *rapid.T) {
	r := release.Request{
		Verb: rapid.SampledFrom(release.Verbs()).Draw(t, "verb"), Actor: text().Draw(t, "actor"), Seq: rapid.Uint64().Draw(t, "seq"),
		At: moment().Draw(t, "at"), Reason: lineOf(t, "reason"), Evidence: lineOf(t, "evidence"),
	}
	r.Force = rapid.Bool().Draw(t, "force")
	if r.Verb == release.Extend {
		if r.Until = moment().Draw(t, "until"); r.Until.IsZero() {
			r.By = time.Duration(rapid.Int64Range(1, int64(release.MaxExtend)).Draw(t, "by"))
		}
	}
	data, err := releasepb.EncodeRequest(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := releasepb.DecodeRequest(r.Verb, r.Actor, r.Seq, r.At, data); !reflect.DeepEqual(got, r) {
		t.Fatalf("got  %+v\nwant %+v", got, r)
	}
}

// FuzzDecodeRequest: whatever is stored on a request's subject is a request that can be answered and journaled.
func FuzzDecodeRequest(f *testing.F) {
	for _, s := range []string{
		"", "the login is broken", "30m QA needs longer", `{"reason":"x","by":"30m","evidence":"{}"}`, `{"reason":5}`, `{"by":"-1h"}`,
		`{"by":"9999999h"}`, "{", "\xff\xfe", "\x00\x1b[31m", strings.Repeat("[", 5000), "{" + strings.Repeat(`"a":{`, 11000), "\u202e\u2028",
		`{"reason":"\ud800"}`, "2026-03-02T15:00:00Z x", `{"until":"9999-12-31T23:59:59-23:00"}`, `{"force":true}`, `{"until":"0001-01-01T00:00:00Z"}`, `{"reason":"a","reason":"b"}`, strings.Repeat("\U0001F600", 600),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, verb := range release.Verbs() {
			r := releasepb.DecodeRequest(verb, "ana", 7, time.Unix(1, 0), []byte(body))
			if r.Verb != verb || r.Actor != "ana" || r.Seq != 7 || !r.At.Equal(time.Unix(1, 0)) {
				t.Fatalf("%+v", r)
			}
			for text, most := range map[string]int{r.Reason: releasepb.MaxReason, r.Invalid: 300, r.Evidence: releasepb.MaxEvidence} {
				if len(text) > most || !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\x1b\x7f\r\n\u0085\u2028\u2029\u202e\u2066") {
					t.Fatalf("not one printable line: %q", text)
				}
			}
			if (verb == release.Extend && r.Invalid == "") != (r.By > 0 || !r.Until.IsZero()) || r.By > release.MaxExtend {
				t.Fatalf("extend: %+v", r)
			}
			s := release.State{Release: "r", Phase: release.Soaking}
			events, err := release.Decide(s, r)
			if err != nil || len(events) != 1 {
				t.Fatalf("%v, %v", events, err)
			}
			data, err := releasepb.EncodeRecord(releasepb.Record{Event: events[0], State: release.Evolve(s, events[0])})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := releasepb.DecodeRecord(data); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzDecode: the other decoders refuse what they can not read with one line, and never panic. What they take comes back.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		"", "null", "{}", `{"state":{"release":"r"}}`, `{"commit":"c","delay":"1h","id":"x"}`, `{"state":{"release":"r","x":{"y":[1]}},"z":0}`, "\xff",
		`{"state":{"release":"r","attempts":{"publish":{"number":1,"q":2}}}}`, `{"type":"x","state":{"release":"r","due":"9999-12-31T23:59:59Z"}}`,
		`{"waiting":[{"order":"18446744073709551615"}],"promoted":{"":""}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		data := []byte(body)
		r, err := releasepb.DecodeRecord(data)
		check(t, err)
		if err == nil {
			if r.Event == nil {
				r.Event = release.WasFailed{}
			}
			again, err := releasepb.EncodeRecord(r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := releasepb.DecodeRecord(again)
			if err != nil || got.State.Release != r.State.Release {
				t.Fatal(got, err)
			}
		}
		_, err = releasepb.DecodeMergeEvent(data)
		check(t, err)
		_, err = releasepb.DecodeCommit(data)
		check(t, err)
		_, err = releasepb.DecodeVersion(data)
		check(t, err)
		_, err = releasepb.DecodeLane(data)
		check(t, err)
		_, err = releasepb.DecodeProject(data)
		check(t, err)
		_, err = releasepb.DecodeHeartbeat(data)
		check(t, err)
		_, err = releasepb.DecodeJudgement(data)
		check(t, err)
		_, err = releasepb.DecodeDeadLetter(data)
		check(t, err)
		m, err := releasepb.DecodeMeasured(data)
		check(t, err)
		if err == nil {
			if _, err := releasepb.EncodeMeasured(m); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if text := err.Error(); !errors.Is(err, releasepb.ErrMalformed) || len(text) > 400 || strings.ContainsAny(text, "\n\r\x00\x1b\u00a0") {
		t.Fatalf("not one clear line: %q", text)
	}
}
