package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/sluice/internal/doctor"
)

// checkup is what the doctor is asked for.
type checkup struct {
	project, actor, since string
	grace, timeout        time.Duration
	repair                bool
	out                   format
}

func (a *app) doctor() *cobra.Command {
	var q checkup
	cmd := &cobra.Command{
		Use: "doctor", GroupID: groupLook, Args: cobra.NoArgs,
		Short: "Find what is stuck, orphaned or inconsistent",
		Long: `Looks for releases that nobody looks at any more, lanes that are occupied for nothing, requests without an answer,
names that lead nowhere, records that contradict each other, refused input, project files that can not be used, services
that do not run, and notifications that nobody sends. Of each it says what that means and what to do. It exits with 0 when
there is nothing, with 1 otherwise.

With --repair it does what is safe: it asks every service to look again at a live release, or one that ended other than by
failing. That retries nothing, also if it fails meanwhile, and is answered in the journal. Run it again to see what that did.
All else is for a person to decide.

What it costs: what sluice status costs, and 1 read for every 32 projects, 2 for each project, 1 for each project file in
use, 20 for what was asked and refused since then, 1 for every 256 live releases, and 1 for each consumer. It never
reads all journals: a release that is neither on its way, nor asked about, nor promoted last is not looked at.

An operator or a viewer may run it; --repair takes an operator.`,
		Example: "  sluice doctor\n  sluice doctor --project tracer --repair",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.examine(cmd.Context(), q)
		},
	}
	set := cmd.Flags()
	set.StringVar(&q.project, "project", "", "only this `project`, and the services")
	set.StringVar(&q.since, "since", "24h", "how far back requests, merges, versions and dead letters are looked at")
	set.DurationVar(&q.grace, "grace", time.Minute, "how old something must be to count: while services work, much looks wrong for a moment")
	set.BoolVar(&q.repair, "repair", false, "have every service look again where that is safe")
	set.StringVar(&q.actor, "actor", "", "who repairs (the NATS user, or $USER)")
	set.DurationVar(&q.timeout, "timeout", 10*time.Second, "how long to wait for the answer to each repair")
	_ = cmd.RegisterFlagCompletionFunc("project", a.completeProjects) // fails only if the flag is missing
	outputFlag(cmd, &q.out)
	return cmd
}

// examineWithin bounds how long the doctor reads.
const examineWithin = 2 * time.Minute

func (a *app) examine(ctx context.Context, q checkup) error {
	lookBack, err := project.ParseDuration(q.since)
	if err != nil {
		return fmt.Errorf("--since: %w", err)
	}
	reading, cancel := context.WithTimeout(ctx, examineWithin)
	defer cancel()
	c, err := a.open(reading)
	if err != nil {
		return err
	}
	defer c.close()
	s := &survey{client: c, project: q.project}
	if q.project == "" {
		s.names, err = c.catalog.Names(reading)
	} else {
		s.names, err = []string{q.project}, c.find.Project(reading, q.project)
	}
	if err == nil {
		err = s.read(reading, lookBack)
	}
	if err != nil {
		return err
	}
	s.facts.Grace = q.grace
	findings := doctor.Examine(s.facts)
	if err := a.tellFindings(findings, &q.out); err != nil {
		return err
	}
	if len(findings) == 0 {
		return nil
	}
	if q.repair {
		if err := a.repair(ctx, c, q, findings); err != nil {
			return err
		}
	}
	return fail(Wrong, "%d found", len(findings))
}

func (a *app) tellFindings(findings []doctor.Finding, f *format) error {
	var b strings.Builder
	for _, found := range findings {
		subject := found.Subject
		if found.Project != "" {
			subject = found.Project + ", " + subject
		}
		fmt.Fprintf(&b, "%s\n  %s\n  means: %s\n  do:    %s\n",
			a.outStyle.Bold(subject), a.outStyle.Yellow(found.What), found.Means, found.Do)
	}
	if len(findings) == 0 {
		b.WriteString("nothing is stuck\n")
	}
	return a.tell(f, doctor.JSON(findings), b.String())
}

// repair has every service look again at what the findings name, once each.
func (a *app) repair(ctx context.Context, c *client, q checkup, findings []doctor.Finding) error {
	actor, err := c.actor(q.actor)
	if err != nil {
		return err
	}
	var done []string
	for _, f := range findings {
		if f.Repair == "" || slices.Contains(done, f.Repair) {
			continue
		}
		done = append(done, f.Repair)
		if err := a.lookAgain(ctx, c, f.Repair, actor, q.timeout); err != nil {
			return err
		}
	}
	if len(done) == 0 {
		a.say("nothing of it is safe to repair")
	}
	return nil
}

// lookAgain asks every service to look at a release again, and waits for the promoter's answer.
func (a *app) lookAgain(ctx context.Context, c *client, id, actor string, within time.Duration) error {
	e, err := c.journal.Load(ctx, id)
	if err != nil {
		return err
	}
	if e.State.Phase == release.Failed { // since it was examined: a promoter of an older version takes a look for a retry
		a.say("%s has failed meanwhile: it is left alone", id)
		return nil
	}
	body, err := releasepb.EncodeRequest(release.Request{Reason: "sluice doctor: look again", Look: true})
	if err != nil {
		return err
	}
	seq, err := c.publish(ctx, topology.Request(topology.VerbRetry, id, actor), body)
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err = c.journal.Follow(waiting, id, seq+1, func(r journal.Record) bool { return r.State.Folded < seq }, func(error) error { return nil })
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		a.say("%s: asked to look again at sequence %d, and no promoter answers: it will when one is running", id, seq)
		return nil
	case err != nil:
		return err
	}
	a.say("%s: every service looks at it again", id)
	return nil
}
