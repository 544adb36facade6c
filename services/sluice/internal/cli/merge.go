package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// merging is one merge as it is given on the command line.
type merging struct {
	event   releasepb.MergeEvent
	project string
	file    string // of the artifact; empty when it is an object
	delay   string
	needs   []string
	wait    bool
	timeout time.Duration
	out     format
}

func (a *app) merge() *cobra.Command {
	var m merging
	cmd := &cobra.Command{
		Use: "merge PROJECT --artifact FILE", GroupID: groupShip, Args: exactly("project"),
		Short: "Hand in a merge: its beta is published, soaks in staging, and is promoted",
		Long: `Hands in an artifact and the merge that it was built from, and prints the release's id on standard output.

The artifact is a file, which is put into the bucket ` + topology.BucketArtifacts + ` under a name of its own, or the name of an
object that is there already. The same commit is one release however often it is handed in: its id is printed again.
--again makes a second attempt when the first ended without promotion.

With --wait it follows the release to its end, and the exit code tells how that was: 0 is promoted, and 7 is not decided
within --timeout.`,
		Example: `  sluice merge tracer --artifact tracer-1.4.0.tgz
  sluice merge tracer --artifact tracer-1.4.0.tgz --commit "$GITHUB_SHA" --ref "$GITHUB_REF_NAME" --delay 30m --wait`,
		ValidArgsFunction: a.completeProjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			m.project = args[0]
			return a.handIn(cmd.Context(), m)
		},
	}
	set := cmd.Flags()
	set.StringVar(&m.event.Artifact, "artifact", "", "the `file` that was built, or an object of "+topology.BucketArtifacts)
	set.StringVar(&m.event.Commit, "commit", "", "what was merged (HEAD of the repository that this is run in)")
	set.StringVar(&m.event.Ref, "ref", "", "the branch or tag")
	set.StringVar(&m.event.Version, "version", "", "the version that everybody will get (what the artifact says)")
	set.StringVar(&m.event.Digest, "digest", "", `"sha256:…" that the artifact must have`)
	set.StringVar(&m.delay, "delay", "", "how long it soaks, in place of the project's: 30m; 0s skips it")
	set.StringSliceVar(&m.needs, "needs", nil, "`project@version` of another release that must be promoted before it; may be given again")
	set.StringVar(&m.event.Actor, "actor", "", "who merged ($USER)")
	set.StringVar(&m.event.URL, "url", "", "where people read about it")
	set.StringVar(&m.event.ID, "id", "", "the release's id, a UUID of version 7 (a new one)")
	set.BoolVar(&m.event.Again, "again", false, "a second attempt for a commit whose last release ended without promotion")
	set.BoolVar(&m.wait, "wait", false, "follow the release to its end")
	set.DurationVar(&m.timeout, "timeout", 0, "with --wait: how long (for ever)")
	outputFlag(cmd, &m.out)
	set.SortFlags = false
	return codes(cmd, Cancelled, Failed, Superseded, Refused, TimedOut)
}

func (a *app) handIn(ctx context.Context, m merging) error {
	if err := m.check(ctx); err != nil {
		return err
	}
	reading, cancel := within(ctx)
	defer cancel()
	c, err := a.open(reading)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.find.Project(reading, m.project); err != nil {
		return err
	}
	if err := c.checkVersion(reading, m); err != nil {
		return err
	}
	if known, err := c.earlier(reading, m); err != nil || known.id != "" {
		if err != nil {
			return err
		}
		a.say("commit %s of %s is this release already; --again makes a second attempt when it has ended without promotion",
			m.event.Commit, m.project)
		return a.followMerge(ctx, c, m, known)
	}
	if err := a.handOver(ctx, c, &m); err != nil {
		return err
	}
	data, err := releasepb.EncodeMergeEvent(m.event)
	if err != nil {
		return err
	}
	storing, done := within(ctx)
	defer done()
	seq, err := c.publish(storing, topology.Merge(m.project), data)
	if err != nil {
		return err
	}
	a.say("merge of %s %s is stored at sequence %d", m.project, cmp.Or(m.event.Version, m.event.Commit), seq)
	return a.followMerge(ctx, c, m, handedIn{id: m.event.ID, seq: seq})
}

// checkVersion refuses a version that is no semantic one, unless the project goes by the order of its merges.
func (c *client) checkVersion(ctx context.Context, m merging) error {
	if m.event.Version == "" {
		return nil
	}
	p, _, err := c.find.Catalog.Current(ctx, m.project)
	if err != nil || p.Order == project.ByMerge {
		return err
	}
	if _, err := driver.CleanVersion(m.event.Version); err != nil {
		return fmt.Errorf("--version: %w; or set order: merge in the project file", err)
	}
	return nil
}

