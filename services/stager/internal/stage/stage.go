// Package stage follows one release through its lane: in, deployed, and out again. [Stager.Look] is the whole of it.
//
// Only the release that occupies the lane, by the lane's record, touches staging; it occupies it until it has ended and what
// it left there is put back, or left to the next one of its project, which is about to be deployed over it. In the latter case the
// lane's record keeps whose beta it is ([lane.Record.Left]), and that release waits for being put back until the other is deployed; if
// that never is, it is put back before the lane goes on. The record is kept by compare-and-set (see package lane for the decisions).
//
// # What if it dies here?
//
// A release enters and leaves by one write of the lane's record; the hint of its own journal is acknowledged only after what
// follows from that write. So: those who lose their place are told in their journals before the record forgets them. An
// occupant that is to give way is asked after the record says so, and again until it was asked. Who follows is told by a record
// in its own journal, after the lane's record says so and before the hint of the one that left is acknowledged. And an occupant
// that has ended, with nothing to put back, is moved out by whoever reads the lane, who also tells the one that follows.
//
// # What if it stops here, and goes on later?
//
// What it has read may be old by then. A release that failed may have been retried, and be in the same lane again, in the same
// record. So who is retried writes the lane's record again before it is deployed, also when that says nothing new: who is about to
// free the lane by what was read before loses. And who frees a lane reads the lane first, and then, from the stream's leader, that
// the release has ended. A deployment is begun only on the journal that was read before the lane was entered.
package stage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/work"
)

// Stager looks at releases. It keeps nothing between looks.
type Stager struct {
	env  service.Env
	open work.Opener
}

// New makes a Stager.
func New(env service.Env, open work.Opener) *Stager { return &Stager{env: env, open: open} }

// Look handles a hint: it brings the release as far as a stager can.
func (s *Stager) Look(ctx context.Context, h react.Hint) error {
	least := h.Least(topology.StreamSluice)
	for {
		e, err := s.env.Journal.LoadAt(ctx, h.Subject.Release, least)
		if h.Orphan(err) {
			return nil
		}
		if err != nil {
			return err
		}
		again, err := s.step(ctx, h, e)
		switch {
		case errors.Is(err, journal.ErrConflict) || errors.Is(err, release.ErrEnded): // somebody was faster: look again, at that
			if least, err = s.env.Journal.LastSeq(ctx, h.Subject.Release); err != nil {
				return err
			}
		case err != nil || !again:
			return err
		}
	}
}

func (s *Stager) step(ctx context.Context, h react.Hint, e journal.Entry) (again bool, err error) {
	switch e.State.Phase { //nolint:exhaustive // in the other phases staging is left alone
	case release.Merged, release.Publishing:
		if e.State.Policy.Collision == release.Queue {
			return s.reserve(ctx, h, e)
		}
	case release.Published, release.Queued, release.Passed, release.Staging:
		in, err := s.enter(ctx, h, e)
		if err != nil || !in.Owns {
			return false, err
		}
		if e.State.Phase == release.Queued && e.State.Soaked { // its promotion failed and is retried: it only needs the lane
			_, _, err := s.env.Journal.DoOn(ctx, e, release.StartSoak{At: h.At}, h.Cause())
			return false, err
		}
		return true, s.deploy(ctx, h, e, in.Record.Left)
	case release.Promoted, release.Cancelled, release.Failed, release.Superseded, release.RolledBack:
		return s.leave(ctx, h, e)
	}
	return false, nil
}

// reserve gives the release its place before it is published: that of its merge, however long publishing takes.
func (s *Stager) reserve(ctx context.Context, h react.Hint, e journal.Entry) (again bool, err error) {
	if _, err := s.enter(ctx, h, e); err != nil {
		return false, err
	}
	// Should it have ended meanwhile, and another stager have seen it out before it was in, then it is seen out here.
	now, err := s.env.Journal.Load(ctx, e.State.Release)
	return now.State.Phase.Ended(), err
}

