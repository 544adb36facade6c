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

// sleep sees to it that somebody looks at the release again in time. The alarm in hand arms the next one. So does what begins
// a release or takes it up again, also when others have appended since: the deadlines before the soak follow each other in
// order, so that alarm is early for all of them, and is armed again when it comes. And the newest record of the journal does
// where something earlier may become due than what was armed before. All other hints leave it to those.
func (l *look) sleep(ctx context.Context, e journal.Entry, now time.Time) error {
	s := e.State
	switch l.hint.Subject.Kind { //nolint:exhaustive // requests and verdicts lead to records, whose hints arm
	case topology.KindDue:
	case topology.KindRelease:
		if !begins(l.hint) && (l.hint.Seq < e.Seq || !sooner(s)) {
			return nil
		}
	default:
		return nil
	}
	at, awake := s.Wake(now)
	if !awake {
		return nil
	}
	if s.Phase == release.Soaking && s.Expedited != nil && s.Postponed == nil { // it waits for a look at its checks
		waited := now.Sub(s.Expedited.At)
		at = now.Add(min(max(waited/2, gateAgainLeast), gateAgainMost))
	}
	if at.Before(now) { // what is over was just looked at, and something else is in the way
		at = now.Add(time.Second)
	}
	return l.arm(ctx, s.Release, at)
}

// begins tells whether the hint is the record that begins a release, or takes it up again.
func begins(h react.Hint) bool {
	event := h.Header.Get(journal.HeaderEvent)
	return event == release.WasMerged{}.Name() || event == release.WasRetried{}.Name()
}

// sooner tells whether something may become due sooner than the deadline that was armed before.
func sooner(s release.State) bool {
	return s.Phase == release.Soaking || s.Phase == release.Baking || s.Phase == release.RollingBack
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
	owners, err := p.env.Journal.Owners(ctx, project)
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
