// Package sluice is the command line of Sluice, and `sluice up`: the broker and all services in one process.
//
// The commands are in internal/cli; what runs under up is in internal/up; how a release is found by the names that people use
// is in pkg/find, and what status reads, and what that costs, in pkg/board.
package sluice

import (
	"cmp"
	"context"
	"time"

	"github.com/sluice-gate/sluice/pkg/cdevents"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/services/gateway"
	"github.com/sluice-gate/sluice/services/sluice/internal/cli"
	"github.com/sluice-gate/sluice/services/sluice/internal/top"
	"github.com/sluice-gate/sluice/services/sluice/internal/up"
	"github.com/sluice-gate/sluice/services/watcher"
)

// Main runs the command line with the arguments and streams of the process and returns its exit code.
func Main() int {
	return int(cli.Main(cli.Up{Broker: up.BrokerVersion, Run: run, Check: check, Tell: tell, Top: top.Run}))
}

func run(ctx context.Context, c cli.UpConfig) error {
	return up.Run(ctx, up.Config{
		Data: c.Data, Listen: c.Listen, HTTP: c.HTTP, Projects: c.Projects, Log: c.Log, Banner: c.Banner, EvidenceAge: c.EvidenceAge,
		Gateway: gateway.Config{File: c.Gateway, Listen: c.GatewayListen, Dashboard: c.Dashboard},
	})
}

// tell is a journal record as the gateway tells it.
func tell(source string, r journal.Record) ([]any, error) {
	return cdevents.All(source, r.Record, r.Seq, r.At)
}

// check tries checks as the watcher does. Without a soak, what happened in the last hour counts.
func check(ctx context.Context, project string, s cli.Stretch) []cli.Tried {
	from := time.Now().Add(-cmp.Or(s.For, time.Hour))
	facts := driver.Facts{Project: project, Stage: s.Stage, Attempt: 1}
	var out []cli.Tried
	for _, l := range watcher.Try(ctx, watcher.Config{}, s.Checks, facts, from, s.Bake) {
		out = append(out, cli.Tried{
			Check: l.Check, Result: string(l.Result), Asks: l.Asks, Saw: l.Saw, Means: l.Means, TookMS: l.Took.Milliseconds(),
			Good: l.Result == watcher.Passes, Bad: l.Result == watcher.Fails || l.Result == watcher.Broken, Unasked: l.Result == watcher.Unasked,
		})
	}
	return out
}