// enter lets the release into its lane or into the queue, if need be before it is published.
func (s *Stager) enter(ctx context.Context, h react.Hint, e journal.Entry) (in lane.Entry, err error) {
	r, occupant, in, err := s.record(ctx, h, e.State)
	if err != nil {
		return in, err
	}
	if in.Newer != "" {
		_, _, err := s.env.Journal.Do(ctx, e.State.Release, release.Displace{Newer: in.Newer, At: h.At}, h.Cause())
		return in, err // its end takes it out of the lane's record
	}
	if err := s.supersede(ctx, e.State, in); err != nil || in.Owns {
		return in, err
	}
	if in.Behind != r.Owner || h.Delivered > 1 { // it may have died before this, the last time
		if _, err := s.follows(ctx, h, in.Behind); err != nil {
			return in, err
		}
	}
	switch {
	case in.Refused:
		_, _, err = s.env.Journal.DoOn(ctx, e, release.Fail{By: s.env.Name, Reason: refusal(e.State, occupant, in)}, h.Cause())
	case e.State.Phase == release.Merged || e.State.Phase == release.Publishing:
	default:
		_, _, err = s.env.Journal.Do(ctx, e.State.Release, release.Wait{Behind: in.Behind, At: h.At}, h.Cause())
	}
	return in, err
}

// record writes the release into the lane's record, unless a newer one keeps its place. r is the record before.
func (s *Stager) record(ctx context.Context, h react.Hint, me release.State) (
	r lane.Record, occupant release.State, in lane.Entry, err error,
) {
	var displaced []lane.Waiting
	for {
		var last uint64
		if r, last, err = s.env.Journal.Lane(ctx, me.Policy.Lane); err != nil {
			return r, occupant, in, err
		}
		var cleared lane.Record
		if cleared, occupant, err = s.clear(ctx, r); err != nil {
			return r, occupant, in, err
		}
		// Those that were told that they are displaced may have left since; the newcomer inherits their place all the same.
		cleared = lane.Recall(cleared, displaced)
		if in = lane.Enter(cleared, occupant, me); in.Newer != "" {
			return r, occupant, in, nil
		}
		for _, w := range cleared.Waiting {
			if slices.Contains(in.Displace, w.Release) {
				displaced = append(displaced, w)
			}
		}
		if err = s.displace(ctx, h, me, in); err != nil {
			return r, occupant, in, err
		}
		if err = s.set(ctx, me.Policy.Lane, r, in.Record, last, comesBack(me)); !errors.Is(err, journal.ErrConflict) {
			return r, occupant, in, err
		}
		if err = ctx.Err(); err != nil {
			return r, occupant, in, err
		}
	}
}

// clear moves occupants that have ended out of the lane, and returns the one that is left. One that ended with something to put
// back, its own or what was left to it, stays: its own hint sees to that.
func (s *Stager) clear(ctx context.Context, r lane.Record) (lane.Record, release.State, error) {
	for r.Owner != "" {
		e, err := s.env.Journal.Load(ctx, r.Owner)
		if err == nil && e.State.Phase.Ended() { // or a replica that lags behind has not heard of a retry
			e, err = s.env.Journal.LoadSure(ctx, r.Owner)
		}
		if err != nil && !errors.Is(err, journal.ErrNone) {
			return r, release.State{}, err
		}
		if err == nil && (!e.State.Phase.Ended() || e.State.Needs(release.RestoreStaging) || r.Left != "") {
			return r, e.State, nil
		}
		e.State.Release = r.Owner // also of one whose journal is gone
		r = lane.Leave(r, e.State)
	}
	return r, release.State{}, nil
}

