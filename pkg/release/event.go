package release

import "time"

// Event is one journal record's change.
//
//sumtype:decl
type Event interface {
	// Name is the event's word in the journal.
	Name() string
	event()
}

// The events. Their fields are what Evolve needs and what a reader of the journal wants to know.
type (
	// WasMerged begins the journal.
	WasMerged struct {
		Release, Project string
		Merge            Merge
		Policy           Policy
		At               time.Time
	}
	// WasBegun is the intent of an outside action: publishing, staging, promoting (the claim, and its later attempts), restoring.
	WasBegun struct {
		Work    Work
		Attempt Attempt
		Plan    Plan   // publish
		Before  string // promote: what the channel pointed to
		At      time.Time
	}
	// WasDone is a finished outside action: published, staged, promoted, restored.
	WasDone struct {
		Work        Work
		Value, Note string
		Failed      bool // restored: it could not be put back, and is not tried again; Note says why
		At          time.Time
	}
	// WasQueued: the lane is occupied.
	WasQueued struct {
		Behind string
		At     time.Time
	}
	// WasSoaked starts the delay; the soak is over at Due unless something changes it.
	WasSoaked struct{ Due, At time.Time }
	// WasHeld stops the clock.
	WasHeld struct {
		Holding Holding
		Seq     uint64 // of the request; 0 when Sluice held it
	}
	// WasResumed starts the clock again.
	WasResumed struct {
		Said Said
		Seq  uint64
		Due  time.Time // zero before the soak
		// Prolonged is how much soak is added for what nobody watched, when Sluice itself resumed it.
		Prolonged time.Duration
	}
	// WasExtended lengthens the soak.
	WasExtended struct {
		Said Said
		Seq  uint64
		By   time.Duration
	}
	// WasExpedited shortens the soak to nothing, or moves a queued release to the head of its lane.
	WasExpedited struct {
		Said  Said
		Seq   uint64
		Force bool
	}
	// WasApproved counts an approval.
	WasApproved struct {
		Said Said
		Seq  uint64
	}
	// WasPostponed lets a release wait whose delay is over.
	WasPostponed struct {
		Obstacle Obstacle
		At       time.Time
	}
	// WasPassed sends the release on to its next stage.
	WasPassed struct{ At time.Time }
	// WasBaking: the promotion is done outside, and production is watched now.
	WasBaking struct {
		Value, Note string
		At          time.Time
	}
	// WasRetried takes up a failed release again.
	WasRetried struct {
		Said Said
		Seq  uint64
	}
	// WasRecalled: the promotion is to be taken back.
	WasRecalled struct {
		Said     Said
		Seq      uint64
		Evidence string
	}
	// WasNotRolledBack: it could not be taken back; the release is what it was before.
	WasNotRolledBack struct{ Said Said }
	// WasCancelled ends the release without promotion.
	WasCancelled struct {
		Said     Said
		Seq      uint64
		Evidence string
	}
	// WasFailed ends the release because something outside went wrong.
	WasFailed struct{ Said Said }
	// WasSuperseded ends the release in favour of a newer one.
	WasSuperseded struct {
		Newer string
		At    time.Time
	}
	// WasRefused answers a request that changes nothing: too late, or not applicable.
	WasRefused struct {
		Verb Verb
		Seq  uint64
		Said Said // who asked, and in Reason why it was refused
	}
)

// Attention says in one line why somebody should look at the release: Sluice itself held it, or it, or its rollback, or putting back
// what it left, failed. It is empty for all other events.
func Attention(e Event) string {
	switch e := e.(type) {
	case WasHeld:
		if e.Holding.System {
			return "held: " + e.Holding.Reason
		}
	case WasFailed:
		return "failed: " + e.Said.Reason
	case WasNotRolledBack:
		return "not rolled back: " + e.Said.Reason
	case WasDone:
		if e.Failed {
			return string(e.Work) + ": " + e.Note
		}
	case WasMerged, WasBegun, WasQueued, WasSoaked, WasResumed, WasExtended, WasExpedited, WasApproved, WasPostponed, WasPassed,
		WasBaking, WasRetried, WasRecalled, WasCancelled, WasSuperseded, WasRefused:
	}
	return ""
}

