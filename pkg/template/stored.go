package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxStored bounds what [Stored.Encode] makes, in bytes: below what the broker takes as evidence.
const MaxStored = 200 << 10

// Stored is the tables of a release: one for each soak, and for the bake. On the broker the last one counts.
type Stored struct {
	Release string `json:"release"`
	Project string `json:"project"`
	Version string `json:"version,omitempty"`
	Soaks   []Soak `json:"soaks"`
}

// Soak is the table of one stretch of a release: the soak in a stage, or the bake.
type Soak struct {
	Stage     int        `json:"stage"` // its index
	Bake      bool       `json:"bake,omitempty"`
	From      time.Time  `json:"from"`
	Until     time.Time  `json:"until"` // of the last look
	Templates []Template `json:"templates"`
	Overflow  int        `json:"overflow,omitempty"` // messages whose template found no room
}

// Encode is the JSON of the tables. What is too large loses its examples, then its oldest soaks, then its last templates.
func (s Stored) Encode() ([]byte, error) {
	for {
		data, err := json.Marshal(s)
		if err != nil {
			return nil, fmt.Errorf("encode the templates of release %s: %w", s.Release, err)
		}
		if len(data) <= MaxStored {
			return data, nil
		}
		var ok bool
		if s, ok = s.shrunk(); !ok {
			return nil, fmt.Errorf("the templates of release %s do not fit into %d bytes", s.Release, MaxStored)
		}
	}
}

// shrunk is less of it. It is false when there is nothing left to leave out.
func (s Stored) shrunk() (Stored, bool) {
	s.Soaks = slices.Clone(s.Soaks)
	for i := range s.Soaks {
		lean := slices.Clone(s.Soaks[i].Templates)
		leaner := false
		for j := range lean {
			leaner = leaner || lean[j].Example != ""
			lean[j].Example = ""
		}
		if s.Soaks[i].Templates = lean; leaner {
			return s, true
		}
	}
	if len(s.Soaks) > 1 {
		s.Soaks = s.Soaks[1:]
		return s, true
	}
	if len(s.Soaks) == 0 || len(s.Soaks[0].Templates) == 0 {
		return s, false
	}
	last := &s.Soaks[0]
	half := len(last.Templates) / 2
	for _, t := range last.Templates[half:] {
		last.Overflow += t.Count
	}
	last.Templates = last.Templates[:half]
	return s, true
}

// ErrMalformed: what is stored are no tables, or those of a later version.
var ErrMalformed = errors.New("malformed")

// Decode reads tables. What is there is not trusted to be within bounds. Its error wraps ErrMalformed.
func Decode(data []byte) (Stored, error) {
	var s Stored
	if err := json.Unmarshal(data, &s); err != nil {
		return Stored{}, fmt.Errorf("stored templates: %w: %w", ErrMalformed, err)
	}
	for i := range s.Soaks {
		if over := s.Soaks[i].Templates; len(over) > MaxTemplates {
			s.Soaks[i].Templates = over[:MaxTemplates]
		}
	}
	return s, nil
}
