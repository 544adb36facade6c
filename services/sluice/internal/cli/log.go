package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/find"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

func (a *app) log() *cobra.Command {
	var follow bool
	var out format
	cmd := &cobra.Command{
		Use: "log RELEASE", GroupID: groupLook, Args: exactly("release"),
		Short: "Tell a release's story: what happened, when, by whom, why, and what led to it",
		Long: `Prints the journal of a release, and, while it is live, the commands of nats that stop it or speed it up.
With --follow -o json there is one record on each line.`,
		Example:           "  sluice log tracer\n  sluice log tracer@1.4.0 --follow",
		ValidArgsFunction: a.completeAny,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.lookAt(cmd.Context(), args[0], func(reading context.Context, c *client, found find.Found) error {
				return a.story(cmd.Context(), reading, c, found.ID, follow, &out)
			})
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until it ends")
	outputFlag(cmd, &out)
	return codes(cmd, TimedOut)
}

func (a *app) story(ctx, reading context.Context, c *client, id string, follow bool, out *format) error {
	records, err := c.journal.Records(reading, id, 0)
	if err != nil {
		return err
	}
	last := records[len(records)-1]
	if out.machine() {
		if !follow {
			return a.tell(out, show.RecordsJSON(records), "")
		}
		for _, r := range records {
			if err := a.tellNext(out, show.RecordJSONOf(r), ""); err != nil {
				return err
			}
		}
	} else {
		row, now, err := (&board.Reader{Journal: c.journal, Catalog: c.catalog}).Release(reading, last.State)
		if err != nil {
			return err
		}
		if _, err = fmt.Fprintf(a.out, "%s\n%s", show.Details(row, now, a.outStyle), show.Timeline(records, a.outStyle)); err != nil {
			return err
		}
	}
	if last.State.Phase.Ended() {
		return nil
	}
	if !follow {
		_, err = fmt.Fprintf(a.out, "\nIt can be stopped and sped up without Sluice, too:\n%s", commands(c, last.State))
		return err
	}
	var told error
	err = c.journal.Follow(ctx, id, last.Seq+1, func(r journal.Record) bool {
		told = a.tellNext(out, show.RecordJSONOf(r), show.Moment(r, a.outStyle))
		return told == nil && !r.State.Phase.Ended()
	}, func(error) error { return nil })
	if ctx.Err() != nil {
		return nil //nolint:nilerr // told to stop
	}
	return cmp.Or(err, told)
}

// suggestion is a request that is likely wanted, and an example of its reason.
type suggestion struct {
	verb release.Verb
	body string
}

// suggestions are what somebody may want of a release that is live, promoted or failed.
func suggestions(s release.State) []suggestion {
	switch {
	case s.Phase.Out():
		return []suggestion{{release.Recall, "login is broken"}}
	case s.Phase == release.Failed:
		return []suggestion{{release.Retry, "the registry is back"}}
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
	var b strings.Builder
	for _, one := range c.commands(s) {
		fmt.Fprintf(&b, "  %s\n", one.NATS)
	}
	return b.String()
}

// commands ask something of a release that is likely wanted, each by sluice and by nats.
func (c *client) commands(s release.State) []show.CommandJSON {
	actor, err := c.actor("")
	if err != nil {
		actor = ""
	}
	out := []show.CommandJSON{}
	for _, one := range suggestions(s) {
		out = append(out, show.CommandJSON{
			Verb:   string(one.verb),
			Sluice: fmt.Sprintf("sluice%s %s %s %q", c.arguments(), one.verb, s.Release, one.body),
			NATS:   fmt.Sprintf("nats%s pub -J %s %q", c.arguments(), topology.Request(string(one.verb), s.Release, actor), one.body),
		})
	}
	return out
}
