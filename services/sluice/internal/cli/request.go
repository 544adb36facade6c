package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/sluice/internal/find"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

// ask is one request of somebody.
type ask struct {
	verb    release.Verb
	reason  string
	actor   string
	by      string
	noWait  bool
	timeout time.Duration
}

// requests are the commands that ask something of a release.
func (a *app) requests() []*cobra.Command {
	return []*cobra.Command{
		a.request(release.Cancel, "Stop a release: it is not promoted, and staging and the beta are put back",
			`Once this is stored before the promotion is claimed, the release is not promoted, whatever else happens. It may be
stored while every service is down; then it is obeyed when they are back.`,
			"  sluice cancel tracer login is broken\n  sluice cancel tracer@1.4.0 --reason 'login is broken'"),
		a.request(release.Expedite, "Promote a release without waiting for the rest of its soak",
			"A queued release goes to the head of its lane, and is promoted as soon as it is staged.",
			"  sluice expedite tracer fixes the login"),
		a.request(release.Hold, "Stop the clock of a release until somebody resumes it", "", "  sluice hold tracer waiting for QA"),
		a.request(release.Resume, "Let a held release go on with the rest of its soak", "", "  sluice resume tracer"),
		a.request(release.Extend, "Lengthen the soak of a release", "", "  sluice extend tracer --by 30m more traffic needed"),
	}
}

func (a *app) request(verb release.Verb, short, long, example string) *cobra.Command {
	q := ask{verb: verb}
	var reason string
	cmd := &cobra.Command{
		Use: string(verb) + " RELEASE [REASON...]", GroupID: groupDecide, Args: atLeast("release"),
		Short: short, Long: strings.TrimSpace(short + ".\n\n" + long), Example: example,
		ValidArgsFunction: a.completeLive,
		RunE: func(cmd *cobra.Command, args []string) error {
			words := strings.Join(args[1:], " ")
			if reason != "" && words != "" {
				return fmt.Errorf("the reason is given twice, %q and --reason %q: give it once", words, reason)
			}
			q.reason = reason + words
			return a.do(cmd.Context(), args[0], q)
		},
	}
	set := cmd.Flags()
	set.StringVar(&reason, "reason", "", "why; it is kept in the journal")
	set.StringVar(&q.actor, "actor", "", "who asks (the NATS user, or $USER)")
	set.BoolVar(&q.noWait, "no-wait", false, "do not wait for the answer")
	set.DurationVar(&q.timeout, "timeout", 10*time.Second, "how long to wait for the answer")
	if verb == release.Extend {
		set.StringVar(&q.by, "by", "", "by how much: 30m, 2h, 1d")
	}
	return cmd
}

// do stores the request and tells what became of it.
func (a *app) do(ctx context.Context, name string, q ask) error {
	r := release.Request{Reason: q.reason}
	if q.verb == release.Extend {
		by, err := project.ParseDuration(q.by)
		if q.by == "" || err != nil || by <= 0 {
			return fmt.Errorf("--by %q: want how much longer, such as 30m, 2h or 1d", q.by)
		}
		r.By = by
	}
	reading, cancel := within(ctx)
	defer cancel()
	c, err := a.open(reading)
	if err != nil {
		return err
	}
	defer c.close()
	actor, err := c.actor(q.actor)
	if err != nil {
		return err
	}
	found, err := c.find.Release(reading, name)
	if err != nil {
		return err
	}
	pending := false
	if found.Entry.Seq == 0 {
		if pending, err = c.find.Pending(reading, found.ID); err != nil {
			return err
		}
		if !pending && !q.verb.Stops() {
			return fmt.Errorf("no release has the id %s, and no merge with it waits to be admitted: see `sluice status`", found.ID)
		}
	}
	body, err := releasepb.EncodeRequest(r)
	if err != nil {
		return err
	}
	seq, err := c.publish(reading, topology.Request(string(q.verb), found.ID, actor), body)
	if err != nil {
		return err
	}
	a.say("%s: %s by %s is stored at sequence %d", called(found), q.verb, actor, seq)
	switch {
	case found.Entry.Seq == 0 && !pending:
		return fail(TimedOut, "nobody knows a release %s: the %s counts if a merge with that id comes", found.ID, q.verb)
	case q.noWait:
		return nil
	}
	return a.answer(ctx, c, found, q, seq)
}

