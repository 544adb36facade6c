package git

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/google/uuid"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// unknown is the name, in a value, of a commit that has no tag of a version.
const unknown = "unknown"

var (
	commitName = regexp.MustCompile(`^[0-9a-f]{40}$`)
	wordName   = regexp.MustCompile(`^[a-z][a-z0-9]{0,15}$`)
)

// plain is a version that everybody may get: x.y.z and nothing else. A pre-release is what publish makes of it, and Go has no use for
// tags with build metadata (https://go.dev/ref/mod#versions).
func plain(version string) (string, error) {
	version, err := driver.CleanVersion(version)
	if err != nil {
		return "", err
	}
	if strings.ContainsAny(version, "-+") {
		return "", driver.Refusef("version %s: name the one that everybody will get, such as 1.4.0; Sluice makes its candidates, such as 1.4.0-rc.1", driver.Quote(version))
	}
	return version, nil
}

// nameOf is the name of a candidate.
func nameOf(version, word string, n uint64) string { return fmt.Sprintf("%s-%s.%d", version, word, n) }

// numberOf is the N of a candidate "1.4.0-rc.N" of the version.
func numberOf(name, version, word string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, version+"-"+word+".")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 53)
	return n, err == nil && n > 0 && nameOf(version, word, n) == name
}

// next is the candidate of a version for a commit: the one that it has, or the one after the highest. Gaps are left alone, since a
// module proxy remembers the tags that were.
func (c *channel) next(has refs, version, commit string) string {
	highest, mine := uint64(0), uint64(0)
	for ref, at := range has {
		name, ok := strings.CutPrefix(ref, tagsAt+c.prefix)
		if !ok {
			continue
		}
		if n, ok := numberOf(name, version, c.word); ok {
			highest = max(highest, n)
			if at == commit {
				mine = max(mine, n)
			}
		}
	}
	if mine > 0 {
		return nameOf(version, c.word, mine)
	}
	return nameOf(version, c.word, highest+1)
}

// newest is the newest of the channel's tags, or of those on a commit; empty for none.
func (c *channel) newest(has refs, commit string, betas bool) (name, version string) {
	var best *semver.Version
	for ref, at := range has {
		found, ok := strings.CutPrefix(ref, tagsAt+c.prefix)
		if !ok || commit != "" && at != commit {
			continue
		}
		v, err := semver.StrictNewVersion(found)
		if err != nil || v.Metadata() != "" || v.String() != found {
			continue
		}
		core := semver.New(v.Major(), v.Minor(), v.Patch(), "", "").String()
		if _, beta := numberOf(found, core, c.word); beta != betas || !betas && v.Prerelease() != "" {
			continue
		}
		if best == nil || v.GreaterThan(best) {
			best, name, version = v, found, core
		}
	}
	return name, version
}

// valueOf is a channel's value: "1.4.0@<commit>".
func valueOf(name, commit string) string { return name + "@" + commit }

// parseValue is the commit of a channel's value.
func parseValue(value string) (commit string, err error) {
	name, commit, _ := strings.Cut(value, "@")
	if !driver.SafeVersion(name) || !commitName.MatchString(commit) {
		return "", driver.Refusef("the branch can not go back to %s, which is not like 1.4.0@<commit>", driver.Quote(value))
	}
	return commit, nil
}

// commitOf is the release's commit.
func commitOf(f driver.Facts) (string, error) {
	if !commitName.MatchString(f.Commit) {
		return "", driver.Refusef("commit %s is not the whole name of one, 40 hex digits in lower case: the tag goes on it", driver.Quote(f.Commit))
	}
	return f.Commit, nil
}

// checkArtifact verifies the artifact. Where that is a commit as `git cat-file commit` prints it, it must be the release's.
func checkArtifact(ctx context.Context, f driver.Facts) error {
	const most = 1 << 20
	var begin []byte
	err := f.Artifact.Read(ctx, func(r io.Reader) (err error) {
		begin, err = io.ReadAll(io.LimitReader(r, most+1))
		return err
	})
	if err != nil || len(begin) > most || !bytes.HasPrefix(begin, []byte("tree ")) || !bytes.Contains(begin, []byte("\ncommitter ")) {
		return err
	}
	if is := plumbing.ComputeHash(plumbing.CommitObject, begin).String(); is != f.Commit {
		return driver.Refusef("the artifact %s is the commit %s, and the merge is of %s", driver.Quote(f.Artifact.Name), is, f.Commit)
	}
	return nil
}

// tagOf is an annotated tag of a release. It is the same object whoever makes it, as it has the time of the release's id.
func tagOf(name, commit, release string) (plumbing.EncodedObject, error) {
	id, err := uuid.Parse(release)
	if err != nil || id.String() != release || id.Version() != 7 {
		return nil, driver.Refusef("the release's id %s is no UUID of version 7", driver.Quote(release))
	}
	sec, nsec := id.Time().UnixTime()
	o := &plumbing.MemoryObject{}
	o.SetType(plumbing.TagObject)
	_, err = fmt.Fprintf(o, "object %s\ntype commit\ntag %s\ntagger Sluice <sluice@sluice.invalid> %d +0000\n\n%s\n\nSluice-Release: %s\n",
		commit, name, time.Unix(sec, nsec).Unix(), name, release)
	return o, err
}
