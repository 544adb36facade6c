package release_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/release"
)

// I14: a need is met by that version or a newer one that everybody has now.
func TestNeed(t *testing.T) {
	said := release.Said{By: "ana"}
	r := func(versions ...string) release.Record {
		var r release.Record
		for i, v := range versions {
			r = r.Promote(release.Promotion{Release: fmt.Sprint(i), Version: v})
		}
		return r
	}
	for name, c := range map[string]struct {
		need   string
		record release.Record
		met    bool
	}{
		"nothing promoted":           {"1.2.0", release.Record{}, false},
		"that version":               {"1.2.0", r("1.2.0"), true},
		"an older one":               {"1.2.0", r("1.1.9"), false},
		"a newer one":                {"1.2.0", r("1.10.0"), true},
		"a release before its end":   {"1.2.0", r("1.2.0-rc.1"), false},
		"rolled back":                {"1.2.0", r("1.1.0", "1.2.0").RollBack("1", said), false},
		"rolled back to a newer one": {"1.2.0", r("1.3.0", "1.4.0").RollBack("1", said), true},
		"no semantic version":        {"2026-11", r("2026-11"), true},
		"another such":               {"2026-11", r("2026-12"), false},
	} {
		if got := (release.Need{Project: "api", Version: c.need}).Met(c.record); got != c.met {
			t.Errorf("%s: met %t, want %t", name, got, c.met)
		}
	}
	if got := (release.Need{Project: "api", Version: "1.2.0"}).String(); got != "api@1.2.0" {
		t.Errorf("a need is written %q", got)
	}
}

// A record remembers, whatever is said to it, and never changes what it was given.
func recordProperty(t *rapid.T) {
	var r release.Record
	want := map[string]bool{} // what everybody has, or had: rolled back?
	var order []string
	for range rapid.IntRange(0, 80).Draw(t, "steps") {
		id := fmt.Sprint(rapid.IntRange(0, 60).Draw(t, "release"))
		before := fmt.Sprintf("%+v", r)
		after := r
		if _, known := want[id]; rapid.Bool().Draw(t, "back") {
			after = r.RollBack(id, release.Said{By: "ana"})
			if known {
				want[id] = true
			}
		} else if !known {
			after = r.Promote(release.Promotion{Release: id, Version: "1.0." + id})
			want[id] = false
			order = append(order, id)
			if again := after.Promote(release.Promotion{Release: id, Version: "9.9.9"}); len(again.Promotions) != len(after.Promotions) {
				t.Fatalf("%s is remembered twice", id)
			}
		}
		if now := fmt.Sprintf("%+v", r); now != before {
			t.Fatalf("the record changed from %s to %s", before, now)
		}
		r = after
	}
	if len(r.Promotions) > release.MaxPromotions {
		t.Fatalf("%d promotions", len(r.Promotions))
	}
	current := ""
	for _, id := range order[max(0, len(order)-release.MaxPromotions):] {
		if !want[id] {
			current = id
		}
		_, rolledBack := r.WasRolledBack(release.State{Version: "1.0." + id})
		if rolledBack != want[id] {
			t.Fatalf("%s was rolled back: %t, want %t", id, rolledBack, want[id])
		}
	}
	if now, ok := r.Current(); now.Release != current || ok != (current != "") {
		t.Fatalf("everybody has %q, want %q", now.Release, current)
	}
}

func TestRecordProperty(t *testing.T) { rapid.Check(t, recordProperty) }

// I15: what is older than what everybody has is overtaken; by version, or by the order of the merges.
func TestNewer(t *testing.T) {
	record := release.Record{}.Promote(release.Promotion{Release: "o", Version: "1.5.0", Order: 50})
	nightly := record.Promote(release.Promotion{Release: "n", Version: "nightly", Order: 30})
	for name, c := range map[string]struct {
		id, version string
		order       release.Order
		merged      uint64
		record      release.Record
		want        string
	}{
		"older":                      {"r", "1.4.0", release.BySemver, 60, record, "1.5.0"},
		"the same, merged before":    {"r", "1.5.0", release.BySemver, 40, record, "1.5.0"},
		"the same but for the build": {"r", "1.5.0+7", release.BySemver, 40, record, "1.5.0"},
		"the same, merged after":     {"r", "1.5.0", release.BySemver, 60, record, ""},
		"newer":                      {"r", "1.10.0", release.BySemver, 40, record, ""},
		"no semantic version":        {"r", "nightly", release.BySemver, 40, record, ""},
		"unless said otherwise":      {"r", "1.4.0", "", 60, record, "1.5.0"},
		"merged before":              {"r", "9.0.0", release.ByMerge, 40, record, "1.5.0"},
		"merged after":               {"r", "1.0.0", release.ByMerge, 60, record, ""},
		"itself":                     {"o", "1.4.0", release.ByMerge, 40, record, ""},
		"what is newer rolled back":  {"r", "1.4.0", release.BySemver, 40, record.RollBack("o", release.Said{}), ""},
		"older than what was before": {"r", "1.4.0", release.BySemver, 40, nightly, "1.5.0"},
		"nothing promoted":           {"r", "0.0.1", release.BySemver, 40, release.Record{}, ""},
	} {
		s := release.State{Release: c.id, Version: c.version, Merge: release.Merge{Seq: c.merged}, Policy: release.Policy{Order: c.order}}
		if got := c.record.Newer(s); got != c.want {
			t.Errorf("%s: overtaken by %q, want %q", name, got, c.want)
		}
	}
}

// I15: an older release that comes due after a newer one was promoted is superseded, also by force.
func TestOvertakenIsSuperseded(t *testing.T) {
	for _, force := range []bool{false, true} {
		st := soaking(t, 2*time.Hour)
		if force {
			r := st.ask(release.Expedite, "ana")
			r.Force = true
			st.answer(r, "expedited")
		}
		st.after(2 * time.Hour)
		a := st.alarm()
		a.Gate.Record = release.Record{}.Promote(release.Promotion{Release: "o", Version: "1.5.0"})
		st.do(a)
		st.in(release.Superseded)
	}
}

// I15: a version that was rolled back is held, and promoted again only by force.
func TestRolledBackVersionNeedsForce(t *testing.T) {
	st := soaking(t, 2*time.Hour)
	st.after(2 * time.Hour)
	a := st.alarm()
	a.Gate.Record = release.Record{}.Promote(release.Promotion{Release: "o", Version: "1.4.0"}).RollBack("o", release.Said{By: "watcher", At: noon()})
	st.do(a)
	st.in(release.Held)
	st.answer(st.ask(release.Expedite, "ana"), "expedited")
	a.At, a.Clean = st.now, st.now
	st.do(a)
	st.in(release.Held)
	r := st.ask(release.Expedite, "ana")
	r.Force, r.Reason = true, ""
	st.answer(r, "refused")
	r = st.ask(release.Expedite, "ana")
	r.Force = true
	st.answer(r, "expedited")
	st.do(a)
	st.in(release.Promoting)
}
