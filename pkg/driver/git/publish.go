package git

import (
	"context"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

// publisher tags candidates.
type publisher struct {
	channel
	final channel // where the promotion will tag the release
}

// Publish makes the driver of a project's publish action: a commit becomes the candidate cfg.Tag of "1.4.0-rc.1", whose word is
// cfg.Candidate, [project.DefaultCandidate] unless set, and cfg.Branch, if it is set, moves there. Facts.Beta must be what Plan said. An
// error is a mistake in cfg.
func Publish(cfg project.Git, opts ...Option) (driver.Publisher, error) {
	o := collect(opts)
	if cfg.Candidate == "" {
		cfg.Candidate = project.DefaultCandidate
	}
	c, err := open(cfg, o)
	if err != nil {
		return nil, err
	}
	p := &publisher{channel: c, final: c}
	p.betas = true
	p.final.branch = ""
	if o.promote != nil && o.promote.Remote == cfg.Remote {
		if p.final.branch = o.promote.Branch; c.branch != "" && c.branch == p.final.branch {
			return nil, driver.Refusef("git: publish to the branch %s would give the beta to everybody", c.branch)
		}
	}
	return p, nil
}

// Plan is driver.Publisher's. The candidate is the one that the commit has, or the one after the highest of its version.
func (p *publisher) Plan(ctx context.Context, f driver.Facts) (driver.Plan, error) {
	commit, err := commitOf(f)
	if err != nil {
		return driver.Plan{}, err
	}
	if err := checkArtifact(ctx, f); err != nil {
		return driver.Plan{}, err
	}
	version := f.Version
	if version == "" {
		if version, err = driver.ArtifactVersion(ctx, f.Artifact); err != nil {
			return driver.Plan{}, err
		}
	}
	if f.Version, err = plain(version); err != nil {
		return driver.Plan{}, err
	}
	var plan driver.Plan
	_, err = p.settle(ctx, func(has refs) (change, driver.Done, error) {
		if err := p.free(has, f.Version, commit); err != nil {
			return change{}, driver.Done{}, err
		}
		now := p.final.seen(has, f)
		if err := p.final.known(has, now); err != nil {
			return change{}, driver.Done{}, err
		}
		if !now.Mine && !f.AnyVersion && driver.Newer(now.Version, f.Version) {
			return change{}, driver.Done{}, driver.Refusef("%s is at %s already, which is newer than %s: it could never be promoted",
				p.final.shown(), now.Version, f.Version)
		}
		plan = driver.Plan{Version: f.Version, Beta: p.next(has, f.Version, commit), Before: p.seen(has, f).Value}
		return change{}, driver.Done{}, nil
	})
	if err != nil {
		return driver.Plan{}, err
	}
	return plan, nil
}

// free refuses a version that is another commit's.
func (c *channel) free(has refs, version, commit string) error {
	tag := c.tag(version)
	if at := has[tagsAt+tag]; at != "" && at != commit {
		return driver.Refusef("version %s is taken: the tag %s of %s is on %s, not on %s, and tags never move; merge with a new version",
			version, tag, c.remote.name(), at, commit)
	}
	return nil
}

// Do is driver.Driver's.
func (p *publisher) Do(ctx context.Context, f driver.Facts) (driver.Done, error) {
	commit, err := commitOf(f)
	if err != nil {
		return driver.Done{}, err
	}
	version, err := plain(f.Version)
	if err != nil {
		return driver.Done{}, err
	}
	if _, ok := numberOf(f.Beta, version, p.word); !ok {
		return driver.Done{}, driver.Refusef("the candidate of version %s can not be %s: it is what the plan says, like %s",
			version, driver.Quote(f.Beta), nameOf(version, p.word, 1))
	}
	if err := checkArtifact(ctx, f); err != nil {
		return driver.Done{}, err
	}
	tag, err := tagOf(p.tag(f.Beta), commit, f.Release)
	if err != nil {
		return driver.Done{}, err
	}
	return p.settle(ctx, func(has refs) (change, driver.Done, error) {
		done := driver.Done{Value: valueOf(f.Beta, commit), Before: p.seen(has, f).Value}
		if err := p.free(has, version, commit); err != nil {
			return change{}, done, err
		}
		todo, err := p.towards(has, p.tag(f.Beta), commit, tag)
		return todo, done, err
	})
}

// towards is the change that a tag on the commit, and the branch at it, still need.
func (c *channel) towards(has refs, name, commit string, tag plumbing.EncodedObject) (change, error) {
	var todo change
	switch at := has[tagsAt+name]; at {
	case commit:
	case "":
		todo.add(tagsAt+name, "", tag.Hash().String())
		todo.objects = append(todo.objects, tag)
	default:
		return todo, driver.Refusef("the tag %s of %s is on %s, not on %s, and tags never move; merge with a new version, or again for the next number",
			name, c.remote.name(), at, commit)
	}
	if at := has[headsAt+c.branch]; c.branch != "" && at != commit {
		todo.add(headsAt+c.branch, at, commit)
	}
	return todo, nil
}
