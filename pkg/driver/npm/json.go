package npm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// A span is where a value is in a JSON document: doc[start:end].
type span struct{ start, end int }

var errTwice = errors.New("it is there twice")

// member finds the value of a key in the object that doc[in.start:in.end] is. A key that is there twice is an error: readers
// differ in which one they take.
func member(doc []byte, in span, key string) (at span, found bool, err error) {
	dec := json.NewDecoder(bytes.NewReader(doc[in.start:in.end]))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return span{}, false, errors.New("it is not a JSON object")
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return span{}, false, fmt.Errorf("it is not JSON: %w", err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return span{}, false, fmt.Errorf("it is not JSON: %w", err)
		}
		if name != key {
			continue
		}
		if found {
			return span{}, false, errTwice
		}
		end := in.start + int(dec.InputOffset())
		at, found = span{end - len(value), end}, true
	}
	return at, found, nil
}

// within is member for a path of keys, from the top of the document.
func within(doc []byte, keys ...string) (span, bool, error) {
	at := span{0, len(doc)}
	for _, key := range keys {
		var found bool
		var err error
		if at, found, err = member(doc, at, key); err != nil || !found {
			return span{}, false, wrapKey(key, err)
		}
	}
	return at, true, nil
}

func wrapKey(key string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%q: %w", key, err)
}

// replace is doc with the strings at the given places set to value, which needs no escapes. Nothing else changes.
func replace(doc []byte, value string, places ...span) []byte {
	slices.SortFunc(places, func(a, b span) int { return a.start - b.start })
	var out []byte
	last := 0
	for _, at := range places {
		out = append(out, doc[last:at.start]...)
		out = append(out, '"')
		out = append(out, value...)
		out = append(out, '"')
		last = at.end
	}
	return append(out, doc[last:]...)
}
