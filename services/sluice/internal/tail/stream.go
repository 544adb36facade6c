package tail

import (
	"bytes"
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/sluice-gate/sluice/pkg/signal"
)

// idle is how long the next line of a stack trace may take.
const idle = 200 * time.Millisecond

// mostLine bounds a line, in bytes; the rest of it is passed on, and is in no signal.
const mostLine = 16 << 10

// stream is one of a program's outputs, or a log.
type stream struct {
	out   io.Writer    // where it goes on to
	least signal.Level // what is at least that bad becomes a signal
	plain signal.Level // of what names no level
	to    *buffer

	mu    sync.Mutex
	line  []byte // what came of a line that has not ended
	group group
	timer *time.Timer
	last  signal.Level // of the last that became a signal
}

// Write passes on what the program wrote, and reads it.
func (s *stream) Write(p []byte) (int, error) {
	n, err := s.out.Write(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, more, ended := bytes.Cut(rest, []byte("\n"))
		s.line = append(s.line, line[:min(len(line), mostLine-len(s.line))]...)
		if !ended {
			break
		}
		s.take()
		rest = more
	}
	if s.timer == nil {
		s.timer = time.AfterFunc(idle, s.rest)
	} else {
		s.timer.Reset(idle)
	}
	return n, err
}

// take ends a line.
func (s *stream) take() {
	text := string(bytes.TrimRight(s.line, "\r"))
	s.line = s.line[:0]
	if done, ok := s.group.add(text); ok {
		s.send(done)
	}
}

// rest ends the error that nothing was added to for a while. A line that has not ended goes on.
func (s *stream) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if done, ok := s.group.flush(); ok {
		s.send(done)
	}
}

// end says that nothing more comes. It returns how bad the last signal was.
func (s *stream) end() signal.Level {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	if len(s.line) > 0 {
		s.take()
	}
	if done, ok := s.group.flush(); ok {
		s.send(done)
	}
	return s.last
}

// send makes a signal of a whole error, if it is bad enough.
func (s *stream) send(text string) {
	parsed := signal.Parse([]byte(text))
	worst := signal.Unknown
	for _, one := range parsed {
		level := one.Level
		if level == signal.Unknown {
			level = s.plain
		}
		worst = max(worst, level)
	}
	if worst < s.least {
		return
	}
	s.last = worst
	if text[0] == '{' && len(text) <= mostMessage && json.Valid([]byte(text)) && parsed[0].Level != signal.Unknown {
		s.to.put([]byte(text)) // it says all by itself
		return
	}
	if len(parsed) == 1 {
		text = parsed[0].Text
	}
	s.to.put(encode(worst, text))
}

// encode is a signal as JSON, on one line; of a text that is too long for a message, as much as fits.
func encode(level signal.Level, text string) []byte {
	for {
		line, err := json.Marshal(struct {
			Level   string `json:"level"`
			Message string `json:"message"`
		}{level.String(), text})
		if err == nil && len(line) <= mostMessage {
			return line
		}
		text = text[:len(text)/2]
	}
}
