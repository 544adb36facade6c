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
)

// actor is who asks, in the subject of a request.
const actor = "watcher"

// publishWithin bounds one publish, also when the service stops: a request that is on its way gets there.
const publishWithin = 5 * time.Second

// publish stores a message in a stream.
func (r *watch) publish(ctx context.Context, stream string, m *nats.Msg) error {
	_, err := r.put(ctx, stream, m)
	return err
}

// put stores a message in a stream, and returns its sequence. An acknowledgement counts only if it names the stream and a sequence
// and is no duplicate.
func (r *watch) put(ctx context.Context, stream string, m *nats.Msg) (uint64, error) {
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishWithin)
	defer cancel()
	m.Header.Set(jetstream.ExpectedStreamHeader, stream)
	ack, err := r.env.JS.PublishMsg(within, m)
	if err != nil {
		return 0, fmt.Errorf("store %s: %w", m.Subject, err)
	}
	if ack.Stream != stream || ack.Sequence == 0 || ack.Duplicate {
		return 0, fmt.Errorf("store %s: an acknowledgement that does not count: stream %q, sequence %d, duplicate %t",
			m.Subject, ack.Stream, ack.Sequence, ack.Duplicate)
	}
	return ack.Sequence, nil
}

// lost tells whether a compare-and-set was lost.
func lost(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == codeWrongLast || api.ErrorCode == codeWrongInFlight)
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
		Inconclusive: r.on.doubts(),
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

// ask stores a request of the watcher's, once: the last one on its subject must be that of this sequence, 0 for none.
func (r *watch) ask(ctx context.Context, request release.Request, last uint64) error {
	m := nats.NewMsg(topology.Request(string(request.Verb), r.id, actor))
	var err error
	if m.Data, err = releasepb.EncodeRequest(request); err != nil {
		return err
	}
	m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(last, 10))
	err = r.publish(ctx, topology.StreamSluice, m)
	if lost(err) {
		return fmt.Errorf("another instance publishes %s: %w", m.Subject, err) // look whether it is there
	}
	return err
}

// condemn stores the request that the verdict asks for, once: on its subject there must be none, or none that is not answered. Of a
// soak that is the tombstone, or a hold where a person is to decide; of a bake the rollback. Then it says why, as well as it can.
func (r *watch) condemn(ctx context.Context) error {
	v := *r.verdict
	verb := v.Verb()
	asked, _, err := r.env.Journal.Asked(ctx, topology.Request(string(verb), r.id, actor))
	if err != nil {
		return err
	}
	if v.Asked(asked, r.entry.State) {
		r.heed()
		return nil
	}
	if err := r.ask(ctx, v.Request(), asked); err != nil {
		return err
	}
	r.heed()
	r.log.Warn("published the verdict", zap.String("request", string(verb)), zap.String("reason", v.Reason()))
	r.evidence(ctx, v)
	if r.on != nil {
		r.keepTemplates(ctx, true)
	}
	r.judgement(ctx, topology.Judged(r.id), v.Check, judge.Fail, v.Reason(), int64(v.Tally.Count), v.Tally.First.At)
	r.storeLast(ctx)
	return nil
}

// warn says of each check that only warns, and has failed, that it has.
func (r *watch) warn(ctx context.Context) {
	for _, c := range r.on.checks {
		if !c.Warns || !c.tally.Failed || c.warned {
			continue
		}
		c.warned = true
		v := r.on.verdict(c)
		r.log.Warn("a check that only warns failed", zap.String("check", c.Name), zap.String("reason", v.Reason()))
		r.evidence(ctx, v)
		r.judgement(ctx, topology.Judged(r.id), v.Check, judge.Fail, "warning: "+v.Reason(), int64(v.Tally.Count), v.Tally.First.At)
	}
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
	r.judgement(ctx, topology.Evidence(r.id), v.Check, v.Word(), v.Evidence(), int64(count), since)
}

// judgement publishes what people and dashboards may want to know. Nothing is decided by it, so it is tried once.
func (r *watch) judgement(
	ctx context.Context, subject, check string, word judge.Word, detail string, count int64, since time.Time,
) {
	m := nats.NewMsg(subject)
	var err error
	m.Data, err = releasepb.EncodeJudgement(releasepb.Judgement{
		Release: r.id, Check: check, Passed: word == judge.Pass, Inconclusive: word == judge.Inconclusive,
		Detail: detail, Count: count, Since: since,
	})
	if err == nil {
		err = r.publish(ctx, topology.StreamEvidence, m)
	}
	if err != nil {
		r.log.Warn("could not store the evidence", zap.String("check", check), zap.Error(err))
	}
}
