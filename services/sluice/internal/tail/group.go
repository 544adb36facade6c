package tail

import (
	"strings"

	"github.com/sluice-gate/sluice/pkg/signal"
)

// mostText bounds the text of one signal, in bytes: the rest of a stack trace that is longer is left out.
const mostText = 8 << 10

// group puts the lines of one error together. Its zero value is ready.
type group struct {
	text   strings.Builder
	lines  int
	crash  bool // a runtime says how the program ended: its lines need not be indented
	python bool // a traceback, which ends with the line that names the exception
	over   bool // nothing continues it
	blank  int  // empty lines that are left out unless it goes on
}

// add takes a line, without its end. It returns what is complete with that.
func (g *group) add(line string) (done string, ok bool) {
	if g.lines > 0 && !g.continues(line) {
		done, ok = g.flush()
	}
	if strings.TrimSpace(line) == "" {
		if g.lines > 0 {
			g.blank++
		}
		return done, ok
	}
	if g.lines == 0 {
		g.begin(line)
	} else if g.python && line[0] != ' ' && line[0] != '\t' {
		g.over = !strings.HasPrefix(line, "Traceback ") && !isChained(line)
	}
	for ; g.blank > 0; g.blank-- {
		g.write("\n")
	}
	if g.lines > 0 {
		g.write("\n")
	}
	g.write(line)
	g.lines++
	return done, ok
}

func (g *group) write(s string) {
	if room := mostText - g.text.Len(); len(s) > room {
		s = s[:max(0, room)]
	}
	g.text.WriteString(s)
}

// flush ends the group.
func (g *group) flush() (string, bool) {
	text, some := strings.ToValidUTF8(g.text.String(), "\uFFFD"), g.lines > 0
	*g = group{}
	return text, some
}

func (g *group) begin(line string) {
	g.python = strings.HasPrefix(line, "Traceback (most recent call last)")
	g.over = line[0] == '{' // JSON is whole
	for _, p := range [...]string{
		"panic: ", "fatal error: ", "Exception in thread ", "thread '", "terminate called ", "Unhandled ", "Uncaught ", "==",
	} {
		g.crash = g.crash || strings.HasPrefix(line, p)
	}
	g.crash = g.crash || isPlace(line)
}

// isPlace: Node says where it was thrown first, "/app/server.js:10".
func isPlace(line string) bool {
	i := strings.LastIndexByte(line, ':')
	return i > 0 && i+1 < len(line) && !strings.ContainsAny(line, " \t") && strings.ContainsRune(line, '/') &&
		strings.Trim(line[i+1:], "0123456789") == ""
}

// isChained: what Python says between two tracebacks of one error.
func isChained(line string) bool {
	return strings.HasPrefix(line, "During handling of the above exception") || strings.HasPrefix(line, "The above exception was")
}

// continues tells whether a line belongs to the group.
func (g *group) continues(line string) bool {
	switch {
	case strings.TrimSpace(line) == "":
		return true // it is left out if nothing follows
	case g.over:
		return g.python && isChained(line)
	case line[0] == ' ' || line[0] == '\t':
		return true
	case g.python:
		return true
	}
	for _, p := range [...]string{
		"at ", "Caused by: ", "... ", "Suppressed: ", "goroutine ", "created by ", "exit status ", "[signal ", "stack backtrace:", "note: ",
	} {
		if strings.HasPrefix(line, p) {
			return true
		}
	}
	return g.crash && line[0] != '{' && !named(line)
}

// named tells whether a line says by itself how bad it is, as a line of a log does and one of a stack trace does not. An exception is
// named in a stack trace.
func named(line string) bool {
	word, _, _ := strings.Cut(line, " ")
	if strings.HasSuffix(strings.TrimSuffix(word, ":"), "Error") || strings.HasSuffix(strings.TrimSuffix(word, ":"), "Exception") {
		return false
	}
	return signal.Parse([]byte(line))[0].Level != signal.Unknown
}
