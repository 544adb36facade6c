package promote

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/journal"
)

// linkAmong is how many messages of the stream are looked through for releases that ended without a link: a few seconds' reading.
const linkAmong = 100_000

// linkAfter are the times after its start at which a promoter looks: an older one may run beside it for as long as an upgrade takes.
func linkAfter() []time.Duration {
	return []time.Duration{0, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}
}

// LinkEnded adds to the audit chains, now and a few times more until ctx ends, what ended without a link. A promoter of a version from
// before the chains acknowledges the hint of such a record and links nothing, and nobody else gets that hint any more. Several promoters
// may do it at once, and beside those who link what ends now: each release is linked once ([journal.Journal.Link]), in the order in which
// they ended as far as nobody else links meanwhile.
//
// Every one is told of in the log: where no older promoter ran, and none died, somebody has cut links off the end of a chain.
// `sluice audit verify --checkpoint` proves that, whatever was linked since.
func (p *Promoter) LinkEnded(ctx context.Context) error {
	began := time.Now()
	for _, after := range linkAfter() {
		wait := time.NewTimer(time.Until(began.Add(after)))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return nil
		}
		if err := p.linkEnded(ctx); err != nil && ctx.Err() == nil {
			p.env.Log.Warn("could not look for releases that ended without a link", zap.Error(err))
		}
	}
	return nil
}

func (p *Promoter) linkEnded(ctx context.Context) error {
	left, err := p.env.Journal.Unlinked(ctx, linkAmong)
	if err != nil {
		return err
	}
	for _, u := range left {
		if err := p.linkLate(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

// linkLate links one of them, unless somebody did meanwhile, or it goes on.
func (p *Promoter) linkLate(ctx context.Context, u journal.Unlinked) error {
	free := p.turn(u.Project)
	select {
	case free <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-free }()
	e, err := p.env.Journal.LoadSure(ctx, u.Release)
	if errors.Is(err, journal.ErrNone) {
		return nil
	}
	if err != nil || !audit.Links(e.Type, e.State.Phase) {
		return err
	}
	c, added, err := p.env.Journal.Link(ctx, e, p.signer)
	if err != nil || !added {
		return err
	}
	p.env.Log.Warn("a release that ended without a link is in the audit chain now",
		zap.String("why", "the promoter that ended it died at that moment, or is of an older version; or somebody removed links"),
		zap.String("release", u.Release), zap.Uint64("seq", e.Seq), zap.Time("ended", e.At))
	p.env.Log.Info("audit checkpoint", checkpoint(c)...)
	return nil
}
