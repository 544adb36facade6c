package release

import "time"

// When somebody must look at a release although nothing else happens.

// Ready tells whether the delay is over, or somebody expedited: the release leaves its stage at the broker's time now, unless
// something else is in its way. Of a bake it tells whether that is over.
func (s State) Ready(now time.Time) bool {
	if s.Phase == Baking {
		return !now.Before(s.bakedAt())
	}
	return s.Phase == Soaking && (s.Expedited != nil || !now.Before(s.Due))
}

// bakedAt is when the bake is over.
func (s State) bakedAt() time.Time { return s.PhaseAt.Add(s.Policy.Bake) }

// needAgain is how often it is looked whether what a release needs is promoted by now.
const needAgain = 15 * time.Second

// Wake is when a promoter must look at the release again if nothing else happens: when the delay or the bake is over, when
// what it waits for is over by itself, or at the deadline of its phase. It is false for never: the release has ended, or the
// hint that led to the phase stays in hand until it is over (promoting). now is the broker's time.
func (s State) Wake(now time.Time) (time.Time, bool) {
	deadline, limited := s.Deadline()
	switch {
	case s.Phase == Queued && s.Policy.MaxPhase > 0: // it may leave the queue at any time, and the phases after it have a nearer deadline
		if next := now.Add(s.Policy.MaxPhase); !limited || next.Before(deadline) {
			return next, true
		}
	case s.Phase == Baking:
		return s.bakedAt(), true
	case s.Phase == Soaking && s.Postponed != nil:
		at := s.Postponed.Until
		if at.IsZero() && (s.Postponed.Kind == ByNeed || s.Postponed.Kind == ByRollback) {
			at = now.Add(needAgain)
		}
		if at.IsZero() || limited && deadline.Before(at) {
			return deadline, limited
		}
		return at, true
	case s.Phase == Soaking && s.Expedited != nil:
		return s.Expedited.At, true
	case s.Phase == Soaking:
		return s.Due, true
	}
	return deadline, limited
}

// Deadline is until when the release may stay in its phase; false for as long as it likes. What services work at is bounded
// by MaxPhase, but an attempt may use its time; what waits for its turn, for people, or for anything else of which nobody knows
// when it is over, is bounded by MaxHold. A soak, a bake and a promotion have ends of their own.
func (s State) Deadline() (time.Time, bool) {
	limit, since := s.Policy.MaxPhase, s.PhaseAt
	switch s.Phase {
	case Merged, Publishing, Published, Passed, Staging, Staged, RollingBack:
	case Queued, Held:
		limit = s.Policy.MaxHold
	case Soaking:
		if s.Postponed == nil || !s.Postponed.Until.IsZero() {
			return time.Time{}, false
		}
		limit, since = s.Policy.MaxHold, s.Postponed.Since
	case None, Promoting, Baking, Promoted, Cancelled, Failed, Superseded, RolledBack:
		limit = 0
	}
	if limit <= 0 {
		return time.Time{}, false
	}
	at := since.Add(limit)
	for _, a := range s.Attempts {
		at = later(at, a.Deadline())
	}
	return at, true
}

// Patience is how long an expedited release waits for a clean look at its checks before it is held: three heartbeats, and
// at least a minute.
func (s State) Patience() time.Duration { return max(time.Minute, 3*BeatInterval(s.Delay())) }

// gateFrom is since when the look at the checks of an expedited release counts.
func (s State) gateFrom() time.Time { return later(s.StagedAt, s.Expedited.At) }
