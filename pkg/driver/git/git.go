package git

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/internal/line"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
	"github.com/sluice-gate/sluice/pkg/project"
)

// User is who the token is the password of when the project file does not say: GitHub wants this name for the tokens of apps
// (https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/authenticating-as-a-github-app-installation), and
// takes any for others, as GitLab does (https://docs.gitlab.com/user/profile/personal_access_tokens/).
const User = "x-access-token"

// Option changes how a driver is made.
type Option func(*options)

type options struct {
	promote   *project.Git
	transport http.RoundTripper
	waits     retry.Policy
}

func collect(opts []Option) options {
	o := options{transport: http.DefaultTransport, waits: retry.Policy{First: 500 * time.Millisecond, Tries: 5}}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// WithPromote tells the publisher how its candidates will be promoted, so that Plan refuses what the promotion would refuse: a version
// that everybody has passed already.
func WithPromote(cfg project.Git) Option { return func(o *options) { o.promote = &cfg } }

// WithTransport makes the driver send its requests through t instead of http.DefaultTransport.
func WithTransport(t http.RoundTripper) Option { return func(o *options) { o.transport = t } }

func withWaits(w retry.Policy) Option { return func(o *options) { o.waits = w } }

// channel is the tags of a remote and, if there is one, the branch that follows them.
type channel struct {
	remote *remote
	prefix string // of the tags
	word   string // of candidates; empty: none is looked at
	branch string // empty: the channel is the newest tag
	betas  bool   // its tags are those of candidates
	waits  retry.Policy
}

func open(cfg project.Git, o options) (channel, error) {
	if cfg.Remote == "" {
		return channel{}, driver.Refusef("git: remote: say which one, such as https://git.example.com/acme/tracer.git")
	}
	if cfg.Username == "" {
		cfg.Username = User
	}
	l, err := line.New(line.Settings{Base: cfg.Remote, Token: cfg.Token, User: cfg.Username, Transport: o.transport})
	if err != nil {
		return channel{}, driver.Refusef("git: remote: %w", err)
	}
	if cfg.Tag == "" {
		cfg.Tag = project.DefaultGitTag
	}
	prefix, ok := project.TagPrefix(cfg.Tag)
	if !ok {
		return channel{}, driver.Refusef("git: tag %s: want the version at its end, as in %s or pkg/x/%s", driver.Quote(cfg.Tag),
			project.DefaultGitTag, project.DefaultGitTag)
	}
	if cfg.Branch != "" && !project.IsGitRef(cfg.Branch) {
		return channel{}, driver.Refusef("git: branch %s: want letters, digits, _ and -, with dots and slashes between them", driver.Quote(cfg.Branch))
	}
	if cfg.Candidate != "" && !wordName.MatchString(cfg.Candidate) {
		return channel{}, driver.Refusef("git: candidate %s: want a word such as rc, of small letters and digits", driver.Quote(cfg.Candidate))
	}
	return channel{remote: &remote{l}, prefix: prefix, word: cfg.Candidate, branch: cfg.Branch, waits: o.waits}, nil
}

// tag is the name of a tag.
func (c *channel) tag(name string) string { return c.prefix + name }

// shown is the channel's name for people.
func (c *channel) shown() string {
	if c.branch != "" {
		return "branch " + c.branch + " of " + c.remote.name()
	}
	return "the newest tag of " + c.remote.name()
}

// Look is driver.Driver's.
func (c *channel) Look(ctx context.Context, f driver.Facts) (driver.Seen, error) {
	if _, err := commitOf(f); err != nil {
		return driver.Seen{}, err
	}
	has, err := retry.Do(ctx, c.waits, func() (refs, error) { return c.remote.refs(ctx) })
	if err != nil {
		return driver.Seen{}, err
	}
	return c.seen(has, f), nil
}

// seen describes what the channel points to. A commit may have several tags: of this release's it is the release's own.
func (c *channel) seen(has refs, f driver.Facts) driver.Seen {
	commit := has[headsAt+c.branch]
	if c.branch == "" {
		name, _ := c.newest(has, "", c.betas)
		commit = has[tagsAt+c.tag(name)]
	}
	if commit == "" {
		return driver.Seen{}
	}
	name, version := c.newest(has, commit, c.betas)
	own := f.Version
	if c.betas {
		own = f.Beta
	}
	if clean, err := driver.CleanVersion(f.Version); err == nil && commit == f.Commit && has[tagsAt+c.tag(own)] == commit && c.branch != "" {
		name, version = own, clean
	}
	if name == "" {
		name = unknown
	}
	return driver.Seen{Value: valueOf(name, commit), Version: version, Mine: commit == f.Commit}
}

// known refuses to move a branch away from a commit that is no release's. Whether the release has what is in there, nobody can tell who
// has not fetched the history.
func (c *channel) known(has refs, now driver.Seen) error {
	if now.Value == "" || now.Version != "" || now.Mine {
		return nil
	}
	return driver.Refusef("%s is at %s, which no tag of a version is on: perhaps somebody put a fix there by hand; tag it as a release, "+
		"such as %s, or move the branch back, and retry", c.shown(), has[headsAt+c.branch], c.tag("X.Y.Z"))
}

// wish is what a driver wants of what the remote has: a change, empty when there is nothing to do, and what it will have come to.
type wish func(has refs) (change, driver.Done, error)

// settle looks at the remote, and changes it until it is as wished. A change is a compare-and-set: when somebody else was faster, or
// the answer was lost, it looks again, and decides anew.
func (c *channel) settle(ctx context.Context, want wish) (driver.Done, error) {
	var before *string
	var refused change
	wrote, stood := false, ""
	done, err := retry.Do(ctx, c.waits, func() (driver.Done, error) {
		has, err := c.remote.refs(ctx)
		if err != nil {
			return driver.Done{}, err
		}
		todo, done, err := want(has)
		if err != nil {
			return driver.Done{}, err
		}
		if before == nil {
			before = &done.Before
		}
		done.Before, done.Existed = *before, !wrote && len(todo.commands) == 0
		if len(todo.commands) == 0 {
			return done, nil
		}
		stood = todo.missing(has)
		err = c.remote.push(ctx, todo)
		var no *rejected
		if errors.As(err, &no) && !no.busy() && slices.Equal(todo.commands, refused.commands) {
			return done, driver.Refusef("%s: %w", c.remote.name(), no) // it is no matter of who was first
		}
		if errors.As(err, &no) {
			refused = todo
			return done, err
		}
		wrote = true // perhaps, when there is an error
		return done, err
	})
	if err != nil && stood != "" && !driver.IsRefused(err) {
		err = fmt.Errorf("%w; when last looked at, %s", err, stood)
	}
	return done, err
}

// missing says what a change finds.
func (c *change) missing(has refs) string {
	text := ""
	for i, one := range c.commands {
		if i > 0 {
			text += " and "
		}
		if at := has[one.ref]; at == "" {
			text += one.ref + " was not there"
		} else {
			text += one.ref + " was at " + at
		}
	}
	return text
}

// Undo is driver.Driver's. Tags stay; the branch goes back.
func (c *channel) Undo(ctx context.Context, f driver.Facts, back driver.Back) (driver.Done, error) {
	commit, err := commitOf(f)
	if err != nil {
		return driver.Done{}, err
	}
	to := ""
	if back.Value != "" {
		if to, err = parseValue(back.Value); err != nil {
			return driver.Done{}, err
		}
	}
	return c.settle(ctx, func(has refs) (change, driver.Done, error) {
		now := c.seen(has, f)
		done := driver.Done{Value: now.Value, Before: now.Value, Note: c.stays(has, f)}
		at := has[headsAt+c.branch]
		var todo change
		switch {
		case c.branch == "":
			done.Note = join(done.Note, "no branch is named that could go back")
		case at == commit && at != to:
			todo.add(headsAt+c.branch, at, to)
			done.Value = back.Value
		case at == to && at == commit:
			done.Note = join(c.shown()+" stays: what it was at before is not known, or the same", done.Note)
		case at == to:
			done.Value = back.Value
		case at == "":
			done.Note = join(c.shown()+" is gone by now: left alone", done.Note)
		default:
			done.Note = join(fmt.Sprintf("%s is at %s by now, and not at this release: left alone", c.shown(), now.Value), done.Note)
		}
		return todo, done, nil
	})
}

// stays says what an undo leaves to people.
func (c *channel) stays(has refs, f driver.Facts) string {
	name := f.Version
	if c.betas {
		name = f.Beta
	}
	tag := tagsAt + c.tag(name)
	if has[tag] != f.Commit {
		return ""
	}
	if c.betas {
		return "the tag " + c.tag(name) + " stays"
	}
	return fmt.Sprintf("the tag %s stays, since module proxies keep what they have seen: put \"retract v%s\" in go.mod with the next version",
		c.tag(name), name)
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}
