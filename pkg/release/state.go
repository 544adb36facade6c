package release

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
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

	Stage       int // which stage it is in, or goes to: index of Policy.Stages
	BetaChannel Channel
	Staging     Channel   // of the present stage
	Passed      []Channel // of the stages before it
	Latest      Channel

	Attempts map[Work]Attempt // the work under way; nil or missing: none
	Failures int              // how often it has failed, or could not be rolled back: what is tried after that is begun anew outside

	PhaseAt   time.Time     // broker's timestamp of the record that led to the phase
	StagedAt  time.Time     // broker's timestamp of the staged record
	SoakFrom  time.Time     // where the soak begins: StagedAt, or the resume if it was held then
	Extra     time.Duration // all extensions, before and during the soak
	Due       time.Time     // when the delay is over (soaking); meaningless while held
	Remaining time.Duration // what is left of the delay (held); what was left when the clock was started last (soaking)
	Prolonged time.Duration // soak of this stage that Sluice itself added for what was not watched (see [Policy.OnGap])
	Held      *Holding      // who stopped the clock; also set before the soak, when the clock has not begun
	Expedited *Said         // who asked not to wait
	Forced    bool          // expedited with force: without a look at the checks, through windows and freezes
	Approved  []Said        // who approved that it leaves this stage, each once
	Postponed *Postponement // what it waits for though the delay is over

	Behind string // the release that occupies the lane (queued)
	Folded uint64 // highest stream sequence of a request that this state has answered
	Claim  uint64 // stream sequence of the claim (promoting and after); 0 for none

	MergedAt time.Time // broker's timestamp of the merge event
	End      Said      // who ended it, when, why
	Evidence string    // what the watcher measured when it cancelled or rolled back; one line of JSON, or empty

	FailedIn   Phase // where it failed
	Reached    bool  // an effective claim was acted on: some of the promotion may be outside
	Soaked     bool  // it was retried after a failed promotion: it needs its lane again, no second soak
	LateCancel *Said // who cancelled it when that was too late: it is not retried
	Recalled   *Said // who rolled it back
	RecalledIn Phase // and what it was then: baking, promoted; or failed, cancelled, superseded after a promotion that failed
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
	Needs    []Need         // what must be promoted before this is, beside what the project says
}

// Policy is what of the project file decides about a release. It is pinned at the merge: a later change of the file does
// not move a release in flight.
type Policy struct {
	Revision   string // content address of the project file
	Lane       string
	Collision  Collision
	Delay      time.Duration // the soak of the only stage; 0: none
	Approvals  int           // of the only stage
	Stages     []StagePolicy // the stages, if there is more than one; they have delays and approvals of their own
	MaxOverdue time.Duration // a release overdue by more is held for a human
	PutBack    bool          // after an end without promotion, put staging and the beta channel back
	Order      Order
	Bake       time.Duration // for how long production is watched after the promotion; 0: not
	MaxPhase   time.Duration // bound of a phase in which services work; 0: none
	MaxHold    time.Duration // bound of a hold, of a queue, and of waiting for people; 0: none
	Needs      []Need        // what must be promoted before this is
	Coverage   int           // how much of each soak must have been watched, in percent; 0: [DefaultCoverage]
	OnGap      OnGap         // what becomes of a release of whose soak less was watched; empty: HoldOnGap

	SupersedeLimit int           // how many occupants in a row may be superseded (see package lane); 0: the default
	MaxWait        time.Duration // how long after the merge of the first superseded one others may be; 0: the default
}

// StagePolicy is what the project file says of one stage.
type StagePolicy struct {
	Name      string
	Delay     time.Duration // the soak; 0: none
	Approvals int           // how many people must approve that a release leaves the stage
}

// MinCoverage is how much of each soak must have been watched, in percent.
func (p Policy) MinCoverage() int { return cmp.Or(p.Coverage, DefaultCoverage) }

// OnGap says what becomes of a release of whose soak too little was watched. It is held in any case.
type OnGap string

// The policies for gaps.
const (
	HoldOnGap   OnGap = "hold"   // for a person to decide
	ExtendOnGap OnGap = "extend" // and soaks on at once for what is missing, until that adds up to MaxOverdue
)

// Order says which of two releases is the newer one.
type Order string

