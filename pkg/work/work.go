// Package work does one outside action for a release: it journals the intent, runs the driver within the attempt's time,
// and journals what came of it. Publisher, stager and promoter do all their work through it.
//
// What if the process dies here?
//
//   - Before the intent is stored: nothing happened.
//   - Between the intent and the outcome: the hint that led here was not acknowledged and comes again. The same instance
//     begins the next attempt at once, any other waits until the attempt's deadline has passed by the broker's clock. The
//     driver then finds what is there already.
//   - After the outcome is stored: the hint comes again and finds nothing to do.
//
// The driver's own deadline is counted from before the intent was stored, so it ends before anybody may take over.
//
// # What drivers print
//
// An attempt's context has a [driver.Output]. Commands print to it what they write to their output and error output; drivers that speak to
// a peer say of each request what was asked and answered. What is read without being journaled, before an attempt begins (a plan, a look
// at a channel), has none. When the attempt is over, however it ended, what was printed becomes one message on sluice.output.<release>
// (stream SLUICE_EVIDENCE, kept as long as that): the first 8 KiB and the last 56 KiB, and between them a line that says how much is
// missing. Who printed nothing stores nothing.
//
// It is a help for people, and nothing depends on it. It is stored after the outcome is journaled, in the background, within
// [service.AsideWithin], and without another try: what could not be stored is logged, and lost. So is what an attempt printed whose
// process died. A service that stops waits for it, that long at most.
//
// The values of secrets that the driver reads for the attempt are replaced by *** before anything is cut: those that a command gets by
// env_from, the tokens of registries and other peers, also in Base64 and as URLs and JSON have them; and the user part of any URL. A
// secret that a command got elsewhere, or shorter than four bytes, is not known here. Control characters, the escape sequences of
// terminals and what is no UTF-8 are taken out before it is stored, and again by whoever shows it.
package work

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/service"
)

// Outcome is what a finished action leaves in the journal.
type Outcome struct {
	Value string // what the channel points to now
	Note  string // what an operator should know
}

// Act is the outside action. It is called again, with the same attempt, while it fails for reasons that may pass.
type Act func(ctx context.Context, e journal.Entry) (Outcome, error)

// askAgain is how soon a hint comes again while another instance is at the work: soon enough that it comes round to that
// instance, should it have been restarted.
const askAgain = 5 * time.Second

// recordWithin bounds the storing of an outcome, also when the service stops: an effect that is not journaled is looked
// for again, but one that is journaled is known.
const recordWithin = 30 * time.Second

// Run does an action for the release, if it is still to be done. It returns nil when nothing is left to do, whatever the
// outcome was; release.ErrEnded when the release ended meanwhile, so that the caller looks at it again; [react.Later]
// when another instance is at it.
func Run(ctx context.Context, env service.Env, id string, begin release.Begin, cause string, act Act) error {
	return run(ctx, env, begin, cause, act, func(begin release.Begin) (journal.Entry, bool, error) {
		return env.Journal.Do(ctx, id, begin, cause)
	})
}

// RunOn is Run for the release as it is in e, and for no other: [journal.ErrConflict] when anything was journaled since e was read.
func RunOn(ctx context.Context, env service.Env, e journal.Entry, begin release.Begin, cause string, act Act) error {
	return run(ctx, env, begin, cause, act, func(begin release.Begin) (journal.Entry, bool, error) {
		return env.Journal.DoOn(ctx, e, begin, cause)
	})
}

func run(ctx context.Context, env service.Env, begin release.Begin, cause string, act Act, do intent) error {
	began := time.Now()
	e, ok, err := start(ctx, env, begin, do)
	if err != nil || !ok {
		return err
	}
	return Perform(ctx, env, e, begin, began, cause, act)
}

// intent journals the intent, if the work is still to be done.
type intent func(release.Begin) (e journal.Entry, appended bool, err error)

