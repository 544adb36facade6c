// Package promote follows one release from its soak to its end. [Promoter.Look] is the whole of it: look at the release,
// do the next thing that is missing, look again.
//
// # What if it dies here?
//
// Every step ends in one journal append by compare-and-set; dying before it leaves the release as it was, dying after it is
// seen by the next look. The hint is acknowledged only when nothing is left to do, so somebody looks again. An alarm of a
// live release arms the next one before it is acknowledged: at due time the broker may lose a new delay to the purge of the
// old one. So a live release has, at any time, an alarm ahead or a hint in somebody's hands. What is lost all the same is found by
// [Promoter.Sweep].
//
// Two promoters may look at once. They append against the same sequence, and one of them loses and looks again. Both may
// settle the same claim; they come to the same answer. Only the one whose attempt is journaled runs the driver.
//
// The last record of an ended release's journal is added to the audit chain of its project (package audit) by whoever has the hint of that
// record; the hint is acknowledged after that. What an older version ended without doing so is found by [Promoter.LinkEnded].
//
// What became of a project's releases is written down beside the journals (package journal, Project): a promotion after it
// is done outside and before the journal says so, a rollback before it begins and when it is done. Both are written again by
// whoever takes the work over, and writing them again changes nothing.
package promote

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/audit"
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
	env    service.Env
	open   work.Opener
	signer *audit.Signer // of the audit chains; nil: nobody signs

	linking [64]chan struct{} // by project, full while somebody links: links of one chain would only lose to each other
}

// New makes a promoter.
func New(env service.Env, open work.Opener, signer *audit.Signer) *Promoter {
	p := &Promoter{env: env, open: open, signer: signer}
	for i := range p.linking {
		p.linking[i] = make(chan struct{}, 1)
	}
	return p
}

// look is one hint's handling.
type look struct {
	*Promoter
	hint react.Hint
	// claimSeq is the sequence of the claim that this look stored, and claimed the local time just before. The claim is the
	// intent of the promotion's first attempt, so the look that made it runs the driver without another record.
	claimSeq uint64
	claimed  time.Time
	least    uint64 // sequence that the next read must have seen
	overtook bool   // an alarm was armed by a record that was the last one no more: arm again by the one that is
}

// Look handles a hint: it brings the release as far as it can go now.
func (p *Promoter) Look(ctx context.Context, h react.Hint) error {
	if h.Subject.Kind == topology.KindStop {
		return p.stopped(ctx, h)
	}
	l := &look{Promoter: p, hint: h, least: h.Least(topology.StreamSluice)}
	for first := true; ; first = false {
		e, requests, err := p.env.Journal.SnapshotAt(ctx, h.Subject.Release, l.least)
		if h.Orphan(err) {
			p.orphan(h)
			return nil
		}
		if err != nil {
			return err
		}
		if first && answered(h, e) {
			return nil
		}
		again, err := l.step(ctx, e, requests)
		if errors.Is(err, journal.ErrConflict) || errors.Is(err, release.ErrEnded) {
			continue // somebody was faster
		}
		if err == nil && !again {
			return l.link(ctx, e)
		}
		if err != nil {
			return err
		}
	}
}

// answered tells that the hint is a request that somebody answered already. The answer is a record that came later, so its hint is
// in somebody's hands, or was, and leads to all that this one could: in a burst of requests one look answers all of them.
func answered(h react.Hint, e journal.Entry) bool {
	return h.Subject.Kind == topology.KindRequest && h.Seq <= e.State.Folded
}

// step does the next thing. again tells whether there may be more.
func (l *look) step(ctx context.Context, e journal.Entry, requests []release.Request) (again bool, err error) {
	if e.State.Phase == release.Promoting {
		against, err := l.settle(ctx, e)
		if err != nil {
			return false, err
		}
		switch {
		case len(against.Requests) == 0 && against.Stop != nil: // first: what came after such a claim is in time, and a refusal is final
			_, err := l.decide(ctx, e, release.Postpone{Claim: e.State.Claim, Obstacle: *against.Stop, At: e.At})
			return true, err
		case len(requests) > 0:
		case len(against.Requests) > 0:
			requests = against.Requests
		default:
			return true, l.promote(ctx, e)
		}
	}
	if len(requests) > 0 {
		return true, l.answer(ctx, e, requests)
	}
	now, expired, err := l.expire(ctx, e)
	if err != nil || expired {
		return true, err
	}
	switch e.State.Phase { //nolint:exhaustive // the other phases are other services' work, or nobody's
	case release.Staged:
		_, err := l.decide(ctx, e, release.StartSoak{At: e.At})
		return true, err
	case release.Soaking, release.Baking:
		if e.State.Ready(now) {
			return l.due(ctx, e)
		}
	case release.Held:
		if e.State.SoaksOn() { // at the time of the record that held it: no soak is lost between the two
			_, err := l.decide(ctx, e, release.Prolong{Instance: l.env.Instance, At: e.At})
			return true, err
		}
	case release.RollingBack:
		if l.hint.Subject.Kind != topology.KindDue { // the alarm is for the deadline; the record's hint stays in hand until it is done
			if again, err := l.sleep(ctx, e, now); err != nil || again {
				return again, err
			}
			return true, l.rollBack(ctx, e)
		}
	}
	if err := l.rolled(ctx, e); err != nil {
		return false, err
	}
	return l.sleep(ctx, e, now)
}

// answer answers requests in the order of the stream; those before the claim take an ineffective one back. What comes meanwhile
// has a higher sequence, so the requests of one read can be answered one after the other. An answer ends that row when the
// claim still stands after it: then it is for settling what counts.
func (l *look) answer(ctx context.Context, e journal.Entry, requests []release.Request) error {
	for _, r := range requests {
		r.Settled = e.State.Claim
		var err error
		if e, err = l.decide(ctx, e, r); err != nil {
			return err
		}
		if e.State.Phase == release.Promoting {
			break
		}
	}
	return nil
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

// promote runs the driver of an effective claim.
func (l *look) promote(ctx context.Context, e journal.Entry) error {
	tools, err := work.Open(ctx, l.env.Catalog, l.open, e.State, driver.Promote)
	if err != nil {
		return err
	}
	begin := release.Begin{Work: release.Promote, Instance: l.env.Instance, Timeout: tools.Timeout, At: l.hint.At}
	act := func(ctx context.Context, e journal.Entry) (out work.Outcome, err error) {
		out.Value = e.State.Version
		if tools.Driver != nil {
			done, err := tools.Driver.Do(ctx, work.Facts(l.env.Catalog, e.State, release.Promote))
			if err != nil {
				return out, err
			}
			out = work.Outcome{Value: done.Value, Note: done.Note}
		}
		s := e.State
		_, err = l.env.Journal.ChangeProject(ctx, s.Project, func(r release.Record) (release.Record, error) {
			return r.Promote(release.Promotion{Release: s.Release, Version: s.Version, Order: s.Merge.Seq, At: e.At}), nil
		})
		return out, err
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
