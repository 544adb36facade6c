package release

import (
	"maps"
	"time"
)

// Evolve applies an event to a state. It is total: it never fails, and an event that it does not know changes nothing.
func Evolve(s State, e Event) State {
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
		s.Phase, s.Due = Soaking, e.Due
		if s.Held != nil { // held before the clock began
			s.Phase, s.Remaining = Held, e.Due.Sub(s.SoakFrom)
		}
	case WasHeld:
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
		s.Held, s.Expedited = &h, nil
		s.Folded = max(s.Folded, e.Seq)
	case WasResumed:
		if s.Phase == Held {
			s.Phase, s.Due = Soaking, e.Due
			if s.Held != nil {
				s.Remaining += s.Held.Unwatched
			}
		} else if s.Phase == Staged { // what was held has not soaked
			s.SoakFrom = later(s.SoakFrom, e.Said.At)
		}
		s.Held = nil
		s.Folded = max(s.Folded, e.Seq)
	case WasExtended:
		return extended(s, e)
	case WasExpedited:
		said := e.Said
		s.Expedited = &said
		s.Held = nil
		if s.Phase == Held {
			s.Phase, s.Due, s.Remaining = Soaking, e.Said.At, 0
		}
		s.Folded = max(s.Folded, e.Seq)
	case WasCancelled:
		s = unclaim(s)
		s.Phase, s.End, s.Evidence = Cancelled, e.Said, e.Evidence
		s.Folded = max(s.Folded, e.Seq)
	case WasFailed:
		s.Phase, s.End, s.Attempts = Failed, e.Said, nil
	case WasSuperseded:
		s.Phase, s.End = Superseded, Said{At: e.At, Reason: "superseded by " + e.Newer}
	case WasRefused:
		s.Folded = max(s.Folded, e.Seq)
	}
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
			s.Phase, s.Claim = Promoting, 0 // stamped with the record's sequence
			s.Latest = Channel{Touched: true, Before: e.Before}
		}
	case RestoreBeta, RestoreStaging:
	}
	return s
}

func done(s State, e WasDone) State {
	s.Attempts = maps.Clone(s.Attempts)
	delete(s.Attempts, e.Work)
	switch e.Work {
	case Publish:
		s.Phase, s.BetaChannel.Value, s.BetaChannel.Note = Published, e.Value, e.Note
	case Stage:
		s.Phase, s.Staging.Value, s.Staging.Note = Staged, e.Value, e.Note
	case Promote:
		s.Phase, s.Latest.Value, s.Latest.Note = Promoted, e.Value, e.Note
		s.End = Said{At: e.At}
	case RestoreBeta:
		s.BetaChannel.Restored, s.BetaChannel.Note = true, e.Note
		delete(s.Attempts, Publish)
	case RestoreStaging:
		s.Staging.Restored, s.Staging.Note = true, e.Note
		delete(s.Attempts, Stage)
	}
	return s
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
	}
	s.Expedited = nil
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
		s.Claim, s.Latest = 0, Channel{}
		s.Attempts = maps.Clone(s.Attempts)
		delete(s.Attempts, Promote)
	}
	return s
}