// Perform does an action whose intent is journaled already, in e, by this instance, after the local time began.
func Perform(ctx context.Context, env service.Env, e journal.Entry, begin release.Begin, began time.Time, cause string, act Act) error {
	id := e.State.Release
	deadline := began.Add(begin.Timeout)
	if endless {
		deadline = deadline.Add(time.Hour)
	}
	abortable, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	timed, cancel := context.WithDeadline(abortable, deadline)
	defer cancel()
	if begin.Work == release.Publish || begin.Work == release.Stage {
		stop, err := abortWhenEnded(timed, abort, env, id)
		if err != nil {
			return err
		}
		defer stop()
	}
	printed := driver.NewOutput()
	out, err := persist(driver.WithOutput(timed, printed), e, act)
	took := time.Since(began)
	env.Metrics.Action(string(begin.Work), outcome(err), took)
	this := &attempt{env: env, entry: e, work: begin.Work, printed: printed}
	defer this.over(ctx, took, ended(ctx, timed, err), out, err) // after all that matters
	if ctx.Err() != nil && err != nil {
		return fmt.Errorf("%s of %s interrupted: %w", begin.Work, id, err) // the attempt goes on with the next start
	}
	return record(ctx, env, id, begin, cause, out, err)
}

// start journals the intent. ok is false when there is nothing to do.
func start(ctx context.Context, env service.Env, begin release.Begin, do intent) (e journal.Entry, ok bool, err error) {
	e, ok, err = do(begin)
	var busy *release.BusyError
	if errors.As(err, &busy) {
		now, nowErr := env.Journal.Now(ctx)
		if nowErr != nil {
			return e, false, nowErr
		}
		if wait := busy.Until.Sub(now); wait > 0 {
			return e, false, react.Later(min(wait, askAgain), busy.Error())
		}
		begin.At = now
		e, ok, err = do(begin)
	}
	if err != nil {
		return e, false, err
	}
	_, running := e.State.Attempts[begin.Work]
	return e, ok && running, nil
}

// abortWhenEnded stops the action when the release ends: a cancel in the middle of a deployment stops the deployment.
func abortWhenEnded(ctx context.Context, abort context.CancelCauseFunc, env service.Env, id string) (stop func(), err error) {
	ended, cancel, err := env.Journal.UntilEnded(ctx, id)
	if err != nil {
		return nil, err
	}
	unhook := context.AfterFunc(ended, func() {
		if errors.Is(context.Cause(ended), release.ErrEnded) {
			abort(driver.ErrCancelled)
		}
	})
	return func() { unhook(); cancel() }, nil
}

// persist calls act until it succeeds, is refused, or time is up.
func persist(ctx context.Context, e journal.Entry, act Act) (Outcome, error) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 500*time.Millisecond, 30*time.Second
	var last error
	out, err := backoff.Retry(ctx, func() (Outcome, error) {
		out, err := act(ctx, e)
		if err == nil {
			return out, nil
		}
		if last == nil || ctx.Err() == nil { // what failed says more than that time was up
			last = err
		}
		if driver.IsRefused(err) {
			return out, backoff.Permanent(err)
		}
		return out, err
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, pause time.Duration) {
		driver.OutputOf(ctx).Remark("failed, next try in %s: %s", pause.Round(time.Millisecond), firstLine(err))
	}))
	if err != nil && last != nil {
		err = last
	}
	return out, err
}

// record journals the outcome. It gives no time: the broker's timestamp of the record is when it happened.
func record(ctx context.Context, env service.Env, id string, begin release.Begin, cause string, out Outcome, acted error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()
	restoring := begin.Work == release.RestoreBeta || begin.Work == release.RestoreStaging
	var command release.Command = release.Finish{Work: begin.Work, Instance: begin.Instance, Value: out.Value, Note: out.Note}
	switch {
	case acted == nil:
	case restoring: // the outcome of the release stands; what could not be put back is said
		env.Log.Error("could not put back", zap.String("release", id), zap.String("work", string(begin.Work)), zap.Error(acted))
		command = release.Finish{Work: begin.Work, Instance: begin.Instance, Failed: true, Note: "could not be put back: " + acted.Error()}
	default:
		command = release.Fail{By: env.Name, Instance: begin.Instance, Reason: reason(begin, acted)}
	}
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		_, _, err := env.Journal.Do(ctx, id, command, cause)
		if decided(err) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithMaxElapsedTime(0))
	return err
}

// decided tells whether trying again would come to the same.
func decided(err error) bool {
	var busy *release.BusyError
	return errors.Is(err, release.ErrEnded) || errors.Is(err, release.ErrPhase) || errors.As(err, &busy)
}

func reason(begin release.Begin, err error) string {
	if driver.IsRefused(err) {
		return fmt.Sprintf("%s: %v", begin.Work, err)
	}
	return fmt.Sprintf("%s: gave up after %s: %v", begin.Work, begin.Timeout, err)
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "done"
	case driver.IsRefused(err):
		return "refused"
	}
	return "failed"
}
