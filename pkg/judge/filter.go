package judge

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/signal"
)

// Filter says which signals a check counts.
type Filter struct {
	least  signal.Level
	match  *regexp.Regexp
	ignore []*regexp.Regexp
}

// FilterOf is the filter of a project's check. Its error is that of an expression that package project would not have taken.
func FilterOf(s project.Signal) (Filter, error) {
	f := Filter{least: signal.LevelOf(string(s.Level))}
	if s.Match != "" {
		var err error
		if f.match, err = regexp.Compile(s.Match); err != nil {
			return Filter{}, fmt.Errorf("signal.match: %w", err)
		}
	}
	for _, text := range s.Ignore {
		e, err := regexp.Compile(text)
		if err != nil {
			return Filter{}, fmt.Errorf("signal.ignore: %w", err)
		}
		f.ignore = append(f.ignore, e)
	}
	return f, nil
}

// Level tells whether a signal is bad enough.
func (f Filter) Level(s signal.Signal) bool { return s.Level.AtLeast(f.least) }

// Counts tells whether the check counts the signal.
func (f Filter) Counts(s signal.Signal) bool {
	if !f.Level(s) || f.match != nil && !f.match.MatchString(s.Text) {
		return false
	}
	for _, e := range f.ignore {
		if e.MatchString(s.Text) {
			return false
		}
	}
	return true
}

// SignalSaid is a signal in words: its whole text, or, of a stack trace, the line that says what is wrong.
func SignalSaid(s signal.Signal) string {
	text := strings.TrimSpace(s.Text)
	first, rest, many := strings.Cut(text, "\n")
	if title := s.Title(); many && (!strings.HasPrefix(first, title) || strings.HasPrefix(rest, " ") || strings.HasPrefix(rest, "\t")) {
		text = title
	}
	return cmp.Or(text, s.Level.String())
}
