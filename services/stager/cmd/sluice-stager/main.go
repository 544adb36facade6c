// Command sluice-stager runs the stager.
package main

import (
	"context"

	"github.com/sluice-gate/sluice/pkg/driver/drivers"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/services/stager"
)

func main() {
	service.Main("stager", func(ctx context.Context, env service.Env) error {
		return stager.Run(ctx, env, stager.Config{Open: drivers.Open})
	})
}
