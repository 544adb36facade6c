package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-gate/sluice/pkg/project"
)

// Stretch is a stage, or the bake, whose checks are tried.
type Stretch struct {
	Stage  string
	Bake   bool
	Checks []project.Check
	For    time.Duration // how long ago it is to have begun
}

// Tried is what one look of a check came to. Every text is one line without secrets.
type Tried struct {
	Stage  string `json:"stage,omitempty"`
	Bake   bool   `json:"bake,omitempty"`
	Check  string `json:"check"`
	Result string `json:"result"`
	Asks   string `json:"asks"`
	Saw    string `json:"saw,omitempty"`
	Means  string `json:"means"`
	TookMS int64  `json:"took_ms"`

	Good, Bad bool `json:"-"` // neither: there was nothing to see
	Unasked   bool `json:"-"`
}

type dryRun struct {
	name, file, stage string
	bake              bool
	out               format
}

func (a *app) check() *cobra.Command {
	var q dryRun
	cmd := &cobra.Command{
		Use: "check PROJECT | check -f FILE", GroupID: groupLook, Args: cobra.MaximumNArgs(1),
		Short: "Run every check of a project once, now, and explain what each saw",
		Long: `Runs every check of a project's stages once, from here, as the watcher does during a soak: what it asks, what it saw,
and what that would mean for a release. It stores nothing, and needs no release; with -f it needs no broker either. What counts since
a soak began, counts as if the soak were over now. Signals and alerts are not asked for: they come by
themselves.

It runs where you are. The watcher may be elsewhere, with other secrets in its environment and another way through the network.

It exits with 0 when every check that asks passes, with 1 when one fails or can not look, and with 7 when none fails, but one, or all,
had nothing to see.`,
		Example:           "  sluice check tracer\n  sluice check -f sluice.yaml --stage canary\n  sluice check tracer --bake -o json",
		ValidArgsFunction: a.completeProjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			q.name = strings.Join(args, "")
			switch {
			case (q.name == "") == (q.file == ""):
				return errors.New("which checks? name a project, or a file with -f")
			case q.stage != "" && q.bake:
				return errors.New("--stage and --bake: want one of them")
			}
			return a.tryAll(cmd.Context(), q)
		},
	}
	set := cmd.Flags()
	set.StringVarP(&q.file, "file", "f", "", "a project `file` instead of a project's; - is standard input")
	set.StringVar(&q.stage, "stage", "", "only the checks of this `stage`")
	set.BoolVar(&q.bake, "bake", false, "the checks of the bake instead")
	outputFlag(cmd, &q.out)
	return codes(cmd, TimedOut)
}

func (a *app) tryAll(ctx context.Context, q dryRun) error {
	p, err := a.projectOf(ctx, q)
	if err != nil {
		return err
	}
	stretches, err := stretchesOf(p, q)
	if err != nil {
		return err
	}
	var all []Tried
	for _, s := range stretches {
		for _, t := range a.upper.Check(ctx, p.Name, s) {
			if t.Bake = s.Bake; len(p.Stages) > 1 && !s.Bake {
				t.Stage = s.Stage
			}
			all = append(all, t)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := a.tellTried(all, &q.out); err != nil {
		return err
	}
	bad, unknown, asked := 0, 0, 0
	for _, t := range all {
		switch {
		case t.Unasked:
			continue
		case t.Bad:
			bad++
		case !t.Good:
			unknown++
		}
		asked++
	}
	switch {
	case bad > 0:
		return fail(Wrong, "%d of %d checks would not pass", bad, asked)
	case unknown > 0:
		return fail(TimedOut, "%d of %d checks had nothing to see", unknown, asked)
	case asked == 0:
		return fail(TimedOut, "there is no check to try")
	}
	return nil
}

// projectOf is the file, or what was applied.
func (a *app) projectOf(ctx context.Context, q dryRun) (*project.Project, error) {
	if q.file != "" {
		src, err := a.read(q.file)
		if err != nil {
			return nil, err
		}
		return project.Parse(q.file, src)
	}
	reading, cancel := within(ctx)
	defer cancel()
	c, err := a.open(reading)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if err := c.find.Project(reading, q.name); err != nil {
		return nil, err
	}
	p, _, err := c.catalog.Current(reading, q.name)
	return p, err
}

// stretchesOf are the stages that are asked for, or the bake.
func stretchesOf(p *project.Project, q dryRun) ([]Stretch, error) {
	if q.bake {
		if p.Bake == nil {
			return nil, fmt.Errorf("project %s has no bake", p.Name)
		}
		return []Stretch{{Bake: true, Checks: p.Bake.Watch, For: p.Bake.For}}, nil
	}
	var out []Stretch
	var names []string
	for _, s := range p.Stages {
		names = append(names, s.Name)
		if q.stage == "" || q.stage == s.Name {
			out = append(out, Stretch{Stage: s.Name, Checks: s.Watch, For: s.Delay})
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("project %s has no stage %q: it has %s", p.Name, q.stage, strings.Join(names, ", "))
	}
	return out, nil
}

func (a *app) tellTried(all []Tried, f *format) error {
	var b strings.Builder
	for _, t := range all {
		name, result := t.Check, a.outStyle.Yellow(t.Result)
		if t.Stage != "" {
			name += " of stage " + t.Stage
		}
		switch {
		case t.Good:
			result = a.outStyle.Green(t.Result)
		case t.Bad:
			result = a.outStyle.Red(t.Result)
		}
		fmt.Fprintf(&b, "%s: %s\n  asks:  %s\n", a.outStyle.Bold(name), result, t.Asks)
		if !t.Unasked {
			fmt.Fprintf(&b, "  saw:   %s (%d ms)\n", t.Saw, t.TookMS)
		}
		fmt.Fprintf(&b, "  means: %s\n", t.Means)
	}
	if all == nil {
		all = []Tried{}
	}
	return a.tell(f, all, b.String())
}
