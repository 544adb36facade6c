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

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/watcher/internal/judge"
)

// actor is who asks, in the subject of a request.
const actor = "watcher"

// publishWithin bounds one publish, also when the service stops: a request that is on its way gets there.
const publishWithin = 5 * time.Second

// publish stores a message in a stream. An acknowledgement counts only if it names the stream and a sequence and is no duplicate.
func (r *watch) publish(ctx context.Context, stream string, m *nats.Msg) error {
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishWithin)
	defer cancel()
	m.Header.Set(jetstream.ExpectedStreamHeader, stream)
	ack, err := r.env.JS.PublishMsg(within, m)
	if err != nil {
		return fmt.Errorf("store %s: %w", m.Subject, err)
	}
	if ack.Stream != stream || ack.Sequence == 0 || ack.Duplicate {
		return fmt.Errorf("store %s: an acknowledgement that does not count: stream %q, sequence %d, duplicate %t",
			m.Subject, ack.Stream, ack.Sequence, ack.Duplicate)
	}
	return nil
}

// untilBeat is how long it is until a heartbeat is due: an interval after the last, and at once for the first, and for a
// release that waits for a look at its checks.
func (r *watch) untilBeat() time.Duration {
	d := r.on
	if d.beaten.Before(d.since) || d.owed && !d.failing() {
		return 0
	}
	return max(0, time.Until(d.beaten.Add(r.interval())))
}

// beat sends a heartbeat.
func (r *watch) beat(ctx context.Context) error {
	failing := r.on.failing()
	body, err := releasepb.EncodeHeartbeat(releasepb.Heartbeat{
		Release: r.id, Instance: r.env.Instance, Checks: len(r.on.checks), Failing: failing,
	})
	if err != nil {
		return err
	}
	m := nats.NewMsg(topology.Heartbeat(r.id))
	m.Data = body
	began := time.Now()
	if err := r.publish(ctx, topology.StreamEvidence, m); err != nil {
		return err
	}
	r.on.beaten = began
	r.on.owed = r.on.owed && failing
	return nil
}

// The broker's codes for a lost compare-and-set: against what is stored, and, on a replicated stream, against what is in
// flight.
const (
	codeWrongLast     jetstream.ErrorCode = 10071
	codeWrongInFlight jetstream.ErrorCode = 10164
)

// condemn stores the request that the verdict asks for, once: on its subject there must be none. Of a soak that is the
// tombstone, of a bake the rollback. Then it says why, as well as it can.
func (r *watch) condemn(ctx context.Context) error {
	v := *r.verdict
	verb := v.Stretch.Verb()
	subject := topology.Request(string(verb), r.id, actor)
	asked, err := r.env.Journal.Asked(ctx, subject)
	if err != nil {
		return err
	}
	if asked {
		r.heed()
		return nil
	}
	m := nats.NewMsg(subject)
	if m.Data, err = releasepb.EncodeRequest(release.Request{Verb: verb, Reason: v.Reason(), Evidence: v.Evidence()}); err != nil {
		return err
	}
	m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.Itoa(0))
	if err := r.publish(ctx, topology.StreamSluice, m); err != nil {
		var api *jetstream.APIError
		if errors.As(err, &api) && (api.ErrorCode == codeWrongLast || api.ErrorCode == codeWrongInFlight) {
			return fmt.Errorf("another instance publishes %s: %w", subject, err) // look whether it is there
		}
		return err
	}
	r.heed()
	r.log.Warn("published the verdict", zap.String("request", string(verb)), zap.String("reason", v.Reason()))
	r.evidence(ctx, v)
	if r.on != nil {
		r.keepTemplates(ctx, true)
	}
	r.judgement(ctx, topology.Judged(r.id), v.Check, false, v.Reason(), int64(v.Tally.Count), v.Tally.First.At)
	return nil
}

// heed stops the probes: the request is stored.
func (r *watch) heed() {
	r.told = true
	if r.on != nil {
		r.on.stop()
	}
}

// evidence says what a check came to.
func (r *watch) evidence(ctx context.Context, v judge.Verdict) {
	count, since := v.Tally.Measured, v.Stretch.From
	if v.Tally.Failed {
		count, since = v.Tally.Count, v.Tally.First.At
	}
	r.judgement(ctx, topology.Evidence(r.id), v.Check, !v.Tally.Failed, v.Evidence(), int64(count), since)
}

// judgement publishes what people and dashboards may want to know. Nothing is decided by it, so it is tried once.
func (r *watch) judgement(ctx context.Context, subject, check string, passed bool, detail string, count int64, since time.Time) {
	m := nats.NewMsg(subject)
	var err error
	m.Data, err = releasepb.EncodeJudgement(releasepb.Judgement{
		Release: r.id, Check: check, Passed: passed, Detail: detail, Count: count, Since: since,
	})
	if err == nil {
		err = r.publish(ctx, topology.StreamEvidence, m)
	}
	if err != nil {
		r.log.Warn("could not store the evidence", zap.String("check", check), zap.Error(err))
	}
}
