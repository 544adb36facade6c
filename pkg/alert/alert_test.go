package alert_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/alert"
)

func TestRoundTrip(t *testing.T) {
	a := alert.Alert{
		Status: alert.Firing, Since: time.Date(2026, 3, 2, 15, 4, 5, 0, time.UTC), Name: "HighErrorRate",
		Labels: map[string]string{"severity": "page"}, Summary: "a tenth fails", URL: "https://am.example/x", Source: "alertmanager",
	}
	data, err := alert.Encode(a)
	if err != nil {
		t.Fatal(err)
	}
	back, err := alert.Decode(data)
	if err != nil || !reflect.DeepEqual(back, a) {
		t.Errorf("%s is %+v, %v", data, back, err)
	}
	if got, want := a.String(), "alert HighErrorRate of alertmanager: a tenth fails (https://am.example/x)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := (alert.Alert{}).String(), "alert (without a name)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestHostile: whatever an alert's sender writes, it is bounded, and one line.
func TestHostile(t *testing.T) {
	huge := strings.Repeat("a\n$(reboot) \u202e", 1<<19)
	labels := map[string]string{"two\nlines": "x", "": "y", huge: "z", "severity": huge}
	for i := range 1000 {
		labels[fmt.Sprintf("l%04d", i)] = huge[:200]
	}
	data, err := alert.Encode(alert.Alert{
		Status: alert.Resolved, Name: huge, Summary: huge, URL: "https://x/" + huge, Source: huge, Labels: labels,
	})
	if err != nil || len(data) > 32<<10 {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	a, err := alert.Decode(data)
	if err != nil || len(a.Labels) != 32 || a.URL != "" || strings.ContainsAny(a.String(), "\n\u202e") {
		t.Errorf("%d labels, %.200q, %v", len(a.Labels), a.String(), err)
	}
	for _, bad := range []string{
		"", "{", "[]", `{"status":"alight"}`, `{}`, `{"status":"firing","since":"soon"}`, `{"status":"firing","name":1}`,
		`{"status":"firing","name":"` + strings.Repeat("a", 64<<10) + `"}`,
	} {
		if a, err := alert.Decode([]byte(bad)); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60s: %+v, %v", bad, a, err)
		}
	}
	if _, err := alert.Encode(alert.Alert{}); err == nil {
		t.Error("an alert without a status")
	}
	if a, err := alert.Decode([]byte(`{"status":"alive","of_a_newer_version":1}`)); err != nil || a.Status != alert.Alive {
		t.Errorf("%+v, %v", a, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"status":"firing","since":"2026-03-02T15:04:05Z","labels":{"a":"b"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := alert.Decode(data)
		if err != nil || len(data) > 200 { // what is cut is masked anew
			return
		}
		again, err := alert.Encode(a)
		if err != nil || !json.Valid(again) {
			t.Fatalf("%s, %v", again, err)
		}
		if b, err := alert.Decode(again); err != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("%+v becomes %+v, %v", a, b, err)
		}
	})
}
