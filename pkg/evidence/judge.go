package evidence

import (
	"fmt"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
)

// Judged is what a check comes to in a span.
type Judged struct {
	Check project.Check
	Looks []judge.Measurement // of what it measures
	Rule  judge.Rule
	Tally judge.Tally
	Word  judge.Word
	At    time.Time // of the look at which it failed
	Why   string    // it failed, or is inconclusive; one line
}

// Judge judges what was measured in a span as a check would have.
func (s Span) Judge(c project.Check) Judged {
	j := Judged{Check: c, Rule: judge.RuleOf(c, s.From).Within(s.Lasts, s.Least), Word: judge.Inconclusive}
	if !s.Came.IsZero() {
		j.Rule.Came = s.Came
	}
	found, why := s.find(c)
	if c.Alert != nil {
		return s.judgeAlerts(j, why)
	}
	if why != "" {
		j.Why = why
		return j
	}
	j.Looks = found.Looks
	var at int
	j.Tally, at = judge.Replay(j.Rule, j.Looks)
	switch {
	case at >= 0:
		j.Word, j.At = judge.Fail, j.Looks[at].At
		j.Why = judge.Verdict{Check: c.Name, Stretch: s.Stretch, Rule: j.Rule, Tally: j.Tally}.Reason()
	case c.Signal != nil && s.Beats == 0:
		j.Why = "nobody watched"
	case j.Tally.Inconclusive != "":
		j.Why = j.Tally.Inconclusive
	case judge.Verdict{Rule: j.Rule, Tally: j.Tally}.Word() != judge.Pass:
		j.Why = nothing(j.Looks)
	default:
		j.Word = judge.Pass
	}
	return j
}

// judgeAlerts judges the alerts of the project that were stored, whether or not the check was there then: that nothing was stored means
// something only if it was. why says that it was not.
func (s Span) judgeAlerts(j Judged, why string) Judged {
	if why != "" && len(s.Alerts) == 0 {
		j.Why = why
		return j
	}
	for _, m := range s.Alerts {
		if due := j.Rule.Due(j.Tally); !j.Tally.Failed && !due.IsZero() && due.Before(m.At) { // when the watcher looked
			j.Tally, j.At = j.Rule.Add(j.Tally, judge.Measurement{At: due}), due
		}
		if !j.Tally.Failed {
			j.Tally, j.At = j.Rule.Add(j.Tally, m), m.At
		}
		if !m.At.Before(s.From) {
			j.Looks = append(j.Looks, m)
		}
	}
	if due := j.Rule.Due(j.Tally); !j.Tally.Failed && !due.IsZero() && due.Before(s.To) {
		j.Tally, j.At = j.Rule.Add(j.Tally, judge.Measurement{At: due}), due
	}
	if !j.Tally.Failed {
		j.Tally, j.At = j.Rule.Add(j.Tally, judge.Measurement{At: s.To}), s.To
	}
	if j.Tally.Failed {
		j.Word = judge.Fail
		j.Why = judge.Verdict{Check: j.Check.Name, Stretch: s.Stretch, Rule: j.Rule, Tally: j.Tally}.Reason()
		return j
	}
	j.At = time.Time{}
	switch silent := j.Rule.Silent(j.Tally, s.To); {
	case s.Beats == 0:
		j.Why = "nobody watched"
	case silent != "":
		j.Why = silent
	case j.Tally.Inconclusive != "":
		j.Why = j.Tally.Inconclusive
	default:
		j.Word = judge.Pass
	}
	return j
}

// nothing says why there is nothing to judge.
func nothing(looks []judge.Measurement) string {
	if len(looks) == 0 {
		return "it never looked"
	}
	last := looks[len(looks)-1]
	if last.Said == "" {
		return "none of its looks counts"
	}
	return "none of its looks counts, the last: " + last.Said
}

// find finds what measured what the check does: the check of its name, or one of another name. why says that there is none.
func (s Span) find(c project.Check) (found Check, why string) {
	source := judge.Source(c)
	for _, known := range s.Checks {
		if known.Source == source && (found.Source == "" || known.Name == c.Name) {
			found = known
		}
	}
	switch {
	case found.Source != "":
		return found, ""
	case len(s.Checks) == 0:
		return Check{}, "nothing was measured, or it is not kept any more"
	case slices.ContainsFunc(s.Checks, func(known Check) bool { return known.Name == c.Name }):
		return Check{}, "it measured something else then"
	}
	return Check{}, "it was not there then"
}

// Decision is what a policy makes of a release.
type Decision struct {
	Word  judge.Word
	Bake  bool      // what failed did so in the bake
	Stage string    // what failed did so in this stage; empty if there is only one
	Check string    // that failed
	Human bool      // what failed is for a person to decide about
	At    time.Time // when it failed
	Why   string    // it failed, or is inconclusive; one line
	// Unjudged are the checks that the past has no measurements of, and why.
	Unjudged []Unjudged
}

