package signal

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// What is taken apart here is what encoding/json finds.
func FuzzFields(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { "a" : 1 , "b":[1,{"c":"}"}], "d":{"e":null},"f":"\"\\", "g":-1.5e+3,"h":true } `, `{"a":1,"a":2}`, `{"":{}}`, `{"a":"]},{["}`,
		"{\"a\":\t[ ]\n,\r\"b\":{ } }", `{"a":false}`, `{"a":"\\"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		in = bytes.TrimSpace(in)
		if !json.Valid(in) || !utf8.Valid(in) || in[0] != '{' {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(in, &want); err != nil {
			return // too deep
		}
		got := fieldsOf(in)
		for _, p := range got {
			if !json.Valid(p.value) {
				t.Fatalf("%q is %q", p.name, p.value)
			}
		}
		for name, value := range want {
			if quoted, err := json.Marshal(name); err != nil || string(quoted) != `"`+name+`"` || strings.ContainsRune(string(in), '\\') {
				continue // names with escapes are not looked for
			}
			if string(got.get(name)) != string(bytes.TrimSpace(value)) {
				t.Fatalf("%q is %q, want %q", name, got.get(name), value)
			}
		}
	})
}
