// Command sluice-publisher runs the publisher.
package main

import (
	"context"

	"github.com/sluice-gate/sluice/pkg/driver/drivers"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/services/publisher"
)

func main() {
	service.Main("publisher", func(ctx context.Context, env service.Env) error {
		return publisher.Run(ctx, env, publisher.Config{Open: drivers.Open})
	})
}
