package oci

import (
	"context"
	"fmt"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

// publisher points the beta channel to what CI pushed.
type publisher struct {
	channel
	final channel // where the promotion will put it; without a tag when that is not known
}

// Publish makes the driver of a project's publish action: cfg.Tag, which is beta unless set, is pointed to what CI pushed to
// cfg.Image. cfg.From is [project.DefaultFrom] unless set. An error is a mistake in cfg.
func Publish(cfg project.OCI, opts ...Option) (driver.Publisher, error) {
	o := collect(opts)
	if cfg.To != "" {
		return nil, driver.Refusef("oci: to: a beta stays where CI pushed it; only a promotion goes to another repository")
	}
	if cfg.From == "" {
		cfg.From = project.DefaultFrom
	}
	c, err := open(cfg, BetaTag, o)
	if err != nil {
		return nil, err
	}
	c.betas = true
	p := &publisher{channel: c, final: channel{to: c.image, from: c.from}}
	if o.promote != nil {
		if p.final, err = open(*o.promote, LatestTag, o); err != nil {
			return nil, fmt.Errorf("promote: %w", err)
		}
		p.final.from = c.from
	}
	if p.final.tag == p.tag && p.final.to.name == p.to.name {
		return nil, driver.Refusef("oci: publish to the tag %s would give the beta to everybody", p.tag)
	}
	return p, nil
}

// Plan is driver.Publisher's.
func (p *publisher) Plan(ctx context.Context, f driver.Facts) (driver.Plan, error) {
	m, err := artifact(ctx, f.Artifact)
	if err != nil {
		return driver.Plan{}, err
	}
	if f.Version, err = versionOf(m, f); err != nil {
		return driver.Plan{}, err
	}
	image, tag, err := p.begin(ctx, m, f.Version)
	if err != nil {
		return driver.Plan{}, err
	}
	is, err := image.points(ctx, tag)
	if err != nil {
		return driver.Plan{}, err
	}
	if is != "" && is != m.digest {
		return driver.Plan{}, driver.Refusef("version %s is taken: %s points to %s, not to %s; %s", f.Version, image.name.Tag(tag).Name(), is, m.digest, newVersion)
	}
	if err := p.passed(ctx, f); err != nil {
		return driver.Plan{}, err
	}
	now, err := p.Look(ctx, f)
	return driver.Plan{Version: f.Version, Beta: p.name(f.Version), Before: now.Value}, err
}

const newVersion = "merge with a new version"

// passed refuses a version when everybody has a newer one.
func (p *publisher) passed(ctx context.Context, f driver.Facts) error {
	if p.final.tag == "" || f.AnyVersion {
		return nil
	}
	seen, err := p.final.Look(ctx, f)
	if err == nil && !seen.Mine && driver.Newer(seen.Version, f.Version) {
		return driver.Refusef("%s points to %s already, which is newer than %s: it could never be promoted",
			p.final.to.name.Tag(p.final.tag).Name(), seen.Version, f.Version)
	}
	return err
}

// begin checks that the registry has what is to be published, and that the release's own tag is free for it. It returns the tag of
// the beta.
func (p *publisher) begin(ctx context.Context, m manifest, version string) (image *session, tag string, err error) {
	if tag, err = tagOf(p.name(version)); err != nil {
		return nil, "", err
	}
	final, err := tagOf(version)
	if err != nil {
		return nil, "", err
	}
	if image, err = p.image.open(); err != nil {
		return nil, "", err
	}
	there, err := image.head(ctx, image.name.Digest(m.digest))
	if err != nil {
		return nil, "", err
	}
	if there == nil {
		return nil, "", image.gone(m.digest)
	}
	to, err := p.final.to.open()
	if err != nil {
		return nil, "", err
	}
	taken, err := to.points(ctx, final)
	if err != nil {
		return nil, "", err
	}
	if taken != "" && taken != m.digest {
		return nil, "", driver.Refusef("version %s is taken: %s points to %s, not to %s; %s", version, to.name.Tag(final).Name(), taken, m.digest, newVersion)
	}
	return image, tag, nil
}

// Do is driver.Driver's.
func (p *publisher) Do(ctx context.Context, f driver.Facts) (driver.Done, error) {
	m, err := artifact(ctx, f.Artifact)
	if err != nil {
		return driver.Done{}, err
	}
	version, err := f.CleanVersion()
	if err != nil {
		return driver.Done{}, err
	}
	if f.Beta != p.name(version) {
		return driver.Done{}, driver.Refusef("the beta of version %s can not be %s: it is what the plan says, %s", version, driver.Quote(f.Beta), p.name(version))
	}
	image, tag, err := p.begin(ctx, m, version)
	if err != nil {
		return driver.Done{}, err
	}
	is, err := image.points(ctx, p.tag)
	if err != nil {
		return driver.Done{}, err
	}
	before, err := p.seen(ctx, image, f, is)
	if err != nil {
		return driver.Done{}, err
	}
	wrote, err := keep(ctx, image, tag, m, "the version is taken; "+newVersion)
	if err != nil {
		return driver.Done{}, err
	}
	if is != m.digest {
		wrote = true
		if err := image.point(ctx, p.tag, m); err != nil {
			return driver.Done{}, err
		}
	}
	return driver.Done{Value: valueOf(f.Beta, m.digest), Before: before.Value, Existed: !wrote}, nil
}
