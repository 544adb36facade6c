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
	// Queued: the lane is occupied by another release.
	Queued Phase = "queued"
	// Staging: the release occupies its lane and an attempt to deploy the beta is under way, or died under way.
	Staging Phase = "staging"
	// Staged: staging runs the beta. The soak begins at the broker's timestamp of this record.
	Staged Phase = "staged"
	// Soaking: the delay runs.
	Soaking Phase = "soaking"
	// Held: the delay stands still until somebody resumes it. The lane stays occupied.
	Held Phase = "held"
	// Promoting: the claim is stored. Whether it is effective is decided by settling it (see [State.Settle]).
	Promoting Phase = "promoting"
	// Promoted: everybody gets the artifact. The end that a release is meant for.
	Promoted Phase = "promoted"
	// Cancelled: somebody, or the watcher, said no in time.
	Cancelled Phase = "cancelled"
	// Failed: an outside action was refused or gave up.
	Failed Phase = "failed"
	// Superseded: a newer release took its place in the queue.
	Superseded Phase = "superseded"
)

// Phases lists all phases but None, in order.
func Phases() []Phase {
	return []Phase{
		Merged, Publishing, Published, Queued, Staging, Staged, Soaking, Held, Promoting,
		Promoted, Cancelled, Failed, Superseded,
	}
}

// Ended tells whether the outcome is decided. An ended release changes no more, but for the record of what was put back.
func (p Phase) Ended() bool {
	return p == Promoted || p == Cancelled || p == Failed || p == Superseded
}

// Work is one kind of outside action.
type Work string

// The kinds of work. Restores happen after the end of a release that was not promoted.
const (
	Publish        Work = "publish"
	Stage          Work = "stage"
	Promote        Work = "promote"
	RestoreBeta    Work = "restore-beta"
	RestoreStaging Work = "restore-staging"
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
)

// Verbs lists all verbs.
func Verbs() []Verb { return []Verb{Cancel, Expedite, Hold, Resume, Extend} }

// Stops tells whether a request with this verb, stored before a claim, makes the claim ineffective.
func (v Verb) Stops() bool { return v == Cancel || v == Hold || v == Extend }
