package signal

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// most bounds how many signals one message can be, so that a message of "{}{}{}…" is not thousands.
const most = 1000

// parseJSON reads objects and arrays of objects. It is nil if that is not all there is.
func parseJSON(text []byte) []Signal {
	var all []Signal
	for rest := text; len(rest) > 0 && len(all) < most; { // a line each is the usual way, and read in a third of the time
		line, more, _ := bytes.Cut(rest, []byte("\n"))
		rest = more
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		one, ok := parseObject(line, 0)
		if !ok {
			return parseValues(text)
		}
		all = append(all, one...)
	}
	return all[:min(len(all), most)]
}

// parseValues reads JSON however it is laid out.
func parseValues(text []byte) []Signal {
	var all []Signal
	for d := json.NewDecoder(bytes.NewReader(text)); len(all) < most; {
		var value json.RawMessage
		if err := d.Decode(&value); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil
		}
		objects := []json.RawMessage{value}
		if value[0] == '[' {
			if err := json.Unmarshal(value, &objects); err != nil {
				return nil
			}
		}
		for _, o := range objects {
			more, ok := parseObject(o, 0)
			if !ok {
				return nil
			}
			all = append(all, more...)
		}
	}
	return all[:min(len(all), most)]
}

// deepest is how often what an object holds is a log line itself.
const deepest = 2

func parseObject(raw json.RawMessage, depth int) ([]Signal, bool) {
	if len(raw) < 2 || raw[0] != '{' || !json.Valid(raw) {
		return nil, false
	}
	fields := fieldsOf(raw)
	if logs := fields.get("resourceLogs"); logs != nil {
		if all, ok := parseOTLP(logs); ok {
			return all, true
		}
	}
	if n := fields.get("gap"); n != nil && len(fields) <= 2 {
		if lost, err := strconv.ParseUint(string(n), 10, 64); err == nil {
			return []Signal{{Level: Error, Lost: lost, Text: strconv.FormatUint(lost, 10) + " signals were lost"}}, true
		}
	}
	s := object(fields)
	if inner := strings.TrimSpace(s.line); inner != "" && depth < deepest { // a container's line: it says by itself how bad it is
		if inner[0] == '{' {
			if all, ok := parseObject(json.RawMessage(inner), depth+1); ok {
				return all, true
			}
		}
		in := parseText(inner)
		if in.Level == Unknown {
			in.Level = s.Level
		}
		return []Signal{in}, true
	}
	if s.Text == "" {
		s.Text = string(raw)
	}
	return []Signal{s.Signal}, true
}

// found is what the fields of an object say.
type found struct {
	Signal
	line string // a whole line that some runtime wrapped
}

// object reads the fields of a logger's object, whatever it calls them. One that is nested, as in {"log": {"level": "error"}}, is
// read like "log.level".
func object(fields fields) found {
	var out found
	var what, why, stack string
	var bad bool
	for _, name := range [...]string{
		"level", "severity", "levelname", "log.level", "lvl", "loglevel", "log_level", "severityText", "@level", "Level", "LEVEL", "Severity",
		"severity_text", "PRIORITY",
	} {
		if out.Level = levelOf(fields.at(name)); out.Level != Unknown {
			break
		}
	}
	for _, name := range [...]string{"message", "msg", "@message", "Message", "MESSAGE", "short_message", "text", "event", "@m"} {
		if what = text(fields.at(name)); what != "" {
			break
		}
	}
	for _, name := range [...]string{"error", "err", "exception", "error.message", "exc_info", "Error", "Exception", "reason"} {
		if raw := fields.at(name); len(raw) > 0 && string(raw) != "null" && string(raw) != "false" {
			why, stack = problem(raw)
			bad = bad || why != ""
			break
		}
	}
	for _, name := range [...]string{"stack", "stack_trace", "stacktrace", "stackTrace", "error.stack_trace", "exception.stacktrace"} {
		if stack == "" {
			stack = text(fields.at(name))
		}
	}
	if what == "" && why == "" && stack == "" {
		out.line = text(fields.at("log")) // Docker's json-file
	}
	out.Text = joined(what, why, stack)
	if bad && out.Level == Unknown {
		out.Level = Error
	}
	return out
}

// joined is a message with the error that it is about, once, and its stack trace.
func joined(what, why, stack string) string {
	if why != "" && !strings.Contains(what, why) {
		if what != "" {
			what += ": "
		}
		what += why
	}
	if first, rest, _ := strings.Cut(stack, "\n"); why != "" && strings.TrimSpace(first) == why {
		stack = rest // what is said already
	}
	if stack != "" && !strings.Contains(what, stack) {
		if what == "" {
			return stack
		}
		what += "\n" + stack
	}
	return what
}

// at is the field with that name; one with a dot may be nested.
func (f fields) at(name string) json.RawMessage {
	if raw := f.get(name); raw != nil {
		return raw
	}
	outer, inner, dotted := strings.Cut(name, ".")
	if !dotted {
		return nil
	}
	raw := f.get(outer)
	if len(raw) == 0 || raw[0] != '{' {
		return nil
	}
	return fieldsOf(raw).get(inner)
}

// text is a string as it is, and a number as it stands there.
func text(raw json.RawMessage) string {
	if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || string(raw) == "null" {
		return ""
	}
	if raw[0] != '"' {
		return string(raw)
	}
	if plain := raw[1 : len(raw)-1]; bytes.IndexByte(plain, '\\') < 0 && utf8.Valid(plain) {
		return string(plain)
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

func levelOf(raw json.RawMessage) Level {
	s := text(raw)
	if s == "" {
		return Unknown
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		return levelOfNumber(n)
	}
	return LevelOf(s)
}

// problem reads an error: text, or an object with a type, a message and a stack, as loggers of Node and ECS write it.
func problem(raw json.RawMessage) (why, stack string) {
	if raw[0] != '{' {
		return text(raw), ""
	}
	e := fieldsOf(raw)
	kind, said := text(e.get("type")), text(e.get("message"))
	if kind == "" {
		kind = text(e.get("name"))
	}
	if said == "" {
		said = text(e.get("msg"))
	}
	if kind != "" && said != "" && !strings.HasPrefix(said, kind) {
		said = kind + ": " + said
	}
	if stack = text(e.get("stack")); stack == "" {
		stack = text(e.get("stack_trace"))
	}
	return said, stack
}
