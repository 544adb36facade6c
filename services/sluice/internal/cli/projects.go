package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

func (a *app) projects() *cobra.Command {
	var out format
	cmd := &cobra.Command{
		Use: "projects [PROJECT...]", GroupID: groupLook,
		Short: "Show the projects: what they go through, what everybody has, and what is on its way",
		Long: `Shows of each project, or of those that are named, its lane, its stages with their soaks, what everybody has of it, how many
of its releases are on their way, what stops it, and the revision of its file, which the next merge uses. It costs what
sluice status costs, and a read of each project's file.`,
		Example:           "  sluice projects\n  sluice projects tracer -o yaml",
		ValidArgsFunction: a.completeAnyProjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := within(cmd.Context())
			defer cancel()
			c, err := a.open(ctx)
			if err != nil {
				return err
			}
			defer c.close()
			for _, name := range args {
				if err := c.find.Project(ctx, name); err != nil {
					return err
				}
			}
			if len(args) == 0 {
				if args, err = c.catalog.Names(ctx); err != nil {
					return err
				}
			}
			all, err := c.projects(ctx, args)
			if err != nil {
				return err
			}
			return a.tell(&out, all, show.Projects(all, a.outStyle, a.width()))
		},
	}
	outputFlag(cmd, &out)
	return cmd
}

// projects reads what is known of these projects. One whose file can not be used is there, with the reason.
func (c *client) projects(ctx context.Context, names []string) ([]show.ProjectJSON, error) {
	seen, err := (&board.Reader{Journal: c.journal, Catalog: c.catalog}).See(ctx, names)
	if err != nil {
		return nil, err
	}
	gates, err := c.journal.Gates(ctx, names, 0)
	if err != nil {
		return nil, err
	}
	now := seen.Now.Local()
	stopped := map[string][]string{}
	for _, s := range board.Stops(gates, names, now) {
		stopped[s.Project] = append(stopped[s.Project], show.Stopped(s.Project, s.Stop, now))
	}
	live := map[string]int{}
	for _, e := range seen.Releases {
		if !e.State.Phase.Ended() {
			live[e.State.Project]++
		}
	}
	out := []show.ProjectJSON{}
	for _, name := range names {
		p, revision, err := c.catalog.Current(ctx, name)
		if errors.Is(err, catalog.ErrUnknownProject) { // it was taken away just now
			continue
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		one := show.ProjectJSON{
			Project: name, Revision: revision, Live: live[name], Stages: []show.StageJSON{}, Stopped: append(stopped[""], stopped[name]...),
			Promoted: promotedOf(gates[name].Record),
		}
		if err != nil {
			one.Error = strings.ReplaceAll(err.Error(), "\n", "; ")
			out = append(out, one)
			continue
		}
		one.Lane, one.Collision, one.Reasons = p.Lane, string(p.Soak.Collision), p.Reasons
		for _, s := range p.Stages {
			stage := show.StageJSON{Name: s.Name, Soak: s.Delay.Seconds(), Approvals: s.Approvals, Checks: []string{}}
			for _, check := range s.Watch {
				stage.Checks = append(stage.Checks, check.Name)
			}
			one.Stages = append(one.Stages, stage)
		}
		out = append(out, one)
	}
	return out, nil
}

// promotedOf is what everybody has.
func promotedOf(r release.Record) *show.PromotedJSON {
	now, ok := r.Current()
	if !ok {
		return nil
	}
	return &show.PromotedJSON{Release: now.Release, Version: now.Version, At: now.At.UTC()}
}
