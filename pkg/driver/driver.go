// Package driver is the boundary between Sluice and the outside world: a [Driver] does one outside action for a release
// (publish the beta, deploy it to staging, promote it), looks whether it is done, and undoes it.
//
// # What every driver promises
//
// Effects happen at least once: a service may die between the effect and the journal record that says so, and another
// instance will then call Do again, as the next attempt at the same try. So a driver looks first, and an effect that is already
// there is success (Done.Existed). The same name with other contents is [Refused], never overwritten. A driver that can not
// look hands the outside an idempotency key ([Facts.Key]) instead.
//
// A driver stops when its context ends, and asks the context again right before each write: after an attempt's deadline
// another instance may be at work. It returns an error that says what exists by then.
//
// Every field of [Facts] is data. It reaches commands as arguments and environment, never as part of a shell string; it
// becomes a path only after [SafeName]. Secrets are read by name at the moment of use and never appear in an error.
//
// What a driver prints of its attempt goes to the [Output] of its context: what a command writes, as it is, and a line for each request
// to a peer ([Said]). Whatever it reads as a secret it has masked there ([Output.Hide]).
//
// The conformance suite in drivertest holds every driver to this.
package driver

import (
	"context"
	"io"
	"strconv"
	"time"
)

// A Driver does one kind of outside action, on one channel. Implementations are safe for concurrent use.
type Driver interface {
	// Look reports what the channel points to now, without changing anything.
	Look(ctx context.Context, f Facts) (Seen, error)

	// Do makes the channel point to the release's artifact and reports what it pointed to before. Doing it again is
	// success with Done.Existed set.
	Do(ctx context.Context, f Facts) (Done, error)

	// Undo puts the channel back to what it was before this release, if it still points to this release; when it points
	// anywhere else, somebody has moved it on, and Undo leaves it alone and says so in Done.Note.
	Undo(ctx context.Context, f Facts, back Back) (Done, error)
}

// A Publisher is the driver of a publish action. It also plans: names and versions are fixed, and refused when they are
// taken, before anything is written and two hours before anybody is waiting for the promotion.
type Publisher interface {
	Driver

	// Plan resolves the final version and the name of the beta. f.Version is the version that the merge asked for, or
	// empty to take it from the artifact. It writes nothing. A version that is already taken is [Refused].
	Plan(ctx context.Context, f Facts) (Plan, error)
}

// Plan is what a publish is going to do; it is journaled before it is done.
type Plan struct {
	Version string // the version everybody will get: "1.4.0"
	Beta    string // the version under which the beta is published: "1.4.0-beta.0", or Version where bytes are shared
	Before  string // what the beta channel points to now; empty for nothing
}

// Facts is what a driver may know of a release. Strings come from outside: they are data.
type Facts struct {
	Release string // UUIDv7
	Project string
	Attempt int // counts from 1; a takeover counts up
	Try     int // counts from 1; a retry after a failure counts up, a takeover does not
	Commit  string
	Ref     string
	URL     string
	Actor   string    // who merged
	Merged  time.Time // when the merge was stored, by the broker's clock; zero when that is not known
	Version string
	Beta    string
	Stage   string // where it is, or is to be, deployed: "staging"
	// AnyVersion is set where releases are in the order of their merges: versions need not be semantic ones, and a channel moves
	// forward to what was merged later, whatever its version.
	AnyVersion bool
	Artifact   Artifact
}

// Artifact is the bytes of a release: a name, the digest fixed at the merge, and a way to read them.
type Artifact struct {
	Name   string
	Digest string // "sha256:" and 64 hex digits
	// Open reads the artifact. The reader returns an error instead of io.EOF when the bytes do not match Digest.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// Seen is what a channel points to.
type Seen struct {
	Value   string // in the driver's own words, as in Done.Value; empty for nothing, or when the driver can not look
	Version string // the version there, if the driver knows it
	Mine    bool   // it is this release's artifact
}

// A value, of a channel, is the version or the beta's name that it points to, then "@" and whatever else the driver needs if
// it needs more: "1.4.0-beta.0", "1.4.0@sha256:…". So whoever reads a journal can tell whose it is.

// Done is what an action came to.
type Done struct {
	Value   string // what the channel points to now, in the driver's own words
	Before  string // what it pointed to before; empty for nothing, or when the driver can not look
	Existed bool   // the effect was already there: nothing was written
	Note    string // something that an operator should know; one line
}

// Back says where Undo goes back to.
type Back struct {
	Value string // a Done.Value or Done.Before of the same channel; empty for nothing
	// Release is the release that was promoted before this one, for drivers that deploy it again; nil when there was none.
	Release *Facts
}

// Key is the idempotency key of a try: the same for every attempt at it, whichever instance makes it. After a failure a retry has another.
func (f Facts) Key() string { return f.Release + "-" + strconv.Itoa(f.Try) }
