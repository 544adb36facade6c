package serve

import (
	"context"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// Ask stores a request of a person whom the gateway knows. It returns when the broker has acknowledged it.
func Ask(ctx context.Context, env service.Env, verb release.Verb, id, actor, reason string) error {
	data, err := releasepb.EncodeRequest(release.Request{Reason: reason})
	if err != nil {
		return err
	}
	return publish(ctx, env, topology.StreamSluice, topology.Request(string(verb), id, actor), data)
}
