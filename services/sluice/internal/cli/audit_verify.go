package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/nats-io/nkeys"
	"github.com/spf13/cobra"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/story"
)

// proof is what is to be verified, and what an auditor knows from elsewhere.
type proof struct {
	project, release, checkpoints string
	keys                          []string
}

func (a *app) auditVerify() *cobra.Command {
	var q proof
	cmd := &cobra.Command{
		Use: "verify", Args: cobra.NoArgs,
		Short: "Prove that nothing was removed from the journals, and nothing in them changed",
		Long: `Follows the hashes through every journal, and the audit chain of every project over the releases that have ended. It exits with 0
when nothing was removed or changed, and with 8 otherwise, naming the first place where that shows.

The end of a chain is proven by a checkpoint, which the promoter signs with every link, if it has a seed (SLUICE_AUDIT_SEED_FILE; sluice up
makes one). Keep checkpoints where the broker's administrators can not change them: those of sluice audit checkpoint, or the promoter's log
lines "audit checkpoint"; and the key, which is in them. Give the seed to every promoter: a link without a signature after signed ones
is told, and with --key it is a break. Without checkpoints, links that were removed from the end of a chain are not seen; only that the
chain lacks releases that have ended is told. The last record of a release on its way is covered when it has ended.

Records that were stored before there were hashes are told of, and are no break.`,
		Example: "  sluice audit verify\n  sluice audit verify --project tracer --checkpoint checkpoints.jsonl --key UA…",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if q.release != "" && (q.project != "" || q.checkpoints != "" || len(q.keys) > 0) {
				return errors.New("--release verifies one journal by itself: no --project, --checkpoint or --key goes with it")
			}
			for _, k := range q.keys {
				if _, err := nkeys.FromPublicKey(k); err != nil {
					return fmt.Errorf("--key %q: want a public nkey, such as UA…", k)
				}
			}
			return a.prove(cmd.Context(), q)
		},
	}
	set := cmd.Flags()
	set.StringVar(&q.project, "project", "", "only this `project`")
	set.StringVar(&q.release, "release", "", "only the journal of this `release`")
	set.StringVar(&q.checkpoints, "checkpoint", "", "a `file` of checkpoints, one JSON object a line; - is standard input")
	set.StringArrayVar(&q.keys, "key", nil, "a public `nkey` that may have signed; may be given several times (whoever signed)")
	_ = cmd.RegisterFlagCompletionFunc("project", a.completeProjects) // there is such a flag
	_ = cmd.RegisterFlagCompletionFunc("release", a.completeLive)
	return codes(cmd, Broken)
}

// expected reads what the auditor knows.
func (a *app) expected(q proof) (audit.Expect, error) {
	e := audit.Expect{Keys: q.keys}
	if q.checkpoints == "" {
		return e, nil
	}
	in := a.in
	if q.checkpoints != "-" {
		f, err := os.Open(q.checkpoints)
		if err != nil {
			return e, fmt.Errorf("--checkpoint: %w", err)
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	var err error
	if e.Checkpoints, err = audit.ReadCheckpoints(in, q.keys); err != nil {
		return e, fmt.Errorf("--checkpoint %s: %w", q.checkpoints, err)
	}
	return e, nil
}

func (a *app) prove(ctx context.Context, q proof) error {
	expect, err := a.expected(q)
	if err != nil {
		return err
	}
	opening, cancel := within(ctx)
	defer cancel()
	c, err := a.open(opening)
	if err != nil {
		return err
	}
	defer c.close()
	if q.release != "" {
		found, err := c.find.Read(opening, q.release)
		if err != nil {
			return err
		}
		t, err := c.journal.VerifyRelease(ctx, found.ID)
		if err != nil {
			return broken(err)
		}
		return a.print("release %s: %s: nothing was removed or changed%s", found.ID,
			story.Count(t.Records, "record"), story.Unchained(t.Unchained))
	}
	names, err := audited(opening, c, q.project, expect)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return a.print("no projects yet")
	}
	for _, name := range names {
		v, err := c.journal.Verify(ctx, name, expect)
		if err != nil {
			return broken(err)
		}
		if err := a.tellVerified(v); err != nil {
			return err
		}
	}
	return nil
}

// audited are all projects: those with a project file, those of which there is a chain, and those of which there is a checkpoint, so that
// nobody hides one by removing its file; or the one that is asked for.
func audited(ctx context.Context, c *client, project string, expect audit.Expect) ([]string, error) {
	names, err := c.catalog.Names(ctx)
	if err != nil {
		return nil, err
	}
	chains, err := c.journal.Audited(ctx)
	if err != nil {
		return nil, err
	}
	for _, known := range expect.Checkpoints {
		chains = append(chains, known.Project)
	}
	names = append(names, chains...)
	if project != "" {
		if slices.Contains(names, project) {
			return []string{project}, nil
		}
		return nil, c.find.Project(ctx, project)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// broken gives a break its exit code.
func broken(err error) error {
	if b := new(audit.Break); errors.As(err, &b) {
		return &codeError{Broken, b}
	}
	return err
}

func (a *app) tellVerified(v journal.Verified) error {
	text, notes := story.Proven(v)
	if err := a.print("%s: %s", v.Project, text); err != nil {
		return err
	}
	for _, n := range notes {
		a.say("%s: %s", v.Project, n.In(func(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }))
	}
	return nil
}

func (a *app) auditCheckpoint() *cobra.Command {
	var project string
	cmd := &cobra.Command{
		Use: "checkpoint", Args: cobra.NoArgs,
		Short: "Print the last signed checkpoint of each project's audit chain, to be kept elsewhere",
		Long: `Prints a line of JSON for each project: project, index, hash, at, key, signature. Keep them where the broker's administrators can
not change them; sluice audit verify --checkpoint proves that the chains still have what they had then. The promoter's log has them, too.`,
		Example: "  sluice audit checkpoint >> checkpoints.jsonl",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := within(cmd.Context())
			defer cancel()
			c, err := a.open(ctx)
			if err != nil {
				return err
			}
			defer c.close()
			names, err := audited(ctx, c, project, audit.Expect{})
			if err != nil {
				return err
			}
			return a.tellCheckpoints(ctx, c, names)
		},
	}
	cmd.Flags().StringVar(&project, "project", "", "only this `project`")
	_ = cmd.RegisterFlagCompletionFunc("project", a.completeProjects) // there is such a flag
	return codes(cmd, Broken)
}

func (a *app) tellCheckpoints(ctx context.Context, c *client, names []string) error {
	lines := json.NewEncoder(a.out)
	for _, name := range names {
		point, ok, err := c.journal.Checkpoint(ctx, name)
		switch {
		case err != nil:
			return err
		case !ok:
			a.say("%s: no signed checkpoint: nothing of it has ended yet, or its promoter has no seed (SLUICE_AUDIT_SEED_FILE)", name)
			continue
		}
		if err := point.Verify(); err != nil {
			return fail(Broken, "%s: the last link of the chain: %w", name, err)
		}
		if err := lines.Encode(point); err != nil {
			return err
		}
	}
	return nil
}
