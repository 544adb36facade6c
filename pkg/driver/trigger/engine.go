package trigger

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/internal/line"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
)

// state is how far a run is.
type state string

const (
	running   state = "running"
	succeeded state = "succeeded"
	failed    state = "failed"
)

// run is one run at a vendor.
type run struct {
	mark

	id    string // empty: the vendor accepted it, and does not say which it is
	url   string // where people look at it
	state state
	says  string // the vendor's own word for its state
}

// vendor is what differs between those who run things.
type vendor interface {
	// runs lists the runs of the job's release on its channel, newest first.
	runs(ctx context.Context, j job) ([]run, error)
	// start triggers the job. An error that is no refusal leaves open whether it did, unless it is errNotDone.
	start(ctx context.Context, j job) (run, error)
	// look is the run as it is now.
	look(ctx context.Context, j job, r run) (run, error)
	// hint says what to mend when a run that was accepted never shows.
	hint() string
}

// stopper is a vendor that may be able to end a run.
type stopper interface {
	stop(ctx context.Context, j job, r run, why string) error
}

var (
	// errNotDone marks the error of a start that surely triggered nothing.
	errNotDone = line.ErrNotDone
	// errNoStop is the error of a stopper that can not after all.
	errNoStop = errors.New("runs can not be stopped there")
)

// stopWithin bounds the request that ends a run of a release which was cancelled.
const stopWithin = 30 * time.Second

// Driver triggers one kind of action. It is a driver.Publisher.
type Driver struct {
	name     string // of the vendor, for people
	role     driver.Role
	vendor   vendor
	waits    waits
	interval time.Duration
	blind    bool // runs can not be looked for; the vendor knows a repetition by its key
}

var _ driver.Publisher = (*Driver)(nil)

// Plan takes the version of the merge or, when it states none, of the artifact. The beta has the same version. Whether the
// version is taken only the job can find out.
func (d *Driver) Plan(ctx context.Context, f driver.Facts) (driver.Plan, error) {
	if err := ctx.Err(); err != nil {
		return driver.Plan{}, err
	}
	var version string
	var err error
	if f.Version == "" {
		version, err = driver.ArtifactVersion(ctx, f.Artifact)
	} else {
		version, err = f.CleanVersion()
	}
	if err != nil {
		return driver.Plan{}, err
	}
	return driver.Plan{Version: version, Beta: version}, nil
}

// Look knows nothing: a CI can not be asked what is deployed.
func (d *Driver) Look(ctx context.Context, _ driver.Facts) (driver.Seen, error) {
	return driver.Seen{}, ctx.Err()
}

// Do triggers the action, unless a run of it is found, and follows it to its end.
func (d *Driver) Do(ctx context.Context, f driver.Facts) (driver.Done, error) {
	j, err := newJob(d.role, string(d.role), f, &f)
	if err != nil {
		return driver.Done{}, err
	}
	r, existed, err := d.run(ctx, j)
	if err != nil {
		return driver.Done{}, err
	}
	return driver.Done{Value: d.value(f), Existed: existed, Note: r.url}, nil
}

// Undo triggers the action's restore with the facts of the earlier release.
func (d *Driver) Undo(ctx context.Context, f driver.Facts, back driver.Back) (driver.Done, error) {
	j, err := newJob(d.role, restore, f, back.Release)
	if err != nil {
		return driver.Done{}, err
	}
	r, existed, err := d.run(ctx, j)
	if err != nil {
		return driver.Done{}, err
	}
	done := driver.Done{Existed: existed, Note: r.url}
	if back.Release != nil {
		done.Value = d.value(*back.Release)
	}
	return done, nil
}

// value is what the job made the channel point to, as far as is known here.
func (d *Driver) value(f driver.Facts) string {
	version := f.Version
	if d.role != driver.Promote && f.Beta != "" {
		version = f.Beta
	}
	if version == "" {
		return f.Artifact.Digest
	}
	return version
}

// run finds or triggers the job's run, and follows it to its end. It tells whether it found it.
func (d *Driver) run(ctx context.Context, j job) (run, bool, error) {
	if err := ctx.Err(); err != nil {
		return run{}, false, err
	}
	if j.since.After(time.Now()) { // an id from the future says nothing of when its release began
		j.since = time.Time{}
	}
	r, err := d.find(ctx, j)
	if err != nil {
		return run{}, false, err
	}
	existed := r != nil
	if !existed {
		if r, err = d.start(ctx, j); err != nil {
			return run{}, false, err
		}
	}
	end, err := d.follow(ctx, j, *r)
	if err != nil {
		return run{}, false, err
	}
	if end.state == failed {
		return run{}, false, driver.Refusef("%s: %s ended: %s", d.name, place(end), end.says)
	}
	return end, existed, nil
}

