package template

import (
	"strings"
	"unicode/utf8"
)

// Any stands in a template for a word that has been found to be a variable.
const Any = "<*>"

// The other marks.
const (
	markText  = "<str>"
	markTime  = "<time>"
	markNum   = "<num>"
	markHex   = "<hex>"
	markUUID  = "<uuid>"
	markIP    = "<ip>"
	markPath  = "<path>"
	markURL   = "<url>"
	markEmail = "<email>"
	markID    = "<id>"
)

// Bounds of a template.
const (
	mostBytes = 240
	mostWords = 48
	mostRead  = 4 << 10 // of a line

	mostQuoted = 1 << 10 // a quote that is not closed by then is none
)

// Mask makes the template of a line: its volatile parts masked, its words one space apart. It is at most 240 bytes long.
func Mask(line string) string {
	m := masker{in: line[:min(len(line), mostRead)]}
	m.out.Grow(min(len(line), mostBytes) + len(markEmail))
	for more := true; more && m.words < mostWords && m.out.Len() < mostBytes; {
		more = m.next()
	}
	out := strings.ToValidUTF8(m.out.String(), "\uFFFD")
	if len(out) > mostBytes {
		end := mostBytes
		for end > 0 && !utf8.RuneStart(out[end]) {
			end--
		}
		out = out[:end]
	}
	return out
}

// masker reads a line from left to right, once.
type masker struct {
	in    string
	out   strings.Builder
	words int
	space bool // there was one since the last word
	dated bool // the last word was a time: numbers beside it belong to it
}

const delimiters = "()[]{}<>,;=|\"'`!?"

func isSpace(c byte) bool { return c == ' ' || c < ' ' || c == 0x7f }

// next writes one word, mark or delimiter. It is false at the end.
func (m *masker) next() bool {
	for m.in != "" && isSpace(m.in[0]) {
		m.in, m.space = m.in[1:], true
	}
	if m.in == "" {
		return false
	}
	if c := m.in[0]; strings.IndexByte(delimiters, c) >= 0 {
		if c == '"' || c == '\'' || c == '`' {
			if n := quoted(m.in); n > 0 {
				m.in = m.in[n:]
				m.write(markText)
				return true
			}
		}
		m.in = m.in[1:]
		m.write(string(c))
		return true
	}
	end := 1
	for end < len(m.in) && !isSpace(m.in[end]) && strings.IndexByte(delimiters, m.in[end]) < 0 {
		end++
	}
	if rest := m.in[end:]; strings.HasPrefix(rest, "=") || strings.HasPrefix(rest, "?") { // a URL goes on
		if strings.Contains(m.in[:end], "://") {
			for end < len(m.in) && !isSpace(m.in[end]) && m.in[end] != '"' && m.in[end] != '\'' && m.in[end] != '>' && m.in[end] != ')' {
				end++
			}
		}
	} else if strings.HasPrefix(rest, "'") && end+1 < len(m.in) && letter(m.in[end+1]) { // can't
		for end++; end < len(m.in) && letter(m.in[end]); {
			end++
		}
	}
	word := m.in[:end]
	m.in = m.in[end:]
	bare := strings.TrimRight(word, ".:")
	if bare == "" {
		m.write(word)
		return true
	}
	m.write(classify(bare) + word[len(bare):])
	return true
}

// write puts a word behind the ones before. A date of several words is one time.
func (m *masker) write(word string) {
	bare := strings.TrimRight(word, ".:")
	dated := bare == markTime
	if m.dated && (dated || bare == markNum) && m.space {
		m.space = false
		return
	}
	if m.space && m.out.Len() > 0 {
		m.out.WriteByte(' ')
		m.words++
	}
	m.out.WriteString(word)
	m.space, m.dated = false, dated
}

// quoted is the length of a quoted text at the beginning, with its quotes; 0 if there is none.
func quoted(s string) int {
	q := s[0]
	for i := 1; i < min(len(s), mostQuoted); i++ {
		switch {
		case s[i] == '\\' && q == '"':
			i++
		case s[i] == q:
			if q == '\'' && i+1 < len(s) && letter(s[i+1]) { // an apostrophe inside
				continue
			}
			return i + 1
		}
	}
	return 0
}

