package release

import (
	"maps"
	"slices"
	"time"
)

// Evolve applies an event to a state. It is total: it never fails, and an event that it does not know changes nothing.
func Evolve(s State, e Event) State {
	after := evolve(s, e)
	if after.Phase != s.Phase {
		after.PhaseAt = time.Time{} // stamped with the record's time
	}
	return after
}

func evolve(s State, e Event) State {
	switch e := e.(type) {
	case WasMerged:
		return State{
			Release: e.Release, Project: e.Project, Phase: Merged, Merge: e.Merge, Policy: e.Policy,
			Version: e.Merge.Version, MergedAt: e.At,
		}
	case WasBegun:
		return begun(s, e)
	case WasDone:
		return done(s, e)
	case WasQueued:
		s.Phase, s.Behind = Queued, e.Behind
	case WasSoaked:
		return soaked(s, e)
	case WasHeld:
		return wasHeld(s, e)
	case WasResumed:
		return resumed(s, e)
	case WasExtended:
		return extended(s, e)
	case WasExpedited:
		return expedited(s, e)
	case WasCancelled:
		s = unclaim(s)
		s.Phase, s.End, s.Evidence, s.Postponed = Cancelled, e.Said, e.Evidence, nil
		s.Folded = max(s.Folded, e.Seq)
	case WasApproved:
		s.Approved = append(slices.Clone(s.Approved), e.Said)
		s.Folded = max(s.Folded, e.Seq)
	case WasPostponed:
		s = unclaim(s)
		since := e.At
		if s.Postponed != nil && s.Postponed.Kind == e.Obstacle.Kind { // the same, with something new to say of it
			since = s.Postponed.Since
		}
		s.Phase, s.Postponed = Soaking, &Postponement{Obstacle: e.Obstacle, Since: since}
	case WasPassed:
		return passed(s)
	case WasBaking:
		s.Attempts = without(s.Attempts, Promote)
		s.Phase, s.Latest.Value, s.Latest.Note = Baking, e.Value, e.Note
	case WasRetried:
		return retried(s, e)
	case WasRecalled:
		said := e.Said
		s.Recalled, s.RecalledIn, s.Evidence = &said, s.Phase, e.Evidence
		s.Phase, s.Attempts = RollingBack, nil
		s.Folded = max(s.Folded, e.Seq)
	case WasNotRolledBack:
		return notRolledBack(s, e)
	case WasFailed:
		s.Reached = s.Reached || s.Phase == Promoting
		s.FailedIn, s.Postponed = s.Phase, nil
		s.Phase, s.End, s.Attempts = Failed, e.Said, nil
		s.Failures++
	case WasSuperseded:
		s.Phase, s.End, s.Postponed = Superseded, Said{At: e.At, Reason: "superseded by " + e.Newer}, nil
	case WasRefused:
		return refused(s, e)
	}
	return s
}

// soaked starts the clock, or stops it at its beginning if the release was held before it began.
func soaked(s State, e WasSoaked) State {
	from := s.SoakFrom
	if s.Soaked { // of its soak nothing is left, but for what it was extended by since
		from = e.At
	}
	s.Phase, s.Due, s.Soaked = Soaking, e.Due, false
	if s.Held != nil {
		s.Phase, s.Remaining = Held, e.Due.Sub(from)
	}
	return s
}

func wasHeld(s State, e WasHeld) State {
	switch s.Phase { //nolint:exhaustive // before the soak the clock does not run: the hold is only remembered
	case Soaking:
		s = hold(s, e.Holding.At)
	case Promoting: // an ineffective claim
		s = hold(unclaim(s), e.Holding.At)
	}
	h := e.Holding
	if s.Held != nil {
		h.Unwatched = s.Held.Unwatched
	}
	s.Held, s.Expedited, s.Forced, s.Postponed = &h, nil, false, nil
	s.Folded = max(s.Folded, e.Seq)
	return s
}

func resumed(s State, e WasResumed) State {
	if s.Phase == Held {
		s.Phase, s.Due = Soaking, e.Due
		if s.Held != nil {
			s.Remaining += s.Held.Unwatched
		}
	} else if s.Phase == Staged { // what was held has not soaked
		s.SoakFrom = later(s.SoakFrom, e.Said.At)
	}
	s.Held = nil
	s.Prolonged += e.Prolonged
	s.Folded = max(s.Folded, e.Seq)
	return s
}

func expedited(s State, e WasExpedited) State {
	said := e.Said
	s.Expedited, s.Forced = &said, e.Force
	s.Held, s.Postponed = nil, nil // what is in the way is looked at anew
	if s.Phase == Held {
		s.Phase, s.Due, s.Remaining = Soaking, e.Said.At, 0
	}
	s.Folded = max(s.Folded, e.Seq)
	return s
}

// notRolledBack is what the release was before. A bake does not go on: what was seen spoke against it.
func notRolledBack(s State, e WasNotRolledBack) State {
	s.Phase, s.Attempts = s.RecalledIn, nil
	s.Failures++
	if !s.Phase.Ended() {
		s.Phase = Promoted
	}
	s.Latest.Note = joined(s.Latest.Note, "rollback failed: "+e.Said.Reason)
	return s
}

func refused(s State, e WasRefused) State {
	if e.Verb == Cancel && (s.Phase == Promoting || s.Phase == Failed || s.Phase == RollingBack) {
		said := e.Said
		s.LateCancel = &said
	}
	s.Folded = max(s.Folded, e.Seq)
	return s
}