// find is the run that the job needs no other beside; nil when one has to be triggered.
func (d *Driver) find(ctx context.Context, j job) (*run, error) {
	for {
		runs, err := d.vendor.runs(ctx, j)
		if err != nil {
			return nil, fmt.Errorf("%s: look for a run of this release: %w", d.name, err)
		}
		mine, opposite := choose(runs, j)
		if opposite == nil {
			return mine, nil
		}
		if s, ok := d.vendor.(stopper); ok && j.action == restore { // what is to be taken back need not end well first
			if err := s.stop(ctx, j, *opposite, "its release was cancelled"); err != nil && !errors.Is(err, errNoStop) {
				return nil, fmt.Errorf("%s: %w", d.name, err)
			}
		}
		if _, err := d.follow(ctx, j, *opposite); err != nil {
			return nil, err
		}
	}
}

// choose says what the runs of the job's release on its channel, newest first, mean for it: mine is the one to follow, opposite one
// whose end must come first. Both are nil when a run has to be triggered.
func choose(runs []run, j job) (mine, opposite *run) {
	for i := range runs {
		r := &runs[i]
		switch same := r.back == (j.action == restore); {
		case !same && r.state == running:
			return nil, r
		case !same: // since then there is something to do again
			return nil, nil
		case r.state != failed, r.try == j.try:
			return r, nil
		}
	}
	return nil, nil
}

// start triggers the job. A trigger that may have worked is looked for before it is repeated.
func (d *Driver) start(ctx context.Context, j job) (*run, error) {
	for series := d.waits.Begin(); ; {
		if err := ctx.Err(); err != nil { // right before the write
			return nil, fmt.Errorf("%s: %w", d.name, err)
		}
		r, err := d.vendor.start(ctx, j)
		switch {
		case err == nil && r.id != "":
			r.mark = mark{j.try, j.action == restore}
			return &r, nil
		case err == nil:
			return d.accepted(ctx, j)
		case driver.IsRefused(err):
			return nil, fmt.Errorf("%s: %w", d.name, err)
		case ctx.Err() != nil:
			return nil, fmt.Errorf("%s: whether it began is not known, the next attempt will look: %w", d.name, errors.Join(err, ctx.Err()))
		}
		if !errors.Is(err, errNotDone) && !d.blind {
			found, lost := d.shown(ctx, j, d.waits.doubt)
			if found != nil || lost != nil {
				return found, lost
			}
		}
		pause, again := series.Next(retry.PauseOf(err), retry.Left(ctx))
		if !again {
			return nil, fmt.Errorf("%s: %w", d.name, err)
		}
		if ended := retry.Sleep(ctx, pause); ended != nil {
			return nil, fmt.Errorf("%s: %w: %w", d.name, err, ended)
		}
	}
}

// accepted waits for the run of a trigger that was answered with success and no name.
func (d *Driver) accepted(ctx context.Context, j job) (*run, error) {
	r, err := d.shown(ctx, j, d.waits.show)
	if err == nil && r == nil {
		return nil, driver.Refusef("%s: the trigger was accepted, and no run with its key has shown within %s: %s", d.name, d.waits.show, d.vendor.hint())
	}
	return r, err
}

// shown looks for the job's run until it shows, for a while; nil when it does not.
func (d *Driver) shown(ctx context.Context, j job, within time.Duration) (*run, error) {
	var mine *run
	_, err := retry.Poll(ctx, d.waits.First, within, func() (bool, error) {
		runs, err := d.vendor.runs(ctx, j)
		mine, _ = choose(runs, j)
		return mine != nil, err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: it was triggered and has not shown yet, the next attempt will look: %w", d.name, err)
	}
	return mine, nil
}

// follow asks for the run until it is over. When it can not, the error says what goes on without it.
func (d *Driver) follow(ctx context.Context, j job, r run) (run, error) {
	now := r
	tellOf(ctx, now)
	for now.state == running {
		err := retry.Sleep(ctx, d.interval)
		if err == nil {
			var next run
			if next, err = d.vendor.look(ctx, j, now); err == nil {
				if next.says != now.says {
					tellOf(ctx, next)
				}
				now = next
				continue
			}
		}
		return now, fmt.Errorf("%s: %s, last seen %s: %w", d.name, d.leave(ctx, j, now), now.says, err)
	}
	return now, nil
}

// tellOf says in the attempt's output how a run is.
func tellOf(ctx context.Context, r run) { driver.OutputOf(ctx).Say("%s: %s", place(r), r.says) }

// leave ends a run that nobody waits for any more because its release was cancelled. For any other reason it is left to itself: the next
// attempt follows it. It says what became of it.
func (d *Driver) leave(ctx context.Context, j job, r run) string {
	s, ok := d.vendor.(stopper)
	if !ok || j.action == restore || !errors.Is(context.Cause(ctx), driver.ErrCancelled) {
		return place(r) + " is left to itself"
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	err := s.stop(ctx, j, r, "its release was cancelled")
	switch {
	case errors.Is(err, errNoStop):
		return place(r) + " is left to itself"
	case err != nil:
		return fmt.Sprintf("%s could not be stopped and goes on (%v)", place(r), err)
	}
	return place(r) + " was told to stop"
}

// link is a URL from an answer as it may be shown; empty when it is none.
func link(from string) string {
	u, err := url.Parse(from)
	if err != nil {
		return ""
	}
	return u.String()
}

// place says where people find a run.
func place(r run) string {
	if r.url == "" {
		return "what was triggered"
	}
	return "the run " + r.url
}
