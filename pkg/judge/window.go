package judge

import "slices"

// window is the tally after one more look, of a rule that counts the failures among the last looks. It keeps those looks, and works
// the tally out anew from them.
func (r Rule) window(t Tally, m Measurement) Tally {
	last := append(slices.Clone(t.window), m)
	last = last[max(0, len(last)-r.Of):]
	t = Tally{Measured: t.Measured + 1, window: last}
	for _, m := range last {
		if !m.OK {
			t = t.failed(m)
		}
	}
	t.Failed = t.Count >= r.Limit
	return t
}

// failed is the tally with one more failure that counts.
func (t Tally) failed(m Measurement) Tally {
	if t.Count == 0 || m.At.Before(t.First.At) {
		t.First = m
	}
	if t.Count == 0 || !m.At.Before(t.Last.At) {
		t.Last = m
	}
	t.Count++
	t.Samples = append(slices.Clone(t.Samples), m)
	if len(t.Samples) > MaxSamples {
		t.Samples = slices.Delete(t.Samples, 1, 2)
	}
	return t
}