func letter(c byte) bool      { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf }
func digit(c byte) bool       { return c >= '0' && c <= '9' }
func hexadecimal(c byte) bool { return digit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

// shape is which kinds of characters a word has.
type shape struct {
	digits, letters, hexes, dots, colons, dashes, slashes, others, at int
	upper, lower                                                      bool
}

func shapeOf(w string) (s shape) {
	for i := range len(w) {
		c := w[i]
		if hexadecimal(c) {
			s.hexes++
		}
		switch {
		case digit(c):
			s.digits++
		case letter(c):
			s.letters++
			s.upper = s.upper || c >= 'A' && c <= 'Z'
			s.lower = s.lower || c >= 'a' && c <= 'z'
		case c == '.':
			s.dots++
		case c == ':':
			s.colons++
		case c == '-' || c == '_':
			s.dashes++
		case c == '/' || c == '\\':
			s.slashes++
		case c == '@':
			s.at++
		default:
			s.others++
		}
	}
	return s
}

// classify is the mark of a word, or the word, with marks in it.
func classify(w string) string {
	s := shapeOf(w)
	switch {
	case s.slashes > 0 && strings.Contains(w, "://"):
		return markURL
	case s.slashes > 0 && isPath(w, s):
		return markPath
	case s.at == 1 && s.dots > 0 && w[0] != '@' && s.slashes == 0:
		return markEmail
	case s.digits == 0 && s.colons == 0:
		if isCalendar(w) {
			return markTime
		}
		return w
	case len(w) == 36 && s.dashes == 4 && s.hexes == 32 && w[8] == '-' && w[13] == '-' && w[18] == '-' && w[23] == '-':
		return markUUID
	case len(w) > 2 && w[0] == '0' && (w[1] == 'x' || w[1] == 'X') && s.hexes == len(w)-1:
		return markHex
	case isIP(w, s):
		return markIP
	case s.digits == 0:
		return w
	case isTime(w, s):
		return markTime
	case isNumber(w):
		return markNum
	case s.hexes == len(w) && len(w) >= 8:
		return markHex
	case len(w) >= 24 && s.dots == 0 && s.upper && s.lower:
		return markID
	}
	return parts(w)
}

// isPath: from a root, or of several parts, or with a file's ending. "read/write" is none.
func isPath(w string, s shape) bool {
	if len(w) < 2 {
		return false
	}
	rooted := w[0] == '/' || w[0] == '~' || w[0] == '.' && strings.IndexAny(w, "/\\") <= 2 || w[1] == ':' && letter(w[0])
	return rooted || s.slashes > 1 || s.dots > 0 && s.letters > 0
}

func isIP(w string, s shape) bool {
	if s.dots == 3 && s.letters == 0 && s.dashes == 0 && s.others == 0 && s.slashes <= 1 && s.colons <= 1 {
		return s.digits >= 4
	}
	// of version 6; a time has no letters and at most two colons
	return s.colons >= 2 && s.hexes+s.colons == len(w) && (s.colons > 2 || s.digits != s.hexes || strings.Contains(w, "::"))
}

// isTime: digits with separators, as in 17:12:29.123, 2026-11-23T17:12:29Z, 23/11/2026.
func isTime(w string, s shape) bool {
	if !digit(w[0]) || s.others > 1 || s.digits < 3 {
		return false
	}
	for i := range len(w) {
		if c := w[i]; !digit(c) && strings.IndexByte("-:./TZ+", c) < 0 {
			return false
		}
	}
	return s.colons > 0 && (s.colons < 3 || strings.ContainsRune(w, '-')) || s.dashes == 2 && s.digits >= 6 || s.slashes == 2 && s.digits >= 4
}

// isNumber: with a sign, separators and a unit of up to three characters: -1.5, 12ms, 99.9%, 1,000, 1.5e+06.
func isNumber(w string) bool {
	w = strings.TrimLeft(w, "+-#$~@")
	if w == "" || !digit(w[0]) {
		return false
	}
	i := 0
	for i < len(w) && (digit(w[i]) || w[i] == '.' || w[i] == '_' || w[i] == ':' || w[i] == '/') {
		i++
	}
	unit := w[i:]
	if (strings.HasPrefix(unit, "e+") || strings.HasPrefix(unit, "e-")) && strings.Trim(unit[2:], "0123456789") == "" {
		return true
	}
	if len(unit) > 3 {
		return compound(w)
	}
	for j := range len(unit) {
		if c := unit[j]; !letter(c) && c != '%' {
			return compound(w)
		}
	}
	return true
}

// compound: durations of several units, 1h2m3.5s.
func compound(w string) bool {
	return strings.Trim(w, "0123456789.hmsnuµd") == "" && digit(w[0])
}

// isCalendar: the months and days that dates are written with. A month that is a word of its own, May or March, is left to be one.
func isCalendar(w string) bool {
	if len(w) != 3 {
		return false
	}
	switch w {
	case "Jan", "Feb", "Mar", "Apr", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
		"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "UTC", "GMT":
		return true
	}
	return false
}

const joints = "-_.:/@#+*%$&~"

// parts masks the parts of a word that joints hold together: worker-12 is worker-<num>. Names that machines make, as in
// api-7f9c6d5b8-xk2pq, are one mark from their first such part on.
func parts(w string) string {
	var b strings.Builder
	for i := 0; i < len(w); {
		if strings.IndexByte(joints, w[i]) >= 0 {
			b.WriteByte(w[i])
			i++
			continue
		}
		end := i
		for end < len(w) && strings.IndexByte(joints, w[end]) < 0 {
			end++
		}
		mark := part(w[i:end])
		b.WriteString(mark)
		if mark == markID {
			break
		}
		i = end
	}
	return b.String()
}

// longestCode is how long a word of capitals and digits may be to name a kind of error, as in E1101 or SQLSTATE codes.
const longestCode = 8

func part(p string) string {
	s := shapeOf(p)
	switch {
	case s.digits == 0:
		return p
	case s.digits == len(p) || isNumber(p):
		return markNum
	case s.hexes == len(p) && len(p) >= 8:
		return markID
	case !s.lower && len(p) <= longestCode:
		return p
	}
	word := strings.TrimRight(p, "0123456789")
	if shapeOf(word).digits == 0 {
		return word + markNum
	}
	if len(p) >= 6 {
		return markID
	}
	return p
}
