package find_test

import (
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/find"
	"github.com/sluice-gate/sluice/pkg/release"
)

// To try again a project stands for what failed last, to roll back for what was promoted last; and each by its other names.
func TestEnded(t *testing.T) {
	b := setup(t)
	refuses := func(find func() (find.Found, error), why string) {
		t.Helper()
		if found, err := find(); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s, %v; want %q", found.ID, err, why)
		}
	}
	failed := func(name string) func() (find.Found, error) {
		return func() (find.Found, error) { return b.f.Failed(t.Context(), name) }
	}
	promoted := func(name string) func() (find.Found, error) {
		return func() (find.Found, error) { return b.f.Promoted(t.Context(), name) }
	}
	refuses(failed("tracer"), "nothing of tracer has failed since its last promotion")
	refuses(promoted("tracer"), "nothing of tracer is promoted")
	refuses(failed("tracr"), "did you mean tracer?")
	refuses(promoted("tracer@9.9.9"), "tracer has no release of version 9.9.9")

	one := b.merge("c1", release.Fail{Reason: "no"})
	two := b.merge("c2", release.Fail{Reason: "no"})
	b.merge("c3")
	b.merge("c4", release.Request{Verb: release.Cancel, Seq: 1, Actor: "ana"})
	for _, p := range []release.Promotion{{Release: one, Version: "1.0.0"}, {Release: two, Version: "1.1.0"}} {
		if _, err := b.f.Journal.ChangeProject(t.Context(), "tracer", func(r release.Record) (release.Record, error) {
			return r.Promote(p), nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	finds := func(find func() (find.Found, error), id string) {
		t.Helper()
		if found, err := find(); err != nil || found.ID != id || found.Entry.State.Release != id {
			t.Errorf("%s, want %s: %v", found.ID, id, err)
		}
	}
	finds(failed("tracer"), two)
	finds(failed(one), one)
	finds(promoted("tracer"), two)
	finds(promoted(one), one)
	if _, err := b.f.Journal.ChangeProject(t.Context(), "tracer", func(r release.Record) (release.Record, error) {
		return r.RollBack(two, release.Said{By: "lee"}), nil
	}); err != nil {
		t.Fatal(err)
	}
	finds(promoted("tracer"), one)
}
