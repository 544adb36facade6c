package release

import (
	"cmp"
	"maps"
	"math"
	"time"
)

// State is a release as its journal tells it: the fold of its events. Every journal record carries the state after it,
// so the last record is all that a reader needs.
type State struct {
	Release string // UUIDv7
	Project string
	Phase   Phase
	Merge   Merge
	Policy  Policy

	Version string // what everybody will get
	Beta    string // the name of the beta
	Digest  string // of the artifact, fixed when publishing begins: "sha256:" and 64 hex digits

	BetaChannel Channel
	Staging     Channel
	Latest      Channel

	Attempts map[Work]Attempt // the work under way; nil or missing: none

	StagedAt  time.Time     // broker's timestamp of the staged record
	SoakFrom  time.Time     // where the soak begins: StagedAt, or the resume if it was held then
	Extra     time.Duration // all extensions, before and during the soak
	Due       time.Time     // when the delay is over (soaking); meaningless while held
	Remaining time.Duration // what is left of the delay (held); what was left when the clock was started last (soaking)
	Held      *Holding      // who stopped the clock; also set before the soak, when the clock has not begun
	Expedited *Said         // who asked not to wait

	Behind string // the release that occupies the lane (queued)
	Folded uint64 // highest stream sequence of a request that this state has answered
	Claim  uint64 // stream sequence of the claim (promoting and after); 0 for none

	MergedAt time.Time // broker's timestamp of the merge event
	End      Said      // who ended it, when, why
	Evidence string    // what the watcher measured when it cancelled; one line of JSON, or empty
}

// Merge is what a merge event asked for.
type Merge struct {
	Commit   string
	Ref      string
	URL      string
	Actor    string
	Version  string         // empty: by the project's version rule
	Artifact string         // object name in the artifact bucket, or a reference by digest
	Digest   string         // that the artifact must have; empty: whatever it has
	Delay    *time.Duration // overrides the project's soak; nil: the project's
	Attempt  int            // 1, or more after `sluice merge --again`
	Seq      uint64         // stream sequence of the merge event
}

// Policy is what of the project file decides about a release. It is pinned at the merge: a later change of the file does
// not move a release in flight.
type Policy struct {
	Revision   string // content address of the project file
	Lane       string
	Collision  Collision
	Delay      time.Duration // the soak; 0: none
	MaxOverdue time.Duration // a release overdue by more is held for a human
	PutBack    bool          // after an end without promotion, put staging and the beta channel back

	SupersedeLimit int           // how many occupants in a row may be superseded (see package lane); 0: the default
	MaxWait        time.Duration // how long after the merge of the first superseded one others may be; 0: the default
}

// Collision says what happens to a release whose lane is occupied.
type Collision string

// The collision policies.
const (
	Newest    Collision = "newest"    // the occupant finishes; of those waiting the newest stays
	Queue     Collision = "queue"     // all wait, in order
	Supersede Collision = "supersede" // the occupant is cancelled
	Reject    Collision = "reject"    // the newcomer fails
)

// Channel is what a release did to a channel (or to staging).
type Channel struct {
	Touched  bool   // an attempt to change it was begun
	Before   string // what it pointed to before, in the driver's words
	Value    string // what the release made it point to
	Restored bool   // it was put back, or found to need no putting back
	Note     string // what an operator should know of it
}

// Attempt is one try at an outside action. It is journaled before the action begins; until its deadline nobody but its
// instance may try again.
type Attempt struct {
	Number   int
	Instance string
	Timeout  time.Duration
	Started  time.Time // broker's timestamp of the record that began it
}

// Deadline is when another instance may take the work over.
func (a Attempt) Deadline() time.Time { return a.Started.Add(a.Timeout) }

// Holding says who stopped the clock and why.
type Holding struct {
	Said
	// System is set when Sluice itself held the release (overdue, not watched): an expedite overrides that, not a person's hold.
	System bool
	// Unwatched is how much soak under a watcher is missing, when that is why it is held.
	// A person's hold on top keeps it.
	Unwatched time.Duration
}

// Said is who, when and why.
type Said struct {
	By     string
	At     time.Time
	Reason string
}

func (s Said) who() string { return cmp.Or(s.By, "somebody") }

// Stamp completes a state with what only the broker knows of the record that carries it: its sequence and its timestamp.
// It is applied to every state read from or appended to a journal.
func (s State) Stamp(seq uint64, at time.Time) State {
	if s.Phase == Staged && s.StagedAt.IsZero() {
		s.StagedAt, s.SoakFrom = at, at
	}
	if s.Phase == Promoting && s.Claim == 0 {
		s.Claim = seq
	}
	if s.Phase.Ended() && s.End.At.IsZero() {
		s.End.At = at
	}
	for w, a := range s.Attempts {
		if a.Started.IsZero() {
			s.Attempts = maps.Clone(s.Attempts)
			a.Started = at
			s.Attempts[w] = a
		}
	}
	return s
}

// Delay is the soak that this release gets: its project's or its merge's own, and all extensions. It is never negative.
func (s State) Delay() time.Duration {
	d := s.Policy.Delay
	if s.Merge.Delay != nil {
		d = *s.Merge.Delay
	}
	return min(max(d, 0), math.MaxInt64-s.Extra) + s.Extra
}

// Ready tells whether the promoter may claim at the broker's time now: the delay is over, or somebody expedited.
func (s State) Ready(now time.Time) bool {
	return s.Phase == Soaking && (s.Expedited != nil || !now.Before(s.Due))
}

// Wake is when a promoter must look at the release again if nothing else happens; false for never.
func (s State) Wake() (time.Time, bool) {
	if s.Phase != Soaking {
		return time.Time{}, false
	}
	if s.Expedited != nil {
		return s.Expedited.At, true
	}
	return s.Due, true
}

// Needs tells whether an ended release still has something to put back. After an effective claim nothing is: the promotion
// may have reached somebody before it failed, and what to do then is a person's decision.
func (s State) Needs(w Work) bool {
	if !s.Phase.Ended() || s.Phase == Promoted || !s.Policy.PutBack || s.Claim != 0 {
		return false
	}
	switch w {
	case RestoreBeta:
		return s.BetaChannel.Touched && !s.BetaChannel.Restored
	case RestoreStaging:
		return s.Staging.Touched && !s.Staging.Restored
	case Publish, Stage, Promote:
	}
	return false
}