// The orders.
const (
	BySemver Order = "semver" // by version; what is no semantic version is neither newer nor older
	ByMerge  Order = "merge"  // by the order of the merges
)

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
	Restored bool   // it was put back, or found to need no putting back, or that was given up
	Failed   bool   // it could not be put back, and is not tried again; Note says why
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

// Brief is a reason without what a command printed, which begins on a line of its own (package driver/exec).
func Brief(reason string) string {
	line, _, more := strings.Cut(reason, "\n")
	if more {
		line = strings.TrimSuffix(line, "; the end of its output:")
	}
	return line
}

func (s Said) who() string { return cmp.Or(s.By, "somebody") }

// Approvals is who approved a release, and how many must.
type Approvals struct {
	By     []Said
	Needed int
}

// Missing is how many more people must approve.
func (a Approvals) Missing() int { return max(0, a.Needed-len(a.By)) }

func (a Approvals) String() string {
	return fmt.Sprintf("%d of %d approvals", len(a.By), a.Needed)
}

// Approvals is who approved that the release leaves its stage.
func (s State) Approvals() Approvals { return Approvals{By: s.Approved, Needed: s.stage().Approvals} }

// StageName names the stage that the release is in, or goes to.
func (s State) StageName() string { return s.stage().Name }

// LastStage tells whether promotion follows the stage that the release is in.
func (s State) LastStage() bool { return s.Stage >= len(s.Policy.Stages)-1 }

// DefaultStage is the name of the only stage of a project that names none.
const DefaultStage = "staging"

func (s State) stage() StagePolicy {
	if s.Stage >= 0 && s.Stage < len(s.Policy.Stages) {
		return s.Policy.Stages[s.Stage]
	}
	return StagePolicy{Name: DefaultStage, Delay: s.Policy.Delay, Approvals: s.Policy.Approvals}
}

// Stamp completes a state with what only the broker knows of the record that carries it: its sequence and its timestamp.
// It is applied to every state read from or appended to a journal.
func (s State) Stamp(seq uint64, at time.Time) State {
	if s.PhaseAt.IsZero() {
		s.PhaseAt = at
	}
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

// Delay is the soak that this release gets in its stage: its project's or its merge's own, and all extensions. It is never
// negative.
func (s State) Delay() time.Duration {
	d := s.stage().Delay
	if s.Merge.Delay != nil {
		d = *s.Merge.Delay
	}
	return min(max(d, 0), math.MaxInt64-s.Extra) + s.Extra
}

// Needs tells whether an ended release still has something to put back. After an effective claim nothing is: the promotion
// may have reached somebody before it failed, and what to do then is a person's decision. A release that was rolled back
// while it baked still occupies its lane, and leaves staging as it found it.
func (s State) Needs(w Work) bool {
	baked := s.Phase == RolledBack && s.RecalledIn == Baking
	ended := s.Phase.Ended() && !s.Phase.Out() && s.Claim == 0 && !s.Reached
	if !s.Policy.PutBack || !ended && !baked {
		return false
	}
	switch w {
	case RestoreBeta:
		return s.BetaChannel.Touched && !s.BetaChannel.Restored
	case RestoreStaging:
		_, left := s.LeftStage()
		return left
	case Publish, Stage, Promote, Rollback:
	}
	return false
}

// LeftStage is the stage that is to be put back next: the last one that was touched and is not put back yet.
func (s State) LeftStage() (stage int, ok bool) {
	if s.Staging.Touched && !s.Staging.Restored {
		return s.Stage, true
	}
	for i, c := range slices.Backward(s.Passed) {
		if c.Touched && !c.Restored {
			return i, true
		}
	}
	return 0, false
}

// NotPutBack tells whether the release has ended and left something that could not be put back, in the beta channel or in a stage,
// and why. Nobody tries again.
func (s State) NotPutBack(w Work) (why string, failed bool) {
	if !s.Phase.Ended() {
		return "", false
	}
	switch w {
	case RestoreBeta:
		return s.BetaChannel.Note, s.BetaChannel.Failed
	case RestoreStaging:
		for _, c := range append([]Channel{s.Staging}, s.Passed...) {
			if c.Failed {
				return c.Note, true
			}
		}
	case Publish, Stage, Promote, Rollback:
	}
	return "", false
}

// StageValue is what the driver of a stage said that the stage runs.
func (s State) StageValue(stage int) string {
	switch {
	case stage == s.Stage:
		return s.Staging.Value
	case stage >= 0 && stage < len(s.Passed):
		return s.Passed[stage].Value
	}
	return ""
}
