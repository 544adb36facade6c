package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

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
	row, now, err := (&board.Reader{Journal: c.journal, Catalog: c.catalog}).Release(reading, last.State)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s\n%s", show.Details(row, now, a.outStyle), show.Timeline(records, a.outStyle))
	if err != nil || last.State.Phase.Ended() {
		return err
	}
	if !follow {
		_, err = fmt.Fprintf(a.out, "\nIt can be stopped and sped up without Sluice, too:\n%s", commands(c, last.State))
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

// suggestion is a request that is likely wanted, and an example of its reason.
type suggestion struct {
	verb release.Verb
	body string
}

// suggestions are what somebody may want of a live release.
func suggestions(s release.State) []suggestion {
	if s.Phase.Out() {
		return []suggestion{{release.Recall, "login is broken"}}
	}
	var out []suggestion
	if s.Approvals().Missing() > 0 {
		out = append(out, suggestion{release.Approve, "looks good"})
	}
	return append(out, suggestion{release.Cancel, "login is broken"}, suggestion{release.Hold, "waiting for QA"},
		suggestion{release.Expedite, "fixes the login"})
}

// commands are the commands of nats that ask something of a release.
func commands(c *client, s release.State) string {
	actor, err := c.actor("")
	if err != nil {
		actor = ""
	}
	var b strings.Builder
	for _, line := range suggestions(s) {
		fmt.Fprintf(&b, "  nats%s pub -J %s %q\n", c.arguments(), topology.Request(string(line.verb), s.Release, actor), line.body)
	}
	return b.String()
}
