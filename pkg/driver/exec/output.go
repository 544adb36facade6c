package exec

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// Bounds of what is kept of a command's output.
const (
	mostOutput = 4 << 10 // bytes of output that an error ends with
	leastMask  = 4       // bytes of a secret that is looked for; shorter ones would blot out ordinary text
	mask       = "***"
)

// output keeps the end of what is written to it, secrets masked, in bounded memory. It masks as it goes: a secret that would stick
// out of the end that is kept is masked before it is cut.
type output struct {
	mu      sync.Mutex
	secrets [][]byte // longest first
	pending []byte   // may be the beginning of a secret
	tail    []byte   // at most twice mostOutput
	cut     bool     // tail is not all
	over    bool     // nobody will ask
}

// newOutput masks the given secrets, and each line of those that have several.
func newOutput(secrets []string) *output {
	o := &output{}
	for _, s := range secrets {
		for _, part := range append(strings.Split(s, "\n"), s) {
			if part = strings.TrimSpace(part); len(part) >= leastMask {
				o.secrets = append(o.secrets, []byte(part))
			}
		}
	}
	slices.SortFunc(o.secrets, func(a, b []byte) int { return cmp.Compare(len(b), len(a)) })
	return o
}

// Write takes more output. It never fails.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return len(p), nil
	}
	o.pending = append(o.pending, p...)
	o.advance(false)
	return len(p), nil
}

// drop forgets everything, also what is still to come.
func (o *output) drop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over, o.pending, o.tail = true, nil, nil
}

// advance moves pending to the tail, up to where a secret may have begun; to its end when it is the last.
func (o *output) advance(last bool) {
	rest := o.pending
	for len(rest) > 0 {
		secret, begun := o.secretAt(rest)
		switch {
		case begun && !last:
			o.pending = append(o.pending[:0], rest...)
			return
		case begun && len(rest) >= leastMask: // the beginning of a secret that was never finished
			o.keep([]byte(mask))
			rest = nil
		case secret > 0:
			o.keep([]byte(mask))
			rest = rest[secret:]
		default:
			n := o.plain(rest)
			o.keep(rest[:n])
			rest = rest[n:]
		}
	}
	o.pending = o.pending[:0]
}

// secretAt tells how many bytes at the beginning of b are a secret, or that b may be the beginning of one.
func (o *output) secretAt(b []byte) (n int, begun bool) {
	for _, s := range o.secrets {
		if len(b) < len(s) && bytes.HasPrefix(s, b) {
			return 0, true
		}
		if bytes.HasPrefix(b, s) {
			return len(s), false
		}
	}
	return 0, false
}

// plain tells how many bytes of b, at least one, come before the next that could begin a secret.
func (o *output) plain(b []byte) int {
	n := len(b)
	for _, s := range o.secrets {
		if i := bytes.IndexByte(b[1:n], s[0]); i >= 0 {
			n = i + 1
		}
	}
	return n
}

func (o *output) keep(b []byte) {
	if len(b) > mostOutput {
		o.cut = true
		b = b[len(b)-mostOutput:]
	}
	o.tail = append(o.tail, b...)
	if len(o.tail) > 2*mostOutput {
		o.cut = true
		o.tail = append(o.tail[:0], o.tail[len(o.tail)-mostOutput:]...)
	}
}

// escapes are the control sequences of terminals: colours, cursor movements, titles.
var escapes = regexp.MustCompile("\x1b(?:\\[[0-9;:?<=>]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?|[@-Z\\\\^_])")

// String is the end of the output as text that can be shown.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.advance(true)
	tail, cut := o.tail, o.cut
	if len(tail) > mostOutput {
		tail, cut = tail[len(tail)-mostOutput:], true
	}
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.ToValidUTF8(string(tail), "\uFFFD"))
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, escapes.ReplaceAllString(text, ""))
	if text = strings.TrimSpace(text); cut && text != "" {
		text = "…" + text
	}
	return text
}
