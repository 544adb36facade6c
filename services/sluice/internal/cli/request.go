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

	"github.com/sluice-gate/sluice/pkg/find"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

// ask is one request of somebody.
type ask struct {
	verb      release.Verb
	reason    string
	actor     string
	by, until string
	force     bool
	noWait    bool
	wait      bool // to the end of the release
	timeout   time.Duration
	out       format
}

// verb is the help of one command that asks something of a release.
type verb struct {
	verb        release.Verb
	short, long string
	body        string // of the same request by nats
	example     string
}

// requests are the commands that ask something of a release.
func (a *app) requests() []*cobra.Command {
	var out []*cobra.Command
	for _, v := range []verb{
		{release.Approve, "Approve that a release leaves its stage",
			"It counts once for each person. When enough have approved, and the soak is over, the release goes on.",
			"looks good", "  sluice approve tracer looks good"},
		{release.Cancel, "Stop a release: it is not promoted, and staging and the beta are put back",
			`Once this is stored before the promotion is claimed, the release is not promoted, whatever else happens. It may be
stored while every service is down; then it is obeyed when they are back.`,
			"login is broken", "  sluice cancel tracer login is broken\n  sluice cancel tracer@1.4.0 --reason 'login is broken'"},
		{release.Expedite, "Promote a release without waiting for the rest of its soak",
			`A queued release goes to the head of its lane, and is promoted as soon as it is staged. Approvals, a pause, and what it
needs are waited for all the same. With --force, which needs a reason, nobody looks at its checks first, and it goes
through windows and freezes.`,
			"fixes the login", "  sluice expedite tracer fixes the login\n  sluice expedite tracer --force --reason 'production is down'"},
		{release.Hold, "Stop the clock of a release until somebody resumes it",
			"It keeps its lane: no other release is staged there meanwhile.",
			"waiting for QA", "  sluice hold tracer waiting for QA"},
		{release.Resume, "Let a held release go on with the rest of its soak", "", "QA is done", "  sluice resume tracer"},
		{release.Extend, "Lengthen the soak of a release",
			"By a duration, or until a time in this machine's zone.",
			"30m QA needs longer", "  sluice extend tracer --by 30m more traffic needed\n  sluice extend tracer --until 17:30"},
		{release.Retry, "Take up a failed release again",
			`What is done already is not done again, unless it was put back. Of a project it is the release that failed last. A release
that somebody cancelled, if too late, is not taken up again.`,
			"the registry is back", "  sluice retry tracer the registry is back"},
		{release.Recall, "Put back what was promoted",
			`Everybody gets again what was promoted before. Of a project it is the release that was promoted last, or that failed while
it was being promoted. It waits until that is done. Nothing of the project is promoted meanwhile, and the same version is
promoted again only with sluice expedite --force.`,
			"login is broken", "  sluice rollback tracer login is broken"},
	} {
		out = append(out, a.request(v))
	}
	return out
}

func (a *app) request(v verb) *cobra.Command {
	q := ask{verb: v.verb}
	var reason string
	long := v.short + "."
	if v.long != "" {
		long += "\n\n" + v.long
	}
	complete := a.completeLive
	if v.verb == release.Retry || v.verb == release.Recall {
		complete = a.completeEnded
	}
	cmd := &cobra.Command{
		Use: string(v.verb) + " RELEASE [REASON...]", GroupID: groupDecide, Args: atLeast("release"),
		Short: v.short, Long: long + "\n\n" + byNATS(topology.Request(string(v.verb), sampleID, "you"), v.body), Example: v.example,
		ValidArgsFunction: complete,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if q.noWait && q.wait {
				return errors.New("--wait and --no-wait: give one of the two")
			}
			if q.reason, err = because(args[1:], reason); err != nil {
				return err
			}
			return a.do(cmd.Context(), args[0], q)
		},
	}
	outputFlag(cmd, &q.out)
	set := cmd.Flags()
	set.StringVar(&reason, "reason", "", "why; it is kept in the journal")
	set.StringVar(&q.actor, "actor", "", "who asks (the NATS user, or $USER)")
	set.BoolVar(&q.noWait, "no-wait", false, "do not wait for the answer")
	set.DurationVar(&q.timeout, "timeout", answerWithin, "how long to wait for the answer")
	switch v.verb { //nolint:exhaustive // a hold has no end to wait for, and a rollback is waited for in any case
	case release.Hold:
		return codes(cmd, Refused, TimedOut)
	case release.Recall:
		return codes(cmd, Failed, Refused, TimedOut)
	case release.Cancel:
		set.BoolVar(&q.wait, "wait", false, "until staging and the beta are put back")
		return codes(cmd, Failed, Refused, TimedOut)
	default:
		set.BoolVar(&q.wait, "wait", false, "follow the release to its end; the exit code tells how that was")
	}
	switch v.verb { //nolint:exhaustive // the others have no more
	case release.Extend:
		set.StringVar(&q.by, "by", "", "by how much: 30m, 2h, 1d")
		set.StringVar(&q.until, "until", "", "until `when`: 17:30, \"2006-01-02 15:04\"")
	case release.Expedite:
		set.BoolVar(&q.force, "force", false, "without a look at its checks, through windows and freezes; needs a reason")
	}
	return codes(cmd, Cancelled, Failed, Superseded, Refused, TimedOut)
}

// answerWithin bounds the wait for an answer, unless it is told otherwise.
const answerWithin = 10 * time.Second

// sampleID stands for a release where help shows a subject; it is written as <release>.
const sampleID = "00000000-0000-7000-8000-000000000000"

// byNATS is the same by the plain nats command.
func byNATS(subject, body string) string {
	subject = strings.NewReplacer(sampleID+".you", "<release>.<you>", "project.you", "<project>.<you>").Replace(subject)
	return fmt.Sprintf("Without Sluice: nats pub -J %q %q", subject, body)
}

