package dash

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/evidence"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
)

// The size of a plot, in its own units.
const (
	plotWidth, plotHeight = 640.0, 120.0
	plotTop, plotBottom   = 10.0, 110.0
	// pointsMost bounds what is drawn of a check; of more looks the highest of neighbours is.
	pointsMost = 320
)

// Span is a soak, or the bake, as it is shown.
type Span struct {
	ID       string
	Name     string
	From, To time.Time
	Live     bool
	Watched  int // percent
	Beats    int
	Lost     int
	Gaps     []evidence.Gap
	Wrong    string
	Checks   []Check
}

// Check is what a check came to, and its picture.
type Check struct {
	Name    string
	Verdict judge.Word
	Tone    Tone
	At      time.Time // when it failed
	Why     string
	Looks   int
	Failed  int
	NoData  int
	Last    string
	Min     string
	Median  string
	Max     string
	Plot    Plot
}

// Plot is a picture: polylines and marks in a field of 640 by 120.
type Plot struct {
	Line     string   // the release
	Base     string   // what it is compared with
	Band     string   // in which it would be none the worse, as a polygon
	Bad      []Mark   // looks that failed
	Dots     []Mark   // looks without a number
	Gaps     []Stroke // in which nobody watched
	Verdict  float64  // where the check failed; 0: it did not
	Top, Low string   // the values at the top and at the bottom
	Says     string   // for who does not see it
}

// Mark is a point.
type Mark struct{ X, Y string }

// Stroke is a stretch.
type Stroke struct{ X, Width string }

// spanOf draws what was measured in a span.
func spanOf(id string, r evidence.Release, s evidence.Span, p *project.Project) Span {
	out := Span{
		ID: id, Name: "Soak", From: s.From, To: s.To, Live: s.Live, Watched: int(100 * s.Coverage()), Beats: s.Beats, Lost: s.Lost,
		Gaps: s.Gaps,
	}
	switch {
	case s.Bake:
		out.Name = "Bake"
	case len(r.State.Policy.Stages) > 1:
		out.Name = "Soak in " + s.Name
	}
	checks, err := s.Stretch.Checks(p)
	if err != nil {
		out.Wrong = err.Error()
		return out
	}
	for _, c := range checks {
		out.Checks = append(out.Checks, checkOf(s, c))
	}
	return out
}

func checkOf(s evidence.Span, c project.Check) Check {
	j := s.Judge(c)
	f := j.Figures(s)
	out := Check{
		Name: c.Name, Verdict: j.Word, Tone: Warn, Why: j.Why, Looks: f.Looks, Failed: f.Failed, NoData: f.NoData,
		Last: figure(f.Last), Min: figure(f.Min), Median: figure(f.Median), Max: figure(f.Max), Plot: plot(s, j),
	}
	switch j.Word {
	case judge.Pass:
		out.Tone = Good
	case judge.Fail:
		out.Tone, out.At = Bad, j.At
	case judge.Inconclusive:
	}
	out.Plot.Says = fmt.Sprintf("%s: %s, %d looks, %d failed", c.Name, j.Word, f.Looks, f.Failed)
	if !math.IsNaN(f.Last) {
		out.Plot.Says += fmt.Sprintf(", values from %s to %s, the last %s", out.Min, out.Max, out.Last)
	}
	return out
}

