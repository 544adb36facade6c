package release_test

import (
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// What the invariants say of how a release leaves a stage, of claims, and of what was done outside.

// soak checks record i, by which the release leaves a stage: was it time, and was it watched?
func (j *judgement) soak(i int, m message) {
	w, was := j.w, j.records[i-1].state
	if j.expedited(i) {
		j.looked(i, m)
		return
	}
	if extended, again := j.again(i); again {
		if ran := m.at.Sub(was.Due.Add(-was.Remaining)); ran < extended && !j.heldSince(i) {
			j.say("I3", "claimed again after %s, and extended by %s since it was retried", ran, extended)
		}
		return
	}
	need := was.Delay()
	if ran := j.ran(i); ran < need {
		j.say("I3", "left its stage after a soak of %s, wanted %s", ran, need)
	}
	slack := release.BeatInterval(need) * 5 / 2 // what a heartbeat vouches for
	if covered := w.covered(was.StagedAt, m.at, slack); covered < need*time.Duration(was.Policy.MinCoverage())/100-slack {
		j.say("I4", "left its stage after %s watched of %s", covered, need)
	}
	from := j.lastStart(i)
	rest := was.Due.Sub(from) // since the clock was started last
	if covered := w.covered(from, was.Due, slack); covered < rest-need*time.Duration(100-was.Policy.MinCoverage())/100-slack {
		j.say("I4", "left its stage after %s watched of the last %s, the soak is %s", covered, rest, need)
	}
	if late := m.at.Sub(was.Due); was.Postponed == nil && w.policy.MaxOverdue > 0 && late > w.policy.MaxOverdue+j.pause(m) {
		j.say("I12", "left its stage %s after it was due", late)
	}
}

// again tells whether record i is about a promotion that is retried, without a soak but for the extensions since.
func (j *judgement) again(i int) (extended time.Duration, again bool) {
	for _, m := range j.records[j.stage(i):i] {
		switch e := m.event.(type) {
		case release.WasRetried:
			extended, again = 0, m.state.Phase == release.Queued
		case release.WasExtended:
			extended += e.By
		}
	}
	return extended, again
}

// heldSince tells whether the clock of a retried promotion was stopped: then its beginning is not the time to count from.
func (j *judgement) heldSince(i int) bool {
	for k := i - 1; k >= 0; k-- {
		switch j.records[k].event.(type) {
		case release.WasHeld:
			return true
		case release.WasRetried:
			return false
		}
	}
	return false
}

// pause is how long an instance may have paused between its decision and its record.
func (j *judgement) pause(m message) time.Duration {
	switch e := m.event.(type) {
	case release.WasBegun:
		return m.at.Sub(e.At)
	case release.WasPassed:
		return m.at.Sub(e.At)
	}
	return 0
}

// looked: who was expedited without force was seen by a watcher since.
func (j *judgement) looked(i int, m message) {
	was := j.records[i-1].state
	if was.Forced || was.Delay() == 0 {
		return
	}
	since := later(was.StagedAt, was.Expedited.At)
	if !slices.ContainsFunc(j.w.beats, func(b time.Time) bool { return !b.Before(since) && !b.After(m.at) }) {
		j.say("I19", "expedited at %s, and nobody has looked until %s", since.Format(time.TimeOnly), m.at.Format(time.TimeOnly))
	}
}

// asked: as many different people as the stage asks for have approved since the release came to it.
func (j *judgement) asked(i int, m message) {
	was := j.records[i-1].state
	need := was.Policy.Approvals
	if was.Stage < len(was.Policy.Stages) {
		need = was.Policy.Stages[was.Stage].Approvals
	}
	people := map[string]bool{}
	for _, r := range j.records[:i] {
		switch e := r.event.(type) {
		case release.WasPassed:
			clear(people)
		case release.WasRetried:
			if r.state.Phase == release.Merged && r.state.Stage == 0 && len(r.state.Approved) == 0 {
				clear(people)
			}
		case release.WasApproved:
			people[e.Said.By] = true
		}
	}
	if len(people) < need {
		j.say("I14", "left stage %d by %s after %d approvals, wanted %d", was.Stage, m.event.Name(), len(people), need)
	}
}

// way: nothing newer was promoted before, and what was rolled back is forced. Other releases are only promoted while this one
// does not have its lane, so whoever claims can have seen it.
func (j *judgement) way(i int, m message) {
	was := j.records[i-1].state
	for _, o := range j.w.msgs {
		if o.project == nil || o.seq > m.seq {
			continue
		}
		switch other := o.project.other; {
		case other.Version > was.Version:
			j.say("I15", "%s was promoted at %d, and %s claimed at %d", other.Version, o.seq, was.Version, m.seq)
		case other.Version == was.Version && !was.Forced:
			j.say("I15", "%s was rolled back before %d, and claimed at %d without force", other.Version, o.seq, m.seq)
		}
	}
	soaked := false
	for _, r := range j.records[:i] {
		switch r.event.(type) {
		case release.WasRetried:
			soaked = false
		case release.WasSoaked:
			soaked = true
		}
	}
	if !soaked {
		j.say("I17", "claimed at %d, and did not have its lane since it was retried", m.seq)
	}
}

// stopped says in words of its own whether the project was stopped at a claim, by what was stored before it.
func (j *judgement) stopped(m message) bool {
	paused, frozen, rolling := false, false, false
	for _, o := range j.w.msgs {
		if o.project == nil || o.seq > m.seq {
			continue
		}
		open := !o.project.over
		switch o.project.stop {
		case release.Pause:
			paused = open
		case release.Freeze:
			frozen = open && (o.project.until.IsZero() || m.at.Before(o.project.until))
		case release.RollingStop:
			rolling = open
		}
	}
	return paused || rolling || frozen && !m.state.Forced
}

// claim checks record i, a claim: was it settled as the stream says?
func (j *judgement) claim(i int, m message) {
	w := j.w
	all := w.requests(len(w.msgs), 0, m.seq)
	ineffective := j.stopped(m)
	for _, r := range all {
		ineffective = ineffective || m.state.Folded < r.Seq && stops(r)
	}
	for k := i; k < len(j.records) && j.records[k].state.Claim == m.seq; k++ {
		// Whoever settles, whenever, from whichever record of this claim, comes to the same answer.
		against := j.records[k].state.Settle(w.requests(len(w.msgs), 0, ^uint64(0)), w.stopsAt(m.seq), m.at)
		if against.Effective() == ineffective {
			j.say("I10", "settled from %s to %+v, want an effective claim: %t", j.records[k].event.Name(), against, !ineffective)
		}
		if p := j.records[k].state.Phase; ineffective && (p.Out() || p == release.Failed) {
			j.say("I10", "an ineffective claim led to %s", p)
		}
		no, refused := j.records[k].event.(release.WasRefused)
		if refused && ineffective && no.Seq > m.seq && no.Verb.Stops() && j.records[k].state.Phase == release.Promoting {
			j.say("I10", "the %s %d was told that it is too late for a claim that was ineffective", no.Verb, no.Seq)
		}
	}
	for _, r := range j.records[i+1:] {
		if _, retried := r.event.(release.WasRetried); retried {
			break
		}
		if r.state.Claim != m.seq {
			if !ineffective {
				j.say("I10", "an effective claim was taken back by %s", r.event.Name())
			}
			break
		}
	}
}

// stops says in words of its own which requests stop a claim that they come before.
func stops(r release.Request) bool {
	return r.Verb == release.Cancel || r.Verb == release.Hold || r.Verb == release.Extend && r.Invalid == "" && r.By > 0 && r.By <= release.MaxExtend
}

// expedited tells whether somebody expedited before record i, and nobody asked for time since.
func (j *judgement) expedited(i int) bool {
	expedited := false
	for _, m := range j.records[:i] {
		switch m.event.(type) {
		case release.WasExpedited:
			expedited = true
		case release.WasHeld, release.WasExtended, release.WasRetried:
			expedited = false
		}
	}
	return expedited
}

// stage is the record with which the stage begins that the release was in before record i.
func (j *judgement) stage(i int) int {
	for k := i - 1; k > 0; k-- {
		if _, passed := j.records[k].event.(release.WasPassed); passed {
			return k
		}
	}
	return 0
}

// lastStart is when the clock of the soak was started last before record i.
func (j *judgement) lastStart(i int) time.Time {
	start := j.records[i-1].state.StagedAt
	retried := false
	for k := j.stage(i); k < i; k++ {
		m := j.records[k]
		switch e := m.event.(type) {
		case release.WasRetried:
			retried = true
		case release.WasSoaked:
			if retried && e.At.After(start) {
				start = e.At // nobody watches what has failed
			}
		case release.WasResumed:
			if e.Said.At.After(start) {
				start = e.Said.At
			}
		case release.WasExtended:
			if was := j.records[k-1].state; m.state.Phase == release.Soaking && e.Said.At.After(was.Due) {
				start = e.Said.At // it had run out
			}
		case release.WasExpedited:
			if j.records[k-1].state.Phase == release.Held {
				start = e.Said.At // in case that somebody extends then
			}
		}
	}
	return start
}

// ran is how long the clock of the soak ran until record i.
func (j *judgement) ran(i int) time.Duration {
	staged := j.records[i-1].state.StagedAt
	atLeast := func(t time.Time) time.Time {
		if t.Before(staged) {
			return staged
		}
		return t
	}
	var ran time.Duration
	since, running := staged, true
	for _, m := range j.records[j.stage(i):i] {
		switch e := m.event.(type) {
		case release.WasHeld:
			if running {
				ran += atLeast(e.Holding.At).Sub(since)
			}
			running = false
		case release.WasResumed:
			since, running = atLeast(e.Said.At), true
		case release.WasRetried:
			if !running { // the end ended the hold
				since, running = atLeast(e.Said.At), true
			}
		case release.WasExpedited:
			if !running {
				since, running = atLeast(e.Said.At), true
			}
		}
	}
	if running {
		ran += j.records[i].at.Sub(since)
	}
	return ran
}

// covered counts the watched seconds, one by one.
func (w *world) covered(from, to time.Time, slack time.Duration) time.Duration {
	beats := slices.DeleteFunc(slices.Clone(w.beats), func(b time.Time) bool { return b.Before(from) || b.After(to) })
	if len(beats) == 0 {
		return 0
	}
	points := slices.Concat([]time.Time{from}, beats, []time.Time{to})
	var covered time.Duration
	k := 0
	for s := from; s.Before(to); s = s.Add(time.Second) {
		for points[k+1].Before(s.Add(time.Second)) {
			k++
		}
		if points[k+1].Sub(points[k]) <= slack {
			covered += time.Second
		}
	}
	return covered
}

// effect checks what was done outside: by whom, when, and after what.
func (j *judgement) effect(e effect) {
	var mine, last message
	for _, m := range j.records {
		begun, ok := m.event.(release.WasBegun)
		if !ok || begun.Work != e.work || int(m.seq-before) >= e.known {
			continue
		}
		last = m
		if begun.Attempt.Instance == e.instance {
			mine = m
		}
	}
	switch {
	case mine.event == nil:
		j.say("I11", "%s did %s without an attempt", e.instance, e.work)
		return
	case !e.at.Before(mine.at.Add(patience)):
		j.say("I11", "%s did %s after its deadline", e.instance, e.work)
	case last.seq != mine.seq && last.state.Attempts[e.work].Instance != e.instance:
		j.say("I11", "%s did %s in the time of %s", e.instance, e.work, last.state.Attempts[e.work].Instance)
	}
	if e.work != release.Promote {
		return
	}
	for _, r := range j.w.requests(len(j.w.msgs), 0, e.claim) {
		answer, ok := j.answers[r.Seq]
		switch {
		case r.Verb == release.Cancel:
			j.say("I2", "the cancel %d was stored before the claim %d, and it was promoted", r.Seq, e.claim)
		case stops(r) && (!ok || answer.seq > e.claim):
			j.say("I2", "the %s %d was stored before the claim %d and not answered, and it was promoted", r.Verb, r.Seq, e.claim)
		}
	}
	for _, m := range j.records {
		if m.seq == e.claim && j.stopped(m) {
			j.say("I2", "the project was stopped before the claim %d, and it was promoted", e.claim)
		}
	}
	for _, m := range j.records {
		if _, retried := m.event.(release.WasRetried); retried && m.seq > e.claim {
			return // what is outside of a promotion that failed is a person's to decide
		}
		if p := m.state.Phase; m.seq > e.claim && (p == release.Cancelled || p == release.Superseded) {
			j.say("I1", "promoted outside, and %s", p)
			return
		}
	}
}
