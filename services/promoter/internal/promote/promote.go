// Package promote follows one release from its soak to its end. [Promoter.Look] is the whole of it: look at the release,
// do the next thing that is missing, look again.
//
// # What if it dies here?
//
// Every step ends in one journal append by compare-and-set; dying before it leaves the release as it was, dying after it is
// seen by the next look. The hint is acknowledged only when nothing is left to do, so somebody looks again. An alarm of a
// live release that is early or stale arms the timer again before it is acknowledged: at due time the broker may lose a new
// delay to the purge of the old one.
//
// Two promoters may look at once. They append against the same sequence, and one of them loses and looks again. Both may
// settle the same claim; they come to the same answer. Only the one whose attempt is journaled runs the driver.
package promote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/work"
)

// Promoter looks at releases. It keeps nothing between looks.
type Promoter struct {
	env  service.Env
	open work.Opener
}

// New makes a promoter.
func New(env service.Env, open work.Opener) *Promoter { return &Promoter{env: env, open: open} }

// look is one hint's handling.
type look struct {
	*Promoter
	hint react.Hint
	// claimSeq is the sequence of the claim that this look stored, and claimed the local time just before. The claim is the
	// intent of the promotion's first attempt, so the look that made it runs the driver without another record.
	claimSeq uint64
	claimed  time.Time
}

// Look handles a hint: it brings the release as far as it can go now.
func (p *Promoter) Look(ctx context.Context, h react.Hint) error {
	l := &look{Promoter: p, hint: h}
	for {
		e, requests, err := p.env.Journal.SnapshotAt(ctx, h.Subject.Release, h.Least(topology.StreamSluice))
		if errors.Is(err, journal.ErrNone) {
			p.orphan(h)
			return nil
		}
		if err != nil {
			return err
		}
		again, err := l.step(ctx, e, requests)
		if errors.Is(err, journal.ErrConflict) || errors.Is(err, release.ErrEnded) {
			continue // somebody was faster
		}
		if err != nil || !again {
			return err
		}
	}
}

// step does the next thing. again tells whether there may be more.
func (l *look) step(ctx context.Context, e journal.Entry, requests []release.Request) (again bool, err error) {
	if e.State.Phase == release.Promoting {
		stop, err := l.env.Journal.Settle(ctx, e)
		if err != nil {
			return false, err
		}
		if len(requests) == 0 {
			requests = stop
		}
		if len(requests) == 0 {
			return true, l.promote(ctx, e)
		}
	}
	if len(requests) > 0 { // in the order of the stream; those before the claim take an ineffective one back
		r := requests[0]
		r.Settled = e.State.Claim
		_, err := l.decide(ctx, e, r)
		return true, err
	}
	switch e.State.Phase { //nolint:exhaustive // the other phases are other services' work, or nobody's
	case release.Staged:
		_, err := l.decide(ctx, e, release.StartSoak{At: e.At})
		return true, err
	case release.Soaking:
		return l.soak(ctx, e)
	}
	return false, nil
}

// decide appends what the command causes, against the entry it was decided on.
func (l *look) decide(ctx context.Context, e journal.Entry, c release.Command) (journal.Entry, error) {
	events, err := release.Decide(e.State, c)
	if err != nil {
		return e, err
	}
	for _, ev := range events {
		if e, err = l.env.Journal.Append(ctx, e, ev, l.hint.Cause()); err != nil {
			return e, err
		}
		l.env.Log.Info("journaled", zap.String("release", e.State.Release), zap.String("project", e.State.Project),
			zap.String("event", ev.Name()), zap.Uint64("seq", e.Seq), zap.String("cause", l.hint.Cause()))
	}
	return e, nil
}

// soak claims when it is time, and otherwise sees to it that somebody looks again in time.
func (l *look) soak(ctx context.Context, e journal.Entry) (again bool, err error) {
	now := e.At
	if l.hint.At.After(now) {
		now = l.hint.At
	}
	if e.State.Ready(now) {
		if now, err = l.env.Journal.Now(ctx); err != nil { // the hint may be old: how late is it really?
			return false, err
		}
		return l.claim(ctx, e, now)
	}
	if l.hint.Subject.Kind == topology.KindRelease && l.hint.Seq < e.Seq {
		return false, nil // the hint of the newer record arms
	}
	at, soaks := e.State.Wake()
	if !soaks {
		return false, nil
	}
	return false, l.arm(ctx, e.State.Release, at)
}

