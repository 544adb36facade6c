package release

import (
	"errors"
	"fmt"
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
// command is harmless; ErrEnded, ErrPhase, ErrTaken or a *BusyError when it can not be obeyed.
//
// A [Request] always causes an event unless it was answered before: its sender is told, if only that it came too late.
func Decide(s State, c Command) ([]Event, error) {
	switch c := c.(type) {
	case Admit:
		return admit(s, c)
	case Request:
		return request(s, c), nil
	case Begin:
		return begin(s, c)
	case Alarm:
		return alarm(s, c), nil
	case Finish:
		return finish(s, c)
	case Fail:
		return live(s, WasFailed{Said{By: c.By, At: c.At, Reason: c.Reason}})
	case Wait:
		if s.Phase != Published && (s.Phase != Queued || s.Behind == c.Behind) {
			return nil, ended(s)
		}
		return []Event{WasQueued(c)}, nil
	case Displace:
		if s.Phase == Superseded {
			return nil, nil
		}
		if s.Phase != Published && s.Phase != Queued {
			return nil, fmt.Errorf("%s %s can not be displaced: %w", s.Phase, s.Release, ErrPhase)
		}
		return []Event{WasSuperseded(c)}, nil
	case StartSoak:
		if s.Phase != Staged {
			return nil, ended(s)
		}
		return []Event{WasSoaked{Due: s.StagedAt.Add(s.Delay()), At: c.At}}, nil
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
	switch c.Work {
	case Publish:
		possible = s.Phase == Merged || s.Phase == Publishing
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
		return nil, ended(s)
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
		Work: c.Work, Plan: c.Plan, At: c.At,
		Attempt: Attempt{Number: n, Instance: c.Instance, Timeout: c.Timeout},
	}}, nil
}

func finish(s State, c Finish) ([]Event, error) {
	if _, ok := s.Attempts[c.Work]; !ok {
		return nil, ended(s)
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
		if late := c.At.Sub(s.Due); s.Policy.MaxOverdue > 0 && late > s.Policy.MaxOverdue {
			return system(0, "overdue by %s, more than max_overdue %s: resume it to promote it after all",
				late.Round(time.Second), s.Policy.MaxOverdue)
		}
		soak := s.Due.Sub(s.SoakFrom)
		if need := soak / 100 * MinCoverage; soak > 0 && c.Watched < need {
			return system(soak-c.Watched, "watched for %s of %s, less than %d%%: resume it to soak the rest, expedite it to promote it unwatched",
				c.Watched.Round(time.Second), soak.Round(time.Second), MinCoverage)
		}
	}
	return []Event{WasBegun{
		Work: Promote, Before: c.Before, At: c.At,
		Attempt: Attempt{Number: 1, Instance: c.Instance, Timeout: c.Timeout},
	}}
}

// request answers every request with exactly one event, in the order of the stream.
func request(s State, r Request) []Event {
	said := Said{By: r.Actor, At: r.At, Reason: r.Reason}
	refuse := func(format string, args ...any) []Event {
		return []Event{WasRefused{Verb: r.Verb, Seq: r.Seq, Said: Said{By: r.Actor, At: r.At, Reason: fmt.Sprintf(format, args...)}}}
	}
	switch {
	case s.Phase == None || r.Seq <= s.Folded:
		return nil
	case r.Invalid != "":
		return refuse("%s", r.Invalid)
	case s.Phase.Ended():
		return refuse("too late: the release is %s", s.Phase)
	case s.Phase == Promoting && (r.Seq > s.Claim || !r.Verb.Stops()):
		return refuse("too late: the promotion was claimed at sequence %d, this request is %d", s.Claim, r.Seq)
	}
	switch r.Verb {
	case Cancel:
		return []Event{WasCancelled{Said: said, Seq: r.Seq, Evidence: r.Evidence}}
	case Hold:
		if s.Held != nil && !s.Held.System {
			return refuse("already held by %s", s.Held.By)
		}
		return []Event{WasHeld{Holding: Holding{Said: said}, Seq: r.Seq}}
	case Resume:
		if s.Held == nil {
			return refuse("it is not held")
		}
		return []Event{WasResumed{Said: said, Seq: r.Seq, Due: r.At.Add(max(s.Remaining, s.Held.Unwatched))}}
	case Extend:
		return []Event{WasExtended{Said: said, Seq: r.Seq, By: r.By}}
	case Expedite:
		if s.Held != nil && !s.Held.System {
			return refuse("held by %s: resume it first", s.Held.By)
		}
		if s.Expedited != nil {
			return refuse("already expedited by %s", s.Expedited.By)
		}
		return []Event{WasExpedited{Said: said, Seq: r.Seq}}
	}
	return refuse("unknown request %q", r.Verb)
}

func live(s State, e Event) ([]Event, error) {
	if s.Phase.Ended() || s.Phase == None {
		return nil, ErrEnded
	}
	return []Event{e}, nil
}

// ended explains why a command has nothing to do: nil for a live release that is past it.
func ended(s State) error {
	if s.Phase.Ended() {
		return ErrEnded
	}
	return nil
}
