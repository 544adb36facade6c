// Package outside is the log of what was really done in the outside world of a chaos run: one line of JSON for each action,
// appended by the command that did it.
package outside

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Effect is one action that took place.
type Effect struct {
	Action  string // publish, deploy, promote, or restore
	Release string // whose; of a restore, the release that is taken away
	Project string
	Digest  string // of what is there now
	Attempt int
	At      time.Time // by the clock of this host, which the brokers have, too
}

// Append adds an effect to the log in one write, so that writers do not cut each other's lines.
func Append(name string, e Effect) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(append(line, '\n'))
	return errors.Join(err, file.Close())
}

// Read reads the log; one that is not there is empty.
func Read(name string) ([]Effect, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Effect
	for line := range bytes.Lines(data) {
		var e Effect
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", name, line, err)
		}
		out = append(out, e)
	}
	return out, nil
}
