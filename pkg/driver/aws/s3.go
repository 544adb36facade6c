package aws

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/internal/channelfile"
	"github.com/sluice-gate/sluice/pkg/project"
)

// mostMoves is how often a channel is moved by somebody else under an action's hands before it gives up for this attempt.
const mostMoves = 20

// Bucket publishes to, deploys to, or promotes on one channel of a bucket. It is a driver.Publisher.
type Bucket struct {
	*client[*s3.Client]
	bucket, prefix, channel string
	role                    driver.Role

	foreign bool        // it is not AWS's own
	proven  atomic.Bool // conditional writes were seen to work
}

var _ driver.Publisher = (*Bucket)(nil)

// S3 makes the driver of a bucket. It touches nothing outside. An error is a mistake in c.
func S3(c project.AWSS3, role driver.Role, opts ...amazon.Option) (*Bucket, error) {
	const name = "aws-s3"
	if c.Bucket == "" {
		return nil, fmt.Errorf("%s: no bucket is given", name)
	}
	if !slices.Contains([]driver.Role{driver.Publish, driver.Deploy, driver.Promote}, role) {
		return nil, fmt.Errorf("%s: there is no role %s", name, driver.Quote(string(role)))
	}
	if err := channelfile.CheckChannel(c.Channel); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	reach, err := newClient(c.AWS, func(cfg aws.Config) *s3.Client {
		return s3.NewFromConfig(cfg, func(o *s3.Options) {
			o.UsePathStyle = cfg.BaseEndpoint != nil // a peer of one's own seldom has a name for each bucket
			o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
			o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		})
	}, append([]amazon.Option{amazon.Streaming()}, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &Bucket{client: reach, bucket: c.Bucket, prefix: c.Prefix, channel: c.Channel, role: role, foreign: c.Endpoint != ""}, nil
}

// Plan takes the version of the merge or, when it states none, of the artifact. The beta has the same version: its bytes are
// those that are promoted.
func (d *Bucket) Plan(ctx context.Context, f driver.Facts) (driver.Plan, error) {
	r, err := d.begin(ctx, f)
	if err != nil {
		return driver.Plan{}, err
	}
	if _, err := d.published(ctx, r); err != nil {
		return driver.Plan{}, err
	}
	now, _, err := d.readChannel(ctx, f.Project)
	if err != nil {
		return driver.Plan{}, err
	}
	return driver.Plan{Version: r.Version, Beta: r.Version, Before: now.Value()}, nil
}

// Look reads the channel's object.
func (d *Bucket) Look(ctx context.Context, f driver.Facts) (driver.Seen, error) {
	if err := ctx.Err(); err != nil {
		return driver.Seen{}, err
	}
	now, _, err := d.readChannel(ctx, f.Project)
	if err != nil || now == nil {
		return driver.Seen{}, err
	}
	mine := now.Digest == f.Artifact.Digest && (f.Version == "" || f.Version == now.Version)
	return driver.Seen{Value: now.Value(), Version: now.Version, Mine: mine}, nil
}

// Do stores the artifact and its version where they are missing, and points the channel to them.
func (d *Bucket) Do(ctx context.Context, f driver.Facts) (driver.Done, error) {
	r, err := d.begin(ctx, f)
	if err != nil {
		return driver.Done{}, err
	}
	there, err := d.published(ctx, r)
	if err != nil {
		return driver.Done{}, err
	}
	if there != nil {
		there.Release = r.Release
		r = there // the name under which it was published first
	}
	now, tag, err := d.readChannel(ctx, f.Project)
	if err == nil {
		err = d.forward(f, now, r)
	}
	if err != nil {
		return driver.Done{}, err
	}
	wrote, err := d.storeArtifact(ctx, r, f.Artifact)
	if err != nil {
		return driver.Done{}, err
	}
	if there == nil {
		fresh, err := d.storeVersion(ctx, r)
		if err != nil {
			return driver.Done{}, err
		}
		wrote = wrote || fresh
	}
	if err := d.prove(ctx, r); err != nil {
		return driver.Done{}, err
	}
	r.Channel = d.channel
	for range mostMoves {
		done := driver.Done{Value: r.Value(), Before: now.Value(), Existed: !wrote}
		if now != nil && now.Release == r.Release && now.Value() == r.Value() { // this release came this far before
			done.Before = now.Before
			return done, nil
		}
		if err := d.forward(f, now, r); err != nil {
			return driver.Done{}, err
		}
		r.Before = now.Value()
		moved, err := d.pointTo(ctx, r, tag)
		if err != nil {
			return driver.Done{}, err
		}
		wrote = true
		done.Existed = false
		if moved {
			return done, nil
		}
		if now, tag, err = d.readChannel(ctx, f.Project); err != nil {
			return driver.Done{}, err
		}
	}
	return driver.Done{}, d.restless()
}

// Undo points the channel to back.Value, whose version and bytes must be here, or removes it when that is empty.
func (d *Bucket) Undo(ctx context.Context, f driver.Facts, back driver.Back) (driver.Done, error) {
	if err := ctx.Err(); err != nil {
		return driver.Done{}, err
	}
	if _, err := driver.SafeName("release id", f.Release); err != nil {
		return driver.Done{}, err
	}
	for range mostMoves {
		now, tag, err := d.readChannel(ctx, f.Project)
		if err != nil {
			return driver.Done{}, err
		}
		if now == nil || now.Release != f.Release {
			return d.leave(now, back), nil
		}
		to, err := d.earlier(ctx, f.Project, back.Value)
		if err != nil {
			return driver.Done{}, err
		}
		var moved bool
		if to == nil {
			moved, err = d.remove(ctx, f.Project, tag)
		} else {
			moved, err = d.pointTo(ctx, to, tag)
		}
		if err != nil {
			return driver.Done{}, err
		}
		if moved {
			return driver.Done{Value: to.Value(), Before: now.Value()}, nil
		}
	}
	return driver.Done{}, d.restless()
}

// begin is the record of a release, its fields checked.
func (d *Bucket) begin(ctx context.Context, f driver.Facts) (*channelfile.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return channelfile.New(ctx, f)
}

// forward refuses to take everybody back.
func (d *Bucket) forward(f driver.Facts, now, r *channelfile.Record) error {
	if d.role == driver.Promote && !f.AnyVersion && now != nil && driver.Newer(now.Version, r.Version) {
		return driver.Refusef("channel %s of %s is at %s: it does not go back to %s", d.channel, r.Project, now.Version, r.Version)
	}
	return nil
}

// restless is the error of a channel that others move all the time.
func (d *Bucket) restless() error {
	return fmt.Errorf("aws-s3: channel %s was moved by others %d times while it was to be moved here", d.channel, mostMoves)
}

// leave is the outcome of an undo that finds another's channel, or its own work done already.
func (d *Bucket) leave(now *channelfile.Record, back driver.Back) driver.Done {
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

// earlier is the channel's record for going back to value; nil for nothing.
func (d *Bucket) earlier(ctx context.Context, project, value string) (*channelfile.Record, error) {
	if value == "" {
		return nil, nil //nolint:nilnil // back to nothing
	}
	version, digest, err := channelfile.ParseValue(value)
	if err != nil {
		return nil, err
	}
	r, err := d.readVersion(ctx, project, version)
	if err != nil {
		return nil, err
	}
	if r == nil || r.Digest != digest {
		return nil, driver.Refusef("channel %s can not go back to %s: this bucket does not have it", d.channel, value)
	}
	if there, err := d.stored(ctx, r); err != nil {
		return nil, err
	} else if !there {
		return nil, driver.Refusef("channel %s can not go back to %s: its bytes, %s, are missing", d.channel, value, r.Path)
	}
	r.Channel = d.channel
	return r, nil
}

// published is the version's record of what r wants to be; nil when there is none yet. Other bytes under that version are refused.
func (d *Bucket) published(ctx context.Context, r *channelfile.Record) (*channelfile.Record, error) {
	there, err := d.readVersion(ctx, r.Project, r.Version)
	if err != nil {
		return nil, err
	}
	if there != nil && there.Digest != r.Digest {
		return nil, driver.Refusef("version %s of %s is taken: it is %s, not %s; merge with another version", r.Version, r.Project, there.Digest, r.Digest)
	}
	return there, nil
}
