package work

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// errAway is why nothing is stored while the broker is away: what is sent then would wait in the client's buffer, among what matters.
var errAway = errors.New("the broker is away")

// attempt is one attempt at a work, for its output.
type attempt struct {
	env     service.Env
	entry   journal.Entry // that it began with
	work    release.Work
	printed *driver.Output
}

// over stores what the driver printed, if it printed anything, and waits for nothing. out and err are what the attempt came to.
func (a *attempt) over(ctx context.Context, took time.Duration, ended string, out Outcome, err error) {
	if err == nil {
		a.printed.Remark("%s", strings.TrimRight("done: "+strings.TrimSpace(out.Value+" "+out.Note), ": "))
	}
	printed, ok := a.printed.End()
	if !ok {
		return
	}
	s, id := a.entry.State, a.entry.State.Release
	began := s.Attempts[a.work]
	m := releasepb.Output{
		Project: s.Project, Service: a.env.Name, Instance: a.env.Instance, Work: a.work, Stage: stageOf(s, a.work),
		Attempt: began.Number, Try: try(s), Began: began.Started, Took: took, Ended: ended,
		Text: printed.Text, Bytes: printed.Bytes, Left: printed.Left,
	}
	if err != nil {
		m.Reason = firstLine(err)
	}
	failed := func(err error) {
		a.env.Log.Warn("what a driver printed is not stored", zap.String("release", id), zap.String("work", string(a.work)), zap.Error(err))
	}
	if !a.env.Aside(ctx, func(ctx context.Context) {
		if err := store(ctx, a.env, id, m); err != nil {
			failed(err)
		}
	}) {
		failed(errors.New("too much of it is being stored"))
	}
}

func store(ctx context.Context, env service.Env, id string, m releasepb.Output) error {
	data, err := releasepb.EncodeOutput(m)
	if err != nil {
		return err
	}
	if !env.JS.Conn().IsConnected() {
		return errAway
	}
	msg := nats.NewMsg(topology.Output(id))
	msg.Data = data
	_, err = env.JS.PublishMsg(ctx, msg)
	return err
}

// try is which one it is: what puts back belongs to the one that failed.
func try(s release.State) int {
	if s.Phase == release.Failed {
		return s.Failures
	}
	return s.Failures + 1
}

// stageOf is the name of the stage that a work is about; empty where it is about none.
func stageOf(s release.State, w release.Work) string {
	switch w {
	case release.Stage:
		return s.StageName()
	case release.RestoreStaging:
		if stage, ok := s.LeftStage(); ok {
			s.Stage = stage
		}
		return s.StageName()
	case release.Publish, release.Promote, release.RestoreBeta, release.Rollback:
	}
	return ""
}

// ended says how an attempt ended: within ctx, which ends with the service, and timed, which also ends with the attempt.
func ended(ctx, timed context.Context, err error) string {
	switch {
	case err == nil || driver.IsRefused(err):
		return outcome(err)
	case errors.Is(context.Cause(timed), driver.ErrCancelled):
		return "cancelled"
	case ctx.Err() != nil:
		return "interrupted"
	}
	return outcome(err)
}

// firstLine is an error without what a command printed, which is in the output.
func firstLine(err error) string {
	return releasepb.Line(release.Brief(err.Error()), 1000)
}
