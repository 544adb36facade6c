package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/work"
)

// version is what the merge asked for, or what the project's rule says; empty leaves it to the artifact.
func (p *Publisher) version(ctx context.Context, s release.State) (string, error) {
	if s.Merge.Version != "" {
		return s.Merge.Version, nil
	}
	file, err := p.env.Catalog.At(ctx, s.Project, s.Policy.Revision)
	if err != nil || file.Version != project.NextPatch {
		return "", err
	}
	tools, err := work.Open(ctx, p.env.Catalog, p.open, s, driver.Promote)
	if err != nil {
		return "", err
	}
	if tools.Driver == nil {
		return "", driver.Refusef("version: next-patch needs a promote action, whose channel has the last version")
	}
	seen, err := tools.Driver.Look(ctx, work.Facts(p.env.Catalog, s, release.Promote))
	if err != nil {
		return "", err
	}
	if seen.Version == "" {
		return "0.0.1", nil
	}
	v, err := semver.StrictNewVersion(seen.Version)
	if err != nil {
		return "", driver.Refusef("version: next-patch can not count on from %s: give the merge a version", driver.Quote(seen.Version))
	}
	return v.IncPatch().String(), nil
}

// reserve gives a version, or a beta's name, to this release. See keeps for whose it stays.
func (p *Publisher) reserve(ctx context.Context, s release.State, name string) error {
	if err := topology.CheckVersion(name); err != nil {
		return driver.Refusef("%w", err)
	}
	for {
		owner, last, err := p.env.Journal.Version(ctx, s.Project, name)
		if err != nil || owner == s.Release {
			return err
		}
		if owner != "" {
			other, err := p.standing(ctx, owner)
			if err != nil && !errors.Is(err, journal.ErrNone) {
				return err
			}
			if err == nil && keeps(other) {
				return driver.Refusef("version %s is taken: release %s of it is %s; choose another version", name, owner, other.Phase)
			}
		}
		if err := p.env.Journal.SetVersion(ctx, s.Project, name, s.Release, last); !errors.Is(err, journal.ErrConflict) {
			return err
		}
	}
}

// standing is how a release stands that may be in another one's way. While its cancel waits for an answer, as after a time without a
// promoter, that is not known: the other one is looked at again later, because what is refused is refused for good.
func (p *Publisher) standing(ctx context.Context, id string) (release.State, error) {
	e, requests, err := p.env.Journal.Snapshot(ctx, id)
	if err != nil {
		return release.State{}, err
	}
	if slices.ContainsFunc(requests, func(r release.Request) bool { return r.Verb == release.Cancel }) {
		return release.State{}, react.Later(cancelledSoon, fmt.Sprintf("the cancel of release %s waits for its answer", id))
	}
	return e.State, nil
}

// cancelledSoon is how soon a release is looked at again that waits for another one's cancel to be answered.
const cancelledSoon = time.Second

// keeps tells whether a release keeps its version: it is under way, was promoted, or may have been before it failed.
func keeps(s release.State) bool {
	return !s.Phase.Ended() || s.Phase == release.Promoted || s.Phase == release.Failed && s.Reached
}

// laneIsOpen refuses a merge early when its project lets nothing wait and the lane is occupied. The stager asks again.
func (p *Publisher) laneIsOpen(ctx context.Context, s release.State) error {
	if s.Policy.Collision != release.Reject {
		return nil
	}
	r, _, err := p.env.Journal.Lane(ctx, s.Policy.Lane)
	if err != nil || r.Owner == "" || r.Owner == s.Release {
		return err
	}
	occupant, err := p.standing(ctx, r.Owner)
	if err != nil || occupant.Phase.Ended() {
		return err
	}
	return driver.Refusef("%s", lane.Rejection(s.Policy.Lane, occupant))
}

// goodBefore is what the beta channel pointed to before this release, or, when that was a beta which ended without
// promotion, what it pointed to before that one, and so on.
func (p *Publisher) goodBefore(ctx context.Context, s release.State) (string, error) {
	const most = 1000 // releases in a row that all came to nothing
	value := s.BetaChannel.Before
	for range most {
		name, _, _ := strings.Cut(value, "@")
		if named := topology.CheckVersion(name) == nil; !named {
			return value, nil
		}
		owner, _, err := p.env.Journal.Version(ctx, s.Project, name)
		if err != nil {
			return "", err
		}
		if owner == "" {
			return value, nil
		}
		e, err := p.env.Journal.Load(ctx, owner)
		if errors.Is(err, journal.ErrNone) {
			return value, nil
		}
		if err != nil {
			return "", err
		}
		if !e.State.Phase.Ended() || e.State.Phase == release.Promoted {
			return value, nil
		}
		if e.State.BetaChannel.Before == value {
			return "", nil
		}
		value = e.State.BetaChannel.Before
	}
	return "", fmt.Errorf("more than %d betas before %s came to nothing", most, s.Release)
}
