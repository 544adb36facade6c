package release_test

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// violation is a broken invariant of the package comment: its name and what happened.
type violation struct{ name, text string }

func (w *world) slip(name, format string, args ...any) {
	w.slips = append(w.slips, violation{name, fmt.Sprintf(format, args...)})
}

// judge looks for violations in what is stored: the stream, the heartbeats, and what was done outside. over says that the
// run has settled down, so that everything must be answered.
func (w *world) judge(over bool) []violation {
	j := &judgement{w: w, answers: map[uint64]message{}, answered: map[uint64]int{}, found: slices.Clone(w.slips)}
	for _, m := range w.msgs {
		if m.event != nil {
			j.records = append(j.records, m)
		}
	}
	for i, m := range j.records {
		prev := message{}
		if i > 0 {
			prev = j.records[i-1]
		}
		j.record(prev, m)
	}
	for i, m := range j.records {
		if isClaim(j.records, i) {
			j.claim(i, m)
		}
	}
	for _, e := range w.effects {
		j.effect(e)
	}
	j.hidden(over)
	return j.found
}

type judgement struct {
	w        *world
	records  []message
	answers  map[uint64]message // the record that answered a request
	answered map[uint64]int     // how often
	found    []violation
}

func (j *judgement) say(name, format string, args ...any) {
	j.found = append(j.found, violation{name, fmt.Sprintf(format, args...)})
}

// answerOf is the sequence of the request that an event answers, 0 for none.
func answerOf(e release.Event) uint64 {
	switch e := e.(type) {
	case release.WasHeld:
		return e.Seq
	case release.WasResumed:
		return e.Seq
	case release.WasExtended:
		return e.Seq
	case release.WasExpedited:
		return e.Seq
	case release.WasCancelled:
		return e.Seq
	case release.WasRefused:
		return e.Seq
	case release.WasMerged, release.WasBegun, release.WasDone, release.WasQueued, release.WasSoaked, release.WasFailed, release.WasSuperseded:
	}
	return 0
}

func isClaim(records []message, i int) bool {
	begun, ok := records[i].event.(release.WasBegun)
	return ok && begun.Work == release.Promote && i > 0 && records[i-1].state.Phase != release.Promoting
}

// record checks one step of the journal.
func (j *judgement) record(prev, m message) {
	was, is := prev.state, m.state
	if !reflect.DeepEqual(release.Evolve(was, m.event).Stamp(m.seq, m.at), is) {
		j.say("I0", "%s is not the fold of the record before it", m.event.Name())
	}
	if seq := answerOf(m.event); seq > 0 {
		j.answers[seq] = m
		if j.answered[seq]++; j.answered[seq] > 1 {
			j.say("I7", "request %d was answered twice, the second time by %s", seq, m.event.Name())
		}
		if seq < was.Folded {
			j.say("I7", "request %d was answered after a later one", seq)
		}
	}
	if is.Folded < was.Folded {
		j.say("I7", "the watermark went back from %d to %d", was.Folded, is.Folded)
	}
	if was.Phase.Ended() {
		same := was.Phase == is.Phase && was.End == is.End && was.Digest == is.Digest && was.Claim == is.Claim && was.Evidence == is.Evidence
		if name := m.event.Name(); !same || name != "refused" && name != "restoring" && name != "restored" {
			j.say("I5", "%s after the release was %s", name, was.Phase)
		}
	}
	moved := is.BetaChannel.Before != was.BetaChannel.Before && was.BetaChannel.Touched && !was.BetaChannel.Restored
	if was.Digest != "" && (is.Digest != was.Digest || is.Beta != was.Beta || is.Version != was.Version || moved) {
		j.say("I9", "%s changed %s %s to %s %s", m.event.Name(), was.Beta, was.Digest, is.Beta, is.Digest)
	}
	j.held(was, m)
	j.attempt(was, m)
	clockless := is.Phase == release.Soaking || is.Phase == release.Promoting
	if clockless && is.Held != nil || is.Phase == release.Held && (is.Held == nil || is.Expedited != nil) || is.Remaining < 0 || is.Extra < 0 {
		j.say("I0", "an impossible state after %s: %+v", m.event.Name(), is)
	}
}

// held: a person's hold is ended by a resume or an end.
func (j *judgement) held(was release.State, m message) {
	if was.Held == nil || was.Held.System || was.Phase.Ended() {
		return
	}
	_, resumed := m.event.(release.WasResumed)
	if stands := m.state.Held != nil && !m.state.Held.System && m.state.Phase != release.Soaking && m.state.Phase != release.Promoting; !stands &&
		!resumed && !m.state.Phase.Ended() {
		j.say("I8", "%s ended the hold of %q", m.event.Name(), was.Held.By)
	}
}

