package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

// waiting finds a merge event of this commit that is stored and not admitted yet.
func (c *client) waiting(ctx context.Context, m merging) (handedIn, error) {
	from := journal.From{Seq: 1}
	newest, err := c.journal.Newest(ctx, m.project)
	switch {
	case err == nil:
		from.Seq = newest.Seq + 1
	case !errors.Is(err, journal.ErrNone):
		return handedIn{}, err
	}
	var first handedIn
	err = c.journal.Merges(ctx, m.project, from, func(e journal.Merge) bool {
		if e.Commit == m.event.Commit && e.ID != "" {
			first = handedIn{e.ID, e.Seq}
		}
		return first.id == ""
	})
	if err != nil || first.id == "" {
		return handedIn{}, err
	}
	reason, err := c.buried(ctx, m.project, first.seq)
	if err != nil || reason != "" { // it was refused: this is a new one
		return handedIn{}, err
	}
	return first, nil
}

// buried is why the merge event at a sequence was refused; "" when it was not.
func (c *client) buried(ctx context.Context, project string, seq uint64) (reason string, err error) {
	err = c.journal.Buried(ctx, project, seq, func(d releasepb.DeadLetter) bool {
		if d.Seq == seq {
			reason = d.Reason
		}
		return reason == ""
	})
	return reason, err
}

// followMerge prints the release's id, at once or, when it is waited for, when it is known for sure; and how it ended.
func (a *app) followMerge(ctx context.Context, c *client, m merging, h handedIn) error {
	if !m.wait {
		return a.merged(ctx, c, m, h, nil)
	}
	waiting, cancel := ctx, context.CancelFunc(func() {})
	if m.timeout > 0 {
		waiting, cancel = context.WithTimeout(ctx, m.timeout)
	}
	defer cancel()
	admitted, err := a.admitted(waiting, c, m, h)
	if err == nil {
		h.id = admitted
		if !m.out.machine() {
			if err := a.print("%s", h.id); err != nil {
				return err
			}
		}
		err = a.followRelease(ctx, waiting, c, h.id, m.timeout)
		if !m.out.machine() {
			return err
		}
		return a.merged(ctx, c, m, h, err)
	}
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return a.merged(ctx, c, m, h,
			fail(TimedOut, "the merge was not admitted within %s (is the publisher running?): it is stored and will be", m.timeout))
	}
	return err
}

// merged prints the release that a merge is, and returns err, which is how it ended if that was waited for.
func (a *app) merged(ctx context.Context, c *client, m merging, h handedIn, err error) error {
	out := show.MergeJSON{Release: h.id, Project: m.project, Commit: m.event.Commit, Sequence: h.seq, Result: show.Stored}
	var code *codeError
	switch {
	case errors.As(err, &code):
		out.Result, out.Said = code.code.String(), err.Error()
	case err != nil:
		return err
	case m.wait:
		out.Result = Done.String()
	}
	if m.out.machine() {
		reading, cancel := within(ctx)
		defer cancel()
		if e, err := c.journal.Load(reading, h.id); err == nil {
			out.Version, out.Phase = e.State.Version, string(e.State.Phase)
		}
	}
	return cmp.Or(a.tell(&m.out, out, h.id+"\n"), err)
}

// errElsewhere says that the commit is another release's.
type errElsewhere struct{ id string }

func (e *errElsewhere) Error() string { return "the commit is release " + e.id }

// admitted waits until the merge is a release, and returns which: its own, or the one that the commit was made meanwhile.
func (a *app) admitted(ctx context.Context, c *client, m merging, h handedIn) (string, error) {
	if h.seq == 0 {
		return h.id, nil
	}
	patience, said := time.Now().Add(10*time.Second), false
	err := c.journal.Follow(ctx, h.id, 0, func(journal.Record) bool { return false }, func(err error) error {
		if err != nil {
			return nil //nolint:nilerr // a broker that is away comes back
		}
		if !said && time.Now().After(patience) {
			said = true
			a.say("no service has taken the merge up yet; is the publisher running?")
		}
		return c.elsewhere(ctx, m, h)
	})
	var other *errElsewhere
	if errors.As(err, &other) {
		a.say("another merge of commit %s came first: following its release", m.event.Commit)
		return other.id, nil
	}
	return h.id, err
}

