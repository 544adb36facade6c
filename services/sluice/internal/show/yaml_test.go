package show_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

// A reader of YAML gets exactly what a reader of JSON gets.
func TestYAML(t *testing.T) {
	var value *rapid.Generator[any]
	value = rapid.Custom(func(t *rapid.T) any {
		switch rapid.IntRange(0, 7).Draw(t, "kind") {
		case 0:
			return rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[any] { return value }), 0, 3).Draw(t, "list")
		case 1:
			return rapid.MapOfN(text(), rapid.Deferred(func() *rapid.Generator[any] { return value }), 0, 3).Draw(t, "mapping")
		case 2:
			return float64(rapid.IntRange(math.MinInt32, math.MaxInt32).Draw(t, "number"))
		case 3:
			return rapid.Bool().Draw(t, "bool")
		case 4:
			return nil
		default:
			return text().Draw(t, "text")
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		doc, err := json.Marshal(value.Draw(t, "document"))
		if err != nil {
			t.Fatal(err)
		}
		sameInYAML(t, doc)
	})
}

// text is what people, and attackers, write.
func text() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`[a-zA-Z0-9_./@+-]{0,12}`),
		rapid.StringN(0, 12, -1),
		rapid.SampledFrom(strange()),
	)
}

// strange are texts that some YAML reads as something else.
func strange() []string {
	return []string{
		"", "y", "NO", "null", "~", "1e3", "0x10", "-", "- a", "a: b", "#", "a #b", "|", ">", "!x", "&a", "*a", "%", "@a", "`", "2026-11-23",
		"12:30:45", " a ", "a\nb\n", "\t", "\r\n", "\x00", "\u0085", "\u2028", "\ufeff", "\x7f", "\"", "'", "\\", "{}", "[]", "$(x)", ".inf", "é",
		"---", "...", "<<", "=", "+1", ".5", "true", "On", "e", "😀",
	}
}

func sameInYAML(t interface {
	Helper()
	Fatalf(string, ...any)
}, doc []byte,
) {
	t.Helper()
	got, err := show.YAML(doc)
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	var fromJSON, fromYAML any
	if err := json.Unmarshal(doc, &fromJSON); err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	if err := yaml.Unmarshal([]byte(got), &fromYAML); err != nil {
		t.Fatalf("%s is\n%s: %v", doc, got, err)
	}
	again, err := json.Marshal(fromYAML)
	if err != nil {
		t.Fatalf("%v", err)
	}
	var plain any
	if err := json.Unmarshal(again, &plain); err != nil {
		t.Fatalf("%v", err)
	}
	if diff := cmp.Diff(fromJSON, plain); diff != "" {
		t.Fatalf("%s is\n%s%s", doc, got, diff)
	}
}

func TestYAMLOfStrangeTexts(t *testing.T) {
	for _, text := range strange() {
		for _, v := range []any{text, []string{text}, map[string]string{text: text}} {
			doc, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			sameInYAML(t, doc)
		}
	}
}

func TestYAMLShape(t *testing.T) {
	got, err := show.YAML([]byte(`{"release":"0197-a","left_seconds":1.50,"waits":["a pause: x","b"],"none":[],"all":[{"a":1,"b":[[2],{}]},null]}`))
	want := strings.TrimLeft(`
release: "0197-a"
left_seconds: 1.50
waits:
  - "a pause: x"
  - b
none: []
all:
  - a: 1
    b:
      -
        - 2
      - {}
  - null
`, "\n")
	if err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	if _, err := show.YAML([]byte(`{"a":`)); err == nil {
		t.Error("half a document is one")
	}
}
