package git

import (
	"context"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

// promoter tags releases.
type promoter struct{ channel }

// Promote makes the driver of a project's promote action: the commit that soaked becomes the release cfg.Tag of "1.4.0", and cfg.Branch,
// if it is set, moves there. When cfg.Candidate is set, the candidate's tag must still be on the commit. An error is a mistake in cfg.
func Promote(cfg project.Git, opts ...Option) (driver.Driver, error) {
	c, err := open(cfg, collect(opts))
	if err != nil {
		return nil, err
	}
	return &promoter{c}, nil
}

// Do is driver.Driver's.
func (p *promoter) Do(ctx context.Context, f driver.Facts) (driver.Done, error) {
	commit, err := commitOf(f)
	if err != nil {
		return driver.Done{}, err
	}
	version, err := plain(f.Version)
	if err != nil {
		return driver.Done{}, err
	}
	if err := checkArtifact(ctx, f); err != nil {
		return driver.Done{}, err
	}
	tag, err := tagOf(p.tag(version), commit, f.Release)
	if err != nil {
		return driver.Done{}, err
	}
	f.Version = version
	return p.settle(ctx, func(has refs) (change, driver.Done, error) {
		now := p.seen(has, f)
		done := driver.Done{Value: valueOf(version, commit), Before: now.Value}
		if err := p.free(has, version, commit); err != nil {
			return change{}, done, err
		}
		if err := p.known(has, now); err != nil {
			return change{}, done, err
		}
		if !now.Mine && !f.AnyVersion && driver.Newer(now.Version, version) {
			return change{}, done, driver.Refusef("%s is at %s, which is newer than %s: a channel only moves forward", p.shown(), now.Version, version)
		}
		todo, err := p.towards(has, p.tag(version), commit, tag)
		if err == nil && len(todo.commands) > 0 {
			err = p.soaked(has, f, version)
		}
		return todo, done, err
	})
}

// soaked makes sure that the candidate is still what soaked.
func (p *promoter) soaked(has refs, f driver.Facts, version string) error {
	if p.word == "" {
		return nil
	}
	if _, ok := numberOf(f.Beta, version, p.word); !ok {
		return driver.Refusef("the release's candidate %s is none of version %s, such as %s", driver.Quote(f.Beta), version, nameOf(version, p.word, 1))
	}
	switch name, at := p.tag(f.Beta), has[tagsAt+p.tag(f.Beta)]; at {
	case f.Commit:
		return nil
	case "":
		return driver.Refusef("the tag of the candidate, %s, is gone from %s: somebody removed it while %s soaked", name, p.remote.name(), f.Commit)
	default:
		return driver.Refusef("the tag of the candidate, %s of %s, was moved: it is on %s, and what soaked is %s", name, p.remote.name(), at, f.Commit)
	}
}
