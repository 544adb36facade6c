package show

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// YAML is a JSON document as YAML, its fields in the same order. YAML has JSON's quoted strings, numbers and words as they are
// (https://yaml.org/spec/1.2.2/#chapter-1-introduction-to-yaml), so nothing that a text has in it can become anything else than text;
// only what is plainly a word or a name goes without quotes.
func YAML(doc []byte) (string, error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	y := yaml{in: d}
	if err := y.value("", ""); err != nil {
		return "", fmt.Errorf("as YAML: %w", err)
	}
	return strings.TrimPrefix(y.out.String(), "\n"), nil
}

type yaml struct {
	in  *json.Decoder
	out strings.Builder
}

// value writes the next value of the document behind what stands on the line; indent is that of what is in it. first is what the first
// line of a mapping begins with, when it stands behind the dash of a list.
func (y *yaml) value(indent, first string) error {
	token, err := y.in.Token()
	if err != nil {
		return err
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '[' {
			return y.list(indent)
		}
		return y.mapping(indent, first)
	case string:
		y.out.WriteString(" " + scalar(t) + "\n")
	case nil:
		y.out.WriteString(" null\n")
	default: // a number, as it was written, or true or false
		fmt.Fprintf(&y.out, " %v\n", t)
	}
	return nil
}

func (y *yaml) list(indent string) error {
	if !y.in.More() {
		y.out.WriteString(" []\n")
		_, err := y.in.Token()
		return err
	}
	y.out.WriteString("\n")
	for y.in.More() {
		y.out.WriteString(indent + "-")
		if err := y.value(indent+"  ", " "); err != nil {
			return err
		}
	}
	_, err := y.in.Token()
	return err
}

func (y *yaml) mapping(indent, first string) error {
	if !y.in.More() {
		y.out.WriteString(" {}\n")
		_, err := y.in.Token()
		return err
	}
	begin := first
	if first == "" {
		begin = "\n" + indent
	}
	for y.in.More() {
		key, err := y.in.Token()
		if err != nil {
			return err
		}
		y.out.WriteString(begin + scalar(fmt.Sprint(key)) + ":")
		begin = indent
		if err := y.value(indent+"  ", ""); err != nil {
			return err
		}
	}
	_, err := y.in.Token()
	return err
}

// scalar is text. What might be read as something else, in any version of YAML, is in quotes.
func scalar(text string) string {
	if plain(text) {
		return text
	}
	var b strings.Builder
	data, err := json.Marshal(text)
	if err != nil {
		return `""` // there is no text that JSON can not write
	}
	for _, r := range string(data) {
		if r >= 0x7f && r <= 0x9f || r == 0xfeff { // YAML wants them escaped, JSON does not
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// plain tells whether text is a word or a name in every version of YAML: it begins with a letter, and nothing in it means
// anything.
func plain(text string) bool {
	for i, r := range text {
		letter := r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
		if !letter && (i == 0 || !(r >= '0' && r <= '9' || strings.ContainsRune("_./@+-", r))) {
			return false
		}
	}
	return text != "" && !reserved(text)
}

// reserved are the words that YAML 1.1 or 1.2 reads as something else than text.
func reserved(text string) bool {
	switch strings.ToLower(text) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return true
	}
	return false
}
