package promote

import (
	"context"
	"hash/fnv"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// link adds the record that the hint is of to the audit chain of its project, if it is the last of an ended release's journal. A later
// record has a hint of its own.
func (l *look) link(ctx context.Context, e journal.Entry) error {
	if l.hint.Subject.Kind != topology.KindRelease || l.hint.Seq != e.Seq || !audit.Links(e.Type, e.State.Phase) {
		return nil
	}
	free := l.turn(e.State.Project)
	select {
	case free <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-free }()
	c, added, err := l.env.Journal.Link(ctx, e, l.signer)
	if err != nil || !added {
		return err
	}
	l.env.Log.Info("audit checkpoint", checkpoint(c)...)
	return nil
}

// turn is what is full while somebody in this process links a release of the project.
func (p *Promoter) turn(project string) chan struct{} {
	h := fnv.New32a()
	_, _ = h.Write([]byte(project)) // it takes everything
	return p.linking[h.Sum32()%uint32(len(p.linking))]
}

// checkpoint is one in the fields of a log line, which can be given to `sluice audit verify --checkpoint` as it is.
func checkpoint(c audit.Checkpoint) []zap.Field {
	fields := []zap.Field{
		zap.String("project", c.Project), zap.Uint64("index", c.Index), zap.Stringer("hash", c.Hash),
		zap.String("at", c.At.UTC().Format(time.RFC3339Nano)),
	}
	if c.Key != "" {
		fields = append(fields, zap.String("key", c.Key), zap.Binary("signature", c.Signature))
	}
	return fields
}
