package promote

import (
	"context"
	"hash/fnv"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// link adds the record that the hint is of to the audit chain of its project, if it is the last of an ended release's journal. A later
// record has a hint of its own.
func (l *look) link(ctx context.Context, e journal.Entry) error {
	if l.hint.Subject.Kind != topology.KindRelease || l.hint.Seq != e.Seq || !audit.Links(e.Type, e.State.Phase) {
		return nil
	}
	free := l.turn(e.State.Project)
	patience := time.NewTimer(linkPatience)
	defer patience.Stop()
	select {
	case free <- struct{}{}:
	case <-patience.C: // whoever waits here keeps requests of its release waiting, such as a rollback
		return react.Later(linkPatience, "others are being added to the audit chain")
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-free }()
	c, added, err := l.env.Journal.Link(ctx, e, l.signer)
	if err != nil {
		return l.unlinked(ctx, e, err)
	}
	if added {
		l.env.Log.Info("audit checkpoint", checkpoint(c)...)
	}
	return nil
}

// A chain that can not be written, as by a promoter that the accounts do not permit it to, must not keep releases waiting: the broker
// delivers no more hints when too many are not acknowledged.
const (
	linkPatience = time.Second
	linkSlowly   = 28 // deliveries, with react's waits some ten minutes; from then on it is tried seldom
	linkSeldom   = 10 * time.Minute
	linkWithin   = 24 * time.Hour // since the record was stored; after that it is not tried any more
)

// unlinked is what becomes of a hint whose record could not be added to the chain.
func (l *look) unlinked(ctx context.Context, e journal.Entry, why error) error {
	if l.hint.Delivered < linkSlowly || ctx.Err() != nil {
		return why
	}
	fields := []zap.Field{
		zap.String("project", e.State.Project), zap.String("release", e.State.Release), zap.Uint64("seq", e.Seq), zap.Error(why),
	}
	if time.Since(e.At) > linkWithin {
		l.env.Log.Error("a release that has ended is not in the audit chain, and will not be: may this user publish sluice.audit.*?", fields...)
		return nil
	}
	l.env.Log.Warn("a release that has ended is not in the audit chain yet: may this user publish sluice.audit.*?", fields...)
	return react.Later(linkSeldom, "it could not be added to the audit chain")
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
