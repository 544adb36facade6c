package releasepb

import (
	"fmt"
	"math"
	"strings"
	"time"

	pb "github.com/sluice-gate/sluice/proto/sluice/v1"
)

// Measured is what a watcher measured of a release between two messages of it.
type Measured struct {
	Instance string
	Stage    int       // index of the stage
	Bake     bool      // instead of a soak
	From     time.Time // when the soak or bake began
	Looks    []Looks
	Totals   []int     // by the order of the checks: how many looks of the soak or bake counted so far
	Open     bool      // what a check comes to depends on earlier messages, too
	Signals  [2]uint64 // sequences up to which the signals of the project, and of the release, are counted
	Lost     int       // looks that could not be stored
}

// Looks is what a check saw. A check may have several.
type Looks struct {
	Check  string
	Source string // what was measured, as a hash
	All    []Look
}

// Look is one look. Its time is stored in milliseconds, and what it said only if it was not well.
type Look struct {
	At       time.Time
	OK       bool
	Lack     string // of something to judge: "none", "busy", "blind"; empty: there is something
	Value    *float64
	Baseline *float64 // of a look with a value: what it is compared with
	Counters *[4]float64
	Many     []float64 // of a score: of each metric the number, and what it is compared with; NaN for one that is not there
	Said     string
}

// The letters of looks.
const (
	letterWell, letterNot           = 'p', 'f'
	letterWellValue, letterNotValue = 'P', 'F'
	letterCounters, letterPair      = 'c', 'm'
	letterMany                      = 's'
)

// letters are those of what a look lacks.
func letters() map[string]byte { return map[string]byte{"none": 'n', "busy": 'b', "blind": 'x'} }

// EncodeMeasured is the inverse of DecodeMeasured, but for what is not stored of a look.
func EncodeMeasured(m Measured) ([]byte, error) {
	out := &pb.Measured{
		Instance: m.Instance, Bake: m.Bake, From: toTime(m.From), Open: m.Open, Lost: count(m.Lost),
		Stage: int32(m.Stage), //nolint:gosec // a project has few stages
	}
	for _, n := range m.Totals {
		out.Totals = append(out.Totals, count(n))
	}
	if m.Signals != [2]uint64{} {
		out.Signals = m.Signals[:]
	}
	for _, looks := range m.Looks {
		out.Looks = append(out.Looks, columns(looks)...)
	}
	return encode(out)
}

func count(n int) uint32 { return uint32(max(0, min(n, math.MaxUint32))) }

// columns are the looks of a check. Looks that are weeks apart do not fit into one.
func columns(looks Looks) []*pb.Looks {
	out := &pb.Looks{Check: looks.Check, Source: looks.Source}
	known := map[string]uint32{}
	var came strings.Builder
	for i, l := range looks.All {
		at := l.At.Truncate(time.Millisecond)
		if i == 0 {
			out.At = toTime(at)
		} else {
			after := at.Sub(looks.All[i-1].At.Truncate(time.Millisecond)) / time.Millisecond
			if after > math.MaxInt32 || after < math.MinInt32 {
				out.Came = came.String()
				return append([]*pb.Looks{out}, columns(Looks{looks.Check, looks.Source, looks.All[i:]})...)
			}
			out.After = append(out.After, int32(after))
		}
		letter := letterOf(l)
		came.WriteByte(letter)
		switch letter {
		case letterWellValue, letterNotValue:
			out.Values = append(out.Values, *l.Value)
		case letterPair:
			out.Values = append(out.Values, *l.Value, *l.Baseline)
		case letterMany: // how many, and those
			out.Values = append(append(out.Values, float64(len(l.Many))), l.Many...)
		case letterCounters:
			out.Counters = append(out.Counters, l.Counters[:]...)
		}
		if !says(letter) {
			continue
		}
		at1, ok := known[l.Said]
		if !ok && l.Said != "" {
			out.Texts = append(out.Texts, l.Said)
			at1 = count(len(out.Texts))
			known[l.Said] = at1
		}
		out.Said = append(out.Said, at1)
	}
	out.Came = came.String()
	return []*pb.Looks{out}
}

func letterOf(l Look) byte {
	switch letter := letters()[l.Lack]; {
	case letter != 0:
		return letter
	case l.Counters != nil:
		return letterCounters
	case l.Many != nil:
		return letterMany
	case l.Value != nil && l.Baseline != nil:
		return letterPair
	case l.Value != nil && l.OK:
		return letterWellValue
	case l.Value != nil:
		return letterNotValue
	case l.OK:
		return letterWell
	}
	return letterNot
}

