package release

import (
	"fmt"
	"slices"
	"time"
)

func request(s State, r Request) ([]Event, error) {
	switch {
	case s.Phase == None || r.Seq <= s.Folded:
		return nil, nil
	case s.Phase == Promoting && (s.Claim == 0 || r.Settled != s.Claim):
		return nil, fmt.Errorf("%s of sequence %d: %w", r.Verb, r.Seq, ErrUnsettled)
	}
	return []Event{answer(s, r)}, nil
}

// Answers is the sequence of the request that an event answers, or 0.
func Answers(e Event) uint64 {
	switch e := e.(type) {
	case WasCancelled:
		return e.Seq
	case WasHeld:
		return e.Seq
	case WasResumed:
		return e.Seq
	case WasExtended:
		return e.Seq
	case WasExpedited:
		return e.Seq
	case WasApproved:
		return e.Seq
	case WasRetried:
		return e.Seq
	case WasRecalled:
		return e.Seq
	case WasRefused:
		return e.Seq
	case WasMerged, WasBegun, WasDone, WasQueued, WasSoaked, WasFailed, WasSuperseded, WasPostponed, WasPassed, WasBaking, WasNotRolledBack:
	}
	return 0
}

// Overtaken tells whether a record with that event answers another request in the place of one of before, which is then not looked at any
// more, and has not brought about what that one asked for either.
func Overtaken(s State, e Event, verb Verb, seq uint64) bool {
	if Answers(e) == seq {
		return false
	}
	switch verb {
	case Cancel:
		return s.Phase != Cancelled
	case Hold:
		return s.Held == nil || s.Held.System || s.Phase.Ended()
	case Resume, Extend, Expedite, Approve, Retry, Recall:
	}
	return true
}

// answer is the one event that answers a request. What it refuses does not stop a claim.
func answer(s State, r Request) Event {
	e, why := grant(s, r)
	if why != "" {
		return WasRefused{Verb: r.Verb, Seq: r.Seq, Said: Said{By: r.Actor, At: r.At, Reason: why}}
	}
	return e
}

// grant is the event that does what a request asks for, or why it is refused.
func grant(s State, r Request) (e Event, refused string) {
	said := Said{By: r.Actor, At: r.At, Reason: r.Reason}
	switch {
	case r.Invalid != "" && r.Verb != Cancel && r.Verb != Hold:
		return nil, r.Invalid
	case r.Verb == Retry && r.Look:
		return nil, "nothing is retried; every service looks at it again"
	case r.Verb == Retry && s.Phase == Failed:
		return WasRetried{Said: said, Seq: r.Seq}, whyNotRetried(s)
	case r.Verb == Recall && s.recallable():
		return WasRecalled{Said: said, Seq: r.Seq, Evidence: r.Evidence}, ""
	case s.Phase.Ended():
		return nil, fmt.Sprintf("too late: the release is %s", s.Phase)
	case s.Phase == RollingBack:
		return nil, "too late: the release is being rolled back"
	case s.Phase.Out():
		return nil, fmt.Sprintf("too late: the release is out, and %s: roll it back instead", s.Phase)
	case s.Phase == Promoting && r.Verb == Recall:
		return nil, "not yet: the release is being promoted; ask again when it is out, or has failed"
	case s.Phase == Promoting && r.Seq > s.Claim:
		return nil, fmt.Sprintf("too late: the promotion was claimed at sequence %d, this request is %d", s.Claim, r.Seq)
	case s.Phase == Promoting && !r.Verb.Stops():
		return nil, fmt.Sprintf("nothing to %s: the release is being promoted", r.Verb)
	}
	switch r.Verb {
	case Cancel:
		return WasCancelled{Said: said, Seq: r.Seq, Evidence: r.Evidence}, ""
	case Hold:
		if s.Held != nil && !s.Held.System {
			return nil, "already held by " + s.Held.who()
		}
		return WasHeld{Holding: Holding{Said: said}, Seq: r.Seq}, ""
	case Resume:
		return resume(s, r, said)
	case Extend:
		return extend(s, r, said)
	case Expedite:
		return expedite(s, r, said)
	case Approve:
		return approve(s, r, said)
	case Retry:
		return nil, "nothing has failed; every service looks at it again"
	case Recall:
		return nil, fmt.Sprintf("nothing to roll back: the release is %s; cancel it instead", s.Phase)
	}
	return nil, fmt.Sprintf("unknown request %q", r.Verb)
}

