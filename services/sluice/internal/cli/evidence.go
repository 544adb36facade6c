package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/evidence"
	"github.com/sluice-gate/sluice/pkg/find"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

func (a *app) evidence() *cobra.Command {
	var out format
	cmd := &cobra.Command{
		Use: "evidence RELEASE", GroupID: groupLook, Args: exactly("release"),
		Short: "Show what the watcher measured of a release, check by check",
		Long: `Shows each soak and the bake of a release: how much of it was watched, and of every check how often it looked, what
it saw, and what that comes to by the project file that the release began with: pass, fail, or inconclusive. What was not
measured is inconclusive. The picture goes from the beginning to the end: higher is a greater value or more failures, a
blank is where nobody looked, a dot where there was nothing to see. With -o json there is every look.`,
		Example:           "  sluice evidence tracer\n  sluice evidence tracer@1.4.0 -o json",
		ValidArgsFunction: a.completeAny,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.lookAt(cmd.Context(), args[0], func(ctx context.Context, c *client, found find.Found) error {
				now, err := c.journal.Now(ctx)
				if err != nil {
					return err
				}
				r, p, err := c.evidence(ctx, found.ID, now)
				if err != nil {
					return err
				}
				return a.tell(&out, show.EvidenceJSONOf(r, p), show.Evidence(r, p, now.In(a.outStyle.Zone), a.outStyle, a.width()))
			})
		},
	}
	outputFlag(cmd, &out)
	return codes(cmd, TimedOut)
}

// evidence reads what was measured of a release, and the project file that it pinned.
func (c *client) evidence(ctx context.Context, id string, now time.Time) (evidence.Release, *project.Project, error) {
	r, err := evidence.Read(ctx, c.journal, id, now)
	if err != nil {
		return r, nil, err
	}
	p, err := c.catalog.At(ctx, r.State.Project, r.State.Policy.Revision)
	return r, p, err
}

func (a *app) backtest() *cobra.Command {
	var name, policy, since string
	var out format
	cmd := &cobra.Command{
		Use: "backtest --policy FILE", GroupID: groupLook, Args: cobra.NoArgs,
		Short: "Try another project file on the releases of the past, and tell what it would have decided differently",
		Long: `Judges what was measured of past releases again, by the checks of another project file, and tells which it would have
stopped, or not stopped, or sooner, or later. Nothing is stored, and nothing is measured: a check that is new, or that
measures something else than it did, can not be judged, and that is said. Nor can what would have come after a release
was stopped. The same file and the same evidence always give the same answer. Evidence is kept for 30 days, unless
the deployment chose otherwise (sluice up or init --evidence-age).`,
		Example: "  sluice backtest --policy new.yaml\n  sluice backtest --project tracer --policy new.yaml --since 90d -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if policy == "" {
				return errors.New("which policy? usage: sluice backtest --policy new.yaml (- reads standard input)")
			}
			src, err := a.read(policy)
			if err != nil {
				return err
			}
			other, err := project.Parse(policy, src)
			if err != nil {
				return err
			}
			t := trial{project: cmp.Or(name, other.Name), since: since, other: other}
			if err := a.try(cmd.Context(), &t); err != nil {
				return err
			}
			text := show.Backtest(t.project, t.from, t.cases, t.now, a.outStyle, a.width())
			return a.tell(&out, show.BacktestJSONOf(t.cases), text)
		},
	}
	cmd.Flags().StringVar(&policy, "policy", "", "the project `file` to try; - is standard input")
	cmd.Flags().StringVar(&name, "project", "", "whose releases (those of the project that the file names)")
	cmd.Flags().StringVar(&since, "since", "30d", "which releases: those merged since then, `duration` or time")
	_ = cmd.RegisterFlagCompletionFunc("project", a.completeProjects) // fails only if the flag is missing
	outputFlag(cmd, &out)
	return cmd
}

// trial is another policy, tried on the releases of a project.
type trial struct {
	project, since string
	other          *project.Project

	now, from time.Time // in the zone of this machine
	cases     []evidence.Case
}

// tryAtOnce is how many releases are read at the same time.
const tryAtOnce = 8

// try judges the releases of a project that were admitted since then, in the order of their merges.
func (a *app) try(ctx context.Context, t *trial) error {
	opening, cancel := within(ctx)
	defer cancel()
	c, err := a.open(opening)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.find.Project(opening, t.project); err != nil {
		return err
	}
	now, err := c.journal.Now(opening)
	if err != nil {
		return err
	}
	t.now = now.In(a.outStyle.Zone)
	if t.from, err = ago(t.since, t.now); err != nil {
		return fmt.Errorf("--since: %w", err)
	}
	var ids []string
	if err := c.journal.Admitted(opening, t.project, journal.From{At: t.from}, func(i journal.Identity) bool {
		ids = append(ids, i.Release)
		return true
	}); err != nil {
		return err
	}
	t.cases = make([]evidence.Case, len(ids))
	p := a.progress()
	defer p.end()
	var judged atomic.Int64
	reading, ctx := errgroup.WithContext(ctx)
	reading.SetLimit(tryAtOnce)
	for i, id := range ids {
		reading.Go(func() (err error) {
			t.cases[i], err = c.tryOne(ctx, id, t.other, now)
			p.at(fmt.Sprintf("judged %d of %d releases", judged.Add(1), len(ids)))
			return err
		})
	}
	return reading.Wait()
}

func (c *client) tryOne(ctx context.Context, id string, other *project.Project, now time.Time) (evidence.Case, error) {
	ctx, cancel := within(ctx)
	defer cancel()
	r, err := evidence.Read(ctx, c.journal, id, now)
	if errors.Is(err, journal.ErrNone) { // admitted just now
		return evidence.Try(evidence.Release{State: release.State{Release: id}}, nil, other), nil
	}
	if err != nil {
		return evidence.Case{}, err
	}
	own, err := c.catalog.At(ctx, r.State.Project, r.State.Policy.Revision)
	var wrong project.Errors
	if err != nil && !errors.As(err, &wrong) && !errors.Is(err, catalog.ErrUnknownProject) {
		return evidence.Case{}, fmt.Errorf("release %s: %w", id, err)
	}
	return evidence.Try(r, own, other), nil
}
