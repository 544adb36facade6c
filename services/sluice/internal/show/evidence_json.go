package show

import (
	"math"
	"time"

	"github.com/sluice-gate/sluice/pkg/evidence"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
)

// EvidenceJSON is what was measured of a release, for programs.
type EvidenceJSON struct {
	Release string     `json:"release"`
	Project string     `json:"project"`
	Version string     `json:"version"`
	Phase   string     `json:"phase"`
	Spans   []SpanJSON `json:"spans"`
	Unread  int        `json:"unread,omitempty"`
}

// SpanJSON is one soak, or the bake.
type SpanJSON struct {
	Stage    string      `json:"stage,omitempty"`
	Bake     bool        `json:"bake,omitempty"`
	From     time.Time   `json:"from"`
	To       time.Time   `json:"to"`
	Live     bool        `json:"live,omitempty"`
	Coverage float64     `json:"coverage"` // 0 to 1
	Beats    int         `json:"heartbeats"`
	Gaps     []GapJSON   `json:"gaps,omitempty"`
	Lost     int         `json:"lost,omitempty"`
	Error    string      `json:"error,omitempty"` // why there are no checks
	Checks   []CheckJSON `json:"checks"`
}

// GapJSON is a time in which nobody watched.
type GapJSON struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// CheckJSON is what a check came to, and each of its looks.
type CheckJSON struct {
	Check   string     `json:"check"`
	Verdict judge.Word `json:"verdict"`
	At      *time.Time `json:"at,omitempty"`
	Why     string     `json:"why,omitempty"`
	Looks   int        `json:"looks"`
	Failed  int        `json:"failed"`
	NoData  int        `json:"no_data"`
	Gaps    int        `json:"gaps"`
	Last    *float64   `json:"last,omitempty"`
	Min     *float64   `json:"min,omitempty"`
	Median  *float64   `json:"median,omitempty"`
	Max     *float64   `json:"max,omitempty"`
	All     []LookJSON `json:"all"`
}

// LookJSON is one look.
type LookJSON struct {
	At       time.Time       `json:"at"`
	Came     judge.Word      `json:"came"`
	Value    *float64        `json:"value,omitempty"`
	Counters *judge.Counters `json:"counters,omitempty"`
	Said     string          `json:"said,omitempty"`
}

// EvidenceJSONOf is what was measured of a release, for programs.
func EvidenceJSONOf(r evidence.Release, p *project.Project) EvidenceJSON {
	s := r.State
	out := EvidenceJSON{
		Release: s.Release, Project: s.Project, Version: s.Version, Phase: string(s.Phase), Unread: r.Unread, Spans: []SpanJSON{},
	}
	for _, span := range r.Spans {
		one := SpanJSON{
			Stage: span.Name, Bake: span.Bake, From: span.From, To: span.To, Live: span.Live, Coverage: span.Coverage(),
			Beats: span.Beats, Lost: span.Lost, Checks: []CheckJSON{},
		}
		for _, g := range span.Gaps {
			one.Gaps = append(one.Gaps, GapJSON(g))
		}
		checks, err := span.Stretch.Checks(p)
		if err != nil {
			one.Error = err.Error()
		}
		for _, c := range checks {
			one.Checks = append(one.Checks, checkJSON(span, c))
		}
		out.Spans = append(out.Spans, one)
	}
	return out
}

func checkJSON(s evidence.Span, c project.Check) CheckJSON {
	j := s.Judge(c)
	f := j.Figures(s)
	out := CheckJSON{
		Check: c.Name, Verdict: j.Word, At: when(j.At), Why: j.Why, Looks: f.Looks, Failed: f.Failed, NoData: f.NoData, Gaps: f.Gaps,
		Last: finite(f.Last), Min: finite(f.Min), Median: finite(f.Median), Max: finite(f.Max), All: []LookJSON{},
	}
	for _, m := range j.Looks {
		word, said := j.Rule.Weigh(m)
		look := LookJSON{At: m.At, Came: word, Counters: m.Counters, Said: said}
		if m.Value != nil {
			look.Value = finite(*m.Value)
		}
		out.All = append(out.All, look)
	}
	return out
}

// finite is a number that JSON has; nil for one that it has not.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
