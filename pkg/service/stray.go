package service

import (
	"context"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// stray keeps a message that the broker acknowledged on a subject that names nothing of ours, with the reason, on
// sluice.dead.<kind>.<token>: its sender believes that something happens. A token that is not safe is written as "unsafe".
func (e Env) stray(ctx context.Context, raw string, seq uint64, data []byte, why error) error {
	letter, err := releasepb.EncodeDeadLetter(releasepb.DeadLetter{Reason: why.Error(), Subject: raw, Seq: seq, Body: data})
	if err != nil {
		return err
	}
	tokens := append(strings.Split(raw, "."), "", "")
	kind, token := tokens[1], tokens[2]
	if topology.CheckProject(kind) != nil {
		kind = "unsafe"
	}
	if topology.CheckActor(token) != nil {
		token = "unsafe"
	}
	if _, err := e.JS.Publish(ctx, topology.Dead(kind, token), letter, jetstream.WithExpectStream(topology.StreamSluice)); err != nil {
		return fmt.Errorf("keep a refused message: %w", err)
	}
	return nil
}
