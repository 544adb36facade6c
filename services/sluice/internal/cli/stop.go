package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/outlook"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

// halt is a word on a project, or on all: that nothing of it is promoted, or that it may be again.
type halt struct {
	verb               string // of topology.Stops
	kind               release.StopKind
	ends               bool
	project            string // empty: all
	reason, actor      string
	from, until, lasts string
	noWait             bool
	out                format
}

// scope is the project in the subject.
func (h halt) scope() string { return cmp.Or(h.project, topology.AllProjects) }

// who is the project in a sentence.
func (h halt) who() string {
	if h.project == "" {
		return "all projects are"
	}
	return h.project + " is"
}

func (h halt) stopped() string {
	if h.kind == release.Freeze {
		return "frozen"
	}
	return "paused"
}

// stops are the commands that stop a project, or all.
func (a *app) stops() []*cobra.Command {
	pause := halt{verb: topology.StopPause, kind: release.Pause}
	unpause := halt{verb: topology.StopUnpause, kind: release.Pause, ends: true}
	freeze := halt{verb: topology.StopFreeze, kind: release.Freeze}
	unfreeze := halt{verb: topology.StopUnfreeze, kind: release.Freeze, ends: true}
	return []*cobra.Command{
		a.halt(pause, "Promote nothing of a project until somebody unpauses it",
			`Releases are published, staged and watched as ever; none is promoted, not even by force. A promotion that was claimed
before this was stored goes on, and is named.`,
			"an incident", "  sluice pause tracer an incident\n  sluice pause --all --reason 'an incident'"),
		a.halt(unpause, "Let the releases of a paused project be promoted again", "", "all is well", "  sluice unpause tracer"),
		a.halt(freeze, "Promote nothing of a project, or of all, for a time",
			`Without a project it is for all of them. A new freeze takes the place of the one before. It ends by itself at its end, or
when somebody unfreezes; sluice expedite --force goes through it. A promotion that was claimed before this was stored
goes on, and is named. Freezes that come again belong into the project file (windows).`,
			"48h the fair", "  sluice freeze --for 48h --reason 'the fair'\n  sluice freeze tracer --from 22:00 --until 06:00 maintenance"),
		a.halt(unfreeze, "Let the releases of a frozen project, or of all, be promoted again", "Without a project it ends the freeze of all.",
			"the fair is over", "  sluice unfreeze tracer"),
	}
}

func (a *app) halt(h halt, short, long, body, example string) *cobra.Command {
	var reason string
	var all bool
	frozen := h.kind == release.Freeze
	usage := h.verb + " PROJECT|--all [REASON...]"
	if frozen {
		usage = h.verb + " [PROJECT [REASON...]]"
	}
	if long != "" {
		long += "\n\n"
	}
	long += byNATS(topology.Stop(h.verb, "project", "you"), body) + "\n(in place of the project: " + topology.AllProjects + " for all)"
	cmd := &cobra.Command{
		Use: usage, GroupID: groupStop, Short: short, Long: short + ".\n\n" + long, Example: example,
		ValidArgsFunction: a.completeProjects,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			switch {
			case len(args) == 0 && !frozen && !all:
				return fmt.Errorf("which project? usage: sluice %s", usage)
			case len(args) > 0 && !all:
				h.project, args = args[0], args[1:]
			}
			if h.reason, err = because(args, reason); err != nil {
				return err
			}
			if frozen && !h.ends && h.reason == "" && !a.asks {
				return errFreezeWhy()
			}
			return a.stop(cmd.Context(), h)
		},
	}
	outputFlag(cmd, &h.out)
	set := cmd.Flags()
	set.StringVar(&reason, "reason", "", "why; everybody who waits is told")
	set.StringVar(&h.actor, "actor", "", "who asks (the NATS user, or $USER)")
	set.BoolVar(&all, "all", false, "all projects")
	if !h.ends {
		set.BoolVar(&h.noWait, "no-wait", false, "do not look what it stops")
	}
	if frozen && !h.ends {
		set.StringVar(&h.lasts, "for", "", "for how long: 90m, 48h, 2d")
		set.StringVar(&h.until, "until", "", "until `when`: 17:30, \"2006-01-02 15:04\"; without --for and --until, until somebody unfreezes")
		set.StringVar(&h.from, "from", "", "from `when` on, instead of now")
	}
	return codes(cmd, Refused)
}

