package githubrelease

import (
	"context"
	"os"

	"github.com/google/uuid"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

// publisher makes prereleases.
type publisher struct{ channel }

// Publish makes the driver of a project's publish action: the release of the tag cfg.Tag becomes a prerelease with the artifact among its
// assets. One that CI made is taken as it is. An error is a mistake in cfg.
func Publish(cfg project.GitHubRelease, opts ...Option) (driver.Publisher, error) {
	c, err := open(cfg, collect(opts))
	if err != nil {
		return nil, err
	}
	return &publisher{c}, nil
}

// found is the releases that matter to a publish.
type found struct {
	own  *release // of the release's tag; nil for none
	now  *release // the newest prerelease, which is the channel
	next *release // the newest without own
}

// look reads the releases. A tag has one release at most, and any number of drafts: of these it is the one with the artifact.
func (p *publisher) look(ctx context.Context, f driver.Facts, version string) (found, error) {
	all, err := p.repo.list(ctx)
	if err != nil {
		return found{}, err
	}
	var r found
	for i := range all {
		one := &all[i]
		own := one.Tag == p.tag(version)
		if own && (!one.Draft || r.own == nil && one.has(f.Artifact)) {
			r.own = one
		}
		if one.Draft || !one.Prerelease || p.versionOf(one) == "" {
			continue
		}
		if p.newest(r.now, one, f.AnyVersion) {
			r.now = one
		}
		if !own && p.newest(r.next, one, f.AnyVersion) {
			r.next = one
		}
	}
	return r, nil
}

// newest tells whether a release comes after the one that was the newest so far: by its version, or by its id, which counts up.
func (p *publisher) newest(so, one *release, anyVersion bool) bool {
	if so == nil || anyVersion {
		return so == nil || one.ID > so.ID
	}
	return driver.Newer(p.versionOf(one), p.versionOf(so))
}

// Plan is driver.Publisher's. The beta has the release's own version: it is the same tag, and the same assets.
func (p *publisher) Plan(ctx context.Context, f driver.Facts) (driver.Plan, error) {
	if err := checkCommit(f); err != nil {
		return driver.Plan{}, err
	}
	if err := verify(ctx, f.Artifact); err != nil {
		return driver.Plan{}, err
	}
	if f.Version == "" {
		var err error
		if f.Version, err = driver.ArtifactVersion(ctx, f.Artifact); err != nil {
			return driver.Plan{}, err
		}
	}
	version, err := p.version(f)
	if err != nil {
		return driver.Plan{}, err
	}
	plan := driver.Plan{Version: version, Beta: version}
	_, err = p.run(ctx, func(*steps) (driver.Done, error) {
		r, err := p.look(ctx, f, version)
		if err != nil {
			return driver.Done{}, err
		}
		if err := p.free(r.own, f); err != nil {
			return driver.Done{}, err
		}
		if err := p.tagged(ctx, f, version); err != nil {
			return driver.Done{}, err
		}
		latest, err := p.repo.latest(ctx)
		if err != nil {
			return driver.Done{}, err
		}
		if now := p.seen(latest, f); newer(now, f, version) {
			return driver.Done{}, driver.Refusef("the latest release of %s is %s already, which is newer than %s: it could never be promoted",
				p.repo.shown(), now.Version, version)
		}
		plan.Before = p.value(r.now)
		return driver.Done{}, nil
	})
	if err != nil {
		return driver.Plan{}, err
	}
	return plan, nil
}

// free refuses a release that is somebody else's: one that everybody has, or that has assets and not this one.
func (p *publisher) free(own *release, f driver.Facts) error {
	switch {
	case own == nil:
		return nil
	case !own.Draft && !own.Prerelease:
		return driver.Refusef("version %s is taken: the release %s of %s is no prerelease, everybody has it; let CI make a prerelease, "+
			"or merge with a new version", f.Version, own.Tag, p.repo.shown())
	case own.has(f.Artifact):
		return nil
	}
	for _, one := range own.Assets {
		if one.State == uploaded {
			return driver.Refusef("version %s is taken: %w; merge with a new version", f.Version, p.lacks(own, f.Artifact))
		}
	}
	return nil
}

// Do is driver.Driver's.
func (p *publisher) Do(ctx context.Context, f driver.Facts) (driver.Done, error) {
	version, err := p.version(f)
	if err != nil {
		return driver.Done{}, err
	}
	if f.Beta != version {
		return driver.Done{}, driver.Refusef("the beta of version %s can not be %s: it is what the plan says, %s", version, driver.Quote(f.Beta), version)
	}
	if err := checkCommit(f); err != nil {
		return driver.Done{}, err
	}
	if id, err := uuid.Parse(f.Release); err != nil || id.String() != f.Release {
		return driver.Done{}, driver.Refusef("the release's id %s is no UUID", driver.Quote(f.Release))
	}
	if _, err := driver.SafeName("artifact name", f.Artifact.Name); err != nil {
		return driver.Done{}, err
	}
	if err := verify(ctx, f.Artifact); err != nil {
		return driver.Done{}, err
	}
	f.Version = version
	return p.run(ctx, func(s *steps) (driver.Done, error) {
		r, err := p.look(ctx, f, version)
		if err != nil {
			return driver.Done{}, err
		}
		done := s.found(p.value(r.now))
		if err := p.free(r.own, f); err != nil {
			return done, err
		}
		if err := p.tagged(ctx, f, version); err != nil {
			return done, err
		}
		own := r.own
		if own == nil {
			s.write("there was no release " + p.tag(version))
			if own, err = p.repo.create(ctx, p.tag(version), f.Commit, f.Release); err != nil {
				return done, err
			}
		}
		done.Value = p.value(own)
		if !own.has(f.Artifact) {
			s.write("there was the prerelease " + p.tag(version) + " without its asset")
			return done, p.attach(ctx, own, f)
		}
		if own.Draft {
			s.write("there was a draft of " + p.tag(version))
			_, err = p.repo.edit(ctx, own.ID, map[string]any{ // a draft has no tag yet, and what it was to be on may have moved
				"tag_name": own.Tag, "target_commitish": f.Commit, "draft": false, "prerelease": true, "make_latest": "false",
			})
		}
		return done, err
	})
}

// attach uploads the artifact, in place of what an upload that broke off left.
func (p *publisher) attach(ctx context.Context, to *release, f driver.Facts) error {
	for _, one := range to.Assets {
		if one.State == starter && one.Name == f.Artifact.Name {
			if err := p.repo.remove(ctx, one); err != nil {
				return err
			}
		}
	}
	dir, err := os.MkdirTemp("", "sluice-release-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a leftover does no harm
	path, err := driver.Fetch(ctx, f.Artifact, dir)
	if err != nil {
		return err
	}
	made, err := p.repo.upload(ctx, to, f.Artifact.Name, path)
	if err != nil {
		return err
	}
	if made.Digest != f.Artifact.Digest {
		return driver.Refusef("GitHub says that the asset %s, just uploaded, has the digest %s, not %s",
			driver.Quote(made.Name), driver.Quote(made.Digest), f.Artifact.Digest)
	}
	return nil
}

// Look is driver.Driver's: the channel is the newest prerelease.
func (p *publisher) Look(ctx context.Context, f driver.Facts) (driver.Seen, error) {
	var seen driver.Seen
	_, err := p.run(ctx, func(*steps) (driver.Done, error) {
		r, err := p.look(ctx, f, f.Version)
		seen = p.seen(r.now, f)
		return driver.Done{}, err
	})
	return seen, err
}

// Undo is driver.Driver's: the prerelease becomes a draft, which nobody sees who may not write, and the one before is the newest again.
func (p *publisher) Undo(ctx context.Context, f driver.Facts, back driver.Back) (driver.Done, error) {
	version, err := p.version(f)
	if err != nil {
		return driver.Done{}, err
	}
	if back.Value != "" {
		if _, _, err := parseValue(back.Value); err != nil {
			return driver.Done{}, err
		}
	}
	return p.run(ctx, func(s *steps) (driver.Done, error) {
		r, err := p.look(ctx, f, version)
		if err != nil {
			return driver.Done{}, err
		}
		done := s.found(p.value(r.now))
		switch {
		case r.own == nil || r.own.Draft:
			return done, nil
		case !r.own.Prerelease:
			done.Note = "the release " + r.own.Tag + " is no prerelease by now: left alone"
			return done, nil
		case r.own.ID != idOf(r.now):
			done.Note = "the newest prerelease is " + done.Value + " by now: left alone"
			return done, nil
		}
		if err := p.free(r.own, f); err != nil {
			done.Note = "the release " + r.own.Tag + " is another's: left alone"
			return done, nil //nolint:nilerr // there is nothing to undo
		}
		s.write("there was the prerelease " + r.own.Tag)
		if _, err := p.repo.edit(ctx, r.own.ID, map[string]any{"draft": true}); err != nil {
			return done, err
		}
		done.Value, done.Note = p.value(r.next), "the prerelease "+r.own.Tag+" is a draft now; its tag stays"
		return done, nil
	})
}

func idOf(r *release) int64 {
	if r == nil {
		return 0
	}
	return r.ID
}
