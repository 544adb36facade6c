package githubrelease

import (
	"context"
	"fmt"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
	"github.com/sluice-gate/sluice/pkg/project"
)

// promoter makes a prerelease everybody's.
type promoter struct{ channel }

// Promote makes the driver of a project's promote action: the prerelease of the tag cfg.Tag becomes the latest release, if it still has
// the artifact that soaked. An error is a mistake in cfg.
func Promote(cfg project.GitHubRelease, opts ...Option) (driver.Driver, error) {
	c, err := open(cfg, collect(opts))
	if err != nil {
		return nil, err
	}
	return &promoter{c}, nil
}

// Look is driver.Driver's.
func (p *promoter) Look(ctx context.Context, f driver.Facts) (driver.Seen, error) {
	var seen driver.Seen
	_, err := p.run(ctx, func(*steps) (driver.Done, error) {
		latest, err := p.repo.latest(ctx)
		seen = p.seen(latest, f)
		return driver.Done{}, err
	})
	return seen, err
}

// Do is driver.Driver's.
//
// GitHub has no compare-and-set. Two releases that are promoted at the same time may each have seen the old latest, and the older one
// may be the last to write. So each looks again after a while, and the newer one takes latest back. That none promotes at the same time
// is for the lane to ensure; this is the second line.
func (p *promoter) Do(ctx context.Context, f driver.Facts) (driver.Done, error) {
	const tries = 4
	version, err := p.version(f)
	if err != nil {
		return driver.Done{}, err
	}
	if err := checkCommit(f); err != nil {
		return driver.Done{}, err
	}
	if err := verify(ctx, f.Artifact); err != nil {
		return driver.Done{}, err
	}
	f.Version = version
	return p.run(ctx, func(s *steps) (driver.Done, error) {
		for range tries {
			own, err := p.soaked(ctx, f)
			if err != nil {
				return driver.Done{}, err
			}
			latest, err := p.repo.latest(ctx)
			if err != nil {
				return driver.Done{}, err
			}
			now := p.seen(latest, f)
			done := s.found(now.Value)
			switch {
			case newer(now, f, version) && s.wrote:
				done.Note = fmt.Sprintf("latest was moved on to %s meanwhile", now.Version)
				return done, nil
			case newer(now, f, version):
				return done, driver.Refusef("the latest release of %s is %s, which is newer than %s: a channel only moves forward",
					p.repo.shown(), now.Version, version)
			case idOf(latest) == own.ID:
				return done, nil
			}
			if err := p.move(ctx, s, own, f); err != nil {
				return done, err
			}
		}
		return driver.Done{}, fmt.Errorf("the latest release of %s does not stay at %s: somebody else moves it, or GitHub is slow to show it",
			p.repo.shown(), version)
	})
}

// soaked is the release, which must have what soaked.
func (p *promoter) soaked(ctx context.Context, f driver.Facts) (*release, error) {
	own, err := p.repo.tagged(ctx, p.tag(f.Version))
	switch {
	case err != nil:
		return nil, err
	case own == nil:
		return nil, driver.Refusef("%s has no release of the tag %s: it was never published, or somebody removed it while it soaked",
			p.repo.shown(), p.tag(f.Version))
	case !own.has(f.Artifact):
		return nil, p.lacks(own, f.Artifact)
	}
	return own, p.tagged(ctx, f, f.Version)
}

// move makes a release the latest, and checks once more that it is what soaked.
func (p *promoter) move(ctx context.Context, s *steps, own *release, f driver.Facts) error {
	s.write("when last looked at, " + own.Tag + " was not the latest release")
	is, err := p.repo.edit(ctx, own.ID, map[string]any{"draft": false, "prerelease": false, "make_latest": "true"})
	if err != nil {
		return err
	}
	if !is.has(f.Artifact) {
		return driver.Refusef("everybody has it, and somebody changed it at that moment: %w; roll it back", p.lacks(is, f.Artifact))
	}
	s.stood = own.Tag + " is the latest release, which was to be looked at once more"
	return retry.Sleep(ctx, p.waits.settle)
}

// Undo is driver.Driver's: the former latest release is that again, and then this one a prerelease.
func (p *promoter) Undo(ctx context.Context, f driver.Facts, back driver.Back) (driver.Done, error) {
	version, err := p.version(f)
	if err != nil {
		return driver.Done{}, err
	}
	name, target := "", int64(0)
	if back.Value != "" {
		if name, target, err = parseValue(back.Value); err != nil {
			return driver.Done{}, err
		}
	}
	f.Version = version
	return p.run(ctx, func(s *steps) (driver.Done, error) {
		own, err := p.repo.tagged(ctx, p.tag(version))
		if err != nil {
			return driver.Done{}, err
		}
		latest, err := p.repo.latest(ctx)
		if err != nil {
			return driver.Done{}, err
		}
		now := p.seen(latest, f)
		done := s.found(now.Value)
		switch here := own != nil && own.ID == idOf(latest); {
		case here && target == own.ID:
			done.Note = fmt.Sprintf("latest stays at %s: what it was before is not known, or the same", now.Value)
			return done, nil
		case here:
			return p.goBack(ctx, s, own, name, target, back.Value, done)
		case idOf(latest) != target:
			done.Note = fmt.Sprintf("latest is %s by now, and not this release: left alone", orNothing(now.Value))
			return done, nil
		case own != nil && !own.Prerelease && own.has(f.Artifact): // another attempt came that far
			s.write(own.Tag + " was no prerelease yet")
			_, err = p.repo.edit(ctx, own.ID, map[string]any{"prerelease": true, "make_latest": "false"})
		}
		done.Value = back.Value
		return done, err
	})
}

// goBack makes a former release the latest again, if there was one, and this one a prerelease.
func (p *promoter) goBack(
	ctx context.Context, s *steps, own *release, name string, target int64, value string, done driver.Done,
) (driver.Done, error) {
	if target != 0 {
		former, err := p.repo.numbered(ctx, target)
		if err != nil {
			return done, err
		}
		if former == nil || former.Draft || former.Prerelease || p.value(former) != value {
			return done, driver.Refusef("latest can not go back to %s: %s has no such release any more, or it is a prerelease", name, p.repo.shown())
		}
		s.write(own.Tag + " was the latest release")
		if _, err := p.repo.edit(ctx, target, map[string]any{"make_latest": "true"}); err != nil {
			return done, err
		}
	}
	s.write(own.Tag + " was no prerelease yet")
	if _, err := p.repo.edit(ctx, own.ID, map[string]any{"prerelease": true, "make_latest": "false"}); err != nil {
		return done, err
	}
	done.Value = value
	return done, nil
}

func orNothing(value string) string {
	if value == "" {
		return "nothing"
	}
	return value
}
