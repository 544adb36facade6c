package catalog

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// Source is a project's current file as it was applied, and its revision: for people to read. It has no secrets in it, only the names
// of variables and files. [ErrUnknownProject] when none was applied.
func (c *Catalog) Source(ctx context.Context, name string) (src []byte, revision string, err error) {
	if topology.CheckProject(name) != nil {
		return nil, "", fmt.Errorf("%w %q", ErrUnknownProject, name)
	}
	e, err := c.projects.Get(ctx, name)
	if errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrInvalidKey) {
		return nil, "", fmt.Errorf("%w %q", ErrUnknownProject, name)
	}
	if err != nil {
		return nil, "", fmt.Errorf("project %s: %w", name, err)
	}
	return e.Value(), project.Hash(e.Value()), nil
}
