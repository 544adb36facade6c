package journal_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

func gateAll(t *testing.T, b *bundle) {
	e := b.soaking(t)
	g, err := b.j.Gate(b.ctx, e, e.Seq)
	if err != nil || len(g.Stops) != 0 || !g.Opened.IsZero() || !g.Record.Equal(release.Record{}) {
		t.Fatalf("%+v: %v", g, err)
	}
	promoted := release.Promotion{Release: newID(), Version: "1.3.0", Order: 7, At: e.At}
	record, err := b.j.ChangeProject(b.ctx, b.project, func(r release.Record) (release.Record, error) {
		r = r.Promote(promoted)
		r.Rolling = promoted.Release
		return r, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	pause := b.stop(t, topology.StopPause, b.project, "ana", "wait")
	b.stop(t, topology.StopFreeze, topology.AllProjects, "old", "the fair")
	freeze := b.stop(t, topology.StopFreeze, topology.AllProjects, "bo", `{"reason":"the fair","for":"48h"}`)
	defer b.stop(t, topology.StopUnfreeze, topology.AllProjects, "bo", "") // on the same broker as all other tests
	b.stop(t, topology.StopFreeze, b.project, "bo", "")
	opened := b.stop(t, topology.StopUnfreeze, b.project, "eve", "")

	if g, err = b.j.Gate(b.ctx, e, opened); err != nil {
		t.Fatal(err)
	}
	if !g.Record.Equal(release.Record{Promotions: []release.Promotion{promoted}, Rolling: promoted.Release}) {
		t.Errorf("%+v", g.Record)
	}
	var seqs []uint64
	for _, s := range g.Stops {
		seqs = append(seqs, s.Seq)
	}
	if want := []uint64{record, pause, freeze}; !slices.Equal(seqs, want) {
		t.Fatalf("stops at %d, want %d", seqs, want)
	}
	rolling, paused, frozen := g.Stops[0], g.Stops[1], g.Stops[2]
	if rolling.Kind != release.RollingStop || rolling.Release != promoted.Release {
		t.Errorf("%+v", rolling)
	}
	if paused.Kind != release.Pause || paused.All || paused.Said.By != "ana" || paused.Said.Reason != "wait" || paused.Said.At.IsZero() {
		t.Errorf("%+v", paused)
	}
	if frozen.Kind != release.Freeze || !frozen.All || frozen.Said.By != "bo" || frozen.Until.Sub(frozen.Said.At).Hours() != 48 {
		t.Errorf("%+v", frozen)
	}
	if !g.Opened.After(frozen.Said.At) {
		t.Errorf("it opened at %v, after %v", g.Opened, frozen.Said.At)
	}
}

// gateAtLeast: whoever was told of a stop sees it, on a cluster on a node that may lag behind.
func gateAtLeast(t *testing.T, b *bundle) {
	e := b.soaking(t)
	for i := range 10 {
		_, reader := b.open(b.ctx, t)
		pause := b.stop(t, topology.StopPause, b.project, fmt.Sprint("a", i), "")
		g, err := reader.Gate(b.ctx, e, pause)
		if err != nil || len(g.Stops) != 1 || g.Stops[0].Seq != pause {
			t.Fatalf("told of %d: %+v, %v", pause, g, err)
		}
		e = b.append(t, e, release.WasExtended{By: 1})
		if g, err = reader.Gate(b.ctx, e, 0); err != nil || len(g.Stops) != 1 || g.Stops[0].Seq != pause {
			t.Fatalf("loaded %d: %+v, %v", e.Seq, g, err)
		}
	}
}

// projectRace has many writers change a project at once: each of their changes is there afterwards, once.
func projectRace(t *testing.T, b *bundle) {
	const writers, each = 4, 5
	var all sync.WaitGroup
	for w := range writers {
		_, j := b.open(b.ctx, t)
		all.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", w, i)
				for range 2 { // repeating it changes nothing
					if _, err := j.ChangeProject(b.ctx, b.project, func(r release.Record) (release.Record, error) {
						return r.Promote(release.Promotion{Release: id}), nil
					}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	var got release.Record
	if _, err := b.j.ChangeProject(b.ctx, b.project, func(r release.Record) (release.Record, error) { got = r; return r, nil }); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, p := range got.Promotions {
		seen[p.Release]++
	}
	if len(seen) != writers*each || len(got.Promotions) != writers*each {
		t.Errorf("%d promotions of %d releases, want %d", len(got.Promotions), len(seen), writers*each)
	}
}

func projectUnchanged(t *testing.T, b *bundle) {
	same := func(r release.Record) (release.Record, error) { return r, nil }
	if seq, err := b.j.ChangeProject(b.ctx, b.project, same); err != nil || seq != 0 {
		t.Fatal(seq, err)
	}
	if r, seq, err := b.j.Project(b.ctx, b.project); err != nil || seq != 0 || !r.Equal(release.Record{}) {
		t.Fatal(r, seq, err)
	}
	want, err := b.j.ChangeProject(b.ctx, b.project, func(r release.Record) (release.Record, error) {
		return r.Promote(release.Promotion{Release: b.id}), nil
	})
	if err != nil || want == 0 {
		t.Fatal(want, err)
	}
	if seq, err := b.j.ChangeProject(b.ctx, b.project, same); err != nil || seq != want {
		t.Errorf("sequence %d, want %d: %v", seq, want, err)
	}
	refused := errors.New("refused")
	if _, err := b.j.ChangeProject(b.ctx, b.project, func(r release.Record) (release.Record, error) {
		r.Rolling = b.id
		return r, refused
	}); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	b.eventually(t, "it can be read", func() bool {
		r, seq, err := b.j.Project(b.ctx, b.project)
		return err == nil && seq == want && r.Rolling == ""
	})
}

// projectConflict: somebody is faster in the very middle of a change.
func projectConflict(t *testing.T, b *bundle) {
	_, other := b.open(b.ctx, t)
	promote := func(j *journal.Journal, id string, meanwhile func()) error {
		_, err := j.ChangeProject(b.ctx, b.project, func(r release.Record) (release.Record, error) {
			meanwhile()
			return r.Promote(release.Promotion{Release: id}), nil
		})
		return err
	}
	tries := 0
	if err := promote(b.j, "slow", func() {
		if tries++; tries == 1 {
			if err := promote(other, "fast", func() {}); err != nil {
				t.Error(err)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	var ids []string
	if _, err := b.j.ChangeProject(b.ctx, b.project, func(r release.Record) (release.Record, error) {
		ids = nil
		for _, p := range r.Promotions {
			ids = append(ids, p.Release)
		}
		return r, nil
	}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"fast", "slow"}; !slices.Equal(ids, want) || tries < 2 {
		t.Errorf("promoted %q after %d tries, want %q", ids, tries, want)
	}
}
