package project

import (
	"math"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Score judges several numbers of staging against those of a baseline, at once, as Kayenta does (package compare): each by the test of
// ranks, those of a group together, and the groups by their weights. What scores less than Marginal has failed; between that and Pass it is
// inconclusive.
type Score struct {
	Pass, Marginal float64 // from 0 to 100; Marginal is Pass unless set
	Weights        map[string]float64
	Metrics        []ScoredMetric
	// After is how long after the soak or bake began it is asked, once, as of [Compare].
	After time.Duration
}

// ScoredMetric is one number that is scored.
type ScoredMetric struct {
	Name, Group     string
	Value, Baseline string // queries
	Worse           Worse
	Tolerated       float64 // by how many times it may be worse on average; 1 unless set
	Critical        bool    // when it fails, or has no data, the score is 0
	MustHaveData    bool    // no data counts as a failure
	Missing         Missing
}

// EitherIsWorse is for a number that is to stay as it was.
const EitherIsWorse Worse = "either"

// Missing is what a number is that is not there.
type Missing string

// Nothing, unless set; a count of errors that nobody has made yet is zero.
const (
	MissingIsRemoved Missing = "remove"
	MissingIsZero    Missing = "zero"
)

// Bounds of a score: each metric is two queries for each look.
const (
	maxGroups     = 16
	maxScored     = 32
	fullScore     = 100
	mostTolerated = 1000
)

// Scores tells whether a check scores several numbers.
func (c *Check) Scores() bool {
	return c.Metric != nil && c.Metric.Prometheus != nil && c.Metric.Prometheus.Score != nil
}

// Window is the widest range that the queries of a score look back over.
func (s *Score) Window() time.Duration {
	var widest time.Duration
	for _, m := range s.Metrics {
		widest = max(widest, (&Compare{Value: m.Value, Baseline: m.Baseline}).Window())
	}
	return widest
}

func (d *decoder) score(s section) *Score {
	s.require("pass", "the least score that passes, from 0 to 100")
	s.require("groups", "the groups of metrics, each with a name")
	out := &Score{Pass: s.decimal("pass", fullScore, 0, fullScore), After: s.duration("after", 0, between(minBake, MaxDelay))}
	out.Marginal = s.decimal("marginal", out.Pass, 0, fullScore)
	if out.Marginal > out.Pass && d.clean(s.at("pass"), s.at("marginal")) {
		d.fail(s.at("marginal"), "is more than pass (%g): what passes would be marginal", out.Pass)
	}
	out.Weights = map[string]float64{}
	groups, metrics := map[string]string{}, map[string]string{}
	items := s.list("groups", maxGroups)
	if s.has("groups") && len(items) == 0 && d.clean(s.at("groups")) {
		d.fail(s.at("groups"), "is empty: without a metric nothing is measured")
	}
	for i, item := range items {
		d.group(index(s.at("groups"), i), item, out, groups, metrics)
	}
	sum := 0.0
	for _, w := range out.Weights {
		sum += w
	}
	const rounding = 1e-6
	switch all := len(out.Weights) == len(groups); {
	case !d.clean(s.at("groups")) || len(out.Weights) == 0:
	case sum > fullScore+rounding || all && math.Abs(sum-fullScore) > rounding:
		d.fail(s.at("groups"), "have weights of %g together: they are percent, and come to 100", sum)
	}
	return out
}

// group reads one group of metrics into a score.
func (d *decoder) group(path string, item ast.Node, out *Score, groups, metrics map[string]string) {
	s, ok := d.section(path, item, ofScoreGroup)
	if !ok {
		return
	}
	s.require("name", "every group has one, such as latency")
	s.require("metrics", "the numbers that are compared")
	name := s.text("name", Safe)
	d.unique(groups, name, s.at("name"), path)
	if s.has("weight") {
		out.Weights[name] = s.decimal("weight", 0, 0, fullScore)
	}
	items := s.list("metrics", maxScored)
	if s.has("metrics") && len(items) == 0 && d.clean(s.at("metrics")) {
		d.fail(s.at("metrics"), "is empty: without a metric nothing is measured")
	}
	for i, item := range items {
		path := index(s.at("metrics"), i)
		m, ok := d.section(path, item, ofScoredMetric)
		if !ok {
			continue
		}
		m.require("name", "every metric has one, for the evidence")
		m.require("value", "a query of staging")
		m.require("baseline", "the same query of the baseline")
		one := ScoredMetric{
			Name: m.text("name", Safe), Group: name, Value: m.text("value", checkQuery), Baseline: m.text("baseline", checkQuery),
			Worse:     Worse(m.text("worse", oneOf(HigherIsWorse, LowerIsWorse, EitherIsWorse))),
			Tolerated: m.decimal("tolerated", 1, 1, mostTolerated),
			Critical:  m.flag("critical"), MustHaveData: m.flag("must_have_data"),
			Missing: Missing(m.text("missing", oneOf(MissingIsRemoved, MissingIsZero))),
		}
		setUnset(&one.Worse, HigherIsWorse)
		setUnset(&one.Missing, MissingIsRemoved)
		if one.Baseline == thePrevious {
			d.fail(m.at("baseline"), "previous is for compare: name a query here")
		}
		d.unique(metrics, one.Name, m.at("name"), path)
		if out.Metrics = append(out.Metrics, one); len(out.Metrics) == maxScored+1 {
			d.fail(path, "is one too many: a score has at most %d metrics, each of which is two queries for every look", maxScored)
		}
	}
}
