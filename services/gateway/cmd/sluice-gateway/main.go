// Command sluice-gateway runs the gateway.
package main

import (
	"context"

	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/services/gateway"
)

func main() {
	var cfg gateway.Config
	service.Main("gateway", func(ctx context.Context, env service.Env) error { return gateway.Run(ctx, env, cfg) },
		service.Outside(), service.WithFlags(cfg.Flags))
}
