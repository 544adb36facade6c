package watch

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/watcher/internal/probe"
)

// gap is signals that were lost before they were read. Its zero value is none.
type gap struct {
	at  time.Time // by the broker: what was lost came before this
	why string
}

// lost remembers the newest gap.
func (h *hearing) lost(at time.Time, why string) {
	if at.After(h.gap.at) {
		h.gap = gap{at, why}
	}
}

// holdForGap holds the release if signals were lost that a check may have waited for: a person looks, and resumes or cancels it. What a
// person resumed is not held for the same gap again, by any instance: the request is younger than the gap. In a bake nothing can
// be held; then the checks of signals can not look, and there are no more heartbeats.
//
// Until the request is stored there is no heartbeat.
func (r *watch) holdForGap(ctx context.Context) error {
	h := r.on.hears
	if h == nil || h.gap.at.IsZero() {
		return nil
	}
	if r.on.stretch.Bake {
		for _, c := range h.checks {
			c.err = errors.New(h.gap.why)
		}
		h.gap = gap{}
		r.looking(ctx) // which says so
		return nil
	}
	subject := topology.Request(string(release.Hold), r.id, actor)
	seq, at, err := r.env.Journal.Asked(ctx, subject)
	if err != nil {
		return err
	}
	switch {
	case seq != 0 && !at.Before(h.gap.at):
		h.gap = gap{}
		return nil
	case seq != 0 && r.entry.State.Held != nil:
		return nil // once it is resumed, if then
	}
	reason := probe.Line(fmt.Sprintf("%s, before %s UTC: check %s may have waited for one of them; look at staging, then resume or cancel",
		h.gap.why, h.gap.at.UTC().Format(time.TimeOnly), h.checks[0].Name))
	m := nats.NewMsg(subject)
	if m.Data, err = releasepb.EncodeRequest(release.Request{Verb: release.Hold, Reason: reason}); err != nil {
		return err
	}
	m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(seq, 10))
	if err := r.publish(ctx, topology.StreamSluice, m); err != nil {
		return err // another instance may have stored its own: then that is found
	}
	r.log.Warn("signals were lost: held the release", zap.String("reason", reason))
	r.judgement(ctx, topology.Evidence(r.id), h.checks[0].Name, judge.Inconclusive, reason, 0, h.gap.at)
	h.gap = gap{}
	return nil
}
