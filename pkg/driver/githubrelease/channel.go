package githubrelease

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/internal/line"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
	"github.com/sluice-gate/sluice/pkg/project"
)

// unknown is the name, in a value, of a release whose tag is none of a version.
const unknown = "unknown"

var commitName = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// Option changes how a driver is made.
type Option func(*options)

type options struct {
	transport http.RoundTripper
	waits     waits
}

// waits says how patient the driver is.
type waits struct {
	retry.Policy

	settle time.Duration // how long after moving latest it is read once more, against somebody who moved it at the same time
}

func collect(opts []Option) options {
	o := options{transport: http.DefaultTransport, waits: waits{retry.Policy{First: 500 * time.Millisecond, Tries: 5}, 2 * time.Second}}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// WithTransport makes the driver send its requests through t instead of http.DefaultTransport.
func WithTransport(t http.RoundTripper) Option { return func(o *options) { o.transport = t } }

func withWaits(w waits) Option { return func(o *options) { o.waits = w } }

// channel is the releases of a repository: what publisher and promoter have in common.
type channel struct {
	repo   *repo
	prefix string // of the tags
	waits  waits
}

func open(cfg project.GitHubRelease, o options) (channel, error) {
	if cfg.URL == "" {
		cfg.URL = project.GitHubHome
	}
	if cfg.Tag == "" {
		cfg.Tag = project.DefaultGitTag
	}
	extra := http.Header{}
	extra.Set("Accept", "application/vnd.github+json")
	extra.Set("X-GitHub-Api-Version", "2022-11-28")
	l, err := line.New(line.Settings{Base: cfg.URL, Token: cfg.Token, Extra: extra, Transport: o.transport, Limited: limited})
	if err != nil {
		return channel{}, driver.Refusef("github_release: url: %w", err)
	}
	owner, name, ok := strings.Cut(cfg.Repo, "/")
	if !ok || owner == "" || name == "" || strings.Contains(name, "/") {
		return channel{}, driver.Refusef("github_release: the repository %s is not one such as acme/tracer", driver.Quote(cfg.Repo))
	}
	prefix, ok := project.TagPrefix(cfg.Tag)
	if !ok {
		return channel{}, driver.Refusef("github_release: tag %s: want the version at its end, as in %s", driver.Quote(cfg.Tag), project.DefaultGitTag)
	}
	return channel{&repo{l, owner, name}, prefix, o.waits}, nil
}

// limited tells the answer to too much at once, which may have no header that says for how long: then it is a minute, says
// https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit.
func limited(a *line.Answer) time.Duration {
	if strings.Contains(string(a.Body), "secondary rate limit") {
		return time.Minute
	}
	return 0
}

// version is the one that the merge stated, as it is published: a version that everybody will get.
func (c *channel) version(f driver.Facts) (string, error) {
	version, err := f.CleanVersion()
	if err != nil {
		return "", err
	}
	if !f.AnyVersion && strings.Contains(version, "-") {
		return "", driver.Refusef("version %s is a pre-release: name the one that everybody will get; GitHub's mark is what makes it a beta until then", version)
	}
	if !project.IsGitRef(c.prefix + strings.ReplaceAll(version, "+", "_")) {
		return "", driver.Refusef("version %s can not be in the name of a tag", driver.Quote(version))
	}
	return version, nil
}

func (c *channel) tag(version string) string { return c.prefix + version }

// versionOf is the version that a release is of; empty for none.
func (c *channel) versionOf(r *release) string {
	version, ok := strings.CutPrefix(r.Tag, c.prefix)
	if !ok || !driver.SafeVersion(version) {
		return ""
	}
	return version
}

// value is a channel's value: "1.4.0@<id of the release>".
func (c *channel) value(r *release) string {
	if r == nil {
		return ""
	}
	name := c.versionOf(r)
	if name == "" {
		name = unknown
	}
	return name + "@" + strconv.FormatInt(r.ID, 10)
}

// parseValue is the inverse.
func parseValue(value string) (name string, id int64, err error) {
	name, digits, _ := strings.Cut(value, "@")
	id, err = strconv.ParseInt(digits, 10, 64)
	if err != nil || id <= 0 || strconv.FormatInt(id, 10) != digits || !driver.SafeVersion(name) {
		return "", 0, driver.Refusef("the channel can not go back to %s, which is not like 1.4.0@<id of a release>", driver.Quote(value))
	}
	return name, id, nil
}

func (c *channel) seen(r *release, f driver.Facts) driver.Seen {
	if r == nil {
		return driver.Seen{}
	}
	return driver.Seen{Value: c.value(r), Version: c.versionOf(r), Mine: c.mine(r, f)}
}

// mine tells whether a release is that of the facts: of its version, with its artifact.
func (c *channel) mine(r *release, f driver.Facts) bool {
	version, err := f.CleanVersion()
	return r != nil && err == nil && r.Tag == c.tag(version) && r.has(f.Artifact)
}

// has tells whether the artifact is among the assets. What counts is the digest that GitHub computed when the asset was uploaded:
// it changes names that it does not like.
func (r *release) has(a driver.Artifact) bool {
	for _, one := range r.Assets {
		if one.State == uploaded && one.Digest == a.Digest && a.Digest != "" {
			return true
		}
	}
	return false
}

// lacks says why a release does not have the artifact.
func (c *channel) lacks(r *release, a driver.Artifact) error {
	where := fmt.Sprintf("the release %s of %s", driver.Quote(r.Tag), c.repo.shown())
	for _, one := range r.Assets {
		switch {
		case one.Name != a.Name || one.State != uploaded:
		case one.Digest == "":
			return driver.Refusef("%s: GitHub tells no digest of the asset %s: it was uploaded before there were any, or the server is too old",
				where, driver.Quote(a.Name))
		default:
			return driver.Refusef("%s: the asset %s has the digest %s, not %s", where, driver.Quote(a.Name), driver.Quote(one.Digest), a.Digest)
		}
	}
	return driver.Refusef("%s has %d assets, and none with the digest %s of the artifact %s", where, len(r.Assets), a.Digest, driver.Quote(a.Name))
}

// tagged refuses a tag that is on another commit than the release's. One that is not there yet is none.
func (c *channel) tagged(ctx context.Context, f driver.Facts, version string) error {
	at, err := c.repo.commit(ctx, c.tag(version))
	if err == nil && at != "" && at != f.Commit {
		return driver.Refusef("version %s is taken: the tag %s of %s is on %s, not on %s, and tags never move", version, c.tag(version), c.repo.shown(),
			at, f.Commit)
	}
	return err
}

// checkCommit refuses what is not the whole name of a commit.
func checkCommit(f driver.Facts) error {
	if !commitName.MatchString(f.Commit) {
		return driver.Refusef("commit %s is not the whole name of one, in lower case: the tag is on it", driver.Quote(f.Commit))
	}
	return nil
}

// verify reads the artifact to see that it is what it says.
func verify(ctx context.Context, a driver.Artifact) error {
	return a.Read(ctx, func(io.Reader) error { return nil })
}

// newer tells whether what a channel points to is newer than a version.
func newer(now driver.Seen, f driver.Facts, version string) bool {
	return !now.Mine && !f.AnyVersion && driver.Newer(now.Version, version)
}

// steps is one call of the driver: it looks, and writes, until there is nothing more to write.
type steps struct {
	before *string // the channel's value when it was first looked at
	wrote  bool    // or tried to
	stood  string  // what there was when it was last looked at
}

// found begins what the call comes to, with what the channel is at.
func (s *steps) found(now string) driver.Done {
	if s.before == nil {
		s.before = &now
	}
	return driver.Done{Value: now, Before: *s.before, Existed: !s.wrote}
}

// write is called right before a write; stood says what it finds.
func (s *steps) write(stood string) { s.stood, s.wrote = stood, true }

// run repeats a call from its beginning when a request may go better, or somebody else was faster. Each repetition looks again.
func (c *channel) run(ctx context.Context, call func(s *steps) (driver.Done, error)) (driver.Done, error) {
	var s steps
	done, err := retry.Do(ctx, c.waits.Policy, func() (driver.Done, error) {
		done, err := call(&s)
		done.Existed = done.Existed && !s.wrote
		return done, err
	})
	if err != nil && s.stood != "" && !driver.IsRefused(err) {
		err = fmt.Errorf("%w; %s", err, s.stood)
	}
	return done, err
}
