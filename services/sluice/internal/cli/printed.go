package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-gate/sluice/pkg/find"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

func (a *app) printed() *cobra.Command {
	var out format
	var step string
	cmd := &cobra.Command{
		Use: "output RELEASE", GroupID: groupLook, Args: exactly("release"),
		Short: "Show what publishing, deploying, promoting and putting back printed",
		Long: `Shows what the drivers of a release printed, attempt by attempt, the oldest first: of a command what it wrote to its output and
error output, of a registry or a CI what it was asked and what it answered. It is stored when an attempt is over, however it
ended: the first 8 KiB and the last 56 KiB of each, without the secrets that the driver knew, for as long as evidence is
kept. An attempt that printed nothing is not shown; nor is what was printed by one whose service was killed.
--step shows one step only: publish, stage or the name of a stage, promote, rollback, restore-beta or restore-staging.`,
		Example:           "  sluice output tracer\n  sluice output tracer@1.4.0 --step stage\n  sluice output tracer --step promote -o json",
		ValidArgsFunction: a.completeAny,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.lookAt(cmd.Context(), args[0], func(ctx context.Context, c *client, found find.Found) error {
				s := found.Entry.State
				if err := checkStep(s, step); err != nil {
					return err
				}
				now, err := c.journal.Now(ctx)
				if err != nil {
					return err
				}
				outputs, unread, err := c.journal.Outputs(ctx, found.ID)
				if err != nil {
					return err
				}
				outputs = slices.DeleteFunc(outputs, func(o journal.Output) bool {
					return step != "" && string(o.Work) != step && o.Stage != step
				})
				text := show.Printed(s, outputs, unread, now.In(a.outStyle.Zone), a.outStyle)
				return a.tell(&out, show.PrintedOf(s, outputs, unread), text)
			})
		},
	}
	cmd.Flags().StringVar(&step, "step", "", "only this `step` (all of them)")
	_ = cmd.RegisterFlagCompletionFunc( // fails only if the flag is missing
		"step", cobra.FixedCompletions(steps(), cobra.ShellCompDirectiveNoFileComp))
	outputFlag(cmd, &out)
	return codes(cmd, TimedOut)
}

// steps are what drivers do for a release.
func steps() []cobra.Completion {
	var out []cobra.Completion
	for _, w := range []release.Work{
		release.Publish, release.Stage, release.Promote, release.Rollback, release.RestoreBeta, release.RestoreStaging,
	} {
		out = append(out, string(w))
	}
	return out
}

// checkStep refuses what is neither a step nor a stage of the release.
func checkStep(s release.State, step string) error {
	names := steps()
	for i := range max(1, len(s.Policy.Stages)) {
		s.Stage = i
		names = append(names, s.StageName())
	}
	if step == "" || slices.Contains(names, step) {
		return nil
	}
	return fmt.Errorf("--step: there is no %q: want %s", step, strings.Join(names, ", "))
}
