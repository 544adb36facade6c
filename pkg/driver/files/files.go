package files

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/internal/channelfile"
	"github.com/sluice-gate/sluice/pkg/project"
)

// The channels of a role when the project file names none.
const (
	BetaChannel    = "beta"
	StagingChannel = "staging"
	LatestChannel  = "latest"
)

// Driver publishes to, deploys to, or promotes on one channel of a directory. It is a driver.Publisher.
type Driver struct {
	root    string
	channel string
	role    driver.Role

	// step, when set, is called before each write, for the tests that kill or cancel there.
	step func(what string)
}

var _ driver.Publisher = (*Driver)(nil)

// New makes the driver of a directory. It touches nothing; the directory is made by the first write.
func New(c project.Files, role driver.Role) (*Driver, error) {
	if c.Dir == "" {
		return nil, driver.Refusef("files: no directory is given")
	}
	channel := c.Channel
	if channel == "" {
		switch role {
		case driver.Publish:
			channel = BetaChannel
		case driver.Deploy:
			channel = StagingChannel
		case driver.Promote:
			channel = LatestChannel
		}
	}
	if err := channelfile.CheckChannel(channel); err != nil {
		return nil, err
	}
	root, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	return &Driver{root: root, channel: channel, role: role}, nil
}

// Plan takes the version of the merge or, when it states none, of the artifact. The beta has the same version: its bytes are
// those that are promoted.
func (d *Driver) Plan(ctx context.Context, f driver.Facts) (driver.Plan, error) {
	if err := ctx.Err(); err != nil {
		return driver.Plan{}, err
	}
	r, err := channelfile.New(ctx, f)
	if err != nil {
		return driver.Plan{}, err
	}
	if _, err := d.published(r); err != nil {
		return driver.Plan{}, err
	}
	now, err := d.readChannel(f.Project)
	if err != nil {
		return driver.Plan{}, err
	}
	return driver.Plan{Version: r.Version, Beta: r.Version, Before: now.Value()}, nil
}

// Look reads the channel file.
func (d *Driver) Look(ctx context.Context, f driver.Facts) (driver.Seen, error) {
	if err := ctx.Err(); err != nil {
		return driver.Seen{}, err
	}
	now, err := d.readChannel(f.Project)
	if err != nil || now == nil {
		return driver.Seen{}, err
	}
	mine := now.Digest == f.Artifact.Digest && (f.Version == "" || f.Version == now.Version)
	return driver.Seen{Value: now.Value(), Version: now.Version, Mine: mine}, nil
}

// Do stores the artifact and its version where they are missing, and points the channel to them.
func (d *Driver) Do(ctx context.Context, f driver.Facts) (driver.Done, error) {
	if err := ctx.Err(); err != nil {
		return driver.Done{}, err
	}
	r, err := channelfile.New(ctx, f)
	if err != nil {
		return driver.Done{}, err
	}
	w, err := d.begin(ctx, f.Project)
	if err != nil {
		return driver.Done{}, err
	}
	defer w.end()

	now, err := d.readChannel(f.Project)
	if err != nil {
		return driver.Done{}, err
	}
	there, err := d.published(r)
	if err != nil {
		return driver.Done{}, err
	}
	if there != nil {
		there.Release = r.Release
		r = there // the name under which it was published first
	}
	if d.role == driver.Promote && !f.AnyVersion && now != nil && driver.Newer(now.Version, r.Version) {
		return driver.Done{}, driver.Refusef("channel %s of %s is at %s: it does not go back to %s", d.channel, r.Project, now.Version, r.Version)
	}
	done := driver.Done{Value: r.Value(), Before: now.Value(), Existed: true}
	if now != nil && now.Release == r.Release && now.Value() == r.Value() {
		done.Before = now.Before // this release came this far before
	}
	if r.Size, err = w.storeArtifact(r, f.Artifact); err != nil {
		return driver.Done{}, err
	}
	if there == nil {
		if err := w.storeVersion(*r); err != nil {
			return driver.Done{}, err
		}
	}
	r.Channel, r.Before = d.channel, done.Before
	if err := w.pointTo(now, r); err != nil {
		return driver.Done{}, err
	}
	done.Existed = w.writes == 0
	return done, nil
}

// Undo points the channel to back.Value, whose version and bytes must be here, or removes it when that is empty.
func (d *Driver) Undo(ctx context.Context, f driver.Facts, back driver.Back) (driver.Done, error) {
	if err := ctx.Err(); err != nil {
		return driver.Done{}, err
	}
	if _, err := driver.SafeName("release id", f.Release); err != nil {
		return driver.Done{}, err
	}
	now, err := d.readChannel(f.Project)
	if err != nil {
		return driver.Done{}, err
	}
	if now == nil && !d.linked(f.Project) { // without a lock, which would make a directory for nothing
		return d.leave(nil, back), nil
	}
	w, err := d.begin(ctx, f.Project)
	if err != nil {
		return driver.Done{}, err
	}
	defer w.end()

	if now, err = d.readChannel(f.Project); err != nil {
		return driver.Done{}, err
	}
	to := now
	if now != nil && now.Release == f.Release {
		if to, err = d.earlier(f.Project, back.Value); err != nil {
			return driver.Done{}, err
		}
		if to != nil {
			if _, err := w.storeArtifact(to, driver.Artifact{}); err != nil {
				return driver.Done{}, err
			}
		}
	}
	if err := w.pointTo(now, to); err != nil {
		return driver.Done{}, err
	}
	if now != nil && now.Release == f.Release {
		return driver.Done{Value: to.Value(), Before: now.Value()}, nil
	}
	return d.leave(now, back), nil
}

// leave is the outcome of an undo that finds another's channel, or its own work done already.
func (d *Driver) leave(now *channelfile.Record, back driver.Back) driver.Done {
	done := driver.Done{Value: now.Value(), Before: now.Value(), Existed: true}
	switch {
	case now.Value() == back.Value:
	case now == nil:
		done.Note = fmt.Sprintf("channel %s points to nothing, and not to this release: left alone", d.channel)
	default:
		done.Note = fmt.Sprintf("channel %s points to %s of release %s, and not to this release: left alone",
			d.channel, now.Version, now.Release)
	}
	return done
}

// earlier is the channel record for going back to value; nil for nothing.
func (d *Driver) earlier(project, value string) (*channelfile.Record, error) {
	if value == "" {
		return nil, nil
	}
	version, digest, err := channelfile.ParseValue(value)
	if err != nil {
		return nil, err
	}
	r, err := d.readVersion(project, version)
	if err != nil {
		return nil, err
	}
	if r == nil || r.Digest != digest {
		return nil, driver.Refusef("channel %s can not go back to %s: this directory does not have it", d.channel, value)
	}
	r.Channel = d.channel
	return r, nil
}

// published is the version file of what r wants to be; nil when there is none yet. Other bytes under that version are refused.
func (d *Driver) published(r *channelfile.Record) (*channelfile.Record, error) {
	there, err := d.readVersion(r.Project, r.Version)
	if err != nil {
		return nil, err
	}
	if there != nil && there.Digest != r.Digest {
		return nil, driver.Refusef("version %s of %s is taken: it is %s, not %s; merge with another version", r.Version, r.Project, there.Digest, r.Digest)
	}
	return there, nil
}
