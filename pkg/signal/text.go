package signal

import (
	"strconv"
	"strings"
)

// parseText reads what is not JSON: logfmt if it is one line of it, otherwise a text of any number of lines.
func parseText(s string) Signal {
	if pairs, ok := parseLogfmt(s); ok {
		return pairs
	}
	return Signal{Level: levelOfText(s), Text: s}
}

// parseLogfmt reads a line of key=value pairs (https://brandur.org/logfmt), if it has a level or a message.
func parseLogfmt(line string) (Signal, bool) {
	if strings.ContainsRune(line, '\n') || !strings.ContainsRune(line, '=') {
		return Signal{}, false
	}
	var out Signal
	var what, why string
	is := false
	for rest := line; ; {
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" {
			break
		}
		end := strings.IndexAny(rest, "= \t")
		if end < 0 || rest[end] != '=' { // a word alone
			if end < 0 {
				break
			}
			rest = rest[end:]
			continue
		}
		key := rest[:end]
		var value string
		value, rest = cutValue(rest[end+1:])
		switch key {
		case "level", "lvl", "severity", "loglevel", "log_level":
			if l := LevelOf(value); l != Unknown {
				out.Level, is = l, true
			}
		case "msg", "message":
			what, is = value, true
		case "err", "error":
			why = value
		}
	}
	if !is {
		return Signal{}, false
	}
	if out.Text = joined(what, why, ""); out.Text == "" {
		out.Text = line
	}
	if out.Level == Unknown && why != "" {
		out.Level = Error
	}
	return out, true
}

// cutValue takes a value of logfmt, which may be quoted, off the front.
func cutValue(s string) (value, rest string) {
	if strings.HasPrefix(s, `"`) {
		if quoted, err := strconv.QuotedPrefix(s); err == nil {
			if value, err = strconv.Unquote(quoted); err == nil {
				return value, s[len(quoted):]
			}
		}
	}
	if end := strings.IndexAny(s, " \t"); end >= 0 {
		return s[:end], s[end:]
	}
	return s, ""
}

// namedWithin is how far into a line its level is looked for, in words: after the date, the time, the host and the process.
const namedWithin = 8

// levelOfText is the level that the first line names, or that its crash has.
func levelOfText(s string) Level {
	line := firstLine(s)
	if l := levelOfPrefix(line); l != Unknown {
		return l
	}
	n, after := 0, true // the beginning, or what ends with a colon
	for word := range strings.FieldsSeq(line) {
		if n++; n > namedWithin {
			break
		}
		bare := strings.Trim(word, "[](){}<>|:,;!*-.")
		l := LevelOf(bare)
		// A word in capitals is a level, and so is one that stands apart; "no error: fine" has none.
		apart := word[0] == '[' || word[0] == '<' || word[0] == '|' || after && strings.HasSuffix(word, ":") || strings.HasSuffix(word, "]")
		if l != Unknown && (bare == strings.ToUpper(bare) || apart) {
			return l
		}
		after = strings.HasSuffix(word, ":")
	}
	return levelOfCrash(s)
}

// levelOfPrefix reads what comes before all else: <11> of syslog, E0102 of glog.
func levelOfPrefix(line string) Level {
	if strings.HasPrefix(line, "<") {
		if digits, _, ok := strings.Cut(line[1:], ">"); ok && len(digits) <= 3 {
			if n, err := strconv.ParseUint(digits, 10, 8); err == nil && n < 192 {
				return levelOfNumber(float64(n % 8))
			}
		}
	}
	if len(line) > 5 && line[5] == ' ' && digits(line[1:5]) {
		switch line[0] {
		case 'I':
			return Info
		case 'W':
			return Warn
		case 'E':
			return Error
		case 'F':
			return Fatal
		}
	}
	return Unknown
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// levelOfCrash is that of what runtimes print when a program ends by a mistake.
func levelOfCrash(s string) Level {
	for _, begins := range [...]string{
		"panic: ", "fatal error: ", "Traceback (most recent call last)", "Exception in thread ", "Segmentation fault", "Unhandled exception",
		"terminate called ", "Uncaught ", "thread '", "==ERROR", "Aborted",
	} {
		if strings.HasPrefix(s, begins) {
			return Fatal
		}
	}
	if isException(title(s)) {
		return Error
	}
	return Unknown
}

// isException tells whether a line begins with the name of an exception, as TypeError: … or java.io.IOException: … do.
func isException(line string) bool {
	name, _, _ := strings.Cut(line, " ")
	name, colon := strings.CutSuffix(name, ":")
	if !colon && name != line {
		return false
	}
	for _, ends := range [...]string{"Error", "Exception", "Interrupt", "Exit"} {
		if strings.HasSuffix(name, ends) {
			return strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.$:") == ""
		}
	}
	return false
}

func firstLine(s string) string {
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			return line
		}
	}
	return ""
}

// title is the line that says what is wrong. Python says it after the frames, Node after the line of code that threw.
func title(s string) string {
	first := firstLine(s)
	python := strings.Contains(s, "Traceback (most recent call last)")
	if !python && (isException(first) || !strings.ContainsRune(s, '\n')) {
		return first
	}
	last := ""
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" || line[0] == ' ' || line[0] == '\t' || !isException(line) && !python {
			continue
		}
		if !python {
			return line
		}
		last = line // an exception raised while another was handled: the last is the one that ended it
	}
	if last != "" && !strings.HasPrefix(last, "Traceback") {
		return last
	}
	return first
}
