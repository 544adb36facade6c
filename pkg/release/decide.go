package release

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxAttempts bounds how often one outside action is begun, takeovers after crashes included.
const MaxAttempts = 25

// Errors of Decide. They leave the release as it is.
var (
	// ErrEnded: the release is over; look at its phase for how.
	ErrEnded = errors.New("the release has ended")
	// ErrPhase: the command does not apply to the phase that the release is in.
	ErrPhase = errors.New("not in this phase")
	// ErrUnsettled: the promotion is claimed, and the claim must be settled before anybody is answered (see [Request]).
	ErrUnsettled = errors.New("the claim is not settled")
	// ErrTaken: the release id already belongs to another merge.
	ErrTaken = errors.New("the release id belongs to another merge")
)

// BusyError says that another instance is at this work and may still be writing.
type BusyError struct {
	Work     Work
	Instance string
	Until    time.Time // broker's time from which the work may be taken over
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("%s is under way at %s until %s", e.Work, e.Instance, e.Until.UTC().Format(time.RFC3339Nano))
}

// Decide says which events a command causes. It returns no events when the command has nothing left to do, so repeating a
// command is harmless (a Begin is no repetition: it announces the next attempt); ErrEnded, ErrPhase, ErrTaken, ErrUnsettled
// or a *BusyError when it can not be obeyed.
//
// A [Request] always causes one event unless it was answered before, or there is no journal yet to answer it in: its sender
// is told, if only that it came too late.
func Decide(s State, c Command) ([]Event, error) {
	switch c := c.(type) {
	case Admit:
		return admit(s, c)
	case Request:
		return request(s, c)
	case Begin:
		return begin(s, c)
	case Alarm:
		return alarm(s, c), nil
	case Finish:
		return finish(s, c)
	case Fail:
		return fail(s, c)
	case Wait:
		if s.Phase != Published && (s.Phase != Queued || s.Behind == c.Behind) {
			return nil, past(s, Published)
		}
		return []Event{WasQueued(c)}, nil
	case Displace:
		if s.Phase == Superseded {
			return nil, nil
		}
		if s.Phase.Ended() {
			return nil, past(s, Queued)
		}
		if s.Phase != Published && s.Phase != Queued {
			return nil, fmt.Errorf("%s %s can not be displaced: %w", s.Phase, s.Release, ErrPhase)
		}
		return []Event{WasSuperseded(c)}, nil
	case StartSoak:
		if s.Phase != Staged {
			return nil, past(s, Staged)
		}
		return []Event{WasSoaked{Due: s.SoakFrom.Add(s.Delay()), At: c.At}}, nil
	}
	return nil, fmt.Errorf("unknown command %T", c)
}

func admit(s State, c Admit) ([]Event, error) {
	if s.Phase == None {
		return []Event{WasMerged(c)}, nil
	}
	if s.Release == c.Release && s.Merge.Seq == c.Merge.Seq {
		return nil, nil
	}
	return nil, ErrTaken
}

func begin(s State, c Begin) ([]Event, error) {
	var possible bool
	before := c.Work // whose attempt must be over
	plan := c.Plan
	switch c.Work {
	case Publish:
		possible = s.Phase == Merged || s.Phase == Publishing
		if s.BetaChannel.Touched { // the first attempt fixed it, and may have published it
			plan = Plan{Version: s.Version, Beta: s.Beta, Digest: s.Digest, Before: s.BetaChannel.Before}
		}
	case Stage:
		possible = s.Phase == Published || s.Phase == Queued || s.Phase == Staging
	case Promote: // the first attempt is the claim, which an Alarm makes
		possible = s.Phase == Promoting
	case RestoreBeta:
		possible, before = s.Needs(c.Work), Publish
	case RestoreStaging:
		possible, before = s.Needs(c.Work), Stage
	}
	if !possible {
		if c.Work == RestoreBeta || c.Work == RestoreStaging {
			return nil, nil
		}
		return nil, past(s, phaseOf(c.Work))
	}
	for _, w := range []Work{before, c.Work} {
		if a, ok := s.Attempts[w]; ok && a.Instance != c.Instance && c.At.Before(a.Deadline()) {
			return nil, &BusyError{Work: w, Instance: a.Instance, Until: a.Deadline()}
		}
	}
	n := s.Attempts[c.Work].Number + 1
	if n > MaxAttempts {
		why := fmt.Sprintf("%s was begun %d times and never finished", c.Work, MaxAttempts)
		if s.Phase.Ended() {
			return []Event{WasDone{Work: c.Work, Note: "given up: " + why, At: c.At}}, nil
		}
		return []Event{WasFailed{Said{By: c.Instance, At: c.At, Reason: why}}}, nil
	}
	return []Event{WasBegun{
		Work: c.Work, Plan: plan, At: c.At,
		Attempt: Attempt{Number: n, Instance: c.Instance, Timeout: c.Timeout},
	}}, nil
}

func finish(s State, c Finish) ([]Event, error) {
	if _, ok := s.Attempts[c.Work]; !ok {
		return nil, past(s, phaseOf(c.Work))
	}
	switch c.Work {
	case Publish, Stage, Promote:
		if s.Phase.Ended() {
			return nil, ErrEnded
		}
	case RestoreBeta, RestoreStaging:
	}
	return []Event{WasDone(c)}, nil
}

