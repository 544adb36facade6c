package release

// Phase is where a release stands.
type Phase string

// The phases, in the order in which a release that nobody stops goes through them.
const (
	// None is the phase of a release that has no journal yet.
	None Phase = ""
	// Merged: the merge was admitted, once. Nothing has been done outside.
	Merged Phase = "merged"
	// Publishing: an attempt to publish the beta is under way, or died under way.
	Publishing Phase = "publishing"
	// Published: the beta exists; its digest is the release's for good.
	Published Phase = "published"
	// Passed: the soak of a stage that is not the last is over; the release is to be deployed to the next one.
	Passed Phase = "passed"
	// Queued: the lane is occupied by another release.
	Queued Phase = "queued"
	// Staging: the release occupies its lane and an attempt to deploy the beta to a stage is under way, or died under way.
	Staging Phase = "staging"
	// Staged: staging runs the beta. The soak begins at the broker's timestamp of this record.
	Staged Phase = "staged"
	// Soaking: the delay runs, or it is over and the release waits for something else: see [State.Postponed].
	Soaking Phase = "soaking"
	// Held: the delay stands still until somebody resumes it. The lane stays occupied.
	Held Phase = "held"
	// Promoting: the claim is stored. Whether it is effective is decided by settling it (see [State.Settle]).
	Promoting Phase = "promoting"
	// Baking: everybody gets the artifact, and production is watched; a failing check rolls it back.
	Baking Phase = "baking"
	// RollingBack: an attempt to put the channel back to what it was before the promotion is under way, or died under way.
	RollingBack Phase = "rolling-back"
	// Promoted: everybody gets the artifact. The end that a release is meant for.
	Promoted Phase = "promoted"
	// Cancelled: somebody, or the watcher, said no in time.
	Cancelled Phase = "cancelled"
	// Failed: an outside action was refused or gave up, or the release was stuck for too long. It can be retried.
	Failed Phase = "failed"
	// Superseded: a newer release took its place in the queue.
	Superseded Phase = "superseded"
	// RolledBack: it was promoted, and the channel was put back to what it was before.
	RolledBack Phase = "rolled-back"
)

// Phases lists all phases but None, in order.
func Phases() []Phase {
	return []Phase{
		Merged, Publishing, Published, Passed, Queued, Staging, Staged, Soaking, Held, Promoting, Baking, RollingBack,
		Promoted, Cancelled, Failed, Superseded, RolledBack,
	}
}

// Ended tells whether the outcome is decided. Without a person an ended release changes no more, but for the record of what
// was put back; a person may retry what failed and roll back what was promoted.
func (p Phase) Ended() bool {
	return p == Promoted || p == Cancelled || p == Failed || p == Superseded || p == RolledBack
}

// Out tells whether everybody gets the artifact, or got it.
func (p Phase) Out() bool { return p == Baking || p == RollingBack || p == Promoted || p == RolledBack }

// Work is one kind of outside action.
type Work string

// The kinds of work. Restores happen after the end of a release that was not promoted; a rollback puts back what was promoted.
const (
	Publish        Work = "publish"
	Stage          Work = "stage"
	Promote        Work = "promote"
	RestoreBeta    Work = "restore-beta"
	RestoreStaging Work = "restore-staging"
	Rollback       Work = "rollback"
)

// Verb is what a request asks for. It is the second token of the request's subject.
type Verb string

// The verbs.
const (
	Cancel   Verb = "cancel"
	Expedite Verb = "expedite"
	Hold     Verb = "hold"
	Resume   Verb = "resume"
	Extend   Verb = "extend"
	Approve  Verb = "approve"
	Retry    Verb = "retry"
	Recall   Verb = "rollback" // the request; the work that it leads to is called [Rollback]
)

// Verbs lists all verbs.
func Verbs() []Verb { return []Verb{Cancel, Expedite, Hold, Resume, Extend, Approve, Retry, Recall} }

// Stops tells whether a request with this verb, stored before a claim, makes the claim ineffective.
func (v Verb) Stops() bool { return v == Cancel || v == Hold || v == Extend }
