package stage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

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
	left := ""
	if r.Owner == e.State.Release {
		owing, err := s.owing(ctx, r, e)
		if err != nil {
			return false, err
		}
		if len(owing) == 1 {
			if left, err = s.leaves(ctx, r, owing[0]); err != nil {
				return false, err
			}
		}
		if len(owing) > 0 && left == "" {
			return true, s.putBack(ctx, h, owing[0])
		}
	}
	after := lane.Leave(r, e.State)
	if left != "" {
		after.Left = left
	}
	after, next, err := s.clear(ctx, after)
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

// owing is who has something in staging that is to be put back before the lane goes on: the one that leaves, and the one that had
// left its beta to it, unless it was deployed over that.
func (s *Stager) owing(ctx context.Context, r lane.Record, e journal.Entry) (owing []journal.Entry, err error) {
	if e.State.Needs(release.RestoreStaging) {
		owing = append(owing, e)
	}
	if r.Left == "" {
		return owing, nil
	}
	before, err := s.env.Journal.LoadSure(ctx, r.Left)
	if errors.Is(err, journal.ErrNone) {
		return owing, nil
	}
	if before.State.Needs(release.RestoreStaging) {
		owing = append(owing, before)
	}
	return owing, err
}

// leaves tells whether what a release has in staging is left to the one that follows: then it is the release's id. It is not before
// the attempt is over that brought it there.
func (s *Stager) leaves(ctx context.Context, r lane.Record, owing journal.Entry) (left string, err error) {
	next, err := s.next(ctx, r)
	if stage, _ := owing.State.LeftStage(); err != nil || stage > 0 || next.Project != owing.State.Project {
		return "", err
	}
	now, err := s.env.Journal.Now(ctx)
	if err != nil {
		return "", err
	}
	_, err = release.Decide(owing.State, release.Begin{Work: release.RestoreStaging, Instance: s.env.Instance, At: now})
	if busy := new(release.BusyError); errors.As(err, &busy) {
		return "", react.Later(min(busy.Until.Sub(now), lookAgain), busy.Error())
	}
	return owing.State.Release, nil
}

// lookAgain is how soon to look again whether another instance's attempt is over.
const lookAgain = 5 * time.Second

// over is a deployment over what another release left in staging, which is how that is put back. It is an attempt at putting it back:
// so the two exclude each other, and until the deployment is done it is still to be put back.
type over struct {
	*Stager
	left    string // the other release; empty: none
	cause   string
	timeout time.Duration
	begun   bool
}

func (o *over) begin(ctx context.Context) error {
	if o.left == "" || o.begun {
		return nil
	}
	now, err := o.env.Journal.Now(ctx)
	if err != nil {
		return err
	}
	begin := release.Begin{Work: release.RestoreStaging, Instance: o.env.Instance, Timeout: o.timeout, At: now}
	if _, _, err = o.env.Journal.Do(ctx, o.left, begin, o.cause); errors.Is(err, journal.ErrNone) {
		err = nil
	}
	o.begun = err == nil
	return err
}

func (o *over) end(ctx context.Context, by string) error {
	if o.left == "" {
		return nil
	}
	done := release.Finish{Work: release.RestoreStaging, Instance: o.env.Instance, Note: "release " + by + " was deployed in its place"}
	_, _, err := o.env.Journal.Do(ctx, o.left, done, o.cause)
	if errors.Is(err, journal.ErrNone) || errors.Is(err, release.ErrEnded) || errors.Is(err, release.ErrPhase) { // it was put back before
		return nil
	}
	return err
}

// putBack makes the stage that the release left last run what was promoted last. Of several stages each is put back by itself, the
// last one first.
func (s *Stager) putBack(ctx context.Context, h react.Hint, e journal.Entry) error {
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
	asked, _, err := s.env.Journal.Asked(ctx, subject)
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
