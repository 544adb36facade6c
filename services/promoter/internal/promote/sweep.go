package promote

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/release"
)

// sweepEvery is how soon a lost alarm is noticed.
const sweepEvery = 5 * time.Minute

// Sweep arms, once in a while and until ctx ends, the alarms that got lost. None should: a release that waits has an alarm ahead
// or a hint in somebody's hands. But that a release waits for ever is the one failure that nobody notices, and whatever a broker
// forgets is found here.
func (p *Promoter) Sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := p.sweep(ctx); err != nil && ctx.Err() == nil {
			p.env.Log.Warn("could not look for lost alarms", zap.Duration("again_in", sweepEvery), zap.Error(err))
		}
	}
}

// sweep looks at the releases that occupy a lane: those that soak, are held or are promoted are among them.
func (p *Promoter) sweep(ctx context.Context) error {
	owners, err := p.env.Journal.Owners(ctx, "", 0)
	if err != nil {
		return err
	}
	armed, err := p.env.Journal.Alarms(ctx, owners)
	if err != nil {
		return err
	}
	for _, id := range owners {
		if armed[id] {
			continue
		}
		if err := p.rearm(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// rearm arms the alarm of a release that has none. It may replace one that was armed meanwhile, for a later record: then it asks
// for a look at once, which arms the right one.
func (p *Promoter) rearm(ctx context.Context, id string) error {
	e, err := p.env.Journal.Load(ctx, id)
	if err != nil {
		return err
	}
	at, awake := e.State.Wake(e.At)
	if !awake || e.State.Phase == release.Promoting { // whoever promotes has it in hand
		return nil
	}
	if err := p.arm(ctx, id, at); err != nil {
		return err
	}
	p.env.Log.Info("had no alarm", zap.String("release", id), zap.Uint64("seq", e.Seq), zap.Time("armed_for", at))
	last, err := p.env.Journal.LastSeq(ctx, id)
	if err != nil || last == e.Seq {
		return err
	}
	return p.arm(ctx, id, e.At)
}
