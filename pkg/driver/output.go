package driver

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-gate/sluice/pkg/mask"
)

// Bounds of what is kept of an attempt's output, in bytes: its beginning and its end, and of a line of ours.
const (
	MostHead = 8 << 10
	MostTail = 56 << 10
	mostLine = 500
	atLine   = 4 << 10 // what is given up so that the gap is between two lines
)

// Output takes what a driver prints during one attempt, in bounded memory: of a command what it writes to its output and error output, in
// that order; of a peer that is spoken to, a line for each request. It is safe for concurrent use, and never fails or waits for anybody.
// What is printed is data: secrets are masked before it is cut, and it is made text that can be shown when it is asked for. A nil Output
// takes nothing.
type Output struct {
	mu     sync.Mutex
	masked *mask.Stream
	head   []byte // at most MostHead
	tail   []byte // at most twice MostTail
	total  int    // bytes, masked
	inLine bool   // what was written last did not end its line
	line   string // of ours, that was written last and nothing after it
	again  int    // how often it came again since
	said   bool   // the driver printed something
	over   bool
}

// NewOutput makes an empty output.
func NewOutput() *Output {
	o := &Output{}
	o.masked = mask.NewStream(o.keep)
	return o
}

type outputKey struct{}

// WithOutput is a context for one attempt, whose driver prints to o. It is in the context, and nowhere else in this project is anything,
// because what sends requests for the SDKs knows of nothing but its request's context, and because a driver works the same without it.
func WithOutput(ctx context.Context, o *Output) context.Context {
	return context.WithValue(ctx, outputKey{}, o) //nolint:forbidigo // see above
}

// OutputOf is the output of the attempt that the context is of; nil, which takes nothing, outside of attempts.
func OutputOf(ctx context.Context) *Output {
	o, _ := ctx.Value(outputKey{}).(*Output)
	return o
}

// Write takes what a command prints. It never fails.
func (o *Output) Write(p []byte) (int, error) {
	if o == nil || len(p) == 0 {
		return len(p), nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.over {
		o.repeats()
		o.said, o.inLine = true, p[len(p)-1] != '\n'
		_, _ = o.masked.Write(p) // never fails
	}
	return len(p), nil
}

// Say takes a line that a driver says of what it does. One that is said several times in a row is counted.
func (o *Output) Say(format string, args ...any) { o.sayLine(true, format, args...) }

// Remark is Say for what is said of a driver, which does not count as something that it printed.
func (o *Output) Remark(format string, args ...any) { o.sayLine(false, format, args...) }

func (o *Output) sayLine(driver bool, format string, args ...any) {
	if o == nil {
		return
	}
	line := oneLine(fmt.Sprintf(format, args...))
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return
	}
	o.said = o.said || driver
	if line == o.line {
		o.again++
		return
	}
	o.repeats()
	o.write(line)
	o.line = line
}

// repeats says how often the last line came again.
func (o *Output) repeats() {
	if o.again > 0 {
		o.write(fmt.Sprintf("(the same %d more times)", o.again))
	}
	o.line, o.again = "", 0
}

// write writes a line of ours.
func (o *Output) write(line string) {
	if o.inLine {
		line = "\n" + line
	}
	o.inLine = false
	_, _ = o.masked.Write([]byte(line + "\n")) // never fails
}

// Hide masks these secrets in what is printed from now on, as they are and in the common encodings. Secrets of fewer than four bytes are
// not looked for.
func (o *Output) Hide(secrets ...string) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.masked.HideEncoded(secrets...)
}

// Printed is what an attempt printed.
type Printed struct {
	Text  string // masked, fit to be shown; the middle of what was too long is a line that says how much is missing
	Bytes int    // how many were printed
	Left  int    // how many of them are missing
}

// End is what was printed. Nothing is taken any more. ok is false when the driver printed nothing.
func (o *Output) End() (p Printed, ok bool) {
	if o == nil {
		return p, false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return p, false
	}
	o.repeats()
	o.masked.Flush()
	o.over = true
	head, tail := o.head, o.tail[max(0, len(o.tail)-MostTail):]
	if o.total > len(head)+len(tail) { // the gap is between two lines, where there are lines
		if i := bytes.LastIndexByte(head, '\n'); i >= len(head)-atLine {
			head = head[:i+1]
		}
		if i := bytes.IndexByte(tail, '\n'); i >= 0 && i < atLine {
			tail = tail[i+1:]
		}
		head, tail = wholeEnd(head), wholeBegin(tail)
	}
	p.Bytes, p.Left = o.total, o.total-len(head)-len(tail)
	if p.Left > 0 {
		p.Text = strings.TrimSuffix(shown(head), "\n") + fmt.Sprintf("\n[%d bytes are left out here]\n", p.Left) + shown(tail)
	} else {
		p.Text = shown(append(head[:len(head):len(head)], tail...))
	}
	o.head, o.tail = nil, nil
	return p, o.said
}

func shown(b []byte) string { return mask.UserInfo(mask.Show(string(b))) }

// wholeEnd is text without the beginning of a character at its end.
func wholeEnd(b []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if tail := b[len(b)-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}

// wholeBegin is text without the end of a character at its beginning.
func wholeBegin(b []byte) []byte {
	for i := 0; i < utf8.UTFMax && i < len(b); i++ {
		if utf8.RuneStart(b[i]) {
			return b[i:]
		}
	}
	return b
}

// keep keeps the beginning and the end of what is masked.
func (o *Output) keep(b []byte) {
	o.total += len(b)
	if n := min(len(b), MostHead-len(o.head)); n > 0 {
		o.head, b = append(o.head, b[:n]...), b[n:]
	}
	b = b[max(0, len(b)-MostTail):]
	o.tail = append(o.tail, b...)
	if len(o.tail) > 2*MostTail {
		o.tail = append(o.tail[:0], o.tail[len(o.tail)-MostTail:]...)
	}
}

func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > mostLine {
		text = string(wholeEnd([]byte(text[:mostLine]))) + "…"
	}
	return text
}

// Said is next, and a line for each request in the output of the attempt that it is made for: what was asked, without the query, and the
// status of the answer. Nil stands for http.DefaultTransport.
func Said(next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return &told{next}
}

type told struct{ next http.RoundTripper }

func (t *told) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(req)
	if o := OutputOf(req.Context()); o != nil {
		came := "no answer"
		if err == nil {
			came = fmt.Sprintf("%d %s", res.StatusCode, http.StatusText(res.StatusCode))
		} else if req.Context().Err() == nil {
			came += ": " + err.Error()
		}
		operation := req.Header.Get("X-Amz-Target") // of AWS, where the address does not say what is asked
		if operation != "" {
			operation = " " + operation
		}
		o.Say("%s %s://%s%.300s%s: %s", req.Method, req.URL.Scheme, req.URL.Host, req.URL.EscapedPath(), operation, came)
	}
	return res, err
}
