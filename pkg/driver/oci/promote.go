package oci

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
	"github.com/sluice-gate/sluice/pkg/project"
)

// promoter gives what soaked to everybody.
type promoter struct{ channel }

// Promote makes the driver of a project's promote action: cfg.Tag, which is latest unless set, of cfg.To, which is cfg.Image
// unless set, is pointed to what soaked. When cfg.From is set, the beta's tag must still point to that. An error is a mistake in cfg.
func Promote(cfg project.OCI, opts ...Option) (driver.Driver, error) {
	c, err := open(cfg, LatestTag, collect(opts))
	if err != nil {
		return nil, err
	}
	return &promoter{c}, nil
}

// Do is driver.Driver's.
func (p *promoter) Do(ctx context.Context, f driver.Facts) (driver.Done, error) {
	m, err := artifact(ctx, f.Artifact)
	if err != nil {
		return driver.Done{}, err
	}
	version, err := f.CleanVersion()
	if err != nil {
		return driver.Done{}, err
	}
	tag, err := tagOf(version)
	if err != nil {
		return driver.Done{}, err
	}
	to, err := p.to.open()
	if err != nil {
		return driver.Done{}, err
	}
	taken, err := to.points(ctx, tag)
	if err != nil {
		return driver.Done{}, err
	}
	if taken != "" && taken != m.digest {
		return driver.Done{}, driver.Refusef("version %s is taken: %s points to %s, not to %s", version, to.name.Tag(tag).Name(), taken, m.digest)
	}
	now, err := p.forward(ctx, to, f, version)
	if err != nil {
		return driver.Done{}, err
	}
	done := driver.Done{Value: valueOf(version, m.digest), Before: now.Value}
	if taken == m.digest && now.Mine {
		done.Existed = true
		return done, nil
	}
	if err := p.soaked(ctx, to, m, version); err != nil {
		return driver.Done{}, err
	}
	if _, err := keep(ctx, to, tag, m, "the version is taken"); err != nil {
		return driver.Done{}, err
	}
	return p.move(ctx, to, m, f, version, done)
}

// forward is what the channel points to. It refuses when that is newer than the version.
func (p *promoter) forward(ctx context.Context, to *session, f driver.Facts, version string) (driver.Seen, error) {
	is, err := to.points(ctx, p.tag)
	if err != nil {
		return driver.Seen{}, err
	}
	now, err := p.seen(ctx, to, f, is)
	if err == nil && !now.Mine && !f.AnyVersion && driver.Newer(now.Version, version) {
		return now, driver.Refusef("%s points to %s, which is newer than %s: a channel only moves forward", to.name.Tag(p.tag).Name(), now.Version, version)
	}
	return now, err
}

// soaked makes sure that the image is what soaked, and that the channel's repository has it.
func (p *promoter) soaked(ctx context.Context, to *session, m manifest, version string) error {
	image, err := p.image.open()
	if err != nil {
		return err
	}
	if p.from.set() {
		tag, err := tagOf(p.from.name(version))
		if err != nil {
			return err
		}
		is, err := image.points(ctx, tag)
		switch name := image.name.Tag(tag).Name(); {
		case err != nil:
			return err
		case is == "":
			return driver.Refusef("the tag of the beta, %s, is gone: somebody removed it while %s soaked", name, m.digest)
		case is != m.digest:
			return driver.Refusef("the tag of the beta was moved: %s points to %s, and what soaked is %s", name, is, m.digest)
		}
	}
	if image.name != to.name {
		return image.copyTo(ctx, to, m.digest)
	}
	there, err := image.head(ctx, image.name.Digest(m.digest))
	if err == nil && there == nil {
		return image.gone(m.digest)
	}
	return err
}

// move points the channel to the manifest and looks what became of it.
//
// A registry has no compare-and-set. Two releases that are promoted at the same time, one of them after its deadline, may each have
// seen the old image, and the older one may be the last to write. So each looks again after a while that is several times
// as long as its own look and write took, up to a minute, and the newer one takes the channel back. One that is slower still goes
// unnoticed. That none promotes at the same time is for the lane to ensure; this is the second line.
func (p *promoter) move(
	ctx context.Context, to *session, m manifest, f driver.Facts, version string, done driver.Done,
) (driver.Done, error) {
	const tries, slower, longest = 4, 5, time.Minute
	wrote := false
	for range tries {
		begun := time.Now()
		now, err := p.forward(ctx, to, f, version)
		switch {
		case driver.IsRefused(err) && now.Version != "" && wrote:
			done.Value, done.Note = now.Value, fmt.Sprintf("%s was moved on to %s meanwhile", to.name.Tag(p.tag).Name(), now.Version)
			return done, nil
		case err != nil:
			return driver.Done{}, err
		case now.Mine:
			return done, nil
		}
		wrote = true
		if err := to.point(ctx, p.tag, m); err != nil {
			return driver.Done{}, err
		}
		if err := retry.Sleep(ctx, max(p.waits.settle, min(slower*time.Since(begun), longest))); err != nil {
			return driver.Done{}, fmt.Errorf("%s points to %s, and was to be looked at once more: %w", to.name.Tag(p.tag).Name(), version, err)
		}
	}
	return driver.Done{}, fmt.Errorf("%s does not stay at %s: somebody else moves it, or the registry is slow to show it", to.name.Tag(p.tag).Name(), version)
}
