package judge

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/sluice-gate/sluice/pkg/compare"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// Look is the measurement as it is stored.
func (m Measurement) Look() releasepb.Look {
	l := releasepb.Look{At: m.At, OK: m.OK, Lack: string(m.Lack), Value: m.Value, Baseline: m.Baseline, Many: m.Many, Said: m.Said}
	if c := m.Counters; c != nil {
		l.Counters = &[4]float64{float64(c.Mine.Events), c.Mine.Exposure, float64(c.Base.Events), c.Base.Exposure}
	}
	return l
}

// MeasurementOf is the inverse of [Measurement.Look].
func MeasurementOf(l releasepb.Look) Measurement {
	m := Measurement{At: l.At, OK: l.OK, Lack: Lack(l.Lack), Value: l.Value, Baseline: l.Baseline, Many: l.Many, Said: l.Said}
	if c := l.Counters; c != nil {
		m.Counters = &Counters{
			Mine: compare.Count{Events: int(c[0]), Exposure: c[1]}, Base: compare.Count{Events: int(c[2]), Exposure: c[3]},
		}
	}
	return m
}

// StretchOfStored is the stretch that a stored message is of.
func StretchOfStored(m releasepb.Measured) Stretch {
	return Stretch{Bake: m.Bake, Stage: m.Stage, From: m.From}
}

// Needs tells whether what comes of the next measurement depends on more of those before it than on how many there were.
func (t Tally) Needs() bool {
	return t.Count > 0 || t.compared != nil || t.numbers != nil || t.scores != nil
}

// Source is what a check measures, as a short hash: two checks with the same source see the same, however they are judged. The
// interval is not part of it, so what was looked at every ten seconds can be judged as if it had been looked at every minute.
// Fields that are unset do not count, so that the sources of old checks stay the same when there are new fields.
func Source(c project.Check) string {
	c.Name, c.Interval, c.Failures, c.Grace, c.Of, c.Warns, c.RequireHuman, c.Link = "", 0, 0, 0, 0, false, false, ""
	if c.Alert != nil {
		c.Alert = &project.Alert{} // all alerts of a project are stored
	}
	if c.Signal != nil {
		signal := *c.Signal
		signal.Max = 0
		c.Signal = &signal
	}
	if c.Metric != nil {
		metric := *c.Metric
		metric.Condition, metric.NoData = "", ""
		if p := metric.Prometheus; p != nil && p.Compare != nil {
			from, compare := *p, *p.Compare
			compare.Tolerated, compare.FalseAlarms, compare.Method, compare.Worse, compare.After = 0, 0, "", "", 0
			from.Compare = &compare
			metric.Prometheus = &from
		}
		if p := metric.Prometheus; p != nil && p.Score != nil {
			from := *p
			from.Score = &project.Score{}
			for _, m := range p.Score.Metrics { // their queries, in their order
				from.Score.Metrics = append(from.Score.Metrics, project.ScoredMetric{Value: m.Value, Baseline: m.Baseline})
			}
			metric.Prometheus = &from
		}
		c.Metric = &metric
	}
	var fields any
	data, err := json.Marshal(c)
	if err == nil {
		err = json.Unmarshal(data, &fields)
	}
	if err == nil {
		data, err = json.Marshal(set(fields, 0))
	}
	if err != nil { // a check is plain data
		return ""
	}
	sum := sha256.Sum256(data)
	const bytes = 8
	return hex.EncodeToString(sum[:bytes])
}

// set leaves out of a value of JSON what is unset; nil if nothing is left. A field of the check itself stays, for it says which kind
// of check it is.
func set(value any, depth int) any {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			if inner = set(inner, depth+1); inner == nil {
				delete(v, key)
			} else {
				v[key] = inner
			}
		}
		if len(v) == 0 && depth > 1 {
			return nil
		}
		return v
	case []any:
		if len(v) == 0 {
			return nil
		}
		return v
	case string:
		if v == "" {
			return nil
		}
	case float64:
		if v == 0 {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	}
	return value
}