// alarm decides the one moment that cannot be taken back lightly: whether to claim.
func alarm(s State, c Alarm) []Event {
	if !s.Ready(c.At) {
		return nil
	}
	system := func(unwatched time.Duration, format string, args ...any) []Event {
		said := Said{By: c.Instance, At: c.At, Reason: fmt.Sprintf(format, args...)}
		return []Event{WasHeld{Holding: Holding{Said: said, System: true, Unwatched: unwatched}}}
	}
	if c.TooNew != "" {
		return []Event{WasSuperseded{Newer: c.TooNew, At: c.At}}
	}
	if s.Expedited == nil {
		soak := s.Delay()
		if need := soak / 100 * MinCoverage; c.Watched < need {
			return system(soak-c.Watched, "watched for %s of %s, less than %d%%: resume it to soak the rest, expedite it to promote it unwatched",
				c.Watched.Round(time.Second), soak.Round(time.Second), MinCoverage)
		}
		if late := c.At.Sub(s.Due); s.Policy.MaxOverdue > 0 && late > s.Policy.MaxOverdue {
			return system(0, "overdue by %s, more than max_overdue %s: resume it to promote it after all",
				late.Round(time.Second), s.Policy.MaxOverdue)
		}
	}
	return []Event{WasBegun{
		Work: Promote, Before: c.Before, At: c.At,
		Attempt: Attempt{Number: 1, Instance: c.Instance, Timeout: c.Timeout},
	}}
}

func request(s State, r Request) ([]Event, error) {
	switch {
	case s.Phase == None || r.Seq <= s.Folded:
		return nil, nil
	case s.Phase == Promoting && (s.Claim == 0 || r.Settled != s.Claim):
		return nil, fmt.Errorf("%s of sequence %d: %w", r.Verb, r.Seq, ErrUnsettled)
	}
	return []Event{answer(s, r)}, nil
}

// answer is the one event that answers a request. What it refuses does not stop a claim.
func answer(s State, r Request) Event {
	said := Said{By: r.Actor, At: r.At, Reason: r.Reason}
	refuse := func(format string, args ...any) Event {
		return WasRefused{Verb: r.Verb, Seq: r.Seq, Said: Said{By: r.Actor, At: r.At, Reason: fmt.Sprintf(format, args...)}}
	}
	switch {
	case r.Invalid != "" && r.Verb != Cancel && r.Verb != Hold:
		return refuse("%s", r.Invalid)
	case s.Phase.Ended():
		return refuse("too late: the release is %s", s.Phase)
	case s.Phase == Promoting && r.Seq > s.Claim:
		return refuse("too late: the promotion was claimed at sequence %d, this request is %d", s.Claim, r.Seq)
	case s.Phase == Promoting && !r.Verb.Stops():
		return refuse("nothing to %s: the release is being promoted", r.Verb)
	}
	switch r.Verb {
	case Cancel:
		return WasCancelled{Said: said, Seq: r.Seq, Evidence: r.Evidence}
	case Hold:
		if s.Held != nil && !s.Held.System {
			return refuse("already held by %s", s.Held.who())
		}
		return WasHeld{Holding: Holding{Said: said}, Seq: r.Seq}
	case Resume:
		if s.Held == nil {
			return refuse("it is not held")
		}
		if s.Held.System && r.At.Before(s.Held.At) {
			return refuse("it was not held then; since %s it is: %s", s.Held.At.UTC().Format(time.RFC3339), s.Held.Reason)
		}
		resumed := WasResumed{Said: said, Seq: r.Seq}
		if s.Phase == Held {
			resumed.Due = later(r.At, s.SoakFrom).Add(s.Remaining + s.Held.Unwatched)
		}
		return resumed
	case Extend:
		if r.By <= 0 || r.By > MaxExtend {
			return refuse("extend by %s: want more than 0 and at most %s", r.By, MaxExtend)
		}
		if s.Extra > MaxExtra-r.By {
			return refuse("extended by %s already; all together may be at most %s: hold it instead", s.Extra, MaxExtra)
		}
		return WasExtended{Said: said, Seq: r.Seq, By: r.By}
	case Expedite:
		if s.Held != nil && !s.Held.System {
			return refuse("held by %s: resume it first", s.Held.who())
		}
		if s.Expedited != nil {
			return refuse("already expedited by %s", s.Expedited.who())
		}
		return WasExpedited{Said: said, Seq: r.Seq}
	}
	return refuse("unknown request %q", r.Verb)
}

func fail(s State, c Fail) ([]Event, error) {
	if s.Phase == None || s.Phase.Ended() {
		return nil, past(s, Promoting)
	}
	if c.Instance != "" && len(s.Attempts) == 0 {
		return nil, nil // it was taken over, and is done
	}
	for w, a := range s.Attempts { // at most one: of the phase's work
		if c.Instance != "" && a.Instance != c.Instance {
			return nil, &BusyError{Work: w, Instance: a.Instance, Until: a.Deadline()}
		}
	}
	return []Event{WasFailed{Said{By: c.By, At: c.At, Reason: c.Reason}}}, nil
}

// past explains why a command of that phase causes nothing: nil for a live release that is past it.
func past(s State, p Phase) error {
	if s.Phase.Ended() {
		return fmt.Errorf("%s is %s: %w", s.Release, s.Phase, ErrEnded)
	}
	if slices.Index(Phases(), s.Phase) > slices.Index(Phases(), p) {
		return nil
	}
	if s.Phase == None {
		return fmt.Errorf("there is no such release yet: %w", ErrPhase)
	}
	return fmt.Errorf("%s is only %s: %w", s.Release, s.Phase, ErrPhase)
}

// phaseOf is the phase in which a work is done; of the restores, the last that a live release is in.
func phaseOf(w Work) Phase {
	switch w {
	case Publish:
		return Publishing
	case Stage:
		return Staging
	case Promote, RestoreBeta, RestoreStaging:
	}
	return Promoting
}
