// Package find finds the release that somebody means, by the names that people use. Nothing here reads all releases.
package find

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// Finder reads the broker.
type Finder struct {
	Journal *journal.Journal
	Catalog *catalog.Catalog
}

// Found is a release that somebody named.
type Found struct {
	ID string
	// Entry is what its journal says. Its Seq is 0 when there is none: the merge is not admitted yet, or the id is wrong.
	Entry journal.Entry
	// Newest is set when it was named by its project, nothing of that project occupies staging, and it is the newest one.
	Newest bool
}

// leastPrefix is how many characters of an id are enough to try.
const leastPrefix = 4

// Release finds what name means, to do something to it. Its error is one line that says why it is not clear, and what is
// there instead.
//
// The cost in reads: by id 1; by project@version 2; by project 3 (its file, the lanes, the release); by prefix the merges
// since the time that the prefix stands for, 10,000 at a time, and the release.
func (f *Finder) Release(ctx context.Context, name string) (Found, error) {
	if id := strings.ToLower(name); topology.CheckRelease(id) == nil {
		return f.load(ctx, id)
	}
	if p, version, ok := strings.Cut(name, "@"); ok {
		return f.version(ctx, p, version)
	}
	known, err := f.Known(ctx, name)
	if err != nil {
		return Found{}, err
	}
	if known {
		return f.occupant(ctx, name)
	}
	if digits, ok := prefix(name); ok {
		if len(digits) < leastPrefix {
			return Found{}, fmt.Errorf("%q is no project, and too short for an id: give at least %d characters of it", name, leastPrefix)
		}
		return f.prefix(ctx, name, digits)
	}
	return Found{}, f.Unknown(ctx, name, "a release or a project")
}

// Read is [Finder.Release] for somebody who only looks: a project stands for its newest release when nothing of it
// occupies staging.
func (f *Finder) Read(ctx context.Context, name string) (Found, error) {
	found, err := f.Release(ctx, name)
	var vacant *vacantError
	if !errors.As(err, &vacant) {
		return found, err
	}
	newest, err := f.Journal.Newest(ctx, name)
	if errors.Is(err, journal.ErrNone) {
		return Found{}, fmt.Errorf("project %s has no releases yet", name)
	}
	if err != nil {
		return Found{}, err
	}
	found, err = f.load(ctx, newest.Release)
	found.Newest = true
	return found, err
}

// Project checks that there is such a project.
func (f *Finder) Project(ctx context.Context, name string) error {
	known, err := f.Known(ctx, name)
	if err != nil || known {
		return err
	}
	return f.Unknown(ctx, name, "a project")
}

// Known tells whether there is such a project.
func (f *Finder) Known(ctx context.Context, name string) (bool, error) {
	if project.Safe(name) != nil || topology.CheckRelease(name) == nil {
		return false, nil //nolint:nilerr // not a project's name
	}
	_, _, err := f.Catalog.Current(ctx, name)
	var wrong project.Errors
	switch {
	case errors.Is(err, catalog.ErrUnknownProject):
		return false, nil
	case err == nil || errors.As(err, &wrong): // one that a newer version understands is known, too
		return true, nil
	}
	return false, err
}

// Unknown says that name is not what, and what is likely meant.
func (f *Finder) Unknown(ctx context.Context, name, what string) error {
	names, err := f.Catalog.Names(ctx)
	if err != nil {
		return err
	}
	const most = 8
	near, ok := project.Nearest(name, names)
	switch {
	case len(names) == 0:
		return fmt.Errorf("%q is not %s: there are no projects yet, add one with `sluice apply -f sluice.yaml`", name, what)
	case ok:
		return fmt.Errorf("%q is not %s: did you mean %s?", name, what, near)
	case len(names) > most:
		return fmt.Errorf("%q is not %s: see `sluice status`", name, what)
	}
	return fmt.Errorf("%q is not %s: the projects are %s", name, what, strings.Join(names, ", "))
}

func (f *Finder) load(ctx context.Context, id string) (Found, error) {
	e, err := f.Journal.Load(ctx, id)
	if err != nil && !errors.Is(err, journal.ErrNone) {
		return Found{}, err
	}
	return Found{ID: id, Entry: e}, nil
}

func (f *Finder) version(ctx context.Context, name, version string) (Found, error) {
	if err := f.Project(ctx, name); err != nil {
		return Found{}, err
	}
	version = strings.TrimPrefix(version, "v")
	if err := topology.CheckVersion(version); err != nil {
		return Found{}, err
	}
	id, seq, err := f.Journal.Version(ctx, name, version)
	if err != nil {
		return Found{}, err
	}
	if seq == 0 {
		return Found{}, fmt.Errorf("%s has no release of version %s: see `sluice status %s`", name, version, name)
	}
	return f.load(ctx, id)
}

// Pending tells whether a merge event with this id is stored. It reads the merges since the time that the id begins with.
func (f *Finder) Pending(ctx context.Context, id string) (bool, error) {
	digits, _ := prefix(id)
	found := false
	from := journal.From{At: madeAt(digits).Add(-aheadMost)}
	err := f.Journal.Merges(ctx, "", from, func(m journal.Merge) bool {
		found = m.ID == id
		return !found
	})
	return found, err
}

