package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

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
	return a.completeReleases(cmd, args, func(s release.State) bool { return !s.Phase.Ended() })
}

// completeEnded completes projects, and what failed or was promoted last by version.
func (a *app) completeEnded(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeReleases(cmd, args, func(s release.State) bool {
		return s.Phase == release.Failed || s.Phase == release.Promoted || s.Phase == release.Baking
	})
}

func (a *app) completeReleases(
	cmd *cobra.Command, args []string, wanted func(release.State) bool,
) ([]string, cobra.ShellCompDirective) {
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
		if s := row.State; wanted(s) && s.Version != "" {
			out = append(out, fmt.Sprintf("%s@%s\t%s", s.Project, s.Version, show.Outcome(s, b.Now)))
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
