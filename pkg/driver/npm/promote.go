package npm

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

// promoter gives what soaked to everybody.
type promoter struct{ channel }

// Promote makes the driver of a project's promote action: what soaked goes on the dist-tag cfg.Tag, which is latest unless set.
// cfg.Mode must be the one of the publish action. An error is a mistake in cfg.
func Promote(cfg project.NPM, opts ...Option) (driver.Driver, error) {
	c, err := open(cfg, latest, collect(opts))
	if err != nil {
		return nil, err
	}
	c.forward = true
	return &promoter{c}, nil
}

// make builds the package that everybody gets: the artifact, with the release's version.
func (p *promoter) make(artifact *tarball, f driver.Facts) (*tarball, error) {
	if err := plain(f.Version); err != nil {
		return nil, err
	}
	if p.mode == project.Retag {
		if artifact.version != f.Version {
			return nil, driver.Refusef("%s: the package says version %s and the release is %s", artifact.name, artifact.version, f.Version)
		}
		return artifact, nil
	}
	if _, ok := betaNumber(f.Beta, f.Version); !ok {
		return nil, driver.Refusef("%s: version %s can not have soaked as %s: publish and promote must have the same mode", artifact.name, f.Version, driver.Quote(f.Beta))
	}
	return artifact.rewrite(f.Version)
}

// Look is driver.Driver's.
func (p *promoter) Look(ctx context.Context, f driver.Facts) (driver.Seen, error) {
	return p.look(ctx, f, f.Version, func(artifact *tarball) (*tarball, error) { return p.make(artifact, f) })
}

// Do is driver.Driver's.
func (p *promoter) Do(ctx context.Context, f driver.Facts) (driver.Done, error) {
	artifact, err := p.artifact(ctx, f)
	if err != nil {
		return driver.Done{}, err
	}
	t, err := p.make(artifact, f)
	if err != nil {
		return driver.Done{}, err
	}
	was, err := p.show(ctx, t.name)
	if err != nil {
		return driver.Done{}, err
	}
	done, err := p.give(ctx, t, f, was)
	if err != nil {
		return driver.Done{}, err
	}
	if err := p.reinstate(ctx, t.name, t.version, was, &done); err != nil {
		return driver.Done{}, fmt.Errorf("%s of %s points to %s; %w", p.tag, t.name, done.Value, err)
	}
	return done, nil
}

// give makes the channel point to t.
func (p *promoter) give(ctx context.Context, t *tarball, f driver.Facts, was shown) (driver.Done, error) {
	switch p.mode {
	case project.Staged:
		return p.stage(ctx, t, f, was)
	case project.Republish:
		return p.publish(ctx, t, f.Commit, was, func() error { return p.soaked(ctx, t, f.Beta, was) })
	case project.Retag:
	}
	have, ok := was.versions[t.version]
	if !ok {
		return driver.Done{}, driver.Refusef("%s@%s is not on the registry: it was never published, or is gone", t.name, t.version)
	}
	if err := p.registry.same(ctx, have, t); err != nil {
		return driver.Done{}, err
	}
	return p.move(ctx, t.name, t.version, was, false)
}

// soaked returns nil when the beta that the registry has is t but for its version. Otherwise the error is driver.Refused, or the
// registry's.
func (p *promoter) soaked(ctx context.Context, t *tarball, beta string, was shown) error {
	if err := t.mentions(beta); err != nil {
		return err
	}
	have, ok := was.versions[beta]
	if !ok {
		return driver.Refusef("%s@%s is not on the registry: it was never published, or is gone", t.name, beta)
	}
	packed, err := p.registry.download(ctx, t.name, beta, have)
	if err != nil {
		return err
	}
	soaked, err := openTarball(packed)
	if err != nil {
		return fmt.Errorf("%s@%s on the registry: %w", t.name, beta, err)
	}
	if soaked.name != t.name || soaked.version != beta {
		return driver.Refusef("%s@%s on the registry says that it is %s@%s", t.name, beta, soaked.name, soaked.version)
	}
	if err := prove(soaked, t); err != nil {
		return fmt.Errorf("what soaked is not what would be promoted: %w", err)
	}
	return nil
}

// Undo is driver.Driver's. The version that is rolled back is deprecated, so that those who have it, or ask for it by its number, are told.
func (p *promoter) Undo(ctx context.Context, f driver.Facts, back driver.Back) (driver.Done, error) {
	name, err := p.undoable(ctx, f, f.Version, back)
	if err != nil {
		return driver.Done{}, err
	}
	done, err := p.undo(ctx, name, f.Version, back)
	if err == nil {
		err = p.unstaged(ctx, name, f.Version, &done)
	}
	kept := errors.Is(err, errKept)
	if err != nil && !kept || done.Value != back.Value && !kept || back.Value == f.Version {
		return done, err // it has not left the channel, or somebody has moved that on
	}
	if failed := p.withdraw(ctx, name, f.Version, done.Value, &done); failed != nil && !kept {
		return driver.Done{}, fmt.Errorf("%s of %s is back at %s; %w", p.tag, name, orNothing(done.Value), failed)
	}
	return done, err
}