// recallable tells whether there is something to take back: a promotion, or what one that failed may have left, whatever
// became of the release after a retry.
func (s State) recallable() bool {
	return s.Phase == Promoted || s.Phase == Baking || s.Reached && s.Phase.Ended() && s.Phase != RolledBack
}

func resume(s State, r Request, said Said) (e Event, refused string) {
	if s.Held == nil {
		return nil, "it is not held"
	}
	if s.Held.System && r.At.Before(s.Held.At) {
		return nil, fmt.Sprintf("it was not held then; since %s it is: %s", s.Held.At.UTC().Format(time.RFC3339), s.Held.Reason)
	}
	resumed := WasResumed{Said: said, Seq: r.Seq}
	if s.Phase == Held {
		resumed.Due = later(r.At, s.SoakFrom).Add(s.Remaining + s.Held.Unwatched)
	}
	return resumed, ""
}

// extend lengthens the soak by a time, or so that it ends at one. The latter needs a running clock.
func extend(s State, r Request, said Said) (e Event, refused string) {
	by := r.By
	if !r.Until.IsZero() {
		if s.Phase != Soaking && s.Phase != Promoting {
			return nil, fmt.Sprintf("extend until a time: the clock does not run, the release is %s: extend it by a duration", s.Phase)
		}
		from := later(s.Due, r.At)
		if by = r.Until.Sub(from); by <= 0 {
			if s.Expedited != nil {
				return nil, fmt.Sprintf("expedited by %s, and the soak would end at %s: extend it by a duration, or hold it",
					s.Expedited.who(), from.UTC().Format(time.RFC3339))
			}
			return nil, fmt.Sprintf("extend until %s: the soak lasts until %s already",
				r.Until.UTC().Format(time.RFC3339), from.UTC().Format(time.RFC3339))
		}
	}
	if by <= 0 || by > MaxExtend {
		return nil, fmt.Sprintf("extend by %s: want more than 0 and at most %s", by, MaxExtend)
	}
	if s.Extra > MaxExtra-by {
		return nil, fmt.Sprintf("extended by %s already; all together may be at most %s: hold it instead", s.Extra, MaxExtra)
	}
	return WasExtended{Said: said, Seq: r.Seq, By: by}, ""
}

func expedite(s State, r Request, said Said) (e Event, refused string) {
	switch {
	case s.Held != nil && !s.Held.System:
		return nil, fmt.Sprintf("held by %s: resume it first", s.Held.who())
	case r.Force && r.Reason == "":
		return nil, "force needs a reason"
	case s.Expedited != nil && (s.Forced || !r.Force):
		return nil, "already expedited by " + s.Expedited.who()
	}
	return WasExpedited{Said: said, Seq: r.Seq, Force: r.Force}, ""
}

func approve(s State, r Request, said Said) (e Event, refused string) {
	a := s.Approvals()
	switch {
	case a.Needed == 0:
		return nil, fmt.Sprintf("nothing to approve: stage %s needs no approval", s.StageName())
	case r.Actor == "":
		return nil, "who approves? publish it on sluice.approve.<release>.<your name>"
	case s.Stage > 0 && (s.StagedAt.IsZero() || r.At.Before(s.StagedAt)): // it may have been meant for the stage before
		return nil, fmt.Sprintf("approved before the release was in stage %s: look at it there, and approve it then", s.StageName())
	case slices.ContainsFunc(a.By, func(o Said) bool { return o.By == r.Actor }):
		return nil, fmt.Sprintf("%s approved already: it takes %d different people", r.Actor, a.Needed)
	case a.Missing() == 0:
		return nil, fmt.Sprintf("approved already: %s", a)
	}
	return WasApproved{Said: said, Seq: r.Seq}, ""
}

// whyNotRetried: what somebody cancelled, if too late, is not taken up again, and what is still being put back not yet.
func whyNotRetried(s State) string {
	switch {
	case s.LateCancel != nil:
		return fmt.Sprintf("cancelled by %s at %s, when that was too late: it stays failed",
			s.LateCancel.who(), s.LateCancel.At.UTC().Format(time.RFC3339))
	case s.Needs(RestoreBeta) || s.Needs(RestoreStaging):
		return "what it left is still being put back: retry it when that is done"
	}
	return ""
}
