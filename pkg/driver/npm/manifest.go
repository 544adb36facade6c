package npm

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

// Manifest is what the registry of cfg says of a version of cfg.Package, in JSON. One that it does not have is driver.Refused.
func Manifest(ctx context.Context, cfg project.NPM, version string, opts ...Option) ([]byte, error) {
	c, err := open(cfg, latest, collect(opts))
	if err != nil {
		return nil, err
	}
	var packument struct {
		Versions map[string]json.RawMessage `json:"versions"`
	}
	if err := c.registry.readJSON(ctx, c.registry.address(c.name), abbreviated, &packument); err != nil {
		return nil, fmt.Errorf("look at %s: %w", c.name, err)
	}
	manifest, is := packument.Versions[version]
	if !is {
		return nil, driver.Refusef("%s@%s is not on the registry %s", c.name, driver.Quote(version), c.registry.base)
	}
	return manifest, nil
}