// elsewhere looks for what else may have become of a merge event: refused, or the same as another.
func (c *client) elsewhere(ctx context.Context, m merging, h handedIn) error {
	reason, err := c.buried(ctx, m.project, h.seq)
	if err != nil {
		return nil //nolint:nilerr // looked at again soon
	}
	if reason != "" {
		return fail(Refused, "the merge was refused: %s", reason)
	}
	known, seq, err := c.journal.Commit(ctx, m.project, m.event.Commit)
	if err != nil || seq == 0 || known.Release == h.id {
		return nil //nolint:nilerr // looked at again soon
	}
	if !m.event.Again || known.MergeSeq > h.seq {
		return &errElsewhere{known.Release}
	}
	return nil
}

// followRelease tells what happens to a release until its end, and turns that into an exit code.
//
// An end that the release has left since, as one that failed and was retried, or was promoted and is rolled back, is none.
func (a *app) followRelease(ctx, waiting context.Context, c *client, id string, timeout time.Duration) error {
	reading, cancel := within(waiting)
	now, _ := c.journal.Load(reading, id) // when it can not be read, the first end is taken
	cancel()
	last, err := a.tellUntil(waiting, c, id, 0, func(r journal.Record) bool { return r.Seq >= now.Seq && r.State.Phase.Ended() })
	switch {
	case ctx.Err() != nil:
		a.say("no longer watched from here; it goes on: sluice log %s", show.First(id))
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return fail(TimedOut, "%s is not decided within %s: %s; it goes on, see `sluice log %s`",
			story.Title(last.State), timeout, show.Outcome(last.State, last.At.Local()), show.First(id))
	case err != nil:
		return err
	}
	return ended(last.State, last.At.Local())
}

// waitAgain is how often a long wait is told where nobody looks, such as in CI, which takes what is silent for ten minutes for stuck
// (https://circleci.com/docs/reference/configuration-reference/#run, no_output_timeout).
const waitAgain = 5 * time.Minute

// tellUntil tells what happens to a release, from a sequence of the stream on, until a record is enough, which it returns. Between the
// records it tells where the release stands.
func (a *app) tellUntil(
	ctx context.Context, c *client, id string, from uint64, enough func(journal.Record) bool,
) (journal.Record, error) {
	p := a.progress()
	p.again = waitAgain
	defer p.end()
	ahead := time.Duration(0) // how far the broker's clock is ahead of ours
	if now, err := c.journal.Now(ctx); err == nil {
		ahead = time.Until(now)
	}
	var last atomic.Pointer[journal.Record]
	ticking, stop := context.WithCancel(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for again := time.NewTicker(tick); ; {
			select {
			case <-ticking.Done():
				again.Stop()
				return
			case <-again.C:
			}
			if r := last.Load(); r != nil {
				p.at(story.Title(r.State) + ": " + show.Outcome(r.State, time.Now().Add(ahead).Local()))
			}
		}
	}()
	defer func() {
		stop()
		<-stopped
	}()
	err := c.journal.Follow(ctx, id, from, func(r journal.Record) bool {
		last.Store(&r)
		p.say(show.Moment(r, a.errStyle))
		return !enough(r)
	}, func(error) error { return nil })
	if r := last.Load(); r != nil {
		return *r, err
	}
	return journal.Record{}, err
}

func ended(s release.State, now time.Time) error {
	text := fmt.Sprintf("%s was %s", story.Title(s), show.Outcome(s, now))
	switch s.Phase { //nolint:exhaustive // the others are no ends
	case release.Cancelled:
		return fail(Cancelled, "%s", text)
	case release.Failed:
		return fail(Failed, "%s %s", story.Title(s), show.Outcome(s, now))
	case release.Superseded:
		return fail(Superseded, "%s", text)
	case release.RolledBack:
		return fail(Failed, "%s", text)
	}
	return nil
}
