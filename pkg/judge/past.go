package judge

import (
	"math"
	"time"

	"github.com/sluice-gate/sluice/pkg/compare"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// Past is what a check measured in the soak of an earlier release, in the same stage, or in its bake: the baseline of one that compares
// with the release before. What is compared stands side by side, look by look, so long after the beginning of either: a deployment
// makes the same errors at the same time each time. So a look is stored with its baseline, like one of a comparison with production, and
// judging it again needs nothing of the other release. A nil one has nothing.
type Past struct {
	Release string // in words, for people
	looks   []pastLook
	next    int // of looks, the first that was not used
}

// pastLook is one look, so long after the beginning.
type pastLook struct {
	after time.Duration
	value float64
	count compare.Count
}

// Bounds of a past: with fewer looks there is nothing to compare with, and so many are kept.
const (
	leastPast = 10
	mostPast  = 5000
)

// PastOf is what a check of that name and source saw in the last stretch like t of a release, of which all is what was measured; nil if
// that are fewer than ten looks.
func PastOf(all []releasepb.Measured, t Stretch, name, source, release string) *Past {
	var best *Past
	for i := 0; i < len(all); {
		of := StretchOfStored(all[i])
		p := &Past{Release: release}
		for ; i < len(all) && StretchOfStored(all[i]).Same(of); i++ {
			for _, looks := range all[i].Looks {
				if looks.Check == name && looks.Source == source {
					p.add(of.From, looks.All)
				}
			}
		}
		if of.Bake == t.Bake && of.Stage == t.Stage && len(p.looks) >= leastPast {
			best = p
		}
	}
	return best
}

func (p *Past) add(from time.Time, looks []releasepb.Look) {
	for _, l := range looks {
		m := MeasurementOf(l)
		one := pastLook{after: m.At.Sub(from)}
		switch {
		case len(p.looks) >= mostPast || m.Lack != Nothing:
			continue
		case m.Counters != nil:
			one.count = m.Counters.Mine
		case m.Value == nil || math.IsNaN(*m.Value) || math.IsInf(*m.Value, 0):
			continue
		default:
			one.value = *m.Value
		}
		p.looks = append(p.looks, one)
	}
}

// Skip passes over the looks of a time that is over: what stands beside them was compared by whoever watched then, or by nobody.
func (p *Past) Skip(after, every time.Duration) {
	if p == nil {
		return
	}
	for p.next < len(p.looks) && p.looks[p.next].after <= after-every/2 {
		p.next++
	}
}

// Beside is a look with its baseline: the newest look of the past that was no later after its beginning, and was not used yet. Numbers are
// used once; counters stand until there are newer ones. Looks are made every so often. When the past is over there is no baseline any more.
func (p *Past) Beside(m Measurement, from time.Time, every time.Duration) Measurement {
	if p == nil || m.Lack != Nothing || m.Value == nil && m.Counters == nil {
		return m
	}
	before := p.next
	for after := m.At.Sub(from) + every/2; p.next < len(p.looks) && p.looks[p.next].after <= after; {
		p.next++
	}
	switch {
	case p.next == 0 || p.next == before && (m.Value != nil || p.next == len(p.looks)):
		return m
	case m.Value != nil:
		value := p.looks[p.next-1].value
		m.Baseline = &value
	default:
		counters := *m.Counters
		counters.Base = p.looks[p.next-1].count
		m.Counters = &counters
	}
	return m
}

// noEarlier is why there is nothing to compare with, and what to do about it.
const noEarlier = "no earlier release was measured by this check in this stage, so there is nothing to compare with: " +
	"expedite it with force, or set no_data: ignore for the first one"

// alone is the tally after a look that has no baseline, of a check that compares with the release before. If there is none, that is no
// data: the project's policy says what that means. If there was one whose soak was shorter, what it came to until then stands.
func (r Rule) alone(t Tally) Tally {
	t.Measured++
	if t.numbers != nil || t.compared != nil {
		return t
	}
	t.Inconclusive = noEarlier
	if !r.ignores() {
		t.Lacking = noEarlier
	}
	return t
}