// attempt: nobody begins while another instance's attempt runs.
func (j *judgement) attempt(was release.State, m message) {
	if failed, ok := m.event.(release.WasFailed); ok {
		for _, a := range was.Attempts {
			if a.Instance == failed.Said.By {
				return
			}
		}
		j.say("I11", "%s failed the release, and was not at it", failed.Said.By)
	}
	begun, ok := m.event.(release.WasBegun)
	if !ok {
		return
	}
	over := map[release.Work]release.Work{release.RestoreBeta: release.Publish, release.RestoreStaging: release.Stage}
	for _, w := range []release.Work{begun.Work, over[begun.Work]} {
		if a, ok := was.Attempts[w]; ok && a.Instance != begun.Attempt.Instance && m.at.Before(a.Deadline()) {
			j.say("I11", "%s began to %s before the deadline of %s", begun.Attempt.Instance, begun.Work, a.Instance)
		}
	}
}

// claim checks record i, a claim: was it time, and was it settled as the stream says?
func (j *judgement) claim(i int, m message) {
	w, was := j.w, j.records[i-1].state
	begun := m.event.(release.WasBegun)
	if !j.expedited(i) {
		need := was.Delay()
		if ran := j.ran(i); ran < need {
			j.say("I3", "claimed after a soak of %s, wanted %s", ran, need)
		}
		slack := release.BeatInterval(need) * 5 / 2 // what a heartbeat vouches for
		if covered := w.covered(was.StagedAt, m.at, slack); covered < need*release.MinCoverage/100-slack {
			j.say("I4", "claimed after %s watched of %s", covered, need)
		}
		from := j.lastStart(i)
		rest := was.Due.Sub(from) // since the clock was started last
		if covered := w.covered(from, was.Due, slack); covered < rest-need*(100-release.MinCoverage)/100-slack {
			j.say("I4", "claimed after %s watched of the last %s, the soak is %s", covered, rest, need)
		}
		if late := begun.At.Sub(was.Due); w.policy.MaxOverdue > 0 && late > w.policy.MaxOverdue {
			j.say("I12", "claimed %s after it was due", late)
		}
	}
	all := w.requests(len(w.msgs), 0, m.seq)
	var stop []release.Request
	for _, r := range all {
		if m.state.Folded < r.Seq && stops(r) {
			stop = append(stop, r)
		}
	}
	for k := i; k < len(j.records) && j.records[k].state.Claim == m.seq; k++ {
		// Whoever settles, whenever, from whichever record of this claim, comes to the same answer.
		if got := j.records[k].state.Settle(w.requests(len(w.msgs), 0, ^uint64(0)), nil, m.at).Requests; len(got) == 0 != (len(stop) == 0) {
			j.say("I10", "settled from %s to %d, want %d", j.records[k].event.Name(), len(got), len(stop))
		}
		switch p := j.records[k].state.Phase; p {
		case release.Promoted, release.Failed:
			if len(stop) > 0 {
				j.say("I10", "an ineffective claim led to %s", p)
			}
		}
	}
	for _, r := range j.records[i+1:] {
		if r.state.Claim != m.seq {
			if len(stop) == 0 {
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
		case release.WasHeld, release.WasExtended:
			expedited = false
		}
	}
	return expedited
}

// lastStart is when the clock of the soak was started last before record i.
func (j *judgement) lastStart(i int) time.Time {
	start := j.records[i-1].state.StagedAt
	for k, m := range j.records[:i] {
		switch e := m.event.(type) {
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
	for _, m := range j.records[:i] {
		switch e := m.event.(type) {
		case release.WasHeld:
			if running {
				ran += atLeast(e.Holding.At).Sub(since)
			}
			running = false
		case release.WasResumed:
			since, running = atLeast(e.Said.At), true
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
		if p := m.state.Phase; p == release.Cancelled || p == release.Superseded {
			j.say("I1", "promoted outside, and %s", p)
			return
		}
	}
}

// hidden: when all is over, every request was answered.
func (j *judgement) hidden(over bool) {
	if !over || len(j.records) == 0 {
		return
	}
	for _, r := range j.w.requests(len(j.w.msgs), 0, ^uint64(0)) {
		if j.answered[r.Seq] == 0 {
			j.say("I7", "the %s %d was never answered", r.Verb, r.Seq)
		}
	}
	ends := 0
	for i, m := range j.records {
		if m.state.Phase.Ended() && !j.records[i-1].state.Phase.Ended() {
			ends++
		}
	}
	if ends != 1 {
		j.say("I1", "the release ended %d times", ends)
	}
}
