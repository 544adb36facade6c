package project

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Signal counts the messages on sluice.signal.<project> and sluice.signal.<project>.<release> since the soak or bake began: each line
// of a batch, each log record of OTLP, is one (package signal).
type Signal struct {
	Max    int      // more than this many fail the check
	Level  Level    // count what is at least that bad, and what does not say how bad it is; everything when empty
	Match  string   // count only what matches this regular expression of Go; everything when empty
	Ignore []string // and what matches none of these
	// NewOnly counts only what is news: an error that is not known from the soaks of the releases before, nor from the baseline, and a
	// known one that has become significantly more frequent.
	NewOnly     bool
	Baseline    string  // with NewOnly: another project whose signals are known, too: production's
	Tolerated   float64 // with NewOnly: how many times as often a known error may come; 2 unless set
	FalseAlarms float64 // with NewOnly: the chance that a soak in which none became more frequent is cancelled; 0.01 unless set
}

// Level is how bad a signal is.
type Level string

// The levels.
const (
	LevelTrace Level = "trace"
	LevelDebug Level = "debug"
	LevelInfo  Level = "info"
	LevelWarn  Level = "warn"
	LevelError Level = "error"
	LevelFatal Level = "fatal"
)

// defaultOftener is how many times as often a known error may come: errors come in bursts, which a test of rates takes for a change.
const defaultOftener = 2

// signal reads a check that counts signals.
func (d *decoder) signal(s, block section) *Signal {
	for _, name := range []string{"interval", "failures"} {
		if s.has(name) {
			d.fail(s.at(name), "has no meaning for a signal, which is counted as it comes: remove it")
		}
	}
	out := &Signal{
		Max:     block.number("max", 0, 0, maxSignals),
		Level:   Level(block.text("level", oneOf(LevelTrace, LevelDebug, LevelInfo, LevelWarn, LevelError, LevelFatal))),
		Match:   block.text("match", checkPattern),
		Ignore:  block.texts("ignore", checkPattern),
		NewOnly: block.flag("new_only"),
	}
	if block.has("ignore") && len(out.Ignore) == 0 && d.clean(block.at("ignore")) {
		d.fail(block.at("ignore"), "is empty: name the regular expressions of what does not count, or remove it")
	}
	for _, name := range []string{"baseline", "tolerated", "false_alarms"} {
		if block.has(name) && !out.NewOnly && d.clean(block.at("new_only")) {
			d.fail(block.at(name), "has a meaning only with new_only: true: add that, or remove it")
		}
	}
	if out.NewOnly {
		out.Baseline = block.text("baseline", Safe)
		out.Tolerated = block.decimal("tolerated", defaultOftener, 1, 1000)
		out.FalseAlarms = block.decimal("false_alarms", defaultFalseAlarms, 1e-9, 0.5)
	}
	return out
}

// mostPattern bounds a regular expression, in bytes.
const mostPattern = 1 << 10

// checkPattern is for regular expressions, which Go matches in linear time whatever they are.
func checkPattern(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return errors.New("is empty, and would match everything")
	case len(text) > mostPattern:
		return errors.New("is longer than 1 KiB")
	}
	if _, err := regexp.Compile(text); err != nil {
		why := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		return fmt.Errorf("is no regular expression of Go: %s", printable(why))
	}
	return nil
}
