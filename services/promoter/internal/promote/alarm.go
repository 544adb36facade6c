package promote

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// expire ends what stayed in its phase beyond its deadline. now is a broker's time that has certainly been reached.
func (l *look) expire(ctx context.Context, e journal.Entry) (now time.Time, expired bool, err error) {
	now = e.At
	if l.hint.At.After(now) {
		now = l.hint.At
	}
	at, limited := e.State.Deadline()
	if !limited || now.Before(at) {
		return now, false, nil
	}
	if e.State.Phase == release.RollingBack {
		if err := l.endRolling(ctx, e.State); err != nil {
			return now, false, err
		}
	}
	_, err = l.decide(ctx, e, release.Expire{At: now})
	return now, true, err
}

// gateAgain bounds how soon an expedited release is looked at again while no watcher has seen its checks pass.
const (
	gateAgainLeast = 250 * time.Millisecond
	gateAgainMost  = 10 * time.Second
)

// sleep sees to it that somebody looks at the release again in time. Who has an alarm in hand arms the next one; who was told
// of the merge arms for its deadline; and who was told of the newest record does where something may be due sooner than that.
//
// An alarm replaces the one before, and another promoter may just have armed a nearer one, for a record that this one has not
// seen. So whoever armed looks whether the record that it went by is still the last. Appending comes before arming: either
// this one sees the other's record now, or the other arms after it. An alarm is the only thing that comes for a release that
// waits, so that there is nothing to do is concluded only from the last record, too: a replica that lags behind may still show
// the release as held.
func (l *look) sleep(ctx context.Context, e journal.Entry, now time.Time) (again bool, err error) {
	at, awake := l.wake(e, now)
	if !awake && l.hint.Subject.Kind != topology.KindDue {
		return false, nil
	}
	if awake {
		if err := l.arm(ctx, e.State.Release, at); err != nil {
			return false, err
		}
	}
	last, err := l.env.Journal.LastSeq(ctx, e.State.Release)
	if err != nil {
		return false, err
	}
	l.least, l.overtook = last, last != e.Seq
	return l.overtook, nil
}

// wake is when to look again, if this look is to arm the alarm.
func (l *look) wake(e journal.Entry, now time.Time) (at time.Time, mine bool) {
	if !l.overtook && !arms(l.hint, e) {
		return time.Time{}, false
	}
	s := e.State
	at, awake := s.Wake(now)
	if s.Phase == release.Soaking && s.Expedited != nil && s.Postponed == nil { // it waits for a look at its checks
		waited := now.Sub(s.Expedited.At)
		if s.SoakFrom.After(s.Expedited.At) { // it was asked for before its turn
			waited = now.Sub(s.SoakFrom)
		}
		at = now.Add(min(max(waited/2, gateAgainLeast), gateAgainMost))
	}
	if at.Before(now) { // what is over was just looked at, and something else is in the way
		at = now.Add(time.Second)
	}
	return at, awake
}

// arms tells whether the look that the hint led to arms the alarm. Where services work before the soak the deadlines follow each
// other in order, so the alarm of the merge is early for all of them, and is armed again when it comes. The hint of an earlier
// record arms if it has come again: perhaps because who had it died after arming, by that record, and replaced a nearer alarm.
func arms(h react.Hint, e journal.Entry) bool {
	if h.Subject.Kind != topology.KindRelease {
		return h.Subject.Kind == topology.KindDue
	}
	switch e.State.Phase { //nolint:exhaustive // the others are before the soak, or end by themselves
	case release.Queued, release.Soaking, release.Held, release.Baking, release.RollingBack:
		return h.Seq == e.Seq || h.Delivered > 1
	}
	return h.Event == release.WasMerged{}.Name() || h.Event == release.WasRetried{}.Name()
}

// arm asks the broker for an alarm. The newest replaces the one before.
func (p *Promoter) arm(ctx context.Context, id string, at time.Time) error {
	ack, err := p.env.JS.PublishMsg(ctx, topology.DelayMsg(id, at))
	if err != nil {
		return fmt.Errorf("arm the delay of %s: %w", id, err)
	}
	if ack.Stream != topology.StreamTimers {
		return fmt.Errorf("arm the delay of %s: stored in %q", id, ack.Stream)
	}
	return nil
}

// stopped handles a pause or a freeze, or the end of one: whoever waits is looked at again. It asks for their alarms instead
// of looking itself, so that each release is still looked at by one handler at a time.
func (p *Promoter) stopped(ctx context.Context, h react.Hint) error {
	project := h.Subject.Project
	if project == topology.AllProjects {
		project = ""
	}
	owners, err := p.env.Journal.Owners(ctx, project, h.Seq)
	if err != nil {
		return err
	}
	for _, id := range owners {
		e, err := p.env.Journal.LoadAt(ctx, id, h.Seq)
		if err != nil {
			return err
		}
		if e.State.Postponed != nil && e.State.Phase == release.Soaking {
			if err := p.arm(ctx, id, h.At); err != nil {
				return err
			}
		}
	}
	return nil
}
