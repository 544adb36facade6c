package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/find"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

// answer waits for the journal to answer the request, and returns the answer.
func (a *app) answer(ctx context.Context, c *client, found find.Found, q ask, seq uint64) (string, error) {
	if e, err := c.journal.LoadAt(ctx, found.ID, seq); err == nil {
		found.Entry = e
		if s := e.State; final(s, q) && s.Folded < seq { // nothing to wait for
			return "", tooLate(s, q, e.At.Local())
		}
	}
	waiting, cancel := context.WithTimeout(ctx, q.timeout)
	defer cancel()
	var answer *journal.Record
	err := c.journal.Follow(waiting, found.ID, seq+1, func(r journal.Record) bool {
		if r.State.Folded < seq {
			return true
		}
		answer = &r
		return false
	}, func(error) error { return nil })
	switch {
	case answer != nil:
		return a.tellAnswer(ctx, c, *answer, q, seq)
	case ctx.Err() != nil:
		return "", ctx.Err()
	case !errors.Is(err, context.DeadlineExceeded):
		return "", err
	}
	return a.unanswered(ctx, c, found, q, seq)
}

// final tells whether nothing that is asked changes the release any more. What failed may be retried, by a request that is not
// answered yet.
func final(s release.State, q ask) bool {
	return s.Phase.Ended() && s.Phase != release.Failed && q.verb != release.Recall
}

// over tells whether the release has ended and that is the whole answer.
func over(s release.State, q ask) bool {
	return final(s, q) || s.Phase == release.Failed && q.verb != release.Retry && q.verb != release.Recall
}

func tooLate(s release.State, q ask, now time.Time) error {
	verb := "was "
	if s.Phase == release.Failed {
		verb = ""
	}
	return fail(Refused, "too late to %s: %s %s%s", q.verb, story.Title(s), verb, show.Outcome(s, now))
}

func (a *app) tellAnswer(ctx context.Context, c *client, r journal.Record, q ask, seq uint64) (string, error) {
	s := r.State
	if refused, ok := r.Event.(release.WasRefused); ok && refused.Seq == seq {
		if over(s, q) {
			return "", tooLate(s, q, r.At.Local())
		}
		return "", fail(Refused, "%s of %s is refused: %s", q.verb, story.Title(s), refused.Said.Reason)
	}
	title := fmt.Sprintf("%s %s: ", story.Title(s), s.Release)
	outcome := show.Outcome(s, r.At.Local())
	switch e := r.Event.(type) {
	case release.WasExpedited:
		return title + promise(s, e), nil
	case release.WasExtended:
		return fmt.Sprintf("%sextended by %s; %s", title, story.Left(e.By), outcome), nil
	case release.WasHeld:
		if s.Phase != release.Held {
			return fmt.Sprintf("%swill be held when its soak begins; it is %s", title, s.Phase), nil
		}
		return fmt.Sprintf("%s%s; it keeps lane %s until it is resumed", title, outcome, s.Policy.Lane), nil
	case release.WasApproved:
		return fmt.Sprintf("%sapproved by %s, %s; %s", title, cmp.Or(e.Said.By, "somebody"), s.Approvals(), outcome), nil
	case release.WasRetried:
		return fmt.Sprintf("%staken up again; it is %s", title, outcome), nil
	case release.WasRecalled:
		return a.untilRolledBack(ctx, c, r)
	case release.WasResumed, release.WasCancelled, release.WasRefused, release.WasMerged, release.WasBegun, release.WasDone,
		release.WasQueued, release.WasSoaked, release.WasFailed, release.WasSuperseded, release.WasPostponed, release.WasPassed,
		release.WasBaking, release.WasNotRolledBack, nil:
	}
	return title + outcome, nil
}

// promise says what becomes of an expedited release.
func promise(s release.State, e release.WasExpedited) string {
	text := "expedited"
	if e.Force {
		text = "expedited with force"
	}
	if s.Phase == release.Queued {
		return text + "; it is the next in its lane, and promoted as soon as it is staged"
	}
	return text + "; it is promoted as soon as it can be"
}

// rollBackWithin bounds how long the command waits for a rollback; the services go on.
const rollBackWithin = 15 * time.Minute

