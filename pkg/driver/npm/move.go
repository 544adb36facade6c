package npm

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
	"github.com/sluice-gate/sluice/pkg/project"
)

// shown is what the registry shows of a package at one moment.
type shown struct {
	versions map[string]published
	tags     map[string]string
}

func (c channel) show(ctx context.Context, name string) (shown, error) {
	tags, err := c.registry.tags(ctx, name)
	if err != nil {
		return shown{}, fmt.Errorf("look at %s: %w", name, err)
	}
	versions, err := c.registry.versions(ctx, name)
	if err != nil {
		return shown{}, fmt.Errorf("look at %s: %w", name, err)
	}
	return shown{versions, tags}, nil
}

// may refuses a move of the tag that the channel does not allow.
func (c channel) may(name, now, version string) error {
	if c.forward && now != "" && driver.Newer(now, version) {
		return driver.Refusef("%s of %s points to %s, which is newer than %s: a channel only moves forward", c.tag, name, now, version)
	}
	return nil
}

// publish makes the registry have t, and the tag point to it. was is what the registry showed before. check is asked
// right before the package is uploaded, and not when it is there already.
func (c channel) publish(ctx context.Context, t *tarball, commit string, was shown, check func() error) (driver.Done, error) {
	if c.access == "restricted" && !strings.HasPrefix(t.name, "@") {
		return driver.Done{}, driver.Refusef("access restricted is for names with a scope, not for %s", t.name)
	}
	if err := c.may(t.name, was.tags[c.tag], t.version); err != nil {
		return driver.Done{}, err
	}
	have, existed := was.versions[t.version]
	if existed {
		if err := c.registry.same(ctx, have, t); err != nil {
			return driver.Done{}, err
		}
	} else {
		if err := check(); err != nil {
			return driver.Done{}, err
		}
		if err := c.registry.publish(ctx, t, c.tag, c.access, commit); err != nil {
			return driver.Done{}, err
		}
	}
	return c.move(ctx, t.name, t.version, was, !existed)
}

// move makes the tag point to a version that is published, unless it does, and looks what became of it. was is what the
// registry showed before this release wrote anything; wrote tells whether it has written already.
func (c channel) move(ctx context.Context, name, version string, was shown, wrote bool) (driver.Done, error) {
	const tries = 4
	done := driver.Done{Value: version, Before: was.tags[c.tag]}
	may := func(now string) error { return c.may(name, now, version) }
	took := time.Duration(0)
	for range tries {
		begun := time.Now()
		now, err := c.now(ctx, name)
		if err != nil {
			return driver.Done{}, err
		}
		if now != version {
			if err := may(now); err != nil {
				return driver.Done{}, err
			}
			wrote = true
			if err := c.registry.point(ctx, name, c.tag, version, may); err != nil {
				return driver.Done{}, err
			}
			took = time.Since(begun)
			if now, err = c.await(ctx, name, version); err != nil {
				return driver.Done{}, err
			}
		}
		switch {
		case now != version:
			continue
		case !wrote:
			done.Existed = true
			return done, nil
		}
		if over, err := c.settled(ctx, name, version, was, took, &done); over || err != nil {
			return done, err
		}
	}
	return driver.Done{}, fmt.Errorf("%s of %s does not stay at %s: somebody else moves it, or the registry is slow to show it", c.tag, name, version)
}

// now is the version that the tag points to; empty for none.
func (c channel) now(ctx context.Context, name string) (string, error) {
	tags, err := c.registry.tags(ctx, name)
	if err != nil {
		return "", fmt.Errorf("look at %s of %s: %w", c.tag, name, err)
	}
	return tags[c.tag], nil
}

// await gives the tag a little time to show a version, and returns what it shows in the end.
func (c channel) await(ctx context.Context, name, version string) (now string, err error) {
	_, err = poll(ctx, c.registry.waits.brief(), func() (is bool, err error) {
		now, err = c.now(ctx, name)
		return now == version, err
	})
	return now, err
}

