package signal

import (
	"bytes"
	"encoding/json"
)

// fields are those of a JSON object, in their order.
type fields []pair

type pair struct {
	name  []byte // as it stands there, without its quotes
	value json.RawMessage
}

// get is the field with that name, the last if there are several; nil if there is none. A name that is written with escapes is not found.
func (f fields) get(name string) json.RawMessage {
	for i := len(f) - 1; i >= 0; i-- {
		if string(f[i].name) == name {
			return f[i].value
		}
	}
	return nil
}

// fieldsOf takes an object apart. It must be valid JSON. A logger's object has a few fields of many, so none of them is decoded yet.
func fieldsOf(object []byte) fields {
	out := make(fields, 0, 12)
	rest := bytes.TrimSpace(object)[1:] // {
	for {
		rest = bytes.TrimLeft(rest, " \t\r\n,")
		if len(rest) == 0 || rest[0] == '}' {
			return out
		}
		end := value(rest)
		name := rest[1 : end-1]
		rest = bytes.TrimLeft(rest[end:], " \t\r\n:")
		end = value(rest)
		out = append(out, pair{name, json.RawMessage(rest[:end])})
		rest = rest[end:]
	}
}

// value is the length of the JSON value at the beginning.
func value(s []byte) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			for i++; s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 { // the end of a number
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
	}
	return len(s)
}
