package stage

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/work"
)

// leave puts staging back if that is to be done, takes an ended release out of its lane, and tells the one that follows.
func (s *Stager) leave(ctx context.Context, h react.Hint, e journal.Entry) (again bool, err error) {
	name := e.State.Policy.Lane
	r, last, err := s.env.Journal.Lane(ctx, name)
	if err != nil {
		return false, err
	}
	// The lane first, then whether it has still ended: since e was read it may have been retried, and be back.
	if now, err := s.env.Journal.LastSeq(ctx, e.State.Release); err != nil || now != e.Seq {
		return false, cmp.Or(err, journal.ErrConflict)
	}
	if r.Owner == e.State.Release && e.State.Needs(release.RestoreStaging) {
		return true, s.putBack(ctx, h, e, r)
	}
	after, next, err := s.clear(ctx, lane.Leave(r, e.State))
	if err != nil {
		return false, err
	}
	if err := s.set(ctx, name, r, after, last, false); err != nil {
		return false, err
	}
	if after.Owner == "" || next.Phase.Ended() { // an ended one that has something to put back: its own hint sees to that
		return false, nil
	}
	return s.follows(ctx, h, after.Owner)
}

// putBack makes the stage that the release left last run what was promoted last, unless another release waits to be deployed
// there anyway. Of several stages each is put back by itself, the last one first.
func (s *Stager) putBack(ctx context.Context, h react.Hint, e journal.Entry, r lane.Record) error {
	stage, _ := e.State.LeftStage()
	tools, err := work.OpenStage(ctx, s.env.Catalog, s.open, e.State, driver.Deploy, stage)
	if err != nil {
		return err
	}
	if tools.Leave {
		tools.Driver = nil
	}
	begin := release.Begin{Work: release.RestoreStaging, Instance: s.env.Instance, Timeout: tools.Timeout, At: h.At}
	return work.Run(ctx, s.env, e.State.Release, begin, h.Cause(), func(ctx context.Context, e journal.Entry) (work.Outcome, error) {
		if tools.Driver == nil {
			return work.Outcome{Note: "left as it is"}, nil
		}
		next, err := s.next(ctx, r)
		if err != nil {
			return work.Outcome{}, err
		}
		if stage == 0 && next.Project == e.State.Project {
			return work.Outcome{Note: "left to release " + next.Release + ", which is deployed next"}, nil
		}
		back := driver.Back{}
		record, _, err := s.env.Journal.Project(ctx, e.State.Project)
		if err != nil {
			return work.Outcome{}, err
		}
		if last, ok := record.Current(); ok {
			good, err := s.env.Journal.Load(ctx, last.Release)
			if err != nil {
				return work.Outcome{}, fmt.Errorf("the release promoted last: %w", err)
			}
			facts := work.StageFacts(s.env.Catalog, good.State, release.RestoreStaging, stage)
			back = driver.Back{Value: good.State.StageValue(stage), Release: &facts}
		}
		done, err := tools.Driver.Undo(ctx, work.StageFacts(s.env.Catalog, e.State, release.RestoreStaging, stage), back)
		return work.Outcome{Value: done.Value, Note: done.Note}, err
	})
}

// next is the release that is deployed as soon as the occupant has left. It is none when the head of the queue has ended, or is
// not published yet and so may never be deployed.
func (s *Stager) next(ctx context.Context, r lane.Record) (release.State, error) {
	if len(r.Waiting) == 0 {
		return release.State{}, nil
	}
	e, err := s.env.Journal.Load(ctx, r.Waiting[0].Release)
	if err != nil && !errors.Is(err, journal.ErrNone) {
		return release.State{}, err
	}
	if e.State.Phase != release.Published && e.State.Phase != release.Queued {
		return release.State{}, nil
	}
	return e.State, nil
}

// actor is who the stager is in the tombstones that it publishes.
const actor = "stager"

// askToGiveWay asks the occupant, once. Like every cancel, it may come too late.
func (s *Stager) askToGiveWay(ctx context.Context, occupant string, newcomer release.State) error {
	subject := topology.Request(topology.VerbCancel, occupant, actor)
	asked, err := s.env.Journal.Asked(ctx, subject)
	if err != nil || asked != 0 {
		return err
	}
	body, err := releasepb.EncodeRequest(release.Request{
		Reason: fmt.Sprintf("superseded by %s %s (%s)", newcomer.Project, newcomer.Version, newcomer.Release),
	})
	if err != nil {
		return err
	}
	if _, err := s.env.JS.Publish(ctx, subject, body, jetstream.WithExpectStream(topology.StreamSluice)); err != nil {
		return fmt.Errorf("supersede %s: %w", occupant, err)
	}
	return nil
}
