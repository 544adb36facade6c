package cli

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// How often the progress of long work is told.
const (
	progressRedraw = 100 * time.Millisecond // on a terminal
	progressFirst  = 5 * time.Second        // elsewhere: what is done by then needs no telling
	progressAgain  = 30 * time.Second
)

// progress tells how far long work is: on a terminal in one line that is written over, elsewhere, as in CI, in a line now and then. It may
// be used by several at the same time.
type progress struct {
	w        io.Writer
	terminal bool
	width    int           // of the terminal; 0: not known
	again    time.Duration // how often it is told where there is no terminal

	mu    sync.Mutex
	next  time.Time // when it is told again
	shown bool      // a line of the terminal is to be cleared
}

// progress is that of this command, on standard error.
func (a *app) progress() *progress {
	p := &progress{w: a.err, terminal: a.errStyle.Terminal, width: widthOf(a.err, a.errStyle), again: progressAgain}
	if !p.terminal {
		p.next = time.Now().Add(progressFirst)
	}
	return p
}

// at tells how far it is, in a line, if it is time to.
func (p *progress) at(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Before(p.next) {
		return
	}
	if !p.terminal {
		p.next = now.Add(p.again)
		_, _ = fmt.Fprintln(p.w, text)
		return
	}
	p.next = now.Add(progressRedraw)
	if runes := []rune(text); p.width > 0 && len(runes) >= p.width { // a line that wraps can not be written over
		text = string(runes[:p.width-1])
	}
	_, _ = fmt.Fprint(p.w, "\r"+text+clearLine)
	p.shown = true
}

// clearLine clears the rest of a terminal's line (ECMA-48, EL).
const clearLine = "\x1b[K"

// say writes something else, where the progress was told.
func (p *progress) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	_, _ = fmt.Fprint(p.w, text)
}

// end leaves no trace of it on a terminal.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

func (p *progress) clear() {
	if p.shown {
		_, _ = fmt.Fprint(p.w, "\r"+clearLine)
		p.shown, p.next = false, time.Time{}
	}
}

// counted reads, and tells how much it has read of how much.
type counted struct {
	io.Reader
	what string
	p    *progress
	all  int64
	read int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.read += int64(n)
	percent := int64(100)
	if c.all > 0 {
		percent = 100 * c.read / c.all
	}
	c.p.at(fmt.Sprintf("%s: %s of %s, %d%%", c.what, size(c.read), size(c.all), percent))
	return n, err
}

// size is a number of bytes, to a tenth.
func size(n int64) string {
	const kilo = 1000
	if n < kilo {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/kilo, 0
	for ; value >= kilo && unit < len("kMGT")-1; unit++ {
		value /= kilo
	}
	return fmt.Sprintf("%.1f %cB", value, "kMGT"[unit])
}
