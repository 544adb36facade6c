package expr_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/expr"
)

func decoded(t *testing.T, text string) any {
	t.Helper()
	var body any
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Fatal(err)
	}
	return body
}

func TestTable(t *testing.T) {
	vars := expr.Vars{"header": map[string]string{}, "alert": 1, "body": decoded(t, `{
		"map": {"env": "staging", "n": 7, "on": true, "nested": {"a": "b"}, "nothing": null},
		"pairs": [["env", "staging"], ["n", 7]],
		"tags": ["env:staging", "a=b:c", "alone"],
		"named": [{"name": "env", "value": "staging"}, {"key": "n", "value": 7}, {"name": "x", "value": {}}],
		"split": "env:staging, host:web-1", "null": null, "text": "x"
	}`)}
	for source, want := range map[string]map[string]string{
		`body.map`:                            {"env": "staging", "n": "7", "on": "true"},
		`body.pairs`:                          {"env": "staging", "n": "7"},
		`body.tags`:                           {"env": "staging", "a": "b:c"},
		`body.named`:                          {"env": "staging", "n": "7", "x": ""},
		`body.split.split(",")`:               {"env": "staging", "host": "web-1"},
		`body["null"]`:                        {},
		`{"a": "b"}`:                          {"a": "b"},
		`{"a": body.text}`:                    {"a": "x"},
		`[body.pairs, body.tags, {"z": "1"}]`: {"env": "staging", "n": "7", "a": "b:c", "z": "1"},
		`[body.split.split(","), {"env": "last"}]`: {"env": "last", "host": "web-1"},
	} {
		table, err := expr.ParseTable(expr.Alert, source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if got, err := table.Of(t.Context(), vars); err != nil || !maps.Equal(got, want) {
			t.Errorf("%s is %v, %v; want %v", source, got, err, want)
		}
	}
	for source, want := range map[string]string{"body.text": "of type string", "body.missing": "no such key"} {
		table, err := expr.ParseTable(expr.Alert, source)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := table.Of(t.Context(), vars); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is %v, %v", source, got, err)
		}
	}
	if _, err := expr.ParseTable(expr.Alert, "1 + 1"); err == nil {
		t.Error("a number is no table")
	}
	if got, err := (*expr.Table)(nil).Of(t.Context(), vars); err != nil || len(got) != 0 {
		t.Errorf("none is %v, %v", got, err)
	}
}

func TestList(t *testing.T) {
	vars := expr.Vars{"header": map[string]string{}, "purl": map[string]string{}, "body": decoded(t, `{"alerts": [{"a": 1}, {"a": 2}], "text": "x"}`)}
	name, err := expr.ParseText(expr.Alert, `string(alert.a)`)
	if err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]string{`body.alerts`: "12", `[body.alerts[1]]`: "2", `body.alerts.filter(a, a.a > 5)`: ""} {
		list, err := expr.ParseList(expr.Delivery, source)
		if err != nil {
			t.Fatal(err)
		}
		items, err := list.Of(t.Context(), vars, 2)
		got := ""
		for _, item := range items {
			text, wrong := name.Of(t.Context(), expr.Vars{"header": vars["header"], "body": vars["body"], "alert": item})
			if wrong != nil {
				t.Error(wrong)
			}
			got += text
		}
		if err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", source, got, err, want)
		}
	}
	for source, want := range map[string]string{
		`body.text`: "not a list", `body.alerts + body.alerts`: "more than 2", `body.missing`: "no such key",
	} {
		list, err := expr.ParseList(expr.Delivery, source)
		if err != nil {
			t.Fatal(err)
		}
		if items, err := list.Of(t.Context(), vars, 2); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is %v, %v", source, items, err)
		}
	}
}
