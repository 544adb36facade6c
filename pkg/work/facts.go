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
}

// Open reads the project file that the release pinned and opens the action for the role.
func Open(ctx context.Context, c *catalog.Catalog, open Opener, s release.State, role driver.Role) (Tools, error) {
	p, err := c.At(ctx, s.Project, s.Policy.Revision)
	if err != nil {
		return Tools{}, err
	}
	action := actionOf(p, role)
	if action == nil {
		return Tools{Timeout: project.DefaultActionTimeout}, nil
	}
	d, err := open(p, *action, role)
	if err != nil {
		return Tools{}, fmt.Errorf("project %s, %s: %w", p.Name, role, err)
	}
	return Tools{Driver: d, Timeout: action.Timeout}, nil
}

func actionOf(p *project.Project, role driver.Role) *project.Action {
	switch role {
	case driver.Publish:
		return p.Publish
	case driver.Deploy:
		return p.Stages[0].Action
	case driver.Promote:
		return p.Promote
	}
	return nil
}

// Facts is what drivers may know of a release; attempt counts the tries at the work they do.
func Facts(c *catalog.Catalog, s release.State, w release.Work) driver.Facts {
	f := driver.Facts{
		Release: s.Release, Project: s.Project, Attempt: s.Attempts[w].Number,
		Commit: s.Merge.Commit, Ref: s.Merge.Ref, URL: s.Merge.URL, Actor: s.Merge.Actor,
		Version: s.Version, Beta: s.Beta,
	}
	if s.Digest != "" {
		f.Artifact = c.Artifact(s.Merge.Artifact, s.Digest)
	}
	return f
}
