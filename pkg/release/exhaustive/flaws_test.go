package exhaustive

import "github.com/sluice-gate/sluice/pkg/release"

// flaw is a guard that is missing from the protocol. A search with one of them must find what it breaks.
type flaw struct {
	// Settling.
	neverSettles        bool // takes every claim for effective
	believesAnyAnswer   bool // settles with an answer that does not contain the claim
	settlesCancelsOnly  bool // holds and extensions before a claim do not count
	actsUnsettled       bool // runs the driver as soon as the claim is stored
	answersUnsettled    bool // answers requests before it has settled, from a read of last messages
	settlesWithoutStops bool // a pause before a claim does not count
	settlesOnce         bool // takes the claim of a release that was retried for settled
	guardsByWildcard    bool // does not settle, but has the broker check that there are no requests before the claim
	inFlight            int  // how many messages the broker has not applied yet when it checks that

	// The journal.
	appendsBlindly          bool // appends without compare-and-set
	repeatsAfterConflict    bool // when another was faster, appends again what it had decided, and does not look again
	givesUpAfterConflict    bool // when another was faster, takes its hint for done
	ignoresFolded           bool // looks at all requests again and again
	answersBeforePostponing bool // answers requests before it takes back a claim that only a pause makes ineffective
	answersNewest           bool // answers only the newest request
	readsLastOnly           bool // does not read what is hidden by a later message on the same subject
	obeysLateRequests       bool // takes a request after the claim for one before it
	wakesTheDead            bool // takes an ended release for a soaking one

	// The clock.
	obeysEarlyAlarms bool // takes an alarm's word that it is time
	ignoresOverdue   bool // claims however late it is
	ignoresWatch     bool // takes every soak for watched
	ignoresHolds     bool // takes a held release for a soaking one
	overridesHolds   bool // takes a person's hold for Sluice's own, which an expedite ends

	// The project.
	ignoresStops         bool // promotes though the project is paused
	ignoresWords         bool // does not wake who waits when a pause is over
	ignoresApprovals     bool // takes every release for approved
	ignoresLateCancels   bool // retries what was cancelled too late
	gateBelievesReplicas bool // takes what a replica shows that lags behind for what stops the project

	// Attempts.
	rollsBackUnannounced    bool // rolls back without a record that says so
	finishesWhatIsNotItsOwn bool // reports the end of an attempt, whoever is at it now
	takesOverEarly          bool // does not wait for the deadline of another's attempt
	actsLate                bool // does not look at its own deadline before it writes
	failsWhatIsNotItsOwn    bool // fails the release though its attempt was taken over

	// Hints.
	acksFirst             bool // acknowledges a hint before anything was done
	acksBeforeArming      bool // acknowledges an alarm before the next is armed
	acksWhenBusy          bool // acknowledges a hint because another is at the work
	forgetsEarlyAlarms    bool // acknowledges an early alarm as if there were a later one
	hintsBelieveReplicas  bool // looks for a message at a replica that does not have it yet
	alarmsBelieveReplicas bool // takes an alarm for done by what a replica shows that lags behind
	armsBlindly           bool // does not look whether the record that it armed by is the last
	armsForNoHold         bool // relies on the soak's alarm for the deadline of a hold
	armsForTheLastOnly    bool // takes a hint that comes again for done, because there is a later record
}

// seen is what a flawed promoter takes a state for.
func (f flaw) seen(s release.State) release.State {
	if f.ignoresFolded {
		s.Folded = 0
	}
	if f.ignoresOverdue {
		s.Policy.MaxOverdue = 0
	}
	if f.ignoresHolds && s.Phase == release.Held {
		s.Phase, s.Held = release.Soaking, nil
	}
	if f.ignoresApprovals {
		s.Policy.Approvals = 0
	}
	if f.ignoresLateCancels {
		s.LateCancel = nil
	}
	if f.overridesHolds && s.Held != nil {
		h := *s.Held
		h.System = true
		s.Held = &h
	}
	if f.obeysLateRequests && s.Phase == release.Promoting {
		s.Claim = lastSeq
	}
	if f.wakesTheDead && s.Phase.Ended() {
		s.Phase, s.Claim = release.Soaking, 0
	}
	return s
}

// keepsStale tells whether an append that was decided on an earlier record is more than a conflict.
func (f flaw) keepsStale() bool {
	return f.appendsBlindly || f.repeatsAfterConflict || f.givesUpAfterConflict
}
