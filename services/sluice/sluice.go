// Package sluice is the command line of Sluice, and `sluice up`: the broker and all services in one process.
//
// The commands are in internal/cli; what runs under up is in internal/up; how a release is found by the names that people use
// is in internal/find, and what status reads, and what that costs, in internal/board.
package sluice

import (
	"context"

	"github.com/sluice-gate/sluice/services/gateway"
	"github.com/sluice-gate/sluice/services/sluice/internal/cli"
	"github.com/sluice-gate/sluice/services/sluice/internal/up"
)

// Main runs the command line with the arguments and streams of the process and returns its exit code.
func Main() int { return int(cli.Main(cli.Up{Broker: up.BrokerVersion, Run: run})) }

func run(ctx context.Context, c cli.UpConfig) error {
	return up.Run(ctx, up.Config{
		Data: c.Data, Listen: c.Listen, HTTP: c.HTTP, Projects: c.Projects, Log: c.Log, Banner: c.Banner, EvidenceAge: c.EvidenceAge,
		Gateway: gateway.Config{File: c.Gateway, Listen: c.GatewayListen},
	})
}
