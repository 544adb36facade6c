package watch

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// lost remembers the newest gap.
func (h *hearing) lost(at time.Time, why string) { h.gap = h.gap.Newer(judge.Gap{At: at, Why: why}) }

// answerGap does what follows from signals that were lost ([judge.Gap.Answer]): a person looks at the release, and resumes or cancels it.
// What a person resumed is not held for the same gap again, by any instance: the request is younger than the gap. Until the request is
// stored there is no heartbeat.
func (r *watch) answerGap(ctx context.Context) error {
	h := r.on.hears
	if h == nil || h.gap.At.IsZero() {
		return nil
	}
	checks := make([]project.Check, len(h.checks))
	for i, c := range h.checks {
		checks[i] = c.Check
	}
	request, check := h.gap.Hold(checks)
	last, at, err := r.env.Journal.Asked(ctx, topology.Request(string(request.Verb), r.id, actor))
	if err != nil {
		return err
	}
	switch h.gap.Answer(r.on.stretch, checks, r.entry.State, at) {
	case judge.Wait:
		return nil
	case judge.NoSight:
		for _, c := range h.checks {
			c.err = errors.New(h.gap.Why)
		}
		r.looking(ctx) // which says so
	case judge.HoldIt:
		if err := r.ask(ctx, request, last); err != nil {
			return err // another instance may have stored its own: then that is found
		}
		r.log.Warn("signals were lost: held the release", zap.String("reason", request.Reason))
		r.judgement(ctx, topology.Evidence(r.id), check, judge.Inconclusive, request.Reason, 0, h.gap.At)
	case judge.Ignore:
	}
	h.gap = judge.Gap{}
	return nil
}