// check completes what is given, and refuses what the publisher would refuse, before anything is sent.
func (m *merging) check(ctx context.Context) (err error) {
	e := &m.event
	if err := topology.CheckProject(m.project); err != nil {
		return err
	}
	if e.Artifact == "" {
		return fmt.Errorf("which artifact? name a file, or an object of %s, with --artifact", topology.BucketArtifacts)
	}
	if m.delay != "" {
		d, err := project.ParseDuration(m.delay)
		if err != nil || d > release.MaxExtend {
			return fmt.Errorf("--delay %q: want a duration such as 30m, 2h or 1d, from 0s to %s", m.delay, story.Left(release.MaxExtend))
		}
		e.Delay = &d
	}
	for _, text := range m.needs {
		need, err := release.ParseNeed(text)
		if err == nil {
			err = cmp.Or(topology.CheckProject(need.Project), topology.CheckVersion(need.Version))
		}
		if err != nil {
			return fmt.Errorf("--needs: %w", err)
		}
		e.Needs = append(e.Needs, need)
	}
	if e.Digest != "" {
		if _, err := driver.DigestHex(e.Digest); err != nil {
			return fmt.Errorf("--digest: %w", err)
		}
	}
	if version, err := driver.CleanVersion(e.Version); err == nil {
		e.Version = version
	} else if e.Version != "" && !driver.SafeVersion(e.Version) {
		return fmt.Errorf("--version: %w", err)
	}
	if e.Commit == "" {
		if e.Commit = git(ctx, "rev-parse", "HEAD"); e.Commit == "" {
			return errors.New("which commit? this is no git repository with commits: name it with --commit")
		}
		e.Ref = cmp.Or(e.Ref, git(ctx, "symbolic-ref", "--quiet", "--short", "HEAD"))
	}
	if err := topology.CheckCommit(e.Commit); err != nil {
		return fmt.Errorf("--commit: %w", err)
	}
	e.Actor = cmp.Or(e.Actor, os.Getenv("USER"))
	if e.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		e.ID = id.String()
	}
	if id, err := uuid.Parse(e.ID); err != nil || id.Version() != 7 || id.String() != e.ID {
		return fmt.Errorf("--id %q: want a UUID of version 7, in lowercase with hyphens", e.ID)
	}
	return m.checkFile()
}

// checkFile finds out whether the artifact is a file.
func (m *merging) checkFile() error {
	info, err := os.Stat(m.event.Artifact)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // an object, perhaps
	}
	if err != nil {
		return fmt.Errorf("--artifact: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("--artifact %s: not a file; pack it into one, as with `npm pack` or tar", m.event.Artifact)
	}
	m.file = m.event.Artifact
	if _, err := driver.SafeName("the file's name", filepath.Base(m.file)); err != nil {
		return fmt.Errorf("--artifact: %w", err)
	}
	return nil
}

// git asks the repository that this is run in; "" when there is none.
func git(ctx context.Context, args ...string) string {
	out, err := exec.CommandContext(ctx, "git", args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// handedIn is a merge that the broker has.
type handedIn struct {
	id  string
	seq uint64 // of its event; 0 when it was admitted before
}

// earlier finds the release that this commit is already, by its identity or by a merge event that waits to be admitted. It
// costs two reads and one of the project's merges since the last that was admitted.
func (c *client) earlier(ctx context.Context, m merging) (handedIn, error) {
	if m.event.Again {
		return handedIn{}, nil
	}
	known, seq, err := c.journal.Commit(ctx, m.project, m.event.Commit)
	if err != nil || seq != 0 {
		return handedIn{id: known.Release}, err
	}
	return c.waiting(ctx, m)
}

// handOver puts a file into the bucket, unless it is there, or checks that the object is.
func (a *app) handOver(ctx context.Context, c *client, m *merging) error {
	if m.file == "" {
		digest, err := c.catalog.Digest(ctx, m.event.Artifact)
		if errors.Is(err, catalog.ErrNoArtifact) {
			return fmt.Errorf("--artifact %s: no such file here, and no such object in %s", m.event.Artifact, topology.BucketArtifacts)
		}
		if err != nil {
			return err
		}
		return m.pin(digest)
	}
	digest, size, err := digestOf(m.file)
	if err != nil {
		return err
	}
	if err := m.pin(digest); err != nil {
		return err
	}
	m.event.Artifact = catalog.Unique(m.file, digest)
	if there, err := c.catalog.Digest(ctx, m.event.Artifact); err == nil && there == digest {
		a.say("artifact %s is there already, %s", filepath.Base(m.file), digest)
		return nil
	}
	f, err := os.Open(m.file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	guarded, cancel := c.guard(ctx)  // without a time limit: an artifact may be large
	defer cancel()
	p := a.progress()
	put, err := c.catalog.Put(guarded, m.event.Artifact, &counted{Reader: f, what: "handing in " + filepath.Base(m.file), p: p, all: size})
	p.end()
	if err != nil {
		return cmp.Or(denial(guarded), err)
	}
	if put != digest {
		return fmt.Errorf("--artifact %s changed while it was read: try again", m.file)
	}
	a.say("artifact %s is handed in, %d bytes, %s", filepath.Base(m.file), size, digest)
	return nil
}

// pin makes the merge ask for exactly these bytes.
func (m *merging) pin(digest string) error {
	if m.event.Digest != "" && m.event.Digest != digest {
		return fmt.Errorf("--artifact %s has the digest %s, not %s", m.event.Artifact, digest, m.event.Digest)
	}
	m.event.Digest = digest
	return nil
}

func digestOf(path string) (digest string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, fmt.Errorf("--artifact: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	h := sha256.New()
	if size, err = io.Copy(h, f); err != nil {
		return "", 0, fmt.Errorf("--artifact: %w", err)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), size, nil
}
