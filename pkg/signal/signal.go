package signal

import (
	"bytes"
	"strings"
)

// Level says how bad it is.
type Level int8

// The levels. Unknown is that of a signal that names none.
const (
	Unknown Level = iota
	Trace
	Debug
	Info
	Warn
	Error
	Fatal
)

// String is the level's name, as project files and [Parse] have it; empty for Unknown.
func (l Level) String() string {
	if l < Trace || l > Fatal {
		return ""
	}
	return [...]string{"trace", "debug", "info", "warn", "error", "fatal"}[l-Trace]
}

// AtLeast tells whether a check that asks for a level counts the signal. What names no level counts.
func (l Level) AtLeast(least Level) bool { return l == Unknown || l >= least }

// LevelOf is the level that a word names, in the ways that loggers write it: "error", "ERR", "CRITICAL", "Information". Unknown if
// it is none.
func LevelOf(word string) Level {
	const longest = len("information")
	if len(word) > longest {
		return Unknown
	}
	switch strings.ToLower(word) {
	case "trace", "trc", "verbose", "finest", "silly":
		return Trace
	case "debug", "dbg", "fine", "finer":
		return Debug
	case "info", "inf", "information", "notice", "http", "default":
		return Info
	case "warn", "warning", "wrn":
		return Warn
	case "error", "err", "severe":
		return Error
	case "fatal", "ftl", "crit", "critical", "alert", "emerg", "emergency", "panic", "dpanic":
		return Fatal
	}
	return Unknown
}

// levelOfNumber reads a level of syslog (https://www.rfc-editor.org/rfc/rfc5424#section-6.2.1), where less is worse, or one
// of pino and bunyan (https://github.com/pinojs/pino/blob/main/docs/api.md#loggerlevels-object).
func levelOfNumber(n float64) Level {
	switch {
	case n < 0:
		return Unknown
	case n < 3:
		return Fatal
	case n < 4:
		return Error
	case n < 5:
		return Warn
	case n < 7:
		return Info
	case n < 10:
		return Debug
	case n < 20:
		return Trace
	case n < 30:
		return Debug
	case n < 40:
		return Info
	case n < 50:
		return Warn
	case n < 60:
		return Error
	}
	return Fatal
}

// Signal is one signal as it was sent: nothing in it can be trusted.
type Signal struct {
	Level Level
	Text  string // the message, with its error and stack trace if there are any; may have many lines
	Lost  uint64 // so many signals were lost before this one, which is nothing but the news of it
}

// Title is the line that says what is wrong: of a stack trace that of the exception, of anything else the first that is not empty.
func (s Signal) Title() string { return title(s.Text) }

// Parse reads a message. It has at least one signal: what can not be read is text.
func Parse(data []byte) []Signal {
	text := bytes.TrimSpace(data)
	if len(text) == 0 {
		return []Signal{{}}
	}
	if text[0] == '{' || text[0] == '[' {
		if all := parseJSON(text); len(all) > 0 {
			return all
		}
	}
	return []Signal{parseText(string(text))}
}