// because is the reason, given as words or as a flag.
func because(args []string, flag string) (string, error) {
	words := strings.Join(args, " ")
	if flag != "" && words != "" {
		return "", fmt.Errorf("the reason is given twice, %q and --reason %q: give it once", words, flag)
	}
	return flag + words, nil
}

// body checks what is asked for, before anything is sent. asks is set when somebody can be asked for a reason.
func (q ask) body(now time.Time, asks bool) (release.Request, error) {
	r := release.Request{Reason: q.reason, Force: q.force}
	if q.force && q.reason == "" && !asks {
		return r, errors.New("--force needs a reason: it goes into the journal; nothing is sent")
	}
	if q.verb != release.Extend {
		return r, nil
	}
	switch {
	case q.by != "" && q.until != "":
		return r, fmt.Errorf("--by %s and --until %s: give one of the two", q.by, q.until)
	case q.until != "":
		until, err := moment(q.until, now)
		if err != nil {
			return r, fmt.Errorf("--until: %w", err)
		}
		if r.Until = until; !until.After(now) {
			return r, fmt.Errorf("--until %s: that is past", q.until)
		}
	default:
		by, err := project.ParseDuration(q.by)
		if q.by == "" || err != nil || by <= 0 {
			return r, fmt.Errorf("--by %q: want how much longer, such as 30m, 2h or 1d, or --until a time", q.by)
		}
		r.By = by
	}
	return r, nil
}

// do stores the request and tells what became of it.
func (a *app) do(ctx context.Context, name string, q ask) error {
	if _, err := q.body(time.Now(), a.asks); err != nil {
		return err
	}
	reading, cancel := within(ctx)
	defer cancel()
	c, err := a.open(reading)
	if err != nil {
		return err
	}
	defer c.close()
	if q.actor, err = c.actor(q.actor); err != nil {
		return err
	}
	found, err := c.meant(reading, name, q.verb)
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
	if err := a.because(ctx, c, found, &q); err != nil {
		return err
	}
	seq, err := c.request(ctx, found.ID, q)
	if err != nil {
		return err
	}
	a.say("%s: %s by %s is stored at sequence %d", called(found), q.verb, q.actor, seq)
	text := ""
	switch {
	case found.Entry.Seq == 0 && !pending:
		err = fail(TimedOut, "nobody knows a release %s: the %s counts if a merge with that id comes", found.ID, q.verb)
	case !q.noWait:
		if text, err = a.answer(ctx, c, found, q, seq); err == nil && q.wait {
			text, err = a.untilDecided(ctx, c, found.ID, q, text, seq)
		}
	}
	return a.answered(ctx, c, found, q, seq, text, err)
}

// because says what the request will do, and completes its reason.
func (a *app) because(ctx context.Context, c *client, found find.Found, q *ask) (err error) {
	s := found.Entry.State
	if s.Release == "" {
		s.Release = found.ID
	}
	reading, cancel := within(ctx)
	now, err := c.journal.Now(reading)
	cancel()        // the reason may take long
	if err != nil { // it is only told
		now = time.Now()
	}
	q.reason, err = a.why(ctx, c, string(q.verb), story.Will(q.verb, s, q.force, now.Local()), q.reason, []string{s.Project})
	return err
}

// request stores the request, and returns its sequence.
func (c *client) request(ctx context.Context, id string, q ask) (uint64, error) {
	r, err := q.body(time.Now(), false)
	if err != nil {
		return 0, err
	}
	body, err := releasepb.EncodeRequest(r)
	if err != nil {
		return 0, err
	}
	storing, cancel := within(ctx) // somebody may have thought about the reason for long
	defer cancel()
	return c.publish(storing, topology.Request(string(q.verb), id, q.actor), body)
}

// answered prints what became of a request that is stored: err is nil when it was done, as said tells.
func (a *app) answered(ctx context.Context, c *client, found find.Found, q ask, seq uint64, said string, err error) error {
	var code *codeError
	switch {
	case err != nil && (!errors.As(err, &code) || !q.out.machine()):
		return err
	case q.out.machine():
	case said == "":
		return nil
	default:
		return a.print("%s", said)
	}
	out := show.AnswerJSON{
		Verb: string(q.verb), Release: found.ID, By: q.actor, Reason: q.reason, Sequence: seq, Result: Done.String(), Said: said,
	}
	if q.noWait {
		out.Result = show.Stored
	}
	if code != nil {
		out.Result, out.Said = code.code.String(), err.Error()
	}
	reading, cancel := within(ctx)
	defer cancel()
	if e, err := c.journal.LoadAt(reading, found.ID, seq); err == nil {
		out.Project, out.Version, out.Phase = e.State.Project, e.State.Version, string(e.State.Phase)
	}
	if err := a.tell(&q.out, out, ""); err != nil {
		return err
	}
	return err
}

// meant finds the release that a request is for.
func (c *client) meant(ctx context.Context, name string, v release.Verb) (find.Found, error) {
	switch v { //nolint:exhaustive // the others are for what is on its way
	case release.Retry:
		return c.find.Failed(ctx, name)
	case release.Recall:
		return c.find.Promoted(ctx, name)
	}
	return c.find.Release(ctx, name)
}

// called is a release's project, version and id.
func called(f find.Found) string {
	return strings.TrimSpace(story.Title(f.Entry.State) + " " + f.ID)
}

// actor is who asks: as told, or the user that the broker knows, whose name is what a broker with users lets one say, or the user of
// this machine.
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
	}, cmp.Or(c.known(), os.Getenv("USER"), "somebody"))
	return who[:min(len(who), 64)], nil
}
