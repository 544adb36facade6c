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
		if _, passed := m.event.(release.WasPassed); passed {
			j.soak(i, m)
			j.asked(i, m)
		}
		if isClaim(j.records, i) {
			j.soak(i, m)
			j.asked(i, m)
			j.way(i, m)
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
	case release.WasApproved:
		return e.Seq
	case release.WasRetried:
		return e.Seq
	case release.WasRecalled:
		return e.Seq
	case release.WasMerged, release.WasBegun, release.WasDone, release.WasQueued, release.WasSoaked, release.WasFailed, release.WasSuperseded,
		release.WasPostponed, release.WasPassed, release.WasBaking, release.WasNotRolledBack:
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
	j.ended(was, m)
	j.retried(was, m)
	if p := is.Phase; was.Phase == release.Baking && p != release.Baking && p != release.Promoted && p != release.RollingBack {
		j.say("I18", "%s ended a bake, and the release is %s", m.event.Name(), p)
	}
	if over := was.PhaseAt.Add(was.Policy.Bake); was.Phase == release.Baking && is.Phase == release.Promoted && m.at.Before(over) {
		j.say("I18", "the bake was over at %s, and should have been at %s", m.at.Format(time.TimeOnly), over.Format(time.TimeOnly))
	}
	if was.Reached && is.Latest.Before != was.Latest.Before {
		j.say("I9", "%s forgot what everybody had: %q, now %q", m.event.Name(), was.Latest.Before, is.Latest.Before)
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

// ended: what has ended changes no more, unless somebody retries what failed or rolls back what is out, or may be.
func (j *judgement) ended(was release.State, m message) {
	if !was.Phase.Ended() {
		return
	}
	is := m.state
	switch m.event.(type) {
	case release.WasRetried:
		if was.Phase != release.Failed || is.Phase.Ended() {
			j.say("I5", "a retry of what was %s made it %s", was.Phase, is.Phase)
		}
		return
	case release.WasRecalled:
		if is.Phase != release.RollingBack || was.Phase != release.Promoted && !was.Reached {
			j.say("I5", "a rollback of what was %s made it %s", was.Phase, is.Phase)
		}
		return
	}
	same := was.Phase == is.Phase && was.End == is.End && was.Digest == is.Digest && was.Claim == is.Claim && was.Evidence == is.Evidence
	if name := m.event.Name(); !same || name != "refused" && name != "restoring" && name != "restored" {
		j.say("I5", "%s after the release was %s", name, was.Phase)
	}
}

// retried: nobody retries what was cancelled too late, nor before all is put back.
func (j *judgement) retried(was release.State, m message) {
	if _, ok := m.event.(release.WasRetried); !ok {
		return
	}
	for _, r := range j.records {
		no, refused := r.event.(release.WasRefused)
		late := r.state.Phase == release.Promoting || r.state.Phase == release.Failed || r.state.Phase == release.RollingBack
		if refused && r.seq < m.seq && no.Verb == release.Cancel && late {
			j.say("I16", "it was retried at %d, and cancelled too late by the request %d", m.seq, no.Seq)
		}
	}
	if was.Needs(release.RestoreBeta) || was.Needs(release.RestoreStaging) {
		j.say("I11", "it was retried before all was put back")
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
	switch e := m.event.(type) {
	case release.WasFailed:
		j.gaveUp(was, m, e.Said.By)
	case release.WasNotRolledBack:
		j.gaveUp(was, m, e.Said.By)
	case release.WasBaking:
		j.finished(was, m, release.Promote)
	case release.WasDone:
		if e.Work != release.Promote || was.Phase == release.Promoting {
			j.finished(was, m, e.Work)
		}
	}
	begun, ok := m.event.(release.WasBegun)
	if !ok {
		return
	}
	before := map[release.Work]release.Work{release.RestoreBeta: release.Publish, release.RestoreStaging: release.Stage}
	for _, w := range []release.Work{begun.Work, before[begun.Work]} {
		if a, ok := was.Attempts[w]; ok && a.Instance != begun.Attempt.Instance && m.at.Before(a.Deadline()) {
			j.say("I11", "%s began to %s before the deadline of %s", begun.Attempt.Instance, begun.Work, a.Instance)
		}
	}
}

// gaveUp: only who is at it fails a release, or the deadline of its phase.
func (j *judgement) gaveUp(was release.State, m message, by string) {
	if by == "sluice" {
		if at, limited := was.Deadline(); !limited || m.at.Before(at) {
			j.say("I13", "given up in %s, before its deadline", was.Phase)
		}
		return
	}
	for _, a := range was.Attempts {
		if a.Instance == by {
			return
		}
	}
	j.say("I11", "%s failed the release, and was not at it", by)
}

// finished: what is journaled as done was done, in an attempt of this stage and this claim.
func (j *judgement) finished(was release.State, m message, work release.Work) {
	began := was.Attempts[work].Started
	for _, e := range j.w.effects {
		if e.work == work && before+uint64(e.known) <= m.seq && (work != release.Promote || e.claim == was.Claim) && !e.at.Before(j.firstBegun(m, work)) {
			return
		}
	}
	j.say("I11", "%s was journaled as done, and was not done since %s", work, began.Format(time.TimeOnly))
}

// firstBegun is when the work that a record finishes was begun first in its phase.
func (j *judgement) firstBegun(m message, work release.Work) time.Time {
	var first message
	for _, r := range j.records {
		if r.seq >= m.seq {
			break
		}
		if begun, ok := r.event.(release.WasBegun); ok && begun.Work == work {
			if first.event == nil {
				first = r
			}
			continue
		}
		switch r.event.(type) {
		case release.WasDone, release.WasRetried, release.WasPassed:
			first = message{}
		}
	}
	return first.at
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
	ends, taken := 0, 0
	for i, m := range j.records {
		if i > 0 && j.records[i-1].state.Phase.Ended() && !m.state.Phase.Ended() {
			taken++ // up again, see I5
		}
		if m.state.Phase.Ended() && !j.records[i-1].state.Phase.Ended() {
			ends++
		}
	}
	if ends != 1+taken {
		j.say("I1", "the release ended %d times, and was taken up again %d times", ends, taken)
	}
}
