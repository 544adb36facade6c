// Package publish follows a release from its merge to its published beta, and puts the beta channel back after an end
// without promotion. [Publisher.Look] is the whole of it.
//
// # What if it dies here?
//
// Version, beta, digest and what the channel pointed to before are journaled before the first write, so a further attempt
// publishes the same names, and a later undo knows where to go back to. A version belongs to one release by a record of its
// own, stored by compare-and-set, before it is journaled: dying between leaves a version that this same release finds to be
// its own.
package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/work"
)

// Publisher looks at releases. It keeps nothing between looks.
type Publisher struct {
	env  service.Env
	open work.Opener
}

// New makes a Publisher.
func New(env service.Env, open work.Opener) *Publisher { return &Publisher{env: env, open: open} }

// Look handles a hint: it brings the release as far as a publisher can.
func (p *Publisher) Look(ctx context.Context, h react.Hint) error {
	for {
		e, err := p.env.Journal.LoadAt(ctx, h.Subject.Release, h.Least(topology.StreamSluice))
		if h.Orphan(err) {
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case e.State.Phase == release.Merged || e.State.Phase == release.Publishing:
			err = p.publish(ctx, h, e)
		case e.State.Needs(release.RestoreBeta):
			err = p.restore(ctx, h, e)
		default:
			return nil
		}
		if err != nil && !errors.Is(err, release.ErrEnded) {
			return err
		}
	}
}

func (p *Publisher) publish(ctx context.Context, h react.Hint, e journal.Entry) error {
	tools, err := work.Open(ctx, p.env.Catalog, p.open, e.State, driver.Publish)
	if err = cmp.Or(err, tools.Refused); err != nil {
		return p.unless(ctx, h, e, err)
	}
	// Planning reads the artifact, and a read whose broker was lost may never come to an end.
	planning, cancel := context.WithTimeout(ctx, tools.Timeout)
	plan, err := p.plan(planning, e.State, tools.Driver)
	cancel()
	if err != nil {
		return p.unless(ctx, h, e, err)
	}
	begin := release.Begin{Work: release.Publish, Instance: p.env.Instance, Timeout: tools.Timeout, Plan: plan, At: h.At}
	return work.Run(ctx, p.env, e.State.Release, begin, h.Cause(), func(ctx context.Context, e journal.Entry) (work.Outcome, error) {
		if tools.Driver == nil {
			return work.Outcome{Value: e.State.Beta}, nil
		}
		done, err := tools.Driver.Do(ctx, work.Facts(p.env.Catalog, e.State, release.Publish))
		return work.Outcome{Value: done.Value, Note: done.Note}, err
	})
}

// plan is what the journal says, or what the driver plans now. The names of a beta that was put back before a retry are fixed;
// its channel may have moved on since.
func (p *Publisher) plan(ctx context.Context, s release.State, d driver.Driver) (release.Plan, error) {
	if s.Beta != "" {
		for _, name := range []string{s.Version, s.Beta} { // after a failure they may have become another release's
			if err := p.reserve(ctx, s, name); err != nil {
				return release.Plan{}, err
			}
		}
		planned := release.Plan{Version: s.Version, Beta: s.Beta, Digest: s.Digest, Before: s.BetaChannel.Before}
		if s.BetaChannel.Touched || d == nil {
			return planned, nil
		}
		seen, err := d.Look(ctx, work.Facts(p.env.Catalog, s, release.Publish))
		planned.Before = seen.Value
		return planned, err
	}
	if err := p.laneIsOpen(ctx, s); err != nil {
		return release.Plan{}, err
	}
	digest, err := p.env.Catalog.Pin(ctx, s.Merge.Artifact)
	if err != nil {
		return release.Plan{}, err
	}
	if s.Merge.Digest != "" && s.Merge.Digest != digest {
		return release.Plan{}, driver.Refusef("the artifact %s has the digest %s, the merge asked for %s",
			driver.Quote(s.Merge.Artifact), digest, s.Merge.Digest)
	}
	s.Digest = digest
	if s.Version, err = p.version(ctx, s); err != nil {
		return release.Plan{}, err
	}
	names, err := planNames(ctx, d, work.Facts(p.env.Catalog, s, release.Publish))
	if err != nil {
		return release.Plan{}, err
	}
	for _, name := range []string{names.Version, names.Beta} {
		if err := p.reserve(ctx, s, name); err != nil {
			return release.Plan{}, err
		}
	}
	return release.Plan{Version: names.Version, Beta: names.Beta, Digest: digest, Before: names.Before}, nil
}

// planNames asks a publishing driver; without one the beta is the artifact itself, under its version.
func planNames(ctx context.Context, d driver.Driver, f driver.Facts) (driver.Plan, error) {
	if publisher, ok := d.(driver.Publisher); ok {
		return publisher.Plan(ctx, f)
	}
	if f.Version == "" {
		var err error
		if f.Version, err = driver.ArtifactVersion(ctx, f.Artifact); err != nil {
			return driver.Plan{}, err
		}
	}
	version, err := f.CleanVersion()
	return driver.Plan{Version: version, Beta: version}, err
}

// unless fails the release when err says that trying again is pointless, or when that has been tried for too long.
func (p *Publisher) unless(ctx context.Context, h react.Hint, e journal.Entry, err error) error {
	var later *react.LaterError // it waits for others, for as long as they take
	if errors.Is(err, context.Canceled) || errors.As(err, &later) {
		return err
	}
	if !driver.IsRefused(err) && !errors.Is(err, catalog.ErrNoArtifact) && h.Delivered < giveUpAfter {
		return err
	}
	p.env.Log.Warn("refused", zap.String("release", e.State.Release), zap.Error(err))
	fail := release.Fail{By: p.env.Name, Reason: fmt.Sprintf("publish: %v", err)}
	if len(e.State.Attempts) > 0 { // only an attempt of ours may fail; another instance may be at work
		fail.Instance = p.env.Instance
	}
	_, _, err = p.env.Journal.Do(ctx, e.State.Release, fail, h.Cause())
	return err
}

// giveUpAfter bounds how often planning is tried: with react's waits, some ten minutes.
const giveUpAfter = 28

// restore puts the beta channel back to the newest beta that was not taken back itself.
func (p *Publisher) restore(ctx context.Context, h react.Hint, e journal.Entry) error {
	tools, err := work.Open(ctx, p.env.Catalog, p.open, e.State, driver.Publish)
	if err != nil {
		return err
	}
	begin := release.Begin{Work: release.RestoreBeta, Instance: p.env.Instance, Timeout: tools.Timeout, At: h.At}
	return work.Run(ctx, p.env, e.State.Release, begin, h.Cause(), func(ctx context.Context, e journal.Entry) (work.Outcome, error) {
		if tools.Driver == nil {
			return work.Outcome{Note: "nothing was published"}, nil
		}
		back, err := p.goodBefore(ctx, e.State)
		if err != nil {
			return work.Outcome{}, err
		}
		done, err := tools.Driver.Undo(ctx, work.Facts(p.env.Catalog, e.State, release.RestoreBeta), driver.Back{Value: back})
		return work.Outcome{Value: done.Value, Note: done.Note}, err
	})
}
