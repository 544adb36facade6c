package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/sluice/internal/board"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

// endedOfProject is how many ended releases `sluice status PROJECT` shows.
const endedOfProject = 5

func (a *app) status() *cobra.Command {
	var watch bool
	var format string
	cmd := &cobra.Command{
		Use: "status [PROJECT|RELEASE]", GroupID: groupLook, Args: cobra.MaximumNArgs(1),
		Short: "Show what is on its way, and what ended last",
		Long: `Shows every live release and, of each project, the one that ended last; of one project more of them; of one
release all that matters. Times are in this machine's zone; what is left of a soak is by the broker's clock.`,
		Example:           "  sluice status --watch\n  sluice status tracer -o json",
		ValidArgsFunction: a.completeLive,
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "table" && format != "json" {
				return fmt.Errorf("-o %q: want table or json", format)
			}
			name := strings.Join(args, "")
			ctx, cancel := within(cmd.Context())
			defer cancel()
			c, err := a.open(ctx)
			if err != nil {
				return err
			}
			defer c.close()
			v := &view{app: a, client: c, json: format == "json", watch: watch}
			if err := v.choose(ctx, name); err != nil {
				return err
			}
			if watch {
				return v.follow(cmd.Context())
			}
			text, err := v.text(ctx)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(a.out, text)
			return err
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "show it again whenever it changes")
	cmd.Flags().StringVarP(&format, "output", "o", "table", "table or json")
	return cmd
}

// view is what status shows: all projects, one project, or one release.
type view struct {
	*app
	client      *client
	json, watch bool
	project, id string
}

// choose finds out what is asked for.
func (v *view) choose(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	if known, err := v.client.find.Known(ctx, name); err != nil {
		return err
	} else if known {
		v.project = name
		return nil
	}
	found, err := v.client.find.Release(ctx, name)
	if err != nil {
		return err
	}
	if found.Entry.Seq == 0 {
		return notAdmitted(ctx, v.client, found.ID)
	}
	v.id = found.ID
	return nil
}

// notAdmitted tells of an id without a journal.
func notAdmitted(ctx context.Context, c *client, id string) error {
	pending, err := c.find.Pending(ctx, id)
	if err != nil {
		return err
	}
	if pending {
		return fail(TimedOut, "the merge of release %s is stored and not admitted yet: is the publisher running?", id)
	}
	return fmt.Errorf("no release has the id %s: see `sluice status`", id)
}

// text is what is to be seen now.
func (v *view) text(ctx context.Context) (string, error) {
	r := &board.Reader{Journal: v.client.journal, Catalog: v.client.catalog}
	if v.id != "" {
		e, err := v.client.journal.Load(ctx, v.id)
		if err != nil {
			return "", err
		}
		row, now, err := r.Release(ctx, e.State)
		if err != nil {
			return "", err
		}
		if v.json {
			return encode(show.JSONOf(row.State, row.Beat, now))
		}
		return show.Details(row.State, row.Beat, now, v.outStyle), nil
	}
	var b board.Board
	var err error
	if v.project != "" {
		b, err = r.Project(ctx, v.project, endedOfProject)
	} else {
		b, err = r.All(ctx)
	}
	if err != nil {
		return "", err
	}
	if v.json {
		out := []show.JSON{}
		for _, row := range b.Rows {
			out = append(out, show.JSONOf(row.State, row.Beat, b.Now))
		}
		return encode(out)
	}
	return v.table(b), nil
}

func encode(v any) (string, error) {
	data, err := json.Marshal(v)
	return string(data) + "\n", err
}

func (v *view) table(b board.Board) string {
	if len(b.Rows) == 0 && len(b.Idle) == 0 {
		return "no projects yet: sluice apply -f sluice.yaml\n"
	}
	plain := func(text string) show.Cell { return show.Cell{Text: text} }
	rows := [][]show.Cell{}
	if len(b.Rows) > 0 {
		var head []show.Cell
		for _, name := range []string{"PROJECT", "VERSION", "PHASE", "LEFT", "WHEN", "RELEASE", "BY", "WHY"} {
			head = append(head, show.Cell{Text: name, Style: v.outStyle.Dim})
		}
		rows = append(rows, head)
	}
	var ids []string
	for _, row := range b.Rows {
		ids = append(ids, row.State.Release)
	}
	short := show.Short(ids)
	for _, row := range b.Rows {
		s := row.State
		line := show.LineOf(s, row.Beat, b.Now)
		why := show.Cell{Text: line.Why}
		if line.Warn {
			why.Style = v.outStyle.Yellow
		}
		version := s.Version
		if version == "" {
			version = "?"
		}
		rows = append(rows, []show.Cell{
			plain(s.Project), plain(version),
			{Text: string(s.Phase), Style: func(text string) string { return v.outStyle.Phase(s.Phase, text) }},
			plain(line.Left), plain(line.When), {Text: short[s.Release], Style: v.outStyle.Dim}, plain(line.By), why,
		})
	}
	text := show.Table(rows, v.width())
	if len(b.Idle) > 0 {
		text += "no releases yet: " + strings.Join(b.Idle, ", ") + "\n"
	}
	return text
}

