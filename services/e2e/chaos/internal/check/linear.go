package check

import (
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/sluice-gate/sluice/pkg/release"
)

// The race between stopping and promoting, as clients saw it in real time, without any sequence of the stream: a register that
// is open until it is promoted, cancelled, or over for another reason, and that may be held meanwhile.
//
// A request is an operation from when it was sent until it was acknowledged; what the journal answered is its result. A claim is one
// from the broker's timestamp of its record, before which it was not stored, until somebody read that the release had
// ended. A cancel that was acknowledged before a claim began must come before it in any order, and win.
//
// A failure, or giving way to a newer release, may overtake a request that was acknowledged and is not answered yet: either way
// nothing is promoted. So it may have begun at any time.

type place int

const (
	open place = iota
	held
	promoted
	cancelled
	over
)

type action int

const (
	cancels action = iota
	holds
	resumes
	promotes
	fails
	retries
)

type operation struct {
	does action
	won  bool
}

// register is the model for porcupine.
func register() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return open },
		Step: func(state, input, _ any) (bool, any) {
			return next(state.(place), input.(operation))
		},
	}
}

// next tells whether an operation may have had its result in a state, and which state follows.
func next(s place, o operation) (bool, any) {
	ended := s == promoted || s == cancelled || s == over
	switch {
	case o.does == cancels && o.won:
		return !ended, cancelled
	case o.does == cancels:
		return ended, s
	case o.does == holds && o.won:
		return s == open, held
	case o.does == holds:
		return s != open, s
	case o.does == resumes && o.won:
		return !ended, open
	case o.does == resumes:
		return true, s // whatever it was too late or too early for
	case o.does == promotes:
		return s == open, promoted
	case o.does == retries && o.won:
		return s == over || s == promoted, open // promoted: so its driver was told, and it failed
	case o.does == retries:
		return true, s // whatever was in its way
	}
	return !ended, over // fails
}

// linear checks every release's history.
func (h *History) linear(f *Figures) {
	sent := map[string][]Asked{}
	for _, a := range h.Asked {
		sent[a.Release] = append(sent[a.Release], a)
	}
	for _, id := range h.order {
		t := h.releases[id]
		if len(t.records) == 0 {
			continue
		}
		ops := h.operations(t, sent[id])
		if len(ops) < 2 {
			continue
		}
		f.Histories++
		if res := porcupine.CheckOperationsTimeout(register(), ops, 10*time.Second); res == porcupine.Illegal {
			h.say("linear", id, "no order of %d operations explains what clients saw: %s", len(ops), describe(ops))
		}
	}
}

// operations is the history of a release. Requests that this harness did not send (the watcher's, the stager's) begin and end
// at the broker's timestamp at the earliest, and at the end of all times at the latest.
func (h *History) operations(t *told, sent []Asked) []porcupine.Operation {
	byID := map[string]Asked{}
	for _, a := range sent {
		byID[a.ID] = a
	}
	outcome := map[uint64]string{}
	for _, r := range t.records {
		if seq := answerOf(r.Event); seq > 0 {
			outcome[seq] = r.Type
		}
	}
	const never = int64(1) << 62
	seen := never
	if at, ok := h.Seen[t.id]; ok {
		seen = at.UnixNano()
	}
	var out []porcupine.Operation
	add := func(o operation, call, ret int64) {
		out = append(out, porcupine.Operation{ClientId: len(out), Input: o, Call: call, Return: max(ret, call)})
	}
	verbs := map[release.Verb]action{release.Cancel: cancels, release.Hold: holds, release.Resume: resumes, release.Retry: retries}
	for _, r := range t.requests {
		does, ok := verbs[r.Verb]
		if !ok || outcome[r.Seq] == "" {
			continue
		}
		call, ret := r.At.UnixNano(), never
		if a, ok := byID[r.Reason]; ok {
			if call = a.Sent.UnixNano(); !a.Acked.IsZero() {
				ret = a.Acked.UnixNano()
			}
		}
		add(operation{does, outcome[r.Seq] != "refused"}, call, ret)
	}
	var claim record
	for i, r := range t.records {
		switch {
		case r.Type == retried:
			seen = never // what was read was the end before
		case isClaim(t.records, i):
			claim = r
		case r.Type == string(release.Promoted), r.Type == string(release.Failed) && r.State.Claim != 0: // the claim was effective
			add(operation{promotes, true}, claim.at.UnixNano(), seen)
		case r.Type == string(release.Failed) || r.Type == string(release.Superseded):
			add(operation{fails, true}, 0, seen)
		}
	}
	return out
}

func describe(ops []porcupine.Operation) string {
	names := []string{"cancel", "hold", "resume", "promote", "fail", "retry"}
	text := ""
	for _, op := range ops {
		o := op.Input.(operation)
		won := " lost"
		if o.won {
			won = " won"
		}
		text += names[o.does] + won + " from " + time.Unix(0, op.Call).Format("15:04:05.000") + "; "
	}
	return text
}
