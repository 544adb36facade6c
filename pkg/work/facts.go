package work

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
)

// Opener opens a project's action as a driver. Services get it handed in, so that tests can count and break what it does.
type Opener func(p *project.Project, a project.Action, role driver.Role) (driver.Driver, error)

// Tools is a release's driver for one role, and how long one attempt of it may take. Driver is nil when the project has
// no such action.
type Tools struct {
	Driver  driver.Driver
	Timeout time.Duration
	Leave   bool // a stage that is not to be put back after a cancel
	// Refused is why the action can not be opened where this service runs. The driver then refuses everything for that reason, so that
	// whoever does the work fails, or gives up putting back, and says it.
	Refused error
}

// refusing is the driver of an action that can not be opened.
type refusing struct{ why error }

func (r refusing) Look(context.Context, driver.Facts) (driver.Seen, error) {
	return driver.Seen{}, r.why
}
func (r refusing) Do(context.Context, driver.Facts) (driver.Done, error) { return driver.Done{}, r.why }
func (r refusing) Undo(context.Context, driver.Facts, driver.Back) (driver.Done, error) {
	return driver.Done{}, r.why
}

// Open reads the project file that the release pinned and opens the action for the role; of deployments, that of the stage
// which the release is in, or goes to.
func Open(ctx context.Context, c *catalog.Catalog, open Opener, s release.State, role driver.Role) (Tools, error) {
	return OpenStage(ctx, c, open, s, role, s.Stage)
}

// OpenStage is Open for another stage than the release is in.
func OpenStage(ctx context.Context, c *catalog.Catalog, open Opener, s release.State, role driver.Role, stage int) (Tools, error) {
	p, err := c.At(ctx, s.Project, s.Policy.Revision)
	if err != nil {
		return Tools{}, err
	}
	action, leave := actionOf(p, role, stage)
	if action == nil {
		return Tools{Timeout: project.DefaultActionTimeout, Leave: leave}, nil
	}
	d, err := open(p, *action, role)
	if err != nil {
		err = fmt.Errorf("project %s, %s: %w", p.Name, role, err)
	}
	if driver.IsRefused(err) {
		return Tools{Driver: refusing{err}, Timeout: action.Timeout, Leave: leave, Refused: err}, nil
	}
	return Tools{Driver: d, Timeout: action.Timeout, Leave: leave}, err
}

func actionOf(p *project.Project, role driver.Role, stage int) (action *project.Action, leave bool) {
	switch role {
	case driver.Publish:
		return p.Publish, false
	case driver.Deploy:
		if stage >= 0 && stage < len(p.Stages) {
			return p.Stages[stage].Action, p.Stages[stage].OnCancel == project.Leave
		}
	case driver.Promote:
		return p.Promote, false
	}
	return nil, false
}

// Facts is what drivers may know of a release; attempt counts how often the work they do was begun.
func Facts(c *catalog.Catalog, s release.State, w release.Work) driver.Facts {
	f := driver.Facts{
		Release: s.Release, Project: s.Project, Attempt: s.Attempts[w].Number, Try: s.Failures + 1,
		Commit: s.Merge.Commit, Ref: s.Merge.Ref, URL: s.Merge.URL, Actor: s.Merge.Actor, Merged: s.MergedAt,
		Version: s.Version, Beta: s.Beta, Stage: s.StageName(), AnyVersion: s.Policy.Order == release.ByMerge,
	}
	if s.Digest != "" {
		f.Artifact = c.Artifact(s.Merge.Artifact, s.Digest)
	}
	return f
}

// StageFacts is Facts with the name of another stage than the release is in.
func StageFacts(c *catalog.Catalog, s release.State, w release.Work, stage int) driver.Facts {
	f := Facts(c, s, w)
	s.Stage = stage
	f.Stage = s.StageName()
	return f
}