// width is that of the terminal; 0 when there is none.
func (v *view) width() int {
	f, ok := v.out.(*os.File)
	if !ok || !v.outStyle.Terminal {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

const (
	tick    = time.Second            // the time that is left counts down on a terminal
	settled = 100 * time.Millisecond // what is heard is about to be stored, and seldom comes alone
	unheard = 15 * time.Second       // look again even when nothing is heard
)

// follow shows it again whenever it changes, until it is interrupted. A terminal is redrawn; elsewhere only changes are written.
func (v *view) follow(ctx context.Context) error {
	heard := make(chan struct{}, 1)
	sub, err := v.client.js.Conn().Subscribe("sluice.release.*", func(*nats.Msg) {
		select {
		case heard <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	wait := unheard
	if v.outStyle.Terminal && !v.json {
		wait = tick
	}
	for last := ""; ; {
		text, err := v.once(ctx)
		switch {
		case ctx.Err() != nil:
			return nil // told to stop
		case err != nil:
			v.say("can not look: %v", err)
		case v.outStyle.Terminal && !v.json:
			_, _ = fmt.Fprintf(v.out, "\x1b[H\x1b[2J%s", text)
		case text != last:
			last = text
			if _, err := fmt.Fprint(v.out, text); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
			continue
		case <-heard:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(settled):
		}
	}
}

func (v *view) once(ctx context.Context) (string, error) {
	ctx, cancel := within(ctx)
	defer cancel()
	return v.text(ctx)
}

func (a *app) log() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use: "log RELEASE", GroupID: groupLook, Args: exactly("release"),
		Short:             "Tell a release's story: what happened, when, by whom, why, and what led to it",
		Long:              "Prints the journal of a release, and, while it is live, the commands of nats that stop it or speed it up.",
		Example:           "  sluice log tracer\n  sluice log tracer@1.4.0 --follow",
		ValidArgsFunction: a.completeLive,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := within(cmd.Context())
			defer cancel()
			c, err := a.open(ctx)
			if err != nil {
				return err
			}
			defer c.close()
			found, err := c.find.Read(ctx, args[0])
			if err != nil {
				return err
			}
			if found.Newest {
				a.say("nothing of %s is in staging: this is its newest release", args[0])
			}
			if found.Entry.Seq == 0 {
				return notAdmitted(ctx, c, found.ID)
			}
			return a.story(cmd.Context(), c, found.ID, follow)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until it ends")
	return cmd
}

func (a *app) story(ctx context.Context, c *client, id string, follow bool) error {
	reading, cancel := within(ctx)
	defer cancel()
	records, err := c.journal.Records(reading, id, 0)
	if err != nil {
		return err
	}
	last := records[len(records)-1]
	row, now, err := (&board.Reader{Journal: c.journal}).Release(reading, last.State)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s\n%s", show.Details(row.State, row.Beat, now, a.outStyle), show.Timeline(records, a.outStyle))
	if err != nil || last.State.Phase.Ended() {
		return err
	}
	if !follow {
		_, err = fmt.Fprintf(a.out, "\nIt can be stopped and sped up without Sluice, too:\n%s", commands(c, id))
		return err
	}
	err = c.journal.Follow(ctx, id, last.Seq+1, func(r journal.Record) bool {
		_, err = fmt.Fprint(a.out, show.Moment(r, a.outStyle))
		return err == nil && !r.State.Phase.Ended()
	}, func(error) error { return nil })
	if ctx.Err() != nil {
		return nil // told to stop
	}
	return err
}

// commands are the commands of nats that ask something of a release.
func commands(c *client, id string) string {
	actor, err := c.actor("")
	if err != nil {
		actor = ""
	}
	var b strings.Builder
	for _, line := range []struct {
		verb release.Verb
		body string
	}{{release.Cancel, "login is broken"}, {release.Hold, "waiting for QA"}, {release.Expedite, "fixes the login"}} {
		fmt.Fprintf(&b, "  nats%s pub -J %s %q\n", c.arguments(), topology.Request(string(line.verb), id, actor), line.body)
	}
	return b.String()
}

// completeProjects completes the name of a project.
func (a *app) completeProjects(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completeWithin)
	defer cancel()
	c, err := a.open(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer c.close()
	names, _ := c.catalog.Names(ctx)
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeWithin bounds how long a shell waits for a completion.
const completeWithin = 2 * time.Second

// completeLive completes projects, and live releases by version.
func (a *app) completeLive(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completeWithin)
	defer cancel()
	c, err := a.open(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer c.close()
	b, err := (&board.Reader{Journal: c.journal, Catalog: c.catalog}).All(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	out := b.Idle
	for _, row := range b.Rows {
		if s := row.State; !s.Phase.Ended() && s.Version != "" {
			out = append(out, fmt.Sprintf("%s@%s\t%s", s.Project, s.Version, show.Outcome(s, b.Now)))
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