// untilRolledBack waits until what was promoted is put back, or can not be.
func (a *app) untilRolledBack(ctx context.Context, c *client, recalled journal.Record) (string, error) {
	waiting, cancel := context.WithTimeout(ctx, rollBackWithin)
	defer cancel()
	last, err := a.tellUntil(waiting, c, recalled.State.Release, recalled.Seq+1, func(r journal.Record) bool {
		return r.State.Phase != release.RollingBack
	})
	if last.Seq == 0 {
		last = recalled
	}
	s := last.State
	switch {
	case ctx.Err() != nil:
		a.say("no longer watched from here; it goes on: sluice log %s", show.First(s.Release))
		return "", ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return "", fail(TimedOut, "%s is not rolled back within %s; it goes on, see `sluice log %s`",
			story.Title(s), rollBackWithin, show.First(s.Release))
	case err != nil:
		return "", err
	}
	if failed, ok := last.Event.(release.WasNotRolledBack); ok {
		return "", fail(Failed, "%s is not rolled back, it stays %s: %s", story.Title(s), s.Phase, failed.Said.Reason)
	}
	return fmt.Sprintf("%s %s: %s", story.Title(s), s.Release, show.Outcome(s, last.At.Local())), nil
}

// untilDecided follows a release whose request was answered to its end, or after a cancel until all is put back. answered is what the
// request came to.
func (a *app) untilDecided(ctx context.Context, c *client, id string, q ask, answered string, seq uint64) (string, error) {
	if !q.out.machine() {
		if err := a.print("%s", answered); err != nil {
			return "", err
		}
	}
	last, err := a.tellUntil(ctx, c, id, seq+1, func(r journal.Record) bool {
		if q.verb == release.Retry && r.State.Folded < seq { // not taken up yet: perhaps its beta was put back meanwhile
			return false
		}
		return decided(r.State, q)
	})
	s, now := last.State, last.At.Local()
	switch {
	case ctx.Err() != nil:
		a.say("no longer watched from here; it goes on: sluice log %s", show.First(id))
		return "", ctx.Err()
	case err != nil:
		return "", err
	}
	if s.Phase != release.Cancelled || q.verb != release.Cancel {
		return fmt.Sprintf("%s %s: %s", story.Title(s), id, show.Outcome(s, now)), ended(s, now)
	}
	for _, w := range []release.Work{release.RestoreStaging, release.RestoreBeta} {
		if why, failed := s.NotPutBack(w); failed {
			return "", fail(Failed, "%s is cancelled, and not all is put back: %s", story.Title(s), why)
		}
	}
	return fmt.Sprintf("%s %s: all is put back", story.Title(s), id), nil
}

// decided tells whether there is nothing more to wait for.
func decided(s release.State, q ask) bool {
	if q.verb == release.Cancel && (s.Needs(release.RestoreStaging) || s.Needs(release.RestoreBeta)) {
		return false
	}
	return s.Phase.Ended()
}

// unanswered tells what a stored request is worth while no promoter answers. What is stored before a claim stops it.
func (a *app) unanswered(ctx context.Context, c *client, found find.Found, q ask, seq uint64) (string, error) {
	reading, cancel := within(ctx)
	defer cancel()
	e, err := c.journal.LoadAt(reading, found.ID, seq)
	if err != nil && !errors.Is(err, journal.ErrNone) {
		return "", err
	}
	found.Entry = e
	s := e.State
	switch claimed := s.Claim != 0 && s.Claim < seq; {
	case over(s, q):
		return "", tooLate(s, q, e.At.Local())
	case q.verb.Stops() && s.Phase == release.Baking:
		return "", fail(Refused, "too late to %s: %s is promoted, and bakes: sluice rollback %s", q.verb, story.Title(s), show.First(s.Release))
	case q.verb.Stops() && !claimed:
		a.say("no service answered within %s", q.timeout)
		return fmt.Sprintf("%s: the %s is stored at sequence %d, before any promotion was claimed, and will be honoured",
			called(found), q.verb, seq), nil
	case q.verb.Stops():
		return "", fail(TimedOut, "no answer within %s: the promotion was claimed before; the %s is stored at sequence %d, see `sluice log %s`",
			q.timeout, q.verb, seq, show.First(found.ID))
	}
	return "", fail(TimedOut, "no answer within %s (is the promoter running?): the %s is stored at sequence %d and will be answered, "+
		"see `sluice log %s`", q.timeout, q.verb, seq, show.First(found.ID))
}
