package check

import (
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

func isClaim(records []record, i int) bool {
	begun, ok := records[i].Event.(release.WasBegun)
	return ok && begun.Work == release.Promote && i > 0 && records[i-1].State.Phase != release.Promoting
}

// stops says in words of its own which requests stop a claim that they come before.
func stops(r release.Request) bool {
	switch r.Verb { //nolint:exhaustive // a verb that is not here does not stop a claim
	case release.Cancel, release.Hold:
		return true
	case release.Extend:
		return r.Invalid == "" && r.By > 0
	}
	return false
}

// claim checks record i, a claim: was it time, and what came of it?
func (j *judgement) claim(i int) {
	j.figures.Claims++
	m, was := j.records[i], j.records[i-1].State
	begun := m.Event.(release.WasBegun)
	if !j.expedited(i) {
		j.timely(i, begun)
	}
	j.gated(i)
	stopped := 0
	for _, r := range j.requests {
		if r.Seq < m.seq && r.Seq > was.Folded && stops(r) {
			stopped++
		}
	}
	if stopped > 0 {
		j.figures.Stopped++
		j.figures.Stops += stopped
	}
	paused := j.paused(was.Project, m.seq)
	for k := i; k < len(j.records); k++ {
		r := j.records[k]
		if r.Type == retried { // it had failed: the claim is over
			return
		}
		if r.State.Claim != m.seq {
			if stopped == 0 && !paused {
				j.bad("I10", "the effective claim %d was taken back by %s", m.seq, r.Type)
			}
			return
		}
		if r.Type == string(release.Promoted) {
			j.promoted(m, was)
			if paused {
				j.bad("I14", "promoted by claim %d while project %s was paused", m.seq, was.Project)
			}
		}
		if r.Type == string(release.Failed) && (stopped > 0 || paused) {
			j.bad("I10", "the ineffective claim %d was acted on: %s", m.seq, r.State.End.Reason)
		}
	}
	for _, r := range j.requests {
		if stopped == 0 && !paused && r.Seq > m.seq {
			j.figures.Late++
		}
	}
}

// promoted: nothing that was stored before the claim spoke against it.
func (j *judgement) promoted(claim record, was release.State) {
	for _, r := range j.requests {
		if r.Seq > claim.seq || !stops(r) {
			continue
		}
		answer, ok := j.answers[r.Seq]
		switch {
		case r.Verb == release.Cancel:
			j.bad("I2", "promoted although the cancel %d was stored before the claim %d", r.Seq, claim.seq)
		case !ok || answer.seq > claim.seq || r.Seq > was.Folded:
			j.bad("I2", "promoted although the %s %d was stored before the claim %d and not answered", r.Verb, r.Seq, claim.seq)
		}
	}
}

// timely: the soak is over, was watched, and not too long ago.
func (j *judgement) timely(i int, begun release.WasBegun) {
	was := j.records[i-1].State
	need := was.Delay()
	if ran := j.ran(i); ran < need {
		j.bad("I3", "claimed at %d after a soak of %s of %s", j.records[i].seq, ran, need)
	}
	slack := release.BeatInterval(need) * 5 / 2 // what a heartbeat vouches for
	if covered := j.covered(was.StagedAt, was.Due, slack); covered < need*time.Duration(was.Policy.MinCoverage())/100-slack {
		j.bad("I4", "claimed at %d after %s watched of %s", j.records[i].seq, covered, need)
	}
	due := was.Due
	if o := was.Postponed; o != nil && o.Kind == release.ByPause { // it is overdue from when nothing was in its way any more
		if free := j.unpaused(was.Project, j.records[i].seq); free.After(due) {
			due = free
		}
	}
	if late := begun.At.Sub(due); was.Policy.MaxOverdue > 0 && late > was.Policy.MaxOverdue {
		j.bad("I12", "claimed at %d, %s after it was due", j.records[i].seq, late)
	}
}

// expedited tells whether somebody expedited before record i, and nobody asked for time since.
func (j *judgement) expedited(i int) bool {
	expedited := false
	for _, m := range j.records[:i] {
		switch m.Event.(type) { //nolint:gochecksumtype // nothing else has to do with it
		case release.WasExpedited:
			expedited = true
		case release.WasRetried: // a promotion that is retried soaks no second time
			expedited = m.State.Soaked
		case release.WasHeld, release.WasExtended:
			expedited = false
		}
	}
	return expedited || len(j.records) > 0 && j.records[0].State.Expedited != nil
}

// ran is how long the clock of the soak ran until record i.
func (j *judgement) ran(i int) time.Duration {
	staged := j.records[i-1].State.StagedAt
	atLeast := func(t time.Time) time.Time {
		if t.Before(staged) {
			return staged
		}
		return t
	}
	var ran time.Duration
	since, running := staged, true
	start := func(at time.Time) {
		if !running {
			since, running = atLeast(at), true
		}
	}
	for _, m := range j.records[:i] {
		switch e := m.Event.(type) { //nolint:gochecksumtype // nothing else moves the clock
		case release.WasHeld:
			if running {
				ran += atLeast(e.Holding.At).Sub(since)
			}
			running = false
		case release.WasResumed:
			since, running = atLeast(e.Said.At), true
		case release.WasExpedited:
			start(e.Said.At)
		case release.WasRetried: // no hold is remembered over it
			start(e.Said.At)
		}
	}
	if running {
		ran += j.records[i].at.Sub(since)
	}
	return ran
}

// covered is how much of a time has heartbeats on both sides that are not too far apart.
func (j *judgement) covered(from, to time.Time, slack time.Duration) time.Duration {
	beats := slices.DeleteFunc(slices.Clone(j.beats[j.id]), func(b time.Time) bool { return b.Before(from) || b.After(to) })
	if len(beats) == 0 {
		return 0
	}
	var covered time.Duration
	last := from
	for _, b := range append(beats, to) {
		if gap := b.Sub(last); gap <= slack {
			covered += gap
		}
		last = b
	}
	return covered
}