// Unjudged is a check that could not be judged.
type Unjudged struct{ Check, Why string }

// Decide is what a policy makes of a release: the first check that fails, or that none does.
func (r Release) Decide(p *project.Project) Decision {
	d := Decision{Word: judge.Pass}
	doubt := func(format string, args ...any) {
		if d.Word == judge.Pass {
			d.Word, d.Why = judge.Inconclusive, fmt.Sprintf(format, args...)
		}
	}
	if len(r.Spans) == 0 {
		doubt("it was never to be watched")
	}
	for i, span := range r.Spans {
		checks, until, why := r.checks(span, p)
		if why != "" {
			doubt("%s", why)
			continue
		}
		span = span.before(until)
		span.Lasts, span.Least = r.lasts(span, p), p.Soak.Coverage
		var first *Judged
		for _, c := range checks {
			j := span.Judge(c)
			switch {
			case c.Warns: // nothing follows from it
			case j.Word == judge.Inconclusive:
				d.Unjudged = append(d.Unjudged, Unjudged{c.Name, j.Why})
				doubt("check %s: %s", c.Name, j.Why)
			case j.Word == judge.Fail && (first == nil || j.At.Before(first.At)):
				first = &j
			}
		}
		if first != nil {
			d.Word, d.Check, d.At, d.Why, d.Bake = judge.Fail, first.Check.Name, first.At, first.Why, span.Bake
			d.Human = first.Check.RequireHuman
			if len(r.State.Policy.Stages) > 1 {
				d.Stage = span.Name
			}
			return d
		}
		switch {
		case span.Coverage()*100 < float64(r.State.Policy.MinCoverage()):
			doubt("only %.0f%% of it was watched", span.Coverage()*100)
		case span.Lost > 0:
			doubt("%d looks could not be stored", span.Lost)
		case span.Live:
			doubt("it goes on")
		case i == len(r.Spans)-1 && r.short(span):
			at := span.To.UTC().Format("15:04:05 UTC")
			doubt("nothing failed until %s, when it was %s: nobody knows what would have come", at, r.State.Phase)
		}
	}
	return d
}

// short tells whether the release ended before its time, so that nobody knows what would have come.
func (r Release) short(last Span) bool {
	if last.Bake {
		return r.State.Phase != release.Promoted
	}
	return !r.State.Phase.Out() && r.State.Phase != release.Promoted && !r.State.Reached
}

// checks are those of a policy for a span, and until when they would have run; the zero time: as long as they did.
func (r Release) checks(s Span, p *project.Project) (checks []project.Check, until time.Time, why string) {
	stage := r.stage(s, p)
	switch {
	case s.Bake && p.Bake == nil:
		return nil, time.Time{}, "the policy has no bake"
	case s.Bake:
		return p.Bake.Watch, s.From.Add(p.Bake.For), ""
	case stage < 0 || stage >= len(p.Stages):
		return nil, time.Time{}, fmt.Sprintf("the policy has no stage %s", s.Name)
	}
	if was := r.delay(s.Stage); r.State.Merge.Delay == nil && p.Stages[stage].Delay < was {
		until = s.From.Add(p.Stages[stage].Delay)
	}
	return p.Stages[stage].Watch, until, ""
}

// lasts is how long a span lasts by a policy that has it, unless the merge said that.
func (r Release) lasts(s Span, p *project.Project) time.Duration {
	switch {
	case s.Bake:
		return p.Bake.For
	case r.State.Merge.Delay != nil:
		return *r.State.Merge.Delay
	}
	return p.Stages[r.stage(s, p)].Delay
}

// stage is the index of a span's stage in a policy: by its name if there are several. Negative, or beyond: it has no such stage.
func (r Release) stage(s Span, p *project.Project) int {
	if len(r.State.Policy.Stages) > 1 {
		return slices.IndexFunc(p.Stages, func(o project.Stage) bool { return o.Name == s.Name })
	}
	return s.Stage
}

// delay is the soak of a stage by the release's own policy.
func (r Release) delay(stage int) time.Duration {
	if named := r.State.Policy.Stages; stage < len(named) {
		return named[stage].Delay
	}
	return r.State.Policy.Delay
}

// before leaves out what was measured after a time; the zero time leaves all.
func (s Span) before(until time.Time) Span {
	if until.IsZero() || !until.Before(s.To) {
		return s
	}
	checks := slices.Clone(s.Checks)
	for i, c := range checks {
		checks[i].Looks = slices.DeleteFunc(slices.Clone(c.Looks), func(m judge.Measurement) bool { return !m.At.Before(until) })
	}
	s.Checks = checks
	return s
}