// figure is a number as short as it can be told.
func figure(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// point is a look with a number: of the release, and of what it is compared with (NaN: of nothing).
type point struct {
	at         time.Time
	mine       float64
	base       float64
	low, high  float64 // the band
	bad, blind bool
}

// plot draws the looks of a check.
func plot(s evidence.Span, j evidence.Judged) Plot {
	points := thin(pointsOf(j), pointsMost)
	low, high := scaleOf(points)
	x := func(at time.Time) float64 {
		length := s.Length().Seconds()
		if length <= 0 {
			return 0
		}
		return plotWidth * min(1, max(0, at.Sub(s.From).Seconds()/length))
	}
	y := func(v float64) float64 {
		if high <= low {
			return (plotTop + plotBottom) / 2
		}
		return plotBottom - (plotBottom-plotTop)*(min(high, max(low, v))-low)/(high-low)
	}
	out := Plot{}
	var line, base, upper, lower []string
	for _, p := range points {
		at := x(p.at)
		if math.IsNaN(p.mine) {
			mark := Mark{num(at), num(plotBottom)}
			if p.bad {
				mark.Y = num(plotTop)
				out.Bad = append(out.Bad, mark)
			} else if !p.blind {
				out.Dots = append(out.Dots, mark)
			}
			continue
		}
		line = append(line, num(at)+","+num(y(p.mine)))
		if p.bad {
			out.Bad = append(out.Bad, Mark{num(at), num(y(p.mine))})
		}
		if !math.IsNaN(p.base) {
			base = append(base, num(at)+","+num(y(p.base)))
			upper = append(upper, num(at)+","+num(y(p.high)))
			lower = append(lower, num(at)+","+num(y(p.low)))
		}
	}
	out.Line, out.Base = strings.Join(line, " "), strings.Join(base, " ")
	if len(upper) > 1 {
		slices.Reverse(lower)
		out.Band = strings.Join(append(upper, lower...), " ")
	}
	if len(line) > 0 {
		out.Top, out.Low = figure(high), figure(low)
	}
	for _, g := range s.Gaps {
		from := x(g.From)
		out.Gaps = append(out.Gaps, Stroke{num(from), num(max(1, x(g.To)-from))})
	}
	if j.Word == judge.Fail {
		out.Verdict = max(1, math.Round(10*x(j.At))/10)
	}
	return out
}

func num(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// pointsOf are the looks of a check as numbers. Of a comparison of counters it is the part of the requests that failed, from the first
// look on; its band is where nineteen of twenty samples of that size from the baseline would be.
func pointsOf(j evidence.Judged) []point {
	tolerated := 1.0
	if c := comparing(j.Check); c != nil && c.Tolerated > 1 {
		tolerated = c.Tolerated
	}
	var out []point
	var first *judge.Counters
	for _, m := range j.Looks {
		word, _ := j.Rule.Weigh(m)
		p := point{at: m.At, mine: math.NaN(), base: math.NaN(), bad: word == judge.Fail, blind: word == judge.Inconclusive}
		switch {
		case m.Counters != nil:
			if first == nil {
				first = m.Counters
			}
			p.shares(*first, *m.Counters, tolerated)
		case m.Value != nil && !math.IsNaN(*m.Value) && !math.IsInf(*m.Value, 0):
			p.mine = *m.Value
			if m.Baseline != nil && !math.IsNaN(*m.Baseline) && !math.IsInf(*m.Baseline, 0) {
				p.base = *m.Baseline
				p.low, p.high = p.base, p.base*tolerated
			}
		}
		out = append(out, p)
	}
	return out
}

// shares are the parts of the requests that failed since the first look. A counter that began anew ends the picture there.
func (p *point) shares(first, now judge.Counters, tolerated float64) {
	mine, base := now.Mine.Exposure-first.Mine.Exposure, now.Base.Exposure-first.Base.Exposure
	if mine <= 0 || base <= 0 || now.Mine.Events < first.Mine.Events || now.Base.Events < first.Base.Events {
		p.blind = true
		return
	}
	p.mine = float64(now.Mine.Events-first.Mine.Events) / mine
	p.base = float64(now.Base.Events-first.Base.Events) / base
	const z = 1.96
	spread := z * math.Sqrt(p.base/mine)
	p.low, p.high = max(0, p.base-spread), (p.base+spread)*tolerated
}

func comparing(c project.Check) *project.Compare {
	if c.Metric == nil || c.Metric.Prometheus == nil {
		return nil
	}
	return c.Metric.Prometheus.Compare
}

// thin keeps of many points the most telling of neighbours: one that failed, or the highest.
func thin(points []point, most int) []point {
	if len(points) <= most {
		return points
	}
	out := make([]point, 0, most)
	for i := range most {
		from, to := i*len(points)/most, (i+1)*len(points)/most
		best := points[from]
		for _, p := range points[from:to] {
			if p.bad && !best.bad || p.bad == best.bad && (math.IsNaN(best.mine) || p.mine > best.mine) {
				best = p
			}
		}
		out = append(out, best)
	}
	return out
}

// scaleOf is from where to where is drawn, with room above. What is never negative begins at nothing.
func scaleOf(points []point) (low, high float64) {
	low, high = 0, math.Inf(-1)
	for _, p := range points {
		for _, v := range []float64{p.mine, p.base, p.high} {
			if !math.IsNaN(v) && !(math.IsNaN(p.base) && v != p.mine) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if math.IsInf(high, -1) {
		return 0, 1
	}
	if high == low {
		return low, low + 1
	}
	return low, high + (high-low)/10
}
