// Package show turns releases into text that people read: tables, timelines, durations. It does no I/O and asks no clock.
package show

import (
	"os"
	"time"

	"golang.org/x/term"

	"github.com/sluice-gate/sluice/pkg/release"
)

// Style colours text, or leaves it as it is.
type Style struct {
	Colour   bool
	Terminal bool // somebody looks at it
	Zone     *time.Location
}

// StyleOf is the style of a stream, in the zone of this machine: coloured when it is a terminal, unless NO_COLOR is set or
// the terminal is a dumb one.
func StyleOf(f *os.File, getenv func(string) string) Style {
	terminal := term.IsTerminal(int(f.Fd()))
	return Style{Zone: time.Local, Terminal: terminal, Colour: terminal && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
}

func (s Style) zone() *time.Location {
	if s.Zone == nil {
		return time.UTC
	}
	return s.Zone
}

func (s Style) wrap(code, text string) string {
	if !s.Colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Red is for what went wrong.
func (s Style) Red(text string) string { return s.wrap("31", text) }

// Green is for what is well.
func (s Style) Green(text string) string { return s.wrap("32", text) }

// Bold is for what matters.
func (s Style) Bold(text string) string { return s.wrap("1", text) }

// Dim is for what matters less.
func (s Style) Dim(text string) string { return s.wrap("2", text) }

// Yellow is for what waits for somebody.
func (s Style) Yellow(text string) string { return s.wrap("33", text) }

// Phase colours text by a phase.
func (s Style) Phase(p release.Phase, text string) string {
	switch p {
	case release.Promoted:
		return s.wrap("32", text)
	case release.Cancelled, release.Failed, release.RolledBack:
		return s.wrap("31", text)
	case release.Held, release.RollingBack:
		return s.wrap("33", text)
	case release.Superseded, release.Queued:
		return s.wrap("2", text)
	case release.None, release.Merged, release.Publishing, release.Published, release.Passed, release.Staging, release.Staged,
		release.Soaking, release.Promoting, release.Baking:
	}
	return s.wrap("36", text)
}
