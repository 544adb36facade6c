package exec

import (
	"context"
	"slices"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

// restore is the action of an Undo.
const restore = "restore"

// Driver runs a command as one of a release's actions. It is a driver.Publisher.
type Driver struct {
	settings project.Exec
	role     driver.Role
}

var _ driver.Publisher = (*Driver)(nil)

// New makes the driver of a command, for any role. It runs nothing. Settings with which no command could ever run are refused.
func New(c project.Exec, role driver.Role) (*Driver, error) {
	if err := checkSettings(c); err != nil {
		return nil, err
	}
	switch role {
	case driver.Publish, driver.Deploy, driver.Promote:
	default:
		return nil, driver.Refusef("exec: there is no role %s", driver.Quote(string(role)))
	}
	c.Command = slices.Clone(c.Command)
	return &Driver{settings: c, role: role}, nil
}

// Plan takes the version of the merge or, when it states none, of the artifact. The beta has the same version. Whether the
// version is taken only the command can find out, when it publishes.
func (d *Driver) Plan(ctx context.Context, f driver.Facts) (driver.Plan, error) {
	if err := ctx.Err(); err != nil {
		return driver.Plan{}, err
	}
	var version string
	var err error
	if f.Version == "" {
		version, err = driver.ArtifactVersion(ctx, f.Artifact)
	} else {
		version, err = f.CleanVersion()
	}
	if err != nil {
		return driver.Plan{}, err
	}
	return driver.Plan{Version: version, Beta: version}, nil
}

// Look knows nothing: a command can not be asked without being run.
func (d *Driver) Look(ctx context.Context, _ driver.Facts) (driver.Seen, error) {
	return driver.Seen{}, ctx.Err()
}

// Do runs the command with the release's facts.
func (d *Driver) Do(ctx context.Context, f driver.Facts) (driver.Done, error) {
	if err := d.run(ctx, Vars(string(d.role), f), f.Artifact); err != nil {
		return driver.Done{}, err
	}
	return driver.Done{Value: d.value(f)}, nil
}

// Undo runs the command with the facts of the earlier release. That the channel still is this release's is the command's to find out.
func (d *Driver) Undo(ctx context.Context, f driver.Facts, back driver.Back) (driver.Done, error) {
	var artifact driver.Artifact
	var done driver.Done
	if back.Release != nil {
		artifact = back.Release.Artifact
		done.Value = d.value(*back.Release)
	}
	if err := d.run(ctx, restoreVars(f, back.Release), artifact); err != nil {
		return driver.Done{}, err
	}
	return done, nil
}

// value is what the command made the channel point to, as far as is known here.
func (d *Driver) value(f driver.Facts) string {
	version := f.Version
	if d.role != driver.Promote && f.Beta != "" {
		version = f.Beta
	}
	if version == "" {
		return f.Artifact.Digest
	}
	return version
}

// run runs the command with a private copy of the artifact, where there is one to copy.
func (d *Driver) run(ctx context.Context, vars []Var, artifact driver.Artifact) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := checkVars(vars); err != nil { // before anything is fetched
		return err
	}
	path := ""
	if artifact.Open != nil {
		s, err := newScratch()
		if err != nil {
			return err
		}
		defer s.remove()
		if path, err = driver.Fetch(ctx, artifact, s.dir); err != nil {
			return err
		}
	}
	return Run(ctx, d.settings, append(vars, Var{"SLUICE_ARTIFACT_PATH", path}))
}
