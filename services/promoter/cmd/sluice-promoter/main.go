// Command sluice-promoter runs the promoter.
package main

import (
	"context"

	"github.com/sluice-gate/sluice/pkg/driver/drivers"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/services/promoter"
)

func main() {
	cfg := promoter.Config{Open: drivers.Open}
	service.Main("promoter", func(ctx context.Context, env service.Env) error { return promoter.Run(ctx, env, cfg) },
		service.WithFlags(cfg.Flags))
}
