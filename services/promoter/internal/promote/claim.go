package promote

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/work"
)

// due decides on a release whose soak or bake is over, or that was expedited: it claims, passes it on, or lets it wait.
func (l *look) due(ctx context.Context, e journal.Entry) (again bool, err error) {
	s := e.State
	now, last, err := l.env.Journal.Latest(ctx) // the hint may be old: how late is it really?
	if err != nil {
		return false, err
	}
	// An alarm may be all that tells of the end of a pause: a replica that does not have that yet would let the release wait on.
	l.least = max(l.least, last)
	alarm := release.Alarm{At: now, Instance: l.env.Instance}
	if err := l.measure(ctx, s, &alarm); err != nil {
		return false, err
	}
	if alarm.Gate, err = l.gate(ctx, e, now); err != nil {
		return false, err
	}
	events, err := release.Decide(s, alarm)
	if err != nil {
		return false, err
	}
	if len(events) == 0 { // it waits on
		return l.sleep(ctx, e, now)
	}
	if begun, ok := events[0].(release.WasBegun); ok && begun.Work == release.Promote {
		return l.claim(ctx, e, alarm)
	}
	_, err = l.decide(ctx, e, alarm)
	return true, err
}

// measure reads how the soak or the bake was watched.
func (l *look) measure(ctx context.Context, s release.State, alarm *release.Alarm) error {
	from := s.SoakFrom
	if s.Phase == release.Baking {
		from = s.PhaseAt
	} else if s.Delay() == 0 || s.Forced {
		return nil
	}
	beats, err := l.env.Journal.Beats(ctx, s.Release, from)
	alarm.Watched, alarm.Clean = s.Watched(beats.At), beats.Clean
	return err
}

// gate reads what is in the way of the release.
func (l *look) gate(ctx context.Context, e journal.Entry, now time.Time) (release.Gate, error) {
	g, err := l.env.Journal.Gate(ctx, e, l.least)
	if err != nil {
		return g, err
	}
	p, err := l.env.Catalog.At(ctx, e.State.Project, e.State.Policy.Revision)
	if err != nil {
		return g, err
	}
	g.Window = windowAt(p, now)
	if e.State.Phase == release.Soaking && e.State.Postponed == nil && e.State.LastStage() {
		g.Free = g.FreeFrom(e.State, e.State.Due, now, func(at time.Time) release.Window { return windowAt(p, at) })
	}
	g.Unmet, err = l.unmet(ctx, e.State)
	return g, err
}

func windowAt(p *project.Project, at time.Time) release.Window {
	v := p.Windows.At(at)
	return release.Window{Closed: !v.Open, Until: v.Until, Why: v.Why}
}

// settle decides the claim that the entry is about. Windows are looked at before a claim, and looking at the channel takes a while: one
// that came when they were closed, by the broker's time of its record, is ineffective like one that came in a freeze. The windows are
// those that the release pinned, so this, too, is the same whoever settles, and whenever.
func (l *look) settle(ctx context.Context, e journal.Entry) (release.Against, error) {
	against, err := l.env.Journal.Settle(ctx, e)
	if err != nil || !against.Effective() || e.State.Forced {
		return against, err
	}
	p, err := l.env.Catalog.At(ctx, e.State.Project, e.State.Policy.Revision)
	if err != nil {
		return against, err
	}
	if w := windowAt(p, e.State.PhaseAt); w.Closed {
		against.Stop = &release.Obstacle{Kind: release.ByWindow, Why: w.Why, Until: w.Until}
	}
	return against, nil
}

// unmet says what the release needs and is not promoted.
func (l *look) unmet(ctx context.Context, s release.State) (string, error) {
	var missing []string
	for _, need := range s.AllNeeds() {
		r, _, err := l.env.Journal.Project(ctx, need.Project)
		if err != nil {
			return "", err
		}
		if need.Met(r) {
			continue
		}
		at := "nothing of it is promoted"
		if now, ok := r.Current(); ok {
			at = "promoted is " + now.Version
		}
		missing = append(missing, fmt.Sprintf("needs %s, %s", need, at))
	}
	return strings.Join(missing, "; "), nil
}

const (
	lookWithin = 30 * time.Second // bound of one look at the channel before the claim
	lookAgain  = 15 * time.Second // the release stays stoppable while the channel can not be looked at
)

// claim looks at the channel and appends the claim, or what speaks against it.
func (l *look) claim(ctx context.Context, e journal.Entry, alarm release.Alarm) (again bool, err error) {
	s := e.State
	tools, err := work.Open(ctx, l.env.Catalog, l.open, s, driver.Promote)
	if err != nil {
		return false, err
	}
	if tools.Refused != nil { // before the claim: nothing can have reached anybody
		_, err := l.decide(ctx, e, release.Fail{By: l.env.Name, At: alarm.At, Reason: "promote: " + tools.Refused.Error()})
		return true, err
	}
	alarm.Timeout = tools.Timeout
	if tools.Driver != nil {
		looking, cancel := context.WithTimeout(ctx, lookWithin)
		seen, err := tools.Driver.Look(looking, work.Facts(l.env.Catalog, s, release.Promote))
		cancel()
		if err != nil && !driver.IsRefused(err) { // a refusal comes again from Do, which then fails the release
			return l.unseen(ctx, e, alarm, tools.Timeout, err)
		}
		alarm.Before = seen.Value
		if s.Policy.Order != release.ByMerge && !seen.Mine && driver.Newer(seen.Version, s.Version) {
			alarm.TooNew = seen.Version
		}
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
func (l *look) unseen(
	ctx context.Context, e journal.Entry, alarm release.Alarm, patience time.Duration, why error,
) (again bool, err error) {
	since := e.State.Opened(alarm)
	if e.State.Postponed == nil && e.State.Expedited != nil && e.State.Expedited.At.Before(since) {
		since = e.State.Expedited.At
	}
	if alarm.At.Sub(since) > patience {
		_, err := l.decide(ctx, e, release.Fail{By: l.env.Name, At: alarm.At, Reason: "promote: can not look at the channel: " + why.Error()})
		return true, err
	}
	l.env.Log.Warn("can not look at the channel, not claiming yet",
		zap.String("release", e.State.Release), zap.Duration("again_in", lookAgain), zap.Error(why))
	return false, l.arm(ctx, e.State.Release, alarm.At.Add(lookAgain))
}