// answer waits for the journal to answer the request, and prints the answer.
func (a *app) answer(ctx context.Context, c *client, found find.Found, q ask, seq uint64) error {
	if e, err := c.journal.LoadAt(ctx, found.ID, seq); err == nil {
		found.Entry = e
		if s := e.State; s.Phase.Ended() && s.Folded < seq { // the end is final: nothing to wait for
			return tooLate(s, q, e.At.Local())
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
		return a.tellAnswer(*answer, q, seq)
	case ctx.Err() != nil:
		return ctx.Err()
	case !errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return a.unanswered(ctx, c, found, q, seq)
}

func tooLate(s release.State, q ask, now time.Time) error {
	verb := "was "
	if s.Phase == release.Failed {
		verb = ""
	}
	return fail(Refused, "too late to %s: %s %s%s", q.verb, show.Title(s), verb, show.Outcome(s, now))
}

func (a *app) tellAnswer(r journal.Record, q ask, seq uint64) error {
	s := r.State
	if refused, ok := r.Event.(release.WasRefused); ok && refused.Seq == seq {
		if s.Phase.Ended() {
			return tooLate(s, q, r.At.Local())
		}
		return fail(Refused, "%s of %s is refused: %s", q.verb, show.Title(s), refused.Said.Reason)
	}
	title := fmt.Sprintf("%s %s: ", show.Title(s), s.Release)
	switch e := r.Event.(type) {
	case release.WasExpedited:
		if s.Phase == release.Queued {
			return a.print("%s", title+"expedited; it is the next in its lane, and promoted as soon as it is staged")
		}
		return a.print("%s", title+"expedited; it is promoted as soon as it can be")
	case release.WasExtended:
		return a.print("%sextended by %s; %s", title, show.Left(e.By), show.Outcome(s, r.At.Local()))
	case release.WasHeld:
		if s.Phase != release.Held {
			return a.print("%swill be held when its soak begins; it is %s", title, s.Phase)
		}
	case release.WasResumed, release.WasCancelled, release.WasRefused, release.WasMerged, release.WasBegun, release.WasDone,
		release.WasQueued, release.WasSoaked, release.WasFailed, release.WasSuperseded, nil:
	}
	return a.print("%s%s", title, show.Outcome(s, r.At.Local()))
}

// unanswered tells what a stored request is worth while no promoter answers. What is stored before a claim stops it.
func (a *app) unanswered(ctx context.Context, c *client, found find.Found, q ask, seq uint64) error {
	reading, cancel := within(ctx)
	defer cancel()
	e, err := c.journal.LoadAt(reading, found.ID, seq)
	if err != nil && !errors.Is(err, journal.ErrNone) {
		return err
	}
	found.Entry = e
	s := e.State
	switch claimed := s.Phase == release.Promoting && s.Claim < seq; {
	case s.Phase.Ended():
		return tooLate(s, q, e.At.Local())
	case q.verb.Stops() && !claimed:
		a.say("no service answered within %s", q.timeout)
		return a.print("%s: the %s is stored at sequence %d, before any promotion was claimed, and will be honoured",
			called(found), q.verb, seq)
	case q.verb.Stops():
		return fail(TimedOut, "no answer within %s: the promotion was claimed before; the %s is stored at sequence %d, see `sluice log %s`",
			q.timeout, q.verb, seq, show.First(found.ID))
	}
	return fail(TimedOut, "no answer within %s (is the promoter running?): the %s is stored at sequence %d and will be answered, "+
		"see `sluice log %s`", q.timeout, q.verb, seq, show.First(found.ID))
}

// called is a release's project, version and id.
func called(f find.Found) string {
	return strings.TrimSpace(show.Title(f.Entry.State) + " " + f.ID)
}

// actor is who asks: as told, or the NATS user, which is what a broker with users lets one say, or the user of this machine.
func (c *client) actor(told string) (string, error) {
	if told != "" {
		if err := topology.CheckActor(told); err != nil {
			return "", fmt.Errorf("--actor: %w", err)
		}
		return told, nil
	}
	who := strings.Map(func(r rune) rune {
		if topology.CheckActor(string(r)) == nil {
			return r
		}
		return '-'
	}, cmp.Or(c.user, os.Getenv("USER"), "somebody"))
	return who[:min(len(who), 64)], nil
}