// vacantError says that nothing of a project occupies staging.
type vacantError struct {
	project string
	instead []string // what there is
	ended   string   // the newest release, if it has ended
}

func (e *vacantError) Error() string {
	switch {
	case len(e.instead) == 0 && e.ended != "":
		return fmt.Sprintf("nothing of %s is in staging or on the way there: its newest release is %s", e.project, e.ended)
	case len(e.instead) == 0:
		return fmt.Sprintf("nothing of %s is in staging or on the way there: see `sluice status %s`", e.project, e.project)
	}
	return fmt.Sprintf("nothing of %s is in staging: name a release by its id; there is %s", e.project, strings.Join(e.instead, ", "))
}

// occupant is the release of a project that holds its lane.
func (f *Finder) occupant(ctx context.Context, name string) (Found, error) {
	lanes, err := f.Journal.Lanes(ctx)
	if err != nil {
		return Found{}, err
	}
	var owners, others []string
	for _, r := range lanes {
		if r.Project == name && r.Owner != "" {
			owners = append(owners, r.Owner)
		}
		for _, w := range r.Waiting {
			if w.Project == name {
				others = append(others, w.Release)
			}
		}
	}
	newest, err := f.Journal.Newest(ctx, name)
	if err != nil && !errors.Is(err, journal.ErrNone) {
		return Found{}, err
	}
	if err == nil {
		others = append(others, newest.Release)
	}
	all, err := f.Journal.LoadAll(ctx, slices.Concat(owners, others))
	if err != nil {
		return Found{}, err
	}
	owners = slices.DeleteFunc(owners, func(id string) bool { return all[id].State.Phase.Ended() }) // about to leave
	if len(owners) == 1 {
		return Found{ID: owners[0], Entry: all[owners[0]]}, nil
	}
	ids := slices.Concat(owners, others)
	slices.Sort(ids) // by age: an id begins with its time
	vacant := &vacantError{project: name}
	for _, id := range slices.Compact(ids) {
		s := all[id].State
		what := fmt.Sprintf("%s (%s, %s)", id, text(s.Version), s.Phase)
		switch {
		case s.Phase == release.None:
		case !s.Phase.Ended():
			vacant.instead = append(vacant.instead, what)
		case id == newest.Release:
			vacant.ended = what
		}
	}
	return Found{}, vacant
}

func text(version string) string {
	if version == "" {
		return "no version yet"
	}
	return version
}

// prefix tells whether name can be the beginning of an id, and returns its digits without hyphens.
func prefix(name string) (string, bool) {
	digits := strings.ReplaceAll(strings.ToLower(name), "-", "")
	return digits, len(digits) > 0 && len(digits) <= 32 && strings.Trim(digits, "0123456789abcdef") == ""
}

// aheadMost is how far the clock that made an id may be ahead of the broker's.
const aheadMost = 24 * time.Hour

// prefix finds the release whose id begins with these digits. An id begins with the time at which it was made, so its merge
// is younger than that, and only merges since then are read.
func (f *Finder) prefix(ctx context.Context, name, digits string) (Found, error) {
	since := journal.From{At: madeAt(digits).Add(-aheadMost)}
	found := map[string]string{} // id: project
	matches := func(id string) bool { return strings.HasPrefix(strings.ReplaceAll(id, "-", ""), digits) }
	err := f.Journal.Admitted(ctx, "", since, func(i journal.Identity) bool {
		if matches(i.Release) {
			found[i.Release] = i.Project
		}
		return true
	})
	if err == nil && len(found) == 0 { // not admitted yet
		err = f.Journal.Merges(ctx, "", since, func(m journal.Merge) bool {
			if matches(m.ID) {
				found[m.ID] = m.Project
			}
			return true
		})
	}
	if err != nil {
		return Found{}, err
	}
	const most = 4
	switch ids := sorted(found); {
	case len(ids) == 1:
		return f.load(ctx, ids[0])
	case len(ids) == 0:
		return Found{}, fmt.Errorf("no release has an id that begins with %s, and no project is called that: see `sluice status`", name)
	case len(ids) > most:
		return Found{}, fmt.Errorf("%d releases have an id that begins with %s: give more of it", len(ids), name)
	default:
		for i, id := range ids {
			ids[i] = fmt.Sprintf("%s (%s)", id, found[id])
		}
		return Found{}, fmt.Errorf("%s is the beginning of several releases: %s", name, strings.Join(ids, ", "))
	}
}

func sorted(found map[string]string) []string {
	ids := make([]string, 0, len(found))
	for id := range found {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// madeAt is the earliest time at which an id of version 7 with these first digits can have been made.
func madeAt(digits string) time.Time {
	const timeDigits = 12 // of 4 bits: milliseconds since 1970
	digits = (digits + strings.Repeat("0", timeDigits))[:timeDigits]
	b, err := hex.DecodeString(digits)
	if err != nil {
		return time.UnixMilli(0)
	}
	var ms int64
	for _, one := range b {
		ms = ms<<8 | int64(one)
	}
	return time.UnixMilli(ms)
}