// passed sends a release on: what is the stage's begins anew.
func passed(s State) State {
	s.Phase = Passed
	s.Passed = append(slices.Clone(s.Passed), s.Staging)
	s.Stage++
	s.Staging, s.Approved, s.Postponed = Channel{}, nil, nil
	s.StagedAt, s.SoakFrom, s.Due, s.Remaining = time.Time{}, time.Time{}, time.Time{}, 0
	s.Extra, s.Prolonged = 0, 0
	return s
}

// retried takes up what failed: after a failed promotion the lane is needed again, and nothing else; before, what was put
// back has to be done again, from the first stage.
func retried(s State, e WasRetried) State {
	s.Folded = max(s.Folded, e.Seq)
	s.End, s.Evidence, s.Attempts, s.Behind, s.Claim = Said{}, "", nil, "", 0
	if !s.Soaked {
		s.Remaining = 0
	}
	s.Held, s.Expedited, s.Forced = nil, nil, false
	if s.FailedIn == Promoting || s.Soaked { // or it failed again while it waited for its lane
		s.Phase, s.Soaked = Queued, true
		return s
	}
	s.Phase = Published
	if s.BetaChannel.Restored || s.FailedIn == Merged || s.FailedIn == Publishing {
		s.Phase = Merged
	}
	switch {
	case s.BetaChannel.Failed: // it was not put back: what it pointed to before is what it is put back to
		s.BetaChannel.Restored, s.BetaChannel.Failed, s.BetaChannel.Note = false, false, ""
	case s.BetaChannel.Restored: // others may have moved it on meanwhile
		s.BetaChannel = Channel{}
	}
	if restored := func(c Channel) bool { return c.Restored }; restored(s.Staging) || slices.ContainsFunc(s.Passed, restored) {
		s.Stage, s.Passed, s.Approved = 0, nil, nil
	}
	s.Staging = Channel{}
	s.StagedAt, s.SoakFrom, s.Due = time.Time{}, time.Time{}, time.Time{}
	return s
}

func begun(s State, e WasBegun) State {
	s.Attempts = maps.Clone(s.Attempts)
	if s.Attempts == nil {
		s.Attempts = map[Work]Attempt{}
	}
	s.Attempts[e.Work] = e.Attempt
	switch e.Work {
	case Publish:
		if !s.BetaChannel.Touched { // a later attempt would see its own beta there
			s.BetaChannel = Channel{Touched: true, Before: e.Plan.Before}
			s.Version, s.Beta, s.Digest = e.Plan.Version, e.Plan.Beta, e.Plan.Digest
		}
		s.Phase = Publishing
	case Stage:
		s.Phase, s.Behind, s.Staging.Touched = Staging, "", true
	case Promote:
		if s.Phase != Promoting {
			s.Phase, s.Claim, s.Postponed = Promoting, 0, nil // stamped with the record's sequence
			if !s.Reached {                                   // what a failed promotion left there is not what was before
				s.Latest = Channel{Touched: true, Before: e.Before}
			}
		}
	case RestoreBeta, RestoreStaging, Rollback:
	}
	return s
}

func done(s State, e WasDone) State {
	s.Attempts = without(s.Attempts, e.Work)
	switch e.Work {
	case Publish:
		s.Phase, s.BetaChannel.Value, s.BetaChannel.Note = Published, e.Value, e.Note
	case Stage:
		s.Phase, s.Staging.Value, s.Staging.Note = Staged, e.Value, e.Note
	case Promote:
		s.Phase, s.Latest.Value, s.Latest.Note = Promoted, e.Value, e.Note
		s.End = Said{At: e.At}
	case RestoreBeta:
		s.BetaChannel.Restored, s.BetaChannel.Failed, s.BetaChannel.Note = true, e.Failed, e.Note
		s.Attempts = without(s.Attempts, Publish)
	case RestoreStaging:
		s.Attempts = without(s.Attempts, Stage)
		switch i, ok := s.LeftStage(); {
		case ok && i == s.Stage:
			s.Staging.Restored, s.Staging.Failed, s.Staging.Note = true, e.Failed, e.Note
		case ok:
			s.Passed = slices.Clone(s.Passed)
			s.Passed[i].Restored, s.Passed[i].Failed, s.Passed[i].Note = true, e.Failed, e.Note
		}
	case Rollback:
		s.Phase, s.Latest.Note = RolledBack, e.Note
		s.Latest.Restored = true
		s.End = Said{At: e.At}
		if s.Recalled != nil {
			s.End.By, s.End.Reason = s.Recalled.By, s.Recalled.Reason
		}
	}
	return s
}

func without(attempts map[Work]Attempt, w Work) map[Work]Attempt {
	attempts = maps.Clone(attempts)
	delete(attempts, w)
	return attempts
}

func extended(s State, e WasExtended) State {
	if s.Phase == Promoting { // an ineffective claim
		s = unclaim(s)
		s.Phase = Soaking
	}
	s.Extra += e.By
	switch s.Phase { //nolint:exhaustive // before the soak the extension is only remembered
	case Soaking:
		s.Due = later(s.Due, e.Said.At).Add(e.By)
		s.Remaining += e.By
	case Held:
		s.Remaining += e.By
	case Queued:
		if s.Soaked {
			s.Remaining += e.By
		}
	}
	s.Expedited, s.Forced, s.Postponed = nil, false, nil
	s.Folded = max(s.Folded, e.Seq)
	return s
}

// hold stops the clock at a time; what was asked for before the soak stops it at its beginning.
func hold(s State, at time.Time) State {
	s.Phase, s.Remaining = Held, max(0, s.Due.Sub(later(at, s.SoakFrom)))
	return s
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// unclaim takes an ineffective claim back.
func unclaim(s State) State {
	if s.Phase == Promoting {
		s.Claim = 0
		if !s.Reached {
			s.Latest = Channel{}
		}
		s.Attempts = without(s.Attempts, Promote)
	}
	return s
}