// stop stores the word, and tells what it does.
func (a *app) stop(ctx context.Context, h halt) error {
	reading, cancel := within(ctx)
	defer cancel()
	c, err := a.open(reading)
	if err != nil {
		return err
	}
	defer c.close()
	if h.actor, err = c.actor(h.actor); err != nil {
		return err
	}
	names, err := c.scope(reading, h)
	if err != nil {
		return err
	}
	before, err := c.journal.Gates(reading, names, 0)
	if err != nil {
		return err
	}
	now, err := c.journal.Now(reading)
	if err != nil {
		return err
	}
	last, err := spanOf(h.from, h.until, h.lasts, now.Local())
	if err != nil {
		return err
	}
	if h.reason, err = a.why(ctx, c, h.verb, h.will(last, now.Local()), h.reason, names); err != nil {
		return err
	}
	if h.kind == release.Freeze && !h.ends && h.reason == "" {
		return errFreezeWhy()
	}
	body, err := releasepb.EncodeStop(release.Stop{Said: release.Said{Reason: h.reason}, From: last.from, Until: last.until})
	if err != nil {
		return err
	}
	storing, done := within(ctx) // somebody may have thought about the reason for long
	defer done()
	seq, err := c.publish(storing, topology.Stop(h.verb, h.scope(), h.actor), body)
	if err != nil {
		return err
	}
	a.say("%s: %s by %s is stored at sequence %d", cmp.Or(h.project, "all projects"), h.verb, h.actor, seq)
	out := show.StopJSON{
		Verb: h.verb, Project: h.project, By: h.actor, Reason: h.reason, Sequence: seq, Result: Done.String(),
		From: show.When(last.from), Until: show.When(last.until),
	}
	was, stood := h.own(before, now)
	if stood && !h.ends {
		a.say("it takes the place of: %s", show.Stopped(h.project, was, now.Local()))
	}
	text := ""
	switch {
	case h.ends:
		text, err = c.ended(storing, h, names, stood, &out)
	case h.noWait:
		out.Result = show.Stored
	default:
		text, err = a.standing(storing, c, h, names, &out)
	}
	return a.halted(&h.out, out, text, err)
}

// halted prints what became of the word.
func (a *app) halted(f *format, out show.StopJSON, text string, err error) error {
	var code *codeError
	switch {
	case err != nil && (!errors.As(err, &code) || !f.machine()):
		return err
	case err != nil:
		out.Result, out.Said = code.code.String(), err.Error()
	default:
		out.Said, _, _ = strings.Cut(text, "\n")
	}
	return cmp.Or(a.tell(f, out, text), err)
}

func errFreezeWhy() error {
	return errors.New("a freeze needs a reason: it is what everybody is told who waits; nothing is sent")
}

// will says what a pause or a freeze will do.
func (h halt) will(last span, now time.Time) string {
	what := "of all projects"
	if h.project != "" {
		what = "of " + h.project
	}
	text := "nothing " + what + " will be promoted"
	if !last.from.IsZero() {
		text += " from " + show.Clock(last.from, now) + " on"
	}
	switch {
	case h.kind == release.Pause:
		return text + ", not even with force, until somebody unpauses it"
	case last.until.IsZero():
		return text + " without force, until somebody unfreezes it"
	}
	return text + " without force, until " + show.Clock(last.until, now)
}

// scope are the projects that the word is on.
func (c *client) scope(ctx context.Context, h halt) ([]string, error) {
	if h.project != "" {
		return []string{h.project}, c.find.Project(ctx, h.project)
	}
	names, err := c.catalog.Names(ctx)
	if err == nil && len(names) == 0 {
		err = errors.New("there are no projects yet: add one with `sluice apply -f sluice.yaml`")
	}
	return names, err
}

// own is the stop of the same kind and scope that is in force or is to begin, if there is one.
func (h halt) own(gates map[string]release.Gate, now time.Time) (release.Stop, bool) {
	for _, g := range gates {
		for _, s := range g.Stops {
			over := !s.Until.IsZero() && !now.Before(s.Until)
			if s.Kind == h.kind && s.All == (h.project == "") && !over {
				return s, true
			}
		}
	}
	return release.Stop{}, false
}