// says tells whether what a look said is stored.
func says(letter byte) bool {
	return letter != letterWell && letter != letterWellValue && letter != letterCounters && letter != letterPair &&
		letter != letterMany
}

// DecodeMeasured reads what was measured. Its error wraps ErrMalformed.
func DecodeMeasured(data []byte) (Measured, error) {
	in := new(pb.Measured)
	if err := decode(data, in); err != nil {
		return Measured{}, err
	}
	m := Measured{
		Instance: in.GetInstance(), Stage: int(in.GetStage()), Bake: in.GetBake(), From: fromTime(in.GetFrom()), Open: in.GetOpen(),
		Lost: int(in.GetLost()),
	}
	for _, n := range in.GetTotals() {
		m.Totals = append(m.Totals, int(n))
	}
	copy(m.Signals[:], in.GetSignals())
	for _, one := range in.GetLooks() {
		all, err := rows(one)
		if err != nil {
			return Measured{}, fmt.Errorf("%w: check %q: %w", ErrMalformed, clip(one.GetCheck()), err)
		}
		m.Looks = append(m.Looks, Looks{Check: one.GetCheck(), Source: one.GetSource(), All: all})
	}
	return m, nil
}

// rows is the inverse of columns.
func rows(in *pb.Looks) ([]Look, error) {
	came := in.GetCame()
	if came == "" {
		return nil, nil
	}
	if len(in.GetAfter()) != len(came)-1 {
		return nil, fmt.Errorf("%d looks with %d times", len(came), len(in.GetAfter())+1)
	}
	at, after, values, counters, said := fromTime(in.GetAt()), in.GetAfter(), in.GetValues(), in.GetCounters(), in.GetSaid()
	out := make([]Look, len(came))
	for i := range came {
		if i > 0 {
			at = at.Add(time.Duration(after[i-1]) * time.Millisecond)
		}
		l := Look{At: at}
		switch letter := came[i]; letter {
		case letterWell, letterNot:
			l.OK = letter == letterWell
		case letterWellValue, letterNotValue:
			if len(values) == 0 {
				return nil, fmt.Errorf("look %d has no value", i)
			}
			l.OK, l.Value, values = letter == letterWellValue, &values[0], values[1:]
		case letterPair:
			if len(values) < 2 {
				return nil, fmt.Errorf("look %d has no two values", i)
			}
			l.OK, l.Value, l.Baseline, values = true, &values[0], &values[1], values[2:]
		case letterMany:
			n := counted(values)
			if n == 0 {
				return nil, fmt.Errorf("look %d has no numbers", i)
			}
			l.OK, l.Many, values = true, values[1:1+n:1+n], values[1+n:]
		case letterCounters:
			if len(counters) < len(l.Counters) {
				return nil, fmt.Errorf("look %d has no counters", i)
			}
			l.OK, l.Counters = true, new([4]float64)
			counters = counters[copy(l.Counters[:], counters):]
		default:
			if l.Lack = lackOf(letter); l.Lack == "" {
				return nil, fmt.Errorf("look %d came to %q, which means nothing", i, letter)
			}
		}
		if says(came[i]) {
			var err error
			if l.Said, said, err = text(in.GetTexts(), said); err != nil {
				return nil, fmt.Errorf("look %d: %w", i, err)
			}
		}
		out[i] = l
	}
	return out, nil
}

// counted is how many numbers follow the first, which says that; 0: they are not there.
func counted(values []float64) int {
	if len(values) > 0 && values[0] >= 1 && values[0] < float64(len(values)) {
		return int(values[0])
	}
	return 0
}

// lackOf is what a look lacks whose letter is that; empty: it is none of these letters.
func lackOf(letter byte) string {
	for lack, one := range letters() {
		if one == letter {
			return lack
		}
	}
	return ""
}

// text is what the first of said stands for, and the others.
func text(texts []string, said []uint32) (string, []uint32, error) {
	switch {
	case len(said) == 0:
		return "", nil, fmt.Errorf("what it said is missing")
	case said[0] == 0:
		return "", said[1:], nil
	case int(said[0]) > len(texts):
		return "", nil, fmt.Errorf("it said text %d of %d", said[0], len(texts))
	}
	return texts[said[0]-1], said[1:], nil
}
