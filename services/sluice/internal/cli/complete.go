package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

func (a *app) completion() *cobra.Command {
	cmd := &cobra.Command{
		Use: "completion bash|zsh|fish|powershell", GroupID: groupRun, Args: exactly("shell"),
		Short: "Print what makes a shell complete commands, projects and releases",
		Long: `Prints a script for a shell, which completes commands, flags, projects and releases: it asks the broker for them, for no
longer than two seconds. In bash it needs the package bash-completion.`,
		Example: `  source <(sluice completion bash)
  sluice completion zsh >"${fpath[1]}/_sluice"
  sluice completion fish >~/.config/fish/completions/sluice.fish
  sluice completion powershell | Out-String | Invoke-Expression`,
		ValidArgs: []cobra.Completion{"bash", "zsh", "fish", "powershell"},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return bashCompletion(root, a.out)
			case "zsh":
				return root.GenZshCompletion(a.out)
			case "fish":
				return root.GenFishCompletion(a.out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(a.out)
			}
			return fmt.Errorf("there is no completion for %q: want bash, zsh, fish or powershell", args[0])
		},
	}
	return cmd
}

// atSign takes from the completions what stands before the @: readline keeps that, and replaces the @ with what follows
// (rl_special_prefixes of https://tiswww.case.edu/php/chet/readline/readline.html).
const atSign = `    if [[ "$cur" == *@* && "$COMP_WORDBREAKS" == *@* ]]; then
        local i
        for i in "${!COMPREPLY[@]}"; do
            COMPREPLY[i]=${COMPREPLY[i]#"${cur%@*}"}
        done
    fi
`

// bashCompletion is cobra's script, made to keep a release together: bash takes the word tracer@1.4.0 apart at the @, as it does at = and :
// (COMP_WORDBREAKS), of which cobra knows
// (https://www.gnu.org/software/bash/manual/html_node/Bash-Variables.html#index-COMP_005fWORDBREAKS).
func bashCompletion(root *cobra.Command, w io.Writer) error {
	var script strings.Builder
	if err := root.GenBashCompletionV2(&script, true); err != nil {
		return err
	}
	text := script.String()
	for _, change := range []struct{ old, with string }{
		{"init_completion -n =:", "init_completion -n =:@"},
		{`_handle_special_char "$cur" =` + "\n", `_handle_special_char "$cur" =` + "\n" + atSign},
	} {
		if !strings.Contains(text, change.old) {
			return fmt.Errorf("the completion of bash has no %q any more", change.old)
		}
		text = strings.ReplaceAll(text, change.old, change.with)
	}
	_, err := io.WriteString(w, text)
	return err
}

// completeAnyProjects completes the names of projects, as many as one likes.
func (a *app) completeAnyProjects(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	names, directive := a.completeProjects(cmd, nil, "")
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(args, name) }), directive
}

// completeProjects completes the name of a project.
func (a *app) completeProjects(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.complete(cmd, args, func(ctx context.Context, c *client) []string {
		names, _ := c.catalog.Names(ctx)
		return names
	})
}

// complete completes the first argument with what there is; where nothing can be read there is nothing.
func (a *app) complete(
	cmd *cobra.Command, args []string, names func(context.Context, *client) []string,
) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completeWithin)
	defer cancel()
	c, err := a.openSoon(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer c.close()
	return names(ctx, c), cobra.ShellCompDirectiveNoFileComp
}

// completeWithin bounds how long a shell waits for a completion.
const completeWithin = 2 * time.Second

// openSoon is open, for no longer than ctx: a connection attempt, of which there is one for each server, does not know of it.
func (a *app) openSoon(ctx context.Context) (*client, error) {
	type opened struct {
		c   *client
		err error
	}
	got := make(chan opened, 1)
	go func() {
		c, err := a.open(ctx)
		got <- opened{c, err}
	}()
	select {
	case o := <-got:
		return o.c, o.err
	case <-ctx.Done(): // the process ends, and with it the attempt
		return nil, ctx.Err()
	}
}

// completeLive completes live releases, by their version and by their project.
func (a *app) completeLive(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeReleases(cmd, args, func(s release.State) bool { return !s.Phase.Ended() }, false)
}

// completeEnded completes what failed or was promoted last.
func (a *app) completeEnded(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeReleases(cmd, args, func(s release.State) bool {
		return s.Phase == release.Failed || s.Phase == release.Promoted || s.Phase == release.Baking
	}, false)
}

// completeAny completes all projects, and what status shows of them.
func (a *app) completeAny(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeReleases(cmd, args, func(release.State) bool { return true }, true)
}

func (a *app) completeReleases(
	cmd *cobra.Command, args []string, wanted func(release.State) bool, idle bool,
) ([]string, cobra.ShellCompDirective) {
	return a.complete(cmd, args, func(ctx context.Context, c *client) []string {
		b, err := (&board.Reader{Journal: c.journal, Catalog: c.catalog}).All(ctx)
		if err != nil {
			return nil
		}
		var out []string
		if idle {
			out = b.Idle
		}
		for _, row := range b.Rows {
			s := row.State
			if !wanted(s) {
				continue
			}
			if !slices.Contains(out, s.Project) {
				out = append(out, s.Project)
			}
			if s.Version != "" {
				out = append(out, fmt.Sprintf("%s@%s\t%s", s.Project, s.Version, show.Outcome(s, b.Now)))
			}
		}
		return out
	})
}