// ended tells what an unpause or unfreeze came to.
func (c *client) ended(ctx context.Context, h halt, names []string, stood bool, out *show.StopJSON) (string, error) {
	gates, err := c.journal.Gates(ctx, names, out.Sequence)
	if err != nil {
		return "", err
	}
	now, err := c.journal.Now(ctx)
	if err != nil {
		return "", err
	}
	for _, s := range board.Stops(gates, names, now) {
		out.Still = append(out.Still, show.Stopped(s.Project, s.Stop, now.Local()))
	}
	if s, again := h.own(gates, now); again && s.Seq > out.Sequence {
		return "", fail(Refused, "somebody was faster: %s", show.Stopped(h.project, s, now.Local()))
	}
	if !stood {
		text := fmt.Sprintf("%s not %s", h.who(), h.stopped())
		if len(out.Still) > 0 {
			text += ": " + strings.Join(out.Still, "; ")
		}
		return "", fail(Refused, "%s", text)
	}
	text := fmt.Sprintf("%s not %s any more\n", h.who(), h.stopped())
	for _, still := range out.Still {
		text += fmt.Sprintf("still: %s\n", still)
	}
	return text, nil
}

// standing tells what a pause or freeze stops, and what it does not.
func (a *app) standing(ctx context.Context, c *client, h halt, names []string, out *show.StopJSON) (string, error) {
	gates, err := c.journal.Gates(ctx, names, out.Sequence)
	if err != nil {
		return "", err
	}
	reader := &board.Reader{Journal: c.journal, Catalog: c.catalog}
	seen, err := reader.See(ctx, names)
	if err != nil {
		return "", err
	}
	now := seen.Now.Local()
	s, ok := h.own(gates, now)
	switch {
	case !ok:
		return "", fail(Refused, "somebody was faster: %s not %s any more", h.who(), h.stopped())
	case s.Seq != out.Sequence:
		a.say("somebody was faster, and the last word counts")
	}
	live, err := c.live(ctx, seen, names, out.Sequence)
	if err != nil {
		return "", err
	}
	if err := reader.Surround(ctx, live, gates); err != nil {
		return "", err
	}
	text := show.Stopped(h.project, s, now) + "\n"
	for _, r := range live {
		one := show.StoppedJSON{
			Release: r.State.Release, Project: r.State.Project, Version: r.State.Version, Phase: string(r.State.Phase), Effect: effect(r, s, now),
		}
		out.Releases = append(out.Releases, one)
		text += fmt.Sprintf("  %s %s: %s\n", story.Title(r.State), show.First(one.Release), one.Effect)
	}
	if len(live) == 0 {
		text += "  nothing is on its way\n"
	}
	return text, nil
}

// live are the releases of these projects that are on their way, not from before a sequence of the stream: a claim that was
// stored before a stop is seen by whoever has seen the stop.
func (c *client) live(ctx context.Context, seen board.Seen, names []string, least uint64) ([]board.Row, error) {
	var live []board.Row
	for id, e := range seen.Releases {
		if !slices.Contains(names, e.State.Project) || e.State.Phase.Ended() {
			continue
		}
		if e.State.Phase == release.Soaking || e.State.Phase == release.Promoting {
			var err error
			if e, err = c.journal.LoadAt(ctx, id, least); err != nil {
				return nil, err
			}
		}
		live = append(live, board.Row{State: e.State})
	}
	slices.SortFunc(live, func(a, b board.Row) int {
		x, y := a.State, b.State
		return cmp.Or(cmp.Compare(x.Project, y.Project), cmp.Compare(x.Merge.Seq, y.Merge.Seq))
	})
	return live, nil
}

// effect is what a stop does to a release.
func effect(row board.Row, s release.Stop, now time.Time) string {
	r := row.State
	outcome := show.Outcome(r, now)
	switch {
	case r.Phase.Ended():
		return outcome
	case r.Phase.Out():
		return outcome + "; this does not stop it"
	case r.Phase == release.Promoting && r.Claim < s.Seq:
		return fmt.Sprintf("its promotion was claimed before, at sequence %d, and goes on; a cancel is too late, roll it back instead", r.Claim)
	case r.Phase == release.Promoting:
		return fmt.Sprintf("its promotion was claimed after it, at sequence %d, and does not count: it waits", r.Claim)
	case r.Phase != release.Soaking:
		return outcome + "; it goes on until it is to be promoted, and waits then"
	}
	if !r.LastStage() {
		return outcome + "; it goes on to its last stage, and waits then"
	}
	without := row.Around
	without.Stops = slices.DeleteFunc(slices.Clone(without.Stops), func(o release.Stop) bool { return o.Seq == s.Seq })
	if _, stops := release.Stopped(r, []release.Stop{s}, outlook.Of(r, without, now).At); !stops {
		return outcome + "; this does not stop it"
	}
	return outcome + "; it waits then"
}
