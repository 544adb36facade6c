package outlook_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/outlook"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/window"
)

// noon is a Saturday's.
func noon() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

func soaking(change func(*release.State)) release.State {
	s := release.State{
		Release: "01970000-0000-7000-8000-000000000001", Project: "tracer", Phase: release.Soaking, Due: noon().Add(time.Hour),
		Policy: release.Policy{Delay: time.Hour},
	}
	change(&s)
	return s
}

func weekend(t *testing.T) window.Schedule {
	t.Helper()
	berlin, err := window.Zone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	r, err := window.Weekly("weekend", "Fri 16:00 - Mon 09:00")
	if err != nil {
		t.Fatal(err)
	}
	return window.Schedule{Zone: berlin, Freeze: []window.Range{r}}
}

func TestOutlook(t *testing.T) {
	monday := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC) // nine o'clock in Berlin
	due := noon().Add(time.Hour)
	lee := release.Said{By: "lee", Reason: "the fair"}
	pause := release.Stop{Kind: release.Pause, Said: lee}
	freeze := release.Stop{Kind: release.Freeze, Said: lee, From: noon(), Until: monday.Add(3 * time.Hour)}
	past := release.Stop{Kind: release.Freeze, Said: lee, Until: due}
	ahead := release.Stop{Kind: release.Freeze, Said: lee, From: due.Add(time.Minute)}
	needs := func(n int) func(*release.State) { return func(s *release.State) { s.Policy.Approvals = n } }
	none := func(*release.State) {}
	for name, c := range map[string]struct {
		change func(*release.State)
		around outlook.Around
		at     time.Time
		waits  string
		open   bool
	}{
		"nothing in the way":     {none, outlook.Around{}, due, "", false},
		"overdue":                {func(s *release.State) { s.Due = noon().Add(-time.Hour) }, outlook.Around{}, noon(), "", false},
		"expedited":              {func(s *release.State) { s.Expedited = &lee }, outlook.Around{}, noon(), "", false},
		"the weekend":            {none, outlook.Around{Windows: weekend(t)}, monday, `freeze "weekend"`, false},
		"forced":                 {func(s *release.State) { s.Forced = true }, outlook.Around{Windows: weekend(t)}, due, "", false},
		"a freeze of somebody":   {none, outlook.Around{Stops: []release.Stop{freeze}}, freeze.Until, "the project is frozen by lee: the fair", false},
		"the weekend, then that": {none, outlook.Around{Stops: []release.Stop{{Kind: release.Freeze, Said: lee, From: monday, Until: freeze.Until}}, Windows: weekend(t)}, freeze.Until, `freeze "weekend"; the project is frozen by lee: the fair`, false},
		"a freeze that is over":  {none, outlook.Around{Stops: []release.Stop{past}}, due, "", false},
		"a freeze later on":      {none, outlook.Around{Stops: []release.Stop{ahead}}, due, "", false},
		"a pause":                {none, outlook.Around{Stops: []release.Stop{pause}, Windows: weekend(t)}, due, "the project is paused by lee: the fair", true},
		"an approval":            {needs(2), outlook.Around{Windows: weekend(t)}, monday, `0 of 2 approvals; freeze "weekend"`, true},
		"another project":        {none, outlook.Around{Unmet: "needs api@2.0.0, promoted is 1.9.0"}, due, "needs api@2.0.0, promoted is 1.9.0", true},
		"on the way to a stage":  {func(s *release.State) { s.Policy.Stages = make([]release.StagePolicy, 2) }, outlook.Around{Stops: []release.Stop{pause}}, due, "", false},
		"a stage and approvals": {func(s *release.State) {
			s.Policy.Stages = []release.StagePolicy{{Name: "a", Approvals: 1}, {Name: "b"}}
		}, outlook.Around{}, due, "0 of 1 approvals", true},
		"not soaking": {func(s *release.State) { s.Phase = release.Held }, outlook.Around{Stops: []release.Stop{pause}}, time.Time{}, "", false},
	} {
		c.around.Read = true
		o := outlook.Of(soaking(c.change), c.around, noon())
		var waits []string
		for _, w := range o.Waits {
			waits = append(waits, w.Why)
		}
		if got := strings.Join(waits, "; "); !o.At.Equal(c.at) || got != c.waits || o.Open != c.open {
			t.Errorf("%s: %s %q %t, want %s %q %t", name, o.At, got, o.Open, c.at, c.waits, c.open)
		}
	}
}

// Where nothing was read, the journal's own word on what a release waits for stands.
func TestOutlookOfTheJournal(t *testing.T) {
	until := noon().Add(48 * time.Hour)
	s := soaking(func(s *release.State) {
		s.Due = noon().Add(-time.Hour)
		s.Postponed = &release.Postponement{Obstacle: release.Obstacle{Kind: release.ByWindow, Why: "outside the windows", Until: until}}
	})
	if o := outlook.Of(s, outlook.Around{}, noon()); !o.At.Equal(until) || len(o.Waits) != 1 || o.Open {
		t.Errorf("%+v", o)
	}
}

// What was said of the release since it was postponed counts at once.
func TestPostponed(t *testing.T) {
	postponed := func(kind release.Obstructing, change func(*release.State)) release.State {
		return soaking(func(s *release.State) {
			s.Postponed = &release.Postponement{Obstacle: release.Obstacle{Kind: kind, Why: "as it was"}}
			s.Policy.Approvals = 2
			change(s)
		})
	}
	approved := func(n int) func(*release.State) {
		return func(s *release.State) { s.Approved = make([]release.Said, n) }
	}
	forced := func(s *release.State) { s.Forced = true }
	for name, c := range map[string]struct {
		state release.State
		want  string
	}{
		"not postponed":        {soaking(forced), ""},
		"approved by one":      {postponed(release.ByApproval, approved(1)), "1 of 2 approvals"},
		"approved":             {postponed(release.ByApproval, approved(2)), ""},
		"a window":             {postponed(release.ByWindow, approved(0)), "as it was"},
		"a window, forced":     {postponed(release.ByWindow, forced), ""},
		"a freeze, forced":     {postponed(release.ByFreeze, forced), ""},
		"a pause, forced":      {postponed(release.ByPause, forced), "as it was"},
		"another, forced":      {postponed(release.ByNeed, forced), "as it was"},
		"a rollback, approved": {postponed(release.ByRollback, approved(2)), "as it was"},
	} {
		o, waits := outlook.Postponed(c.state)
		if waits != (c.want != "") || waits && o.Why != c.want {
			t.Errorf("%s: %q %t, want %q", name, o.Why, waits, c.want)
		}
	}
}

// A schedule that changes for ever is looked at so often and no more.
func TestOutlookEnds(t *testing.T) {
	var stops []release.Stop
	for i := range 100 {
		from := noon().Add(time.Hour + time.Duration(i)*time.Minute)
		stops = append(stops, release.Stop{Kind: release.Freeze, From: from, Until: from.Add(time.Minute)})
	}
	if o := outlook.Of(soaking(func(*release.State) {}), outlook.Around{Read: true, Stops: stops}, noon()); len(o.Waits) != 32 || !o.Open {
		t.Errorf("%d waits, %t", len(o.Waits), o.Open)
	}
}