// arm asks the broker for an alarm. The newest replaces the one before.
func (l *look) arm(ctx context.Context, id string, at time.Time) error {
	ack, err := l.env.JS.PublishMsg(ctx, topology.DelayMsg(id, at))
	if err != nil {
		return fmt.Errorf("arm the delay of %s: %w", id, err)
	}
	if ack.Stream != topology.StreamTimers {
		return fmt.Errorf("arm the delay of %s: stored in %q", id, ack.Stream)
	}
	return nil
}

const (
	lookWithin = 30 * time.Second // bound of one look at the channel before the claim
	lookAgain  = 15 * time.Second // the release stays stoppable while the channel can not be looked at
)

// claim looks at the channel and at the heartbeats, and appends the claim, or what speaks against it.
func (l *look) claim(ctx context.Context, e journal.Entry, now time.Time) (again bool, err error) {
	s := e.State
	alarm := release.Alarm{At: now, Instance: l.env.Instance}
	tools, err := work.Open(ctx, l.env.Catalog, l.open, s, driver.Promote)
	if err != nil {
		return false, err
	}
	alarm.Timeout = tools.Timeout
	if tools.Driver != nil {
		looking, cancel := context.WithTimeout(ctx, lookWithin)
		seen, err := tools.Driver.Look(looking, work.Facts(l.env.Catalog, s, release.Promote))
		cancel()
		if err != nil && !driver.IsRefused(err) { // a refusal comes again from Do, which then fails the release
			return l.unseen(ctx, e, now, tools.Timeout, err)
		}
		alarm.Before = seen.Value
		if driver.Newer(seen.Version, s.Version) {
			alarm.TooNew = seen.Version
		}
	}
	if s.Expedited == nil && s.Delay() > 0 {
		beats, err := l.env.Journal.Beats(ctx, s.Release, s.SoakFrom)
		if err != nil {
			return false, err
		}
		alarm.Watched = s.Watched(beats)
	}
	began := time.Now()
	if e, err = l.decide(ctx, e, alarm); err != nil {
		return true, err
	}
	l.claimSeq, l.claimed = e.State.Claim, began
	return true, nil
}

// unseen does not claim while the channel can not be looked at: the release stays stoppable. It fails when that has lasted as
// long as the promotion itself might.
func (l *look) unseen(ctx context.Context, e journal.Entry, now time.Time, patience time.Duration, why error) (again bool, err error) {
	since := e.State.Due
	if e.State.Expedited != nil && e.State.Expedited.At.Before(since) {
		since = e.State.Expedited.At
	}
	if now.Sub(since) > patience {
		_, err := l.decide(ctx, e, release.Fail{By: l.env.Name, At: now, Reason: "promote: can not look at the channel: " + why.Error()})
		return true, err
	}
	l.env.Log.Warn("can not look at the channel, not claiming yet",
		zap.String("release", e.State.Release), zap.Duration("again_in", lookAgain), zap.Error(why))
	return false, l.arm(ctx, e.State.Release, now.Add(lookAgain))
}

// promote runs the driver of an effective claim.
func (l *look) promote(ctx context.Context, e journal.Entry) error {
	tools, err := work.Open(ctx, l.env.Catalog, l.open, e.State, driver.Promote)
	if err != nil {
		return err
	}
	begin := release.Begin{Work: release.Promote, Instance: l.env.Instance, Timeout: tools.Timeout, At: l.hint.At}
	act := func(ctx context.Context, e journal.Entry) (work.Outcome, error) {
		if tools.Driver == nil {
			return work.Outcome{Value: e.State.Version}, nil
		}
		done, err := tools.Driver.Do(ctx, work.Facts(l.env.Catalog, e.State, release.Promote))
		return work.Outcome{Value: done.Value, Note: done.Note}, err
	}
	if e.State.Claim == l.claimSeq {
		l.claimSeq = 0 // once: a further attempt is journaled
		return work.Perform(ctx, l.env, e, begin, l.claimed, l.hint.Cause(), act)
	}
	return work.Run(ctx, l.env, e.State.Release, begin, l.hint.Cause(), act)
}

// orphan is told of a message for a release without a journal. A request stays stored: if the merge still comes, with that
// id, it is answered then.
func (p *Promoter) orphan(h react.Hint) {
	if h.Subject.Kind == topology.KindRequest {
		p.env.Log.Warn("a request for a release that nobody knows; it counts if a merge with this id comes",
			zap.String("verb", h.Subject.Verb), zap.String("release", h.Subject.Release), zap.String("actor", h.Subject.Actor))
	}
}
