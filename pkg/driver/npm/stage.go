package npm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
	"github.com/sluice-gate/sluice/pkg/project"
)

// item is a version that is staged: uploaded, and published when a maintainer approves it.
// https://github.com/npm/api-documentation, stage.yaml
type item struct {
	ID      string `json:"id"`
	Name    string `json:"packageName"`
	Version string `json:"version"`
	Tag     string `json:"tag"`
	Shasum  string `json:"shasum"`
}

// staged finds a version among those of a package that are staged; nil when it is not, or when there is no such thing there.
func (r *registry) staged(ctx context.Context, name, version string) (*item, error) {
	const perPage, pages = 100, 100
	for page := range pages {
		query := url.Values{"package": {name}, "page": {strconv.Itoa(page)}, "perPage": {strconv.Itoa(perPage)}}
		var list struct{ Items []item }
		if err := r.readJSON(ctx, r.address("-", "stage")+"?"+query.Encode(), "application/json", &list); err != nil {
			return nil, fmt.Errorf("look at what is staged of %s: %w", name, err)
		}
		for _, i := range list.Items {
			if i.Name == name && i.Version == version {
				return &i, nil
			}
		}
		if len(list.Items) < perPage {
			return nil, nil //nolint:nilnil // there is none, which is an answer
		}
	}
	return nil, fmt.Errorf("more than %d versions of %s are staged", pages*perPage, name)
}

// sameStaged returns nil when what is staged is the package t, to be published under that tag. Otherwise the error is driver.Refused.
func (r *registry) sameStaged(ctx context.Context, i *item, t *tarball, tag string) error {
	mend := "reject it, and promote again: npm stage reject " + driver.Quote(i.ID)
	if i.Tag != tag {
		return driver.Refusef("%s@%s is staged already, for the tag %s and not for %s; %s", t.name, t.version, driver.Quote(i.Tag), tag, mend)
	}
	if i.Shasum == t.shasum() {
		return nil
	}
	a, err := r.read(ctx, r.address("-", "stage", i.ID, "tarball"), "*/*", defaultBounds().packed)
	if err != nil {
		return fmt.Errorf("download what is staged as %s: %w", driver.Quote(i.ID), err)
	}
	if other, err := openTarball(a.body); a.ok() && err == nil && t.rewritten && bytes.Equal(other.unpacked, t.unpacked) {
		return nil // compressed by another version of Go
	}
	return driver.Refusef("%s@%s is staged already, with other contents; %s", t.name, t.version, mend)
}

// stage uploads a package for a maintainer to approve, unless it is there.
func (r *registry) stage(ctx context.Context, t *tarball, tag, access, commit string) error {
	doc, err := document(t, r.base, tag, access, commit)
	if err != nil {
		return driver.Refusef("%s@%s can not be described to the registry: %w", t.name, t.version, err)
	}
	there := func() (bool, error) {
		i, err := r.staged(ctx, t.name, t.version)
		if err != nil || i == nil {
			return false, err
		}
		return true, r.sameStaged(ctx, i, t, tag)
	}
	is, err := there()
	if err == nil && !is {
		err = r.write(ctx, http.MethodPost, r.address("-", "stage", "package", t.name), always(doc), there)
	}
	if err != nil {
		return fmt.Errorf("stage %s@%s: %w", t.name, t.version, err)
	}
	return nil
}

// approved waits until what is staged is published. One that is neither any longer was rejected, which is driver.Refused.
func (r *registry) approved(ctx context.Context, t *tarball) error {
	var last *item
	gone := time.Time{}
	_, err := retry.Poll(ctx, r.waits.First, retry.MostAsked, func() (bool, error) {
		versions, err := r.versions(ctx, t.name)
		if err != nil {
			return false, err
		}
		if have, is := versions[t.version]; is {
			return true, r.same(ctx, have, t)
		}
		now, err := r.staged(ctx, t.name, t.version)
		switch {
		case err != nil:
			return false, err
		case now != nil:
			last, gone = now, time.Time{}
		case gone.IsZero():
			gone = time.Now()
		case time.Since(gone) > r.waits.show: // what was approved shows by then
			return false, driver.Refusef("%s@%s was staged, and is neither that nor published any longer: a maintainer rejected it", t.name, t.version)
		}
		return false, nil
	})
	if err != nil && ctx.Err() != nil && last != nil {
		return fmt.Errorf("%s@%s is staged and waits for a maintainer, who is asked for a second factor (npm stage approve %s, or reject): %w",
			t.name, t.version, driver.Quote(last.ID), errors.Join(err, ctx.Err()))
	}
	return err
}

// stage makes the channel point to t, by the hand of a maintainer.
func (p *promoter) stage(ctx context.Context, t *tarball, f driver.Facts, was shown) (driver.Done, error) {
	if _, published := was.versions[t.version]; published {
		return p.publish(ctx, t, f.Commit, was, func() error { return nil })
	}
	if err := p.may(t.name, was.tags[p.tag], t.version); err != nil {
		return driver.Done{}, err
	}
	if err := p.soaked(ctx, t, f.Beta, was); err != nil {
		return driver.Done{}, err
	}
	if err := p.registry.stage(ctx, t, p.tag, p.access, f.Commit); err != nil {
		return driver.Done{}, err
	}
	if err := p.registry.approved(ctx, t); err != nil {
		return driver.Done{}, err
	}
	return p.move(ctx, t.name, t.version, was, true)
}

// unstaged says in done what only a maintainer can take back.
func (p *promoter) unstaged(ctx context.Context, name, version string, done *driver.Done) error {
	if p.mode != project.Staged {
		return nil
	}
	i, err := p.registry.staged(ctx, name, version)
	if err == nil && i != nil {
		done.Note = join(done.Note, fmt.Sprintf("%s@%s is staged still, which only a maintainer can end: npm stage reject %s",
			name, version, driver.Quote(i.ID)))
	}
	return err
}