// follows tells the release that occupies the lane now: it waits for its own journal to say so. When it is past that already,
// nothing is appended. ended tells that it has ended meanwhile.
func (s *Stager) follows(ctx context.Context, h react.Hint, owner string) (ended bool, err error) {
	_, _, err = s.env.Journal.Do(ctx, owner, release.Wait{At: h.At}, h.Cause())
	switch {
	case errors.Is(err, release.ErrEnded) || errors.Is(err, journal.ErrNone):
		return true, nil
	case errors.Is(err, release.ErrPhase): // it is not even published
		return false, nil
	}
	return false, err
}

// refusal is why the newcomer may not wait.
func refusal(me, occupant release.State, in lane.Entry) string {
	if in.Full {
		return fmt.Sprintf("%d releases wait for lane %s already", lane.MaxWaiting, me.Policy.Lane)
	}
	return lane.Rejection(me.Policy.Lane, occupant)
}

// displace tells those whom the newcomer displaces, before the lane's record forgets them.
func (s *Stager) displace(ctx context.Context, h react.Hint, newcomer release.State, in lane.Entry) error {
	for _, id := range in.Displace {
		_, _, err := s.env.Journal.Do(ctx, id, release.Displace{Newer: newcomer.Release, At: h.At}, h.Cause())
		if err != nil && !errors.Is(err, release.ErrPhase) && !errors.Is(err, release.ErrEnded) {
			return err
		}
	}
	return nil
}

// supersede asks the occupant to give way, if it is to, after the lane's record says so: what is not recorded is not counted.
func (s *Stager) supersede(ctx context.Context, newcomer release.State, in lane.Entry) error {
	if in.Spared != "" {
		s.env.Log.Info("the occupant is let finish", zap.String("lane", newcomer.Policy.Lane), zap.String("owner", in.Behind),
			zap.String("newcomer", newcomer.Release), zap.String("because", string(in.Spared)))
	}
	if in.Cancel == "" {
		return nil
	}
	return s.askToGiveWay(ctx, in.Cancel, newcomer)
}

// deploy brings the beta to the stage that the release goes to, perhaps over the beta that another release left there.
func (s *Stager) deploy(ctx context.Context, h react.Hint, e journal.Entry, left string) error {
	tools, err := work.Open(ctx, s.env.Catalog, s.open, e.State, driver.Deploy)
	if err != nil {
		return err
	}
	over := over{Stager: s, cause: h.Cause(), timeout: tools.Timeout}
	if e.State.Stage == 0 { // nothing is left in the others
		over.left = left
	}
	begin := release.Begin{Work: release.Stage, Instance: s.env.Instance, Timeout: tools.Timeout, At: h.At}
	return work.RunOn(ctx, s.env, e, begin, h.Cause(), func(ctx context.Context, e journal.Entry) (work.Outcome, error) {
		if tools.Driver == nil {
			return work.Outcome{Value: e.State.Beta}, nil
		}
		if err := over.begin(ctx); err != nil {
			return work.Outcome{}, err
		}
		done, err := tools.Driver.Do(ctx, work.Facts(s.env.Catalog, e.State, release.Stage))
		if err == nil {
			err = over.end(ctx, e.State.Release)
		}
		return work.Outcome{Value: done.Value, Note: done.Note}, err
	})
}

// comesBack tells whether the release was retried, and is not deployed again yet. Somebody who has read that it had failed may
// still be about to take it out of the lane.
func comesBack(s release.State) bool {
	return s.FailedIn != release.None && (s.Phase == release.Published || s.Phase == release.Queued)
}

// set writes the lane's record if it says anything new, or if it must be written all the same.
func (s *Stager) set(ctx context.Context, name string, before, after lane.Record, last uint64, must bool) error {
	if lane.Equal(before, after) && !must {
		return nil
	}
	_, err := s.env.Journal.SetLane(ctx, name, after, last)
	if err == nil {
		s.env.Log.Info("lane changed", zap.String("lane", name), zap.String("owner", after.Owner), zap.Int("waiting", len(after.Waiting)))
	}
	return err
}