// settled looks once more at a channel that only moves forward, some time after this release moved it: a registry has
// no compare-and-set, so two releases that are promoted at the same time (one of them after its deadline) may each
// have seen the old version, and the older one may be the last to write. It reports false when the tag was taken back and is to
// be moved again. When this release took the channel back, and can tell, it repairs that and refuses.
//
// took is how long it was from looking at the tag to having moved it. The wait is several times that, as the other release may
// be as slow: one that takes still longer from its look to its write goes unnoticed. That none promotes at the same time
// is for the lane to ensure; this is the second line.
func (c channel) settled(ctx context.Context, name, version string, was shown, took time.Duration, done *driver.Done) (bool, error) {
	const slower = 5
	if !c.forward {
		return true, nil
	}
	if err := retry.Sleep(ctx, max(c.registry.waits.settle, slower*took)); err != nil {
		return false, fmt.Errorf("%s of %s points to %s, and was to be looked at once more: %w", c.tag, name, version, err)
	}
	now, err := c.now(ctx, name)
	if err != nil {
		return false, err
	}
	if driver.Newer(now, version) {
		done.Value, done.Note = now, fmt.Sprintf("%s of %s was moved on to %s meanwhile", c.tag, name, now)
		return true, nil
	}
	newer, err := c.promotedSince(ctx, name, version, was)
	if err != nil {
		return false, err
	}
	if newer != "" {
		if err := c.registry.point(ctx, name, c.tag, newer, func(string) error { return nil }); err != nil {
			return false, err
		}
		return false, driver.Refusef("%s of %s was moved to %s at the same time, which is newer than %s: it points there again", c.tag, name, newer, version)
	}
	return now == version, nil
}

// promotedSince is the newest version above this release's that was published after was; empty for none. Where promoting means
// publishing, that one was promoted meanwhile; where it does not, this can not be told.
func (c channel) promotedSince(ctx context.Context, name, version string, was shown) (string, error) {
	if c.mode != project.Republish {
		return "", nil
	}
	versions, err := c.registry.versions(ctx, name)
	if err != nil {
		return "", fmt.Errorf("look at %s: %w", name, err)
	}
	newest := ""
	for v := range versions {
		if _, known := was.versions[v]; !known && plain(v) == nil && driver.Newer(v, version) && (newest == "" || driver.Newer(v, newest)) {
			newest = v
		}
	}
	return newest, nil
}

// undo puts the tag back from version to what it was before.
func (c channel) undo(ctx context.Context, f driver.Facts, version string, back driver.Back) (driver.Done, error) {
	if err := validVersion("the release's version", version); err != nil {
		return driver.Done{}, err
	}
	if back.Value != "" {
		if err := validVersion("what "+c.tag+" is to go back to,", back.Value); err != nil {
			return driver.Done{}, err
		}
	}
	name, err := c.packageName(ctx, f)
	if err != nil {
		return driver.Done{}, err
	}
	now, err := c.now(ctx, name)
	if err != nil {
		return driver.Done{}, err
	}
	done := driver.Done{Value: now, Before: now, Existed: true}
	switch {
	case now == version && back.Value == version:
		done.Note = fmt.Sprintf("%s of %s stays at %s: what it pointed to before is not known", c.tag, name, version)
		return done, nil
	case now == back.Value:
		return done, nil
	case now != version:
		done.Note = fmt.Sprintf("%s of %s points to %s by now, not to this release's %s: it is left alone",
			c.tag, name, orNothing(now), version)
		return done, nil
	}
	if err := c.registry.point(ctx, name, c.tag, back.Value, func(now string) error {
		if now != version {
			return fmt.Errorf("%s of %s was moved to %s meanwhile", c.tag, name, orNothing(now))
		}
		return nil
	}); err != nil {
		return driver.Done{}, err
	}
	now, err = c.await(ctx, name, back.Value)
	switch {
	case err != nil:
		return driver.Done{}, err
	case now == back.Value:
		return driver.Done{Value: back.Value, Before: version}, nil
	case c.tag == latest && back.Value == "":
		return driver.Done{}, driver.Refusef("there was nothing on latest of %s before %s, and the registry does not let go of latest: publish a version that is better, or deprecate %s",
			name, version, version)
	}
	return driver.Done{}, fmt.Errorf("%s of %s does not go back to %s: somebody else moves it, or the registry is slow to show it", c.tag, name, orNothing(back.Value))
}

func orNothing(version string) string {
	if version == "" {
		return "nothing"
	}
	return version
}
