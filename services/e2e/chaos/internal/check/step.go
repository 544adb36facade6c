package check

import (
	"bytes"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// answerOf is the sequence of the request that an event answers, 0 for none.
func answerOf(e release.Event) uint64 {
	switch e := e.(type) { //nolint:gochecksumtype // events that are not known here answer nothing
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
	case release.WasRetried:
		return e.Seq
	case release.WasRefused:
		return e.Seq
	}
	return 0
}

// step checks one record against the record before it.
func (j *judgement) step(prev, r record) {
	was, is := prev.State, r.State
	if len(j.records) > 0 && prev.seq != 0 && r.Event != nil && !folds(was, r) {
		j.bad("I0", "%s at %d was not made from the record before it at %d, a %s", r.Type, r.seq, prev.seq, prev.Type)
	}
	if seq := answerOf(r.Event); seq > 0 {
		if before, ok := j.answers[seq]; ok {
			j.bad("I7", "the request %d was answered by %s and by %s", seq, before.Type, r.Type)
		}
		j.answers[seq] = r
		if seq < was.Folded {
			j.bad("I7", "the request %d was answered after a later one", seq)
		}
	}
	if is.Folded < was.Folded {
		j.bad("I7", "the watermark went back from %d to %d", was.Folded, is.Folded)
	}
	if was.Phase.Ended() && (changes(r.Type) || was.Phase == is.Phase && (was.End != is.End || was.Claim != is.Claim)) {
		j.bad("I5", "%s at %d, after the release was %s", r.Type, r.seq, was.Phase)
	}
	if _, retried := r.Event.(release.WasRetried); retried && was.Phase != release.Failed {
		j.bad("I5", "retried at %d, when it was %s", r.seq, was.Phase)
	}
	moved := is.BetaChannel.Before != was.BetaChannel.Before && was.BetaChannel.Touched && !was.BetaChannel.Restored
	if was.Digest != "" && (is.Digest != was.Digest || is.Beta != was.Beta || is.Version != was.Version || moved) {
		j.bad("I9", "%s changed %s %s to %s %s", r.Type, was.Beta, was.Digest, is.Beta, is.Digest)
	}
	j.held(was, r)
	j.judged(was, r)
	j.attempt(was, r)
	j.after(was, r)
}

// folds tells whether a record's state is that of the record before it, and its event. They are compared as they are written.
func folds(was release.State, r record) bool {
	encode := func(s release.State) []byte {
		data, err := releasepb.EncodeRecord(releasepb.Record{Event: r.Event, State: s})
		if err != nil {
			return nil
		}
		return data
	}
	return bytes.Equal(encode(release.Evolve(was, r.Event).Stamp(r.seq, r.at)), encode(r.State))
}

// changes tells of the events that an ended release must not have. Those of a newer version are its own business.
func changes(name string) bool {
	switch name {
	case "merged", "publishing", "published", "queued", "staging", "staged", "soaking", "held", "resumed", "extended", "expedited",
		"promoting", "promoted", "cancelled", "failed", "superseded":
		return true
	}
	return false
}

// held: a person's hold is ended by a resume or an end.
func (j *judgement) held(was release.State, r record) {
	if was.Held == nil || was.Held.System || was.Phase.Ended() || r.Event == nil {
		return
	}
	_, resumed := r.Event.(release.WasResumed)
	stands := r.State.Held != nil && !r.State.Held.System && r.State.Phase != release.Soaking && r.State.Phase != release.Promoting
	if !stands && !resumed && !r.State.Phase.Ended() {
		j.bad("I8", "%s ended the hold of %q", r.Type, was.Held.By)
	}
}

// judged: Sluice itself holds a release, for being overdue or not watched, only when its time has come.
func (j *judgement) judged(was release.State, r record) {
	e, ok := r.Event.(release.WasHeld)
	if ok && e.Holding.System && was.Phase == release.Soaking && was.Expedited == nil && r.at.Before(was.Due) {
		j.bad("I3", "held at %d as if it were due, %s before it was", r.seq, was.Due.Sub(r.at).Round(time.Millisecond))
	}
}

// occupied: from its deployment, or from when a retried promotion soaks again, until it has ended a release has its lane for itself.
func (h *History) occupied(t *told, is release.State, seq uint64) {
	was, lane := release.None, is.Policy.Lane
	if len(t.records) > 0 {
		was = t.records[len(t.records)-1].State.Phase
	}
	switch {
	case is.Phase.Ended():
		if h.staging[lane] == t.id {
			delete(h.staging, lane)
		}
	case is.Phase == release.Staging || was == release.Queued && is.Phase != release.Queued:
		if other := h.staging[lane]; other != "" && other != t.id {
			h.say("lane", t.id, "%s at %d in lane %s, where %s is", is.Phase, seq, lane, other)
		}
		h.staging[lane] = t.id
	}
}

// attempt: nobody begins while another instance's attempt runs.
func (j *judgement) attempt(was release.State, r record) {
	begun, ok := r.Event.(release.WasBegun)
	if !ok {
		return
	}
	for _, w := range []release.Work{begun.Work, undone(begun.Work)} {
		if a, ok := was.Attempts[w]; ok && a.Instance != begun.Attempt.Instance && r.at.Before(a.Deadline()) {
			j.bad("I11", "%s began to %s %s before the deadline of %s", begun.Attempt.Instance, begun.Work,
				a.Deadline().Sub(r.at).Round(time.Millisecond), a.Instance)
		}
	}
}

// undone is the work that a restore undoes.
func undone(w release.Work) release.Work {
	switch w {
	case release.RestoreBeta:
		return release.Publish
	case release.RestoreStaging:
		return release.Stage
	case release.Publish, release.Stage, release.Promote, release.Rollback:
	}
	return ""
}