// SaidOf is who made the event happen, and why, where somebody did. Not all of them have a time.
func SaidOf(e Event) Said {
	switch e := e.(type) {
	case WasMerged:
		return Said{By: e.Merge.Actor}
	case WasHeld:
		return e.Holding.Said
	case WasResumed:
		return e.Said
	case WasExtended:
		return e.Said
	case WasExpedited:
		return e.Said
	case WasApproved:
		return e.Said
	case WasRetried:
		return e.Said
	case WasRecalled:
		return e.Said
	case WasNotRolledBack:
		return e.Said
	case WasCancelled:
		return e.Said
	case WasFailed:
		return e.Said
	case WasRefused:
		return e.Said
	case WasPostponed:
		return Said{Reason: e.Obstacle.Why}
	case WasSuperseded:
		return Said{Reason: "superseded by " + e.Newer}
	case WasBegun, WasDone, WasQueued, WasSoaked, WasPassed, WasBaking:
	}
	return Said{}
}

// Name gives a WasBegun the word of its work.
func (e WasBegun) Name() string {
	switch e.Work {
	case Publish:
		return string(Publishing)
	case Stage:
		return string(Staging)
	case Promote:
		return string(Promoting)
	case Rollback:
		return string(RollingBack)
	case RestoreBeta, RestoreStaging:
	}
	return "restoring"
}

// Name gives a WasDone the word of its work.
func (e WasDone) Name() string {
	switch e.Work {
	case Publish:
		return string(Published)
	case Stage:
		return string(Staged)
	case Promote:
		return string(Promoted)
	case Rollback:
		return string(RolledBack)
	case RestoreBeta, RestoreStaging:
	}
	return "restored"
}

// Name is "merged".
func (WasMerged) Name() string { return string(Merged) }

// Name is "queued".
func (WasQueued) Name() string { return string(Queued) }

// Name is "soaking".
func (WasSoaked) Name() string { return string(Soaking) }

// Name is "held".
func (WasHeld) Name() string { return string(Held) }

// Name is "resumed".
func (WasResumed) Name() string { return "resumed" }

// Name is "extended".
func (WasExtended) Name() string { return "extended" }

// Name is "expedited".
func (WasExpedited) Name() string { return "expedited" }

// Name is "approved".
func (WasApproved) Name() string { return "approved" }

// Name is "postponed".
func (WasPostponed) Name() string { return "postponed" }

// Name is "passed".
func (WasPassed) Name() string { return string(Passed) }

// Name is "baking".
func (WasBaking) Name() string { return string(Baking) }

// Name is "retried".
func (WasRetried) Name() string { return "retried" }

// Name is "recalled".
func (WasRecalled) Name() string { return "recalled" }

// Name is "rollback-failed".
func (WasNotRolledBack) Name() string { return "rollback-failed" }

// Name is "cancelled".
func (WasCancelled) Name() string { return string(Cancelled) }

// Name is "failed".
func (WasFailed) Name() string { return string(Failed) }

// Name is "superseded".
func (WasSuperseded) Name() string { return string(Superseded) }

// Name is "refused".
func (WasRefused) Name() string { return "refused" }

func (WasMerged) event()        {}
func (WasBegun) event()         {}
func (WasDone) event()          {}
func (WasQueued) event()        {}
func (WasSoaked) event()        {}
func (WasHeld) event()          {}
func (WasResumed) event()       {}
func (WasExtended) event()      {}
func (WasExpedited) event()     {}
func (WasApproved) event()      {}
func (WasPostponed) event()     {}
func (WasPassed) event()        {}
func (WasBaking) event()        {}
func (WasRetried) event()       {}
func (WasRecalled) event()      {}
func (WasNotRolledBack) event() {}
func (WasCancelled) event()     {}
func (WasFailed) event()        {}
func (WasSuperseded) event()    {}
func (WasRefused) event()       {}
