package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

// inquiry is what an auditor wants to see.
type inquiry struct {
	project, since, actor, release, format, source string
}

func (a *app) audit() *cobra.Command {
	var q inquiry
	cmd := &cobra.Command{
		Use: "audit", GroupID: groupLook, Args: cobra.NoArgs,
		Short: "Tell every transition: who, when, why, what led to it, and on what evidence; and prove that none was removed or changed",
		Long: `Prints every record of the journals, of all releases or of those that are asked for, in the order in which they were stored. The
actor is who asked, or else the service that acted by itself. Where users of NATS are known, whoever asked could ask under no other
name; the actor of a merge is what CI said.

  -o table     for people
  -o json      JSON Lines: at, project, version, release, event, phase, actor, reason, evidence, cause, service, seq, hash
  -o csv       the same columns; a text that a spreadsheet would take for a formula has an apostrophe before it
  -o cdevents  JSON Lines of CloudEvents, as the gateway tells them

It reads every journal from there on, 4 MiB at a time, whatever is asked for; with --release only that release's.`,
		Example: "  sluice audit --project tracer --since 7d\n  sluice audit --actor ana --since 2026-01-01 -o csv > ana.csv\n" +
			"  sluice audit verify --checkpoint checkpoints.jsonl",
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case !slices.Contains(append(story.Formats(), "table"), q.format):
				return fmt.Errorf("-o %q: want table, json, csv or cdevents", q.format)
			case q.format == "cdevents" && a.upper.Tell == nil:
				return errors.New("-o cdevents: sluice has it, sluice-client has not: want table, json or csv")
			}
			return a.inquire(cmd.Context(), q)
		},
	}
	set := cmd.Flags()
	set.StringVar(&q.project, "project", "", "only this `project`")
	set.StringVar(&q.since, "since", "", "only from then on: 7d, 2006-01-02, \"2006-01-02 15:04\" (the beginning)")
	set.StringVar(&q.actor, "actor", "", "only what this `actor` did: a person, or watcher, promoter, stager, publisher")
	set.StringVar(&q.release, "release", "", "only this `release`")
	set.StringVarP(&q.format, "output", "o", "table", "table, json, csv or cdevents")
	set.StringVar(&q.source, "source", "/sluice", "source of the CDEvents, a `URI` that the project follows")
	_ = cmd.RegisterFlagCompletionFunc("project", a.completeProjects) // there is such a flag
	_ = cmd.RegisterFlagCompletionFunc("release", a.completeLive)
	cmd.AddCommand(a.auditVerify(), a.auditCheckpoint())
	return cmd
}

// inquire streams what is asked for.
func (a *app) inquire(ctx context.Context, q inquiry) error {
	opening, cancel := within(ctx)
	defer cancel()
	c, err := a.open(opening)
	if err != nil {
		return err
	}
	defer c.close()
	var from journal.From
	if q.since != "" {
		if from.At, err = ago(q.since, time.Now()); err != nil {
			return fmt.Errorf("--since: %w", err)
		}
	}
	if q.project != "" {
		if err := c.find.Project(opening, q.project); err != nil {
			return err
		}
	}
	id := ""
	if q.release != "" {
		found, err := c.find.Read(opening, q.release)
		if err != nil {
			return err
		}
		id = found.ID
	}
	out := bufio.NewWriter(a.out)
	write, done := a.auditor(out, q)
	var told error // why not all was written
	err = c.journal.Transitions(ctx, from, id, func(t journal.Transition) bool {
		if q.project != "" && t.State.Project != q.project || q.actor != "" && story.Actor(t.Record.Record) != q.actor {
			return true
		}
		told = write(t)
		return told == nil
	}, func(seq uint64, why error) { a.say("skipped record #%d: %v", seq, why) })
	return cmp.Or(told, err, done())
}

// auditor writes transitions as they are asked for. What it returns second is called at the end.
func (a *app) auditor(out *bufio.Writer, q inquiry) (write func(journal.Transition) error, done func() error) {
	if q.format == "table" {
		return func(t journal.Transition) error {
			_, err := io.WriteString(out, show.Transition(t, a.outStyle))
			return err
		}, out.Flush
	}
	write, flush := story.Export(out, q.format, func(r journal.Record) ([]any, error) {
		return a.upper.Tell(strings.TrimSuffix(q.source, "/"), r)
	})
	return write, func() error { return errors.Join(flush(), out.Flush()) }
}
