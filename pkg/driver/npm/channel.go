package npm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

// latest is the tag that npm install takes when nothing else is said, and that registries treat in a way of their own.
const latest = "latest"

// channel is a dist-tag of a package on a registry: what publisher and promoter have in common.
type channel struct {
	registry *registry
	name     string // of the package; empty to take it from the artifact
	tag      string
	mode     project.NPMMode
	access   string
	forward  bool // the tag never moves to an older version
}

func open(cfg project.NPM, tag string, o options) (channel, error) {
	if cfg.TokenEnv != "" && cfg.TokenFile != "" || cfg.NPMRC != "" && cfg.TokenEnv+cfg.TokenFile != "" {
		return channel{}, errors.New("npm: name the token by one of token_env, token_file and npmrc")
	}
	reg, err := newRegistry(cfg, o.transport, o.waits)
	if err != nil {
		return channel{}, fmt.Errorf("npm: %w", err)
	}
	c := channel{registry: reg, name: cfg.Package, tag: cfg.Tag, mode: cfg.Mode, access: cfg.Access}
	if c.tag == "" {
		c.tag = tag
	}
	if c.mode == "" {
		c.mode = project.Republish
	}
	if c.name != "" {
		if err := validName(c.name); err != nil {
			return channel{}, fmt.Errorf("npm: package: %w", err)
		}
	}
	if err := validTag(c.tag); err != nil {
		return channel{}, fmt.Errorf("npm: %w", err)
	}
	switch {
	case c.mode != project.Retag && c.mode != project.Republish && c.mode != project.Staged:
		return channel{}, fmt.Errorf("npm: mode %s: it must be %s, %s or %s",
			driver.Quote(string(c.mode)), project.Republish, project.Retag, project.Staged)
	case c.access != "" && c.access != "public" && c.access != "restricted":
		return channel{}, fmt.Errorf("npm: access %s: it must be public or restricted", driver.Quote(c.access))
	case c.access == "restricted" && c.name != "" && !strings.HasPrefix(c.name, "@"):
		return channel{}, fmt.Errorf("npm: access restricted is for names with a scope, not for %s", c.name)
	}
	return c, nil
}

// artifact reads the release's package and checks that it is the project's.
func (c channel) artifact(ctx context.Context, f driver.Facts) (*tarball, error) {
	t, err := readArtifact(ctx, f.Artifact, defaultBounds())
	if err != nil {
		return nil, err
	}
	if c.name != "" && t.name != c.name {
		return nil, driver.Refusef("the artifact %s is the package %s, and the project publishes %s", driver.Quote(f.Artifact.Name), t.name, c.name)
	}
	return t, nil
}

// packageName is the package's name, which takes reading the artifact where the project does not say it.
func (c channel) packageName(ctx context.Context, f driver.Facts) (string, error) {
	if c.name != "" {
		return c.name, nil
	}
	t, err := c.artifact(ctx, f)
	if err != nil {
		return "", err
	}
	return t.name, nil
}

// look is Driver.Look for a release whose version on this channel is version. build makes what that version must hold.
func (c channel) look(
	ctx context.Context, f driver.Facts, version string, build func(*tarball) (*tarball, error),
) (driver.Seen, error) {
	name, err := c.packageName(ctx, f)
	if err != nil {
		return driver.Seen{}, err
	}
	tags, err := c.registry.tags(ctx, name)
	if err != nil {
		return driver.Seen{}, fmt.Errorf("look at %s: %w", name, err)
	}
	seen := driver.Seen{Value: tags[c.tag], Version: tags[c.tag]}
	if seen.Value == "" || seen.Value != version {
		return seen, nil
	}
	artifact, err := c.artifact(ctx, f)
	if err != nil {
		return driver.Seen{}, err
	}
	want, err := build(artifact)
	if err != nil {
		return driver.Seen{}, err
	}
	versions, err := c.registry.versions(ctx, name)
	if err != nil {
		return driver.Seen{}, fmt.Errorf("look at %s: %w", name, err)
	}
	switch err := c.registry.same(ctx, versions[version], want); {
	case err == nil:
		seen.Mine = true
	case !driver.IsRefused(err):
		return driver.Seen{}, err
	}
	return seen, nil
}
