// Command sluice-watcher runs the watcher.
package main

import (
	"context"

	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/services/watcher"
)

func main() {
	service.Main("watcher", func(ctx context.Context, env service.Env) error { return watcher.Run(ctx, env, watcher.Config{}) })
}
