package find

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
)

// Failed is [Finder.Release] for somebody who wants to try again: a project stands for its release that failed last, as far as
// `sluice status` looks back. By project it costs what `sluice status PROJECT` does.
func (f *Finder) Failed(ctx context.Context, name string) (Found, error) {
	if known, err := f.Known(ctx, name); err != nil || !known {
		return f.otherwise(ctx, name, err)
	}
	seen, err := (&board.Reader{Journal: f.Journal, Catalog: f.Catalog}).See(ctx, []string{name})
	if err != nil {
		return Found{}, err
	}
	var last journal.Entry
	for _, e := range seen.Releases {
		if s := e.State; s.Project == name && s.Phase == release.Failed && s.End.At.After(last.State.End.At) {
			last = e
		}
	}
	if last.Seq == 0 {
		return Found{}, fmt.Errorf("nothing of %s has failed since its last promotion: name a release by its version or id, see `sluice status %s`", name, name)
	}
	return Found{ID: last.State.Release, Entry: last}, nil
}

// Promoted is [Finder.Release] for somebody who wants to roll back: a project stands for its release that was promoted last and
// is not rolled back. By project it costs two reads.
func (f *Finder) Promoted(ctx context.Context, name string) (Found, error) {
	if known, err := f.Known(ctx, name); err != nil || !known {
		return f.otherwise(ctx, name, err)
	}
	record, _, err := f.Journal.Project(ctx, name)
	if err != nil {
		return Found{}, err
	}
	now, ok := record.Current()
	if !ok {
		return Found{}, fmt.Errorf("nothing of %s is promoted: name a release by its version or id, see `sluice status %s`", name, name)
	}
	found, err := f.load(ctx, now.Release)
	if err == nil && found.Entry.Seq == 0 {
		err = fmt.Errorf("promoted of %s is %s, release %s: %w", name, now.Version, now.Release, journal.ErrNone)
	}
	return found, err
}

// otherwise finds what is named in another way than by its project.
func (f *Finder) otherwise(ctx context.Context, name string, err error) (Found, error) {
	if err != nil {
		return Found{}, err
	}
	found, err := f.Release(ctx, name)
	var vacant *vacantError
	if errors.As(err, &vacant) { // the project was applied just now
		return Found{}, fmt.Errorf("%s has no releases yet", name)
	}
	return found, err
}
