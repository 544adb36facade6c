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
		return startSoak(s, c)
	case Postpone:
		if s.Phase != Promoting || s.Claim == 0 || c.Claim != s.Claim {
			return nil, past(s, Promoting)
		}
		return []Event{WasPostponed{Obstacle: c.Obstacle, At: c.At}}, nil
	case Expire:
		return expire(s, c), nil
	case Prolong:
		return prolong(s, c), nil
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
		if s.Beta != "" { // the first attempt fixed the names, and may have published them
			plan.Version, plan.Beta, plan.Digest = s.Version, s.Beta, s.Digest
		}
		if s.BetaChannel.Touched { // a later attempt would see its own beta there
			plan.Before = s.BetaChannel.Before
		}
	case Stage:
		possible = s.Phase == Published || s.Phase == Passed || s.Phase == Queued && !s.Soaked || s.Phase == Staging
	case Promote: // the first attempt is the claim, which an Alarm makes
		possible = s.Phase == Promoting
	case Rollback:
		possible = s.Phase == RollingBack
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
			return []Event{WasDone{Work: c.Work, Note: "given up: " + why, Failed: true, At: c.At}}, nil
		}
		return []Event{failed(s, Said{By: c.Instance, At: c.At, Reason: why})}, nil
	}
	return []Event{WasBegun{
		Work: c.Work, Plan: plan, At: c.At,
		Attempt: Attempt{Number: n, Instance: c.Instance, Timeout: c.Timeout},
	}}, nil
}

func finish(s State, c Finish) ([]Event, error) {
	a, ok := s.Attempts[c.Work]
	if !ok {
		return nil, past(s, phaseOf(c.Work))
	}
	switch c.Work {
	case Publish, Stage, Promote, Rollback:
		if s.Phase.Ended() {
			return nil, ErrEnded
		}
	case RestoreBeta, RestoreStaging:
	}
	if c.Instance != "" && a.Instance != c.Instance {
		return nil, &BusyError{Work: c.Work, Instance: a.Instance, Until: a.Deadline()}
	}
	if c.Work == Promote && s.Policy.Bake > 0 {
		return []Event{WasBaking{Value: c.Value, Note: c.Note, At: c.At}}, nil
	}
	restores := c.Work == RestoreBeta || c.Work == RestoreStaging
	return []Event{WasDone{Work: c.Work, Value: c.Value, Note: c.Note, Failed: c.Failed && restores, At: c.At}}, nil
}

func startSoak(s State, c StartSoak) ([]Event, error) {
	switch {
	case s.Phase == Queued && s.Soaked:
		return []Event{WasSoaked{Due: c.At.Add(s.Remaining), At: c.At}}, nil
	case s.Phase != Staged:
		return nil, past(s, Staged)
	}
	return []Event{WasSoaked{Due: s.SoakFrom.Add(s.Delay()), At: c.At}}, nil
}

func expire(s State, c Expire) []Event {
	at, limited := s.Deadline()
	if !limited || c.At.Before(at) {
		return nil
	}
	what, since := "stuck in "+string(s.Phase), s.PhaseAt
	switch {
	case s.Phase == Held:
		what = fmt.Sprintf("held by %s for too long", s.Held.who())
	case s.Phase == Queued:
		what = "queued for too long"
	case s.Postponed != nil:
		what, since = "waited for too long: "+s.Postponed.Why, s.Postponed.Since
	}
	return []Event{failed(s, Said{By: "sluice", At: c.At, Reason: fmt.Sprintf("%s, since %s: look at the services, then retry it",
		what, since.UTC().Format(time.RFC3339))})}
}

// failed is what a failure means in the phase that the release is in: a rollback that fails leaves it as it was before.
func failed(s State, why Said) Event {
	if s.Phase == RollingBack {
		return WasNotRolledBack{why}
	}
	return WasFailed{why}
}

func fail(s State, c Fail) ([]Event, error) {
	if s.Phase == None || s.Phase.Ended() {
		return nil, past(s, Promoting)
	}
	if s.Phase == Baking || c.Instance != "" && len(s.Attempts) == 0 {
		return nil, nil // it was taken over, and is done
	}
	for w, a := range s.Attempts { // at most one: of the phase's work
		if c.Instance != "" && a.Instance != c.Instance {
			return nil, &BusyError{Work: w, Instance: a.Instance, Until: a.Deadline()}
		}
	}
	return []Event{failed(s, Said{By: c.By, At: c.At, Reason: c.Reason})}, nil
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

// phaseOf is the phase in which a work is done; of the restores, the last before the end.
func phaseOf(w Work) Phase {
	switch w {
	case Publish:
		return Publishing
	case Stage:
		return Staging
	case Rollback:
		return RollingBack
	case Promote, RestoreBeta, RestoreStaging:
	}
	return Promoting
}
