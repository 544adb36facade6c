package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/find"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

func (a *app) show() *cobra.Command {
	var out format
	cmd := &cobra.Command{
		Use: "show RELEASE", GroupID: groupLook, Args: exactly("release"),
		Short: "Show all of one release: its story, its digests, what was measured, and what can be asked of it",
		Long: `Shows where a release stands, every record of its journal with who, why and what led to it, which digests are where, what
each check came to, and the exact commands that stop it or speed it up now, by sluice and by the plain nats command.`,
		Example:           "  sluice show tracer\n  sluice show tracer@1.4.0 -o yaml",
		ValidArgsFunction: a.completeAny,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.lookAt(cmd.Context(), args[0], func(ctx context.Context, c *client, found find.Found) error {
				return a.tellStory(ctx, c, found.ID, &out)
			})
		},
	}
	outputFlag(cmd, &out)
	return codes(cmd, TimedOut)
}

// tellStory prints all that is known of a release. Evidence that can not be read is no reason not to tell the rest.
func (a *app) tellStory(ctx context.Context, c *client, id string, out *format) error {
	records, err := c.journal.Records(ctx, id, 0)
	if err != nil {
		return err
	}
	s := records[len(records)-1].State
	row, now, err := (&board.Reader{Journal: c.journal, Catalog: c.catalog}).Release(ctx, s)
	if err != nil {
		return err
	}
	story := show.StoryJSON{
		Release: show.JSONOf(row, now), Timeline: show.RecordsJSON(records), Artifacts: show.Artifacts(s),
		Evidence: []show.SummaryJSON{}, Commands: []show.CommandJSON{},
	}
	if !s.Phase.Ended() || s.Phase == release.Promoted || s.Phase == release.Failed {
		story.Commands = c.commands(s)
	}
	if story.Evidence, err = c.summaries(ctx, id, now); err != nil {
		story.Unread = err.Error()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return a.tell(out, story, show.Story(
		show.Details(row, now, a.outStyle), show.Timeline(records, a.outStyle), story, now, a.outStyle))
}

func (c *client) summaries(ctx context.Context, id string, now time.Time) ([]show.SummaryJSON, error) {
	guarded, cancel := c.guard(ctx) // CI may read journals, and no evidence
	defer cancel()
	r, p, err := c.evidence(guarded, id, now)
	if why := denial(guarded); why != nil {
		err = why
	}
	if err != nil {
		return []show.SummaryJSON{}, err
	}
	return show.SummariesJSON(r, p), nil
}
