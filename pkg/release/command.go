package release

import "time"

// Command is something that a service or a person wants of a release. Time arrives inside commands, as the broker told it.
//
//sumtype:decl
type Command interface{ command() }

// Admit begins a release.
type Admit struct {
	Release, Project string
	Merge            Merge
	Policy           Policy
	At               time.Time
}

// Begin announces an attempt at an outside action, before it is made. Plan matters for Publish only, Before for Promote.
type Begin struct {
	Work     Work
	Instance string
	Timeout  time.Duration
	Plan     Plan
	At       time.Time
}

// Plan is what a publish fixes: the names, the digest, and what the beta channel pointed to.
type Plan struct {
	Version, Beta, Digest, Before string
}

// Finish reports that the outside action of a Begin is done.
type Finish struct {
	Work  Work
	Value string // what the channel points to now
	Note  string
	// Failed is of a restore that could not be made, and is not tried again: the outcome of the release stands. Note says why.
	Failed bool
	// Instance is whose attempt it was; empty: whoever's. The end of an attempt that was taken over is nobody's: it may have
	// been another stage's, or from before a retry. It is a *BusyError while another instance is at the work.
	Instance string
	At       time.Time
}

// Fail ends a release because an outside action was refused or gave up.
type Fail struct {
	By, Reason string
	// Instance is whose attempt failed; empty when no attempt did. The failure of an attempt that was taken over is nobody's:
	// it causes nothing when the work is done, and is a *BusyError while another instance is at it.
	Instance string
	At       time.Time
}

// Wait puts a release into the queue of its lane, or tells it that another release is ahead of it now.
type Wait struct {
	Behind string // the occupant; empty: the lane is the release's own now
	At     time.Time
}

// Displace ends a waiting release because a newer one took its place.
type Displace struct {
	Newer string // the release that took the place
	At    time.Time
}

// StartSoak starts the delay of a staged release. One that soaked before its promotion failed, and has its lane again, is due
// at once, or when what it was extended by since is over.
type StartSoak struct{ At time.Time }

// Postpone takes back a claim that was settled as ineffective because of a stop, and lets the release wait for its end.
type Postpone struct {
	Claim    uint64 // that was settled
	Obstacle Obstacle
	At       time.Time
}

// Expire ends a release that stayed in its phase beyond its deadline (see [State.Deadline]).
type Expire struct{ At time.Time }

// Prolong lets a release soak on that is held for want of watching, if its project wants that (see [State.SoaksOn]).
type Prolong struct {
	Instance string
	At       time.Time // the broker's time of the record that held it
}

// MaxExtend bounds one extension.
const MaxExtend = 30 * 24 * time.Hour

// MaxExtra bounds all extensions of one release together.
const MaxExtra = 12 * MaxExtend

// Request is what an operator or the watcher asks of a release. Seq and At are the broker's.
//
// Requests are answered in the order of their sequences, each one, also those that a later one on the same subject hides from
// a read of last messages: answering one says that all before it are answered.
//
// While the release is promoting, the claim comes first: settle it, then set Settled. Without it Decide returns
// ErrUnsettled, because a refusal would be final, and the claim may turn out to be ineffective. If only a stop makes it so, take
// it back with [Postpone] before anybody is answered: what came after that claim is not too late.
type Request struct {
	Verb     Verb
	Seq      uint64
	Actor    string // empty when the subject named none
	Reason   string
	Evidence string        // the watcher's, one line of JSON
	By       time.Duration // extend: by how much; or
	Until    time.Time     // extend: until when
	Force    bool          // expedite: without a look at the checks, through windows and freezes; it needs a reason
	Look     bool          // retry: nothing is taken up again, every service only looks at the release
	Invalid  string        // why the request can not be understood; empty if it can. A cancel or hold is obeyed all the same
	At       time.Time
	Settled  uint64 // the claim that was settled before this request is answered; it matters while promoting
}

// Alarm says what the broker's time is, how the soak was watched until then, and what is in the way. When the release is due
// it claims the promotion, or passes the release on to its next stage; it ends a bake.
type Alarm struct {
	At       time.Time
	Watched  time.Duration // how much of the soak, or of the bake, was watched: [State.Watched]
	Clean    time.Time     // broker's time of the last heartbeat that saw no check failing
	Instance string        // who claims
	Timeout  time.Duration // of the promotion's first attempt
	Before   string        // what the channel points to
	// TooNew is set when the channel already points to a newer version: which.
	TooNew string
	Gate   Gate
}

func (Admit) command()     {}
func (Begin) command()     {}
func (Finish) command()    {}
func (Fail) command()      {}
func (Wait) command()      {}
func (Displace) command()  {}
func (StartSoak) command() {}
func (Postpone) command()  {}
func (Expire) command()    {}
func (Prolong) command()   {}
func (Request) command()   {}
func (Alarm) command()     {}
