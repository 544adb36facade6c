package watch

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/template"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// releasesKnown is of how many releases, those promoted last, the errors are known. An error that comes once in three soaks is not new
// each time.
const releasesKnown = 5

// signalsKnownFrom is how long before the stretch production's signals are known from, if the stream has kept them.
const signalsKnownFrom = topology.DefaultSignalAge

// listen makes ready to read the signals of a stretch, if a check asks for them.
func (r *watch) listen(ctx context.Context, d *duty) error {
	h := &hearing{news: judge.News{From: d.stretch.From}, began: time.Now(), kept: time.Now(), most: topology.LeastSignalsPerSubject}
	s := r.entry.State
	newOnly := false
	h.from = []cursor{{project: s.Project, from: d.stretch.From}, {project: s.Project, release: r.id, from: d.stretch.From}}
	for _, c := range d.checks {
		if c.Signal == nil {
			continue
		}
		h.checks = append(h.checks, c)
		newOnly = newOnly || c.Signal.NewOnly
		base := cursor{project: c.Signal.Baseline, from: d.stretch.From.Add(-signalsKnownFrom), baseline: true}
		if base.project != "" && base.project != s.Project && !slices.Contains(h.from, base) {
			h.from = append(h.from, base)
		}
	}
	if len(h.checks) == 0 {
		return nil
	}
	own, err := r.stored(ctx, r.id)
	if err != nil {
		return err
	}
	for _, soak := range own.Soaks {
		if (judge.Stretch{Bake: soak.Bake, Stage: soak.Stage, From: soak.From}).Same(d.stretch) {
			h.mine = soak
			continue
		}
		h.earlier = append(h.earlier, soak)
		h.news.Known.Add(soak, false)
	}
	if newOnly {
		if err := r.known(ctx, h, d.stretch); err != nil {
			return err
		}
	}
	d.hears = h
	return nil
}

// known reads which errors the releases had that were promoted before.
func (r *watch) known(ctx context.Context, h *hearing, t judge.Stretch) error {
	gate, err := r.env.Journal.Gate(ctx, r.entry, 0)
	if err != nil {
		return err
	}
	n := 0
	for _, p := range slices.Backward(gate.Record.Promotions) {
		if p.Release == r.id || p.RolledBack != nil {
			continue
		}
		if n++; n > releasesKnown {
			break
		}
		stored, err := r.stored(ctx, p.Release)
		if err != nil {
			return err
		}
		for _, soak := range stored.Soaks {
			h.news.Known.Add(soak, n == 1 && soak.Stage == t.Stage && soak.Bake == t.Bake)
		}
	}
	return nil
}

// stored are the tables of a release; none if it had no errors, or was longer ago than evidence is kept. What can not be read is left
// out, and said: then errors may be new that are not, which is the lesser evil.
func (r *watch) stored(ctx context.Context, id string) (template.Stored, error) {
	s, err := r.env.Journal.Templates(ctx, id)
	switch {
	case errors.Is(err, template.ErrMalformed):
		r.log.Warn("can not read which errors are known", zap.String("of", id), zap.Error(err))
		return template.Stored{}, nil
	case errors.Is(err, journal.ErrNone):
		return template.Stored{}, nil
	}
	return s, err
}

// keepAfter is how long after a table was stored it is stored again: the longer the stretch lasts the more rarely, so that a soak of two
// hours has thirty at most, and one without signals none.
func (h *hearing) keepAfter() time.Duration {
	return max(time.Minute, h.kept.Sub(h.began)/8)
}

// keepTemplates stores the table of the stretch with those of the ones before, if it is time, or the stretch is over: then it says
// how long that was. Nothing is decided by it in this release, so
// it is tried again with the next heartbeat, and nothing waits for it.
func (r *watch) keepTemplates(ctx context.Context, over bool) {
	h := r.on.hears
	if h == nil || h.news.Table.Len() == 0 || !over && (!h.changed || time.Since(h.kept) < h.keepAfter()) {
		return
	}
	now, _ := r.clock.now()
	stored := template.Stored{
		Release: r.id, Project: r.entry.State.Project, Version: r.entry.State.Version,
		Soaks: append(slices.Clone(h.earlier), h.news.Soak(r.on.stretch, now)),
	}
	m := nats.NewMsg(topology.Templates(r.id))
	var err error
	if m.Data, err = stored.Encode(); err == nil {
		err = r.publish(ctx, topology.StreamEvidence, m)
	}
	if err != nil {
		r.log.Warn("could not store the templates of the errors", zap.Error(err))
		return
	}
	h.changed, h.kept = false, time.Now()
}
