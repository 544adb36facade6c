package doctor_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/services/sluice/internal/doctor"
)

// The releases of these tests: one that soaks and occupies the lane, one that waits, one that was promoted last.
const (
	soaks   = "01970000-0000-7000-8000-000000000001"
	waits   = "01970000-0000-7000-8000-000000000002"
	last    = "01970000-0000-7000-8000-000000000003"
	over    = "01970000-0000-7000-8000-000000000004" // superseded
	unknown = "01970000-0000-7000-8000-00000000ffff"
)

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// healthy is a project with nothing to find.
func healthy() doctor.Facts {
	hourAgo := noon().Add(-time.Hour)
	state := func(id, version string, p release.Phase) journal.Entry {
		return journal.Entry{Seq: 10, At: hourAgo, State: release.State{
			Release: id, Project: "tracer", Version: version, Phase: p, PhaseAt: hourAgo, Folded: 9,
			Policy: release.Policy{Lane: "tracer", Delay: 2 * time.Hour, MaxPhase: 2 * time.Hour, MaxHold: 24 * time.Hour},
		}}
	}
	one, two, three := state(soaks, "1.5.0", release.Soaking), state(waits, "1.6.0", release.Queued), state(last, "1.4.0", release.Promoted)
	one.State.Due = noon().Add(time.Hour)
	three.State.End.At = hourAgo
	four := state(over, "1.4.1", release.Superseded)
	four.State.End.At = hourAgo
	f := doctor.Facts{
		Now: noon(), Grace: time.Minute,
		Lanes: map[string]lane.Record{"tracer": {
			Owner: soaks, Project: "tracer", Waiting: []lane.Waiting{{Release: waits, Project: "tracer"}},
		}},
		Releases: map[string]journal.Entry{soaks: one, waits: two, last: three, over: four},
		Alarms:   map[string]bool{soaks: true, waits: true},
		Merged:   []journal.Identity{{Project: "tracer", Commit: "c1", CommitRecord: releasepb.CommitRecord{Release: soaks}, At: hourAgo}},
		Versions: []journal.Taken{{Project: "tracer", Version: "1.5.0", Release: soaks, At: hourAgo}},
		Asked:    []journal.Asking{{Verb: release.Hold, Release: soaks, Actor: "ana", Seq: 9, At: hourAgo}},
		Coming:   map[string]bool{},
		Consumers: []doctor.Consumer{
			{Name: "stager", Service: "stager", Pulling: 1}, {Name: "promoter", Service: "promoter", Taken: 5, Last: noon().Add(-time.Second)},
		},
		Projects: []doctor.Project{{Name: "tracer"}},
	}
	f.Projects[0].Gate.Record.Promotions = []release.Promotion{{Release: last, Version: "1.4.0", At: hourAgo}}
	return f
}

// change changes one release of the facts.
func change(id string, do func(*release.State)) func(*doctor.Facts) {
	return func(f *doctor.Facts) {
		e := f.Releases[id]
		do(&e.State)
		f.Releases[id] = e
	}
}

func both(one, two func(*doctor.Facts)) func(*doctor.Facts) {
	return func(f *doctor.Facts) { one(f); two(f) }
}

func gone(id string) func(*doctor.Facts) {
	return func(f *doctor.Facts) { delete(f.Releases, id) }
}

func fresh(id string) func(*doctor.Facts) {
	return func(f *doctor.Facts) {
		e := f.Releases[id]
		e.At = noon().Add(-time.Second)
		f.Releases[id] = e
	}
}

func ended(p release.Phase) func(*release.State) {
	return func(s *release.State) { s.Phase, s.End.At = p, noon().Add(-time.Hour) }
}

func held(by string, system bool, since time.Duration) func(*release.State) {
	return func(s *release.State) {
		s.Phase = release.Held
		s.Held = &release.Holding{Said: release.Said{By: by, At: noon().Add(-since), Reason: "QA"}, System: system}
	}
}

func asks(a journal.Asking) func(*doctor.Facts) {
	return func(f *doctor.Facts) { f.Asked = append(f.Asked, a) }
}

func stop(s release.Stop) func(*doctor.Facts) {
	return func(f *doctor.Facts) { f.Projects[0].Gate.Stops = append(f.Projects[0].Gate.Stops, s) }
}

func noAlarm(f *doctor.Facts) { delete(f.Alarms, soaks) }

// Each case makes one thing wrong; want is the finding's subject, text, what to do and whether it is repaired.
func TestFindings(t *testing.T) {
	const retry = "decide: `sluice retry "
	early := noon().Add(-2 * time.Hour)
	ana := release.Said{By: "ana", At: noon().Add(-48 * time.Hour), Reason: "the fair"}
	for name, c := range map[string]struct {
		wrong   func(*doctor.Facts)
		subject string
		what    string
		do      string
		repair  string
	}{
		"no alarm":       {noAlarm, "tracer 1.5.0 " + soaks, "soaking, to be looked at at 13:00:00, and no alarm is set", "--repair", soaks},
		"no alarm, due":  {both(noAlarm, change(soaks, func(s *release.State) { s.Due = noon().Add(-10 * time.Minute) })), "tracer 1.5.0 " + soaks, "soaking, to be looked at 10m ago, and no alarm is set", "--repair", soaks},
		"no alarm, now":  {both(noAlarm, fresh(soaks)), "", "", "", ""},
		"alarms unknown": {func(f *doctor.Facts) { f.Alarms = nil }, "", "", "", ""},
		"no alarm is needed": {both(noAlarm, change(soaks, func(s *release.State) {
			s.Phase = release.Promoting
		})), "", "", "", ""},
		"beyond its deadline": {change(waits, func(s *release.State) { s.PhaseAt = noon().Add(-25 * time.Hour) }),
			"tracer 1.6.0 " + waits, "queued for 1d1h, 1h beyond its deadline", "--repair", waits},
		"just beyond": {change(waits, func(s *release.State) { s.PhaseAt = noon().Add(-24*time.Hour - time.Second) }), "", "", "", ""},
		"not put back": {change(over, func(s *release.State) {
			s.Policy.PutBack, s.BetaChannel.Touched = true, true
		}), "tracer 1.4.1 " + over, "superseded 1h ago, and staging or the beta channel is not put back", "--repair", over},
		"being put back": {change(over, func(s *release.State) {
			s.Policy.PutBack, s.BetaChannel.Touched = true, true
			s.Attempts = map[release.Work]release.Attempt{release.RestoreBeta: {Started: noon(), Timeout: time.Minute}}
		}), "", "", "", ""},
		"could not be put back": {change(over, func(s *release.State) {
			s.End.At = noon().Add(-30 * time.Minute)
			s.Staging = release.Channel{Touched: true, Restored: true, Failed: true, Note: "could not be put back: no room"}
		}), "tracer 1.4.1 " + over, "nobody tries again to put back what it left: restore-staging: could not be put back: no room", "by hand", ""},
		"could not be put back, before the last promotion": {change(over, func(s *release.State) {
			s.End.At = noon().Add(-2 * time.Hour)
			s.BetaChannel = release.Channel{Touched: true, Restored: true, Failed: true, Note: "no"}
		}), "", "", "", ""},
		"left to the next": {both(change(over, func(s *release.State) {
			s.Policy.PutBack, s.Staging.Touched = true, true
		}), func(f *doctor.Facts) {
			l := f.Lanes["tracer"]
			l.Left = over
			f.Lanes["tracer"] = l
		}), "", "", "", ""},
		"failed, not put back": {change(over, func(s *release.State) {
			s.Phase, s.Policy.PutBack, s.BetaChannel.Touched = release.Failed, true, true
		}), "tracer 1.4.1 " + over, "failed 1h ago, and staging or the beta channel is not put back", retry, ""},

		"the occupant has ended":  {change(soaks, ended(release.Cancelled)), "lane tracer", "occupied by tracer 1.5.0 " + soaks + ", which ended 1h ago: cancelled", "--repair", soaks},
		"the occupant ended now":  {both(change(soaks, ended(release.Cancelled)), fresh(soaks)), "", "", "", ""},
		"the occupant has failed": {change(soaks, ended(release.Failed)), "lane tracer", "which ended 1h ago: failed", retry, ""},
		"who waits has ended":     {change(waits, ended(release.Superseded)), "lane tracer", "release " + waits + " waits in it and is superseded", "--repair", waits},
		"who waits is unknown":    {gone(waits), "lane tracer", "release " + waits + " waits in it and has no journal", "publisher", ""},
		"held for long":           {change(soaks, held("ana", false, 2*time.Hour)), "lane tracer", "which is held by ana for 2h: QA", "sluice resume " + soaks, ""},
		"held for a while":        {change(soaks, held("ana", false, 10*time.Minute)), "", "", "", ""},
		"held by Sluice":          {change(soaks, held("up-1", true, 10*time.Minute)), "lane tracer", "which is held by up-1 for 10m: QA", "or sluice cancel " + soaks, ""},

		"not answered": {asks(journal.Asking{Verb: release.Cancel, Release: soaks, Actor: "lee", Seq: 90, At: early}),
			"tracer 1.5.0 " + soaks, "the cancel of lee is not answered for 2h", "promoter", soaks},
		"asked just now": {asks(journal.Asking{Verb: release.Cancel, Release: soaks, Seq: 90, At: noon()}), "", "", "", ""},
		"asked of nobody": {asks(journal.Asking{Verb: release.Cancel, Release: unknown, Seq: 90, At: early}),
			"release " + unknown, "nobody knows it, and somebody asked for its cancel 2h ago", "ask somebody which release", ""},
		"asked before its merge is admitted": {both(asks(journal.Asking{Verb: release.Cancel, Release: unknown, Seq: 90, At: early}),
			func(f *doctor.Facts) { f.Coming[unknown] = true }), "", "", "", ""},
		"a commit leads nowhere": {func(f *doctor.Facts) { f.Merged[0].Release = unknown }, "release " + unknown, "commit c1 belongs to it for 1h, and it has no journal", "sluice merge --again", ""},
		"a version leads nowhere": {func(f *doctor.Facts) { f.Versions[0].Release = unknown }, "release " + unknown,
			"version 1.5.0 belongs to it for 1h, and it has no journal", "sluice merge --again", ""},
		"a version taken now": {func(f *doctor.Facts) { f.Versions[0].Release, f.Versions[0].At = unknown, noon() }, "", "", "", ""},
		"refused": {func(f *doctor.Facts) {
			d := releasepb.DeadLetter{Reason: "commit is missing", Subject: "sluice.merge.tracer", Seq: 7}
			f.Dead = []journal.Dead{{What: "merge", Token: "tracer", DeadLetter: d, At: early}, {What: "merge", Token: "tracer", DeadLetter: d, At: early}}
		}, "dead letters merge tracer", "2 refused, the last 2h ago: commit is missing", "tell the sender", ""},

		"rolling is over":   {func(f *doctor.Facts) { f.Projects[0].Gate.Record.Rolling = last }, "release " + last, "it is promoted, and the project waits for its rollback", "--repair", last},
		"rolling":           {both(func(f *doctor.Facts) { f.Projects[0].Gate.Record.Rolling = last }, change(last, func(s *release.State) { s.Phase, s.Policy.MaxPhase = release.RollingBack, 0 })), "", "", "", ""},
		"rolling of nobody": {func(f *doctor.Facts) { f.Projects[0].Gate.Record.Rolling = unknown }, "release " + unknown, "it has no journal, and the project waits for its rollback", "ask for help", ""},
		"the last is none":  {func(f *doctor.Facts) { f.Projects[0].Gate.Record.Promotions[0].Release = unknown }, "", "", "", ""}, // two findings, below
		"the last is not promoted": {change(last, ended(release.Cancelled)), "tracer 1.4.0 " + last,
			"remembered as promoted last, and it is cancelled", "compare the channel", ""},
		"a file is wrong": {func(f *doctor.Facts) { f.Projects[0].File = errors.New("tracer.yaml:1: no\ntracer.yaml:2: no") },
			"project file", "tracer.yaml:1: no (and more)", "sluice apply -f tracer.yaml", ""},
		"a pinned file is wrong": {func(f *doctor.Facts) {
			f.Projects[0].Pinned = map[string]error{"0123456789abcdef": errors.New("no")}
		}, "project file 0123456789abcdef", "no", "cancel the releases", ""},
		"a pause is forgotten":  {stop(release.Stop{Kind: release.Pause, Said: ana}), "pause", "tracer is paused by ana since Sat 12:00: the fair", "sluice unpause tracer", ""},
		"a freeze is forgotten": {stop(release.Stop{Kind: release.Freeze, Said: ana, All: true}), "freeze", "all projects are frozen by ana", "sluice unfreeze --all", ""},
		"a freeze ends":         {stop(release.Stop{Kind: release.Freeze, Said: ana, Until: noon().Add(time.Hour)}), "", "", "", ""},

		"a service is down":   {func(f *doctor.Facts) { f.Consumers[0].Pulling, f.Consumers[0].Pending = 0, 3 }, "service stager", "nobody takes messages from consumer stager; 3 wait, 0 are in hands", "start one", ""},
		"a service has died":  {func(f *doctor.Facts) { f.Consumers[1].Last = noon().Add(-time.Hour) }, "service promoter", "5 are in hands that may be gone", "start one", ""},
		"a service is behind": {func(f *doctor.Facts) { f.Consumers[0].Pending = 5000 }, "service stager", "5000 messages wait in consumer stager", "another instance", ""},
		"nobody notifies": {func(f *doctor.Facts) { f.Unnotified, f.Projects[0].Notify = true, 2 }, "notify",
			"its file names 2 to be notified, and no gateway notifies", "section notify", ""},
		"nobody is to be notified": {func(f *doctor.Facts) { f.Unnotified = true }, "", "", "", ""},
		"somebody notifies":        {func(f *doctor.Facts) { f.Projects[0].Notify = 2 }, "", "", "", ""},
		"something is not read":    {func(f *doctor.Facts) { f.Unread = []doctor.Unread{{"which services run", errors.New("no")}} }, "sluice doctor", "can not tell which services run: no", "admin", ""},
	} {
		f := healthy()
		c.wrong(&f)
		got := doctor.Examine(f)
		if name == "the last is none" {
			if text := fmt.Sprint(got); len(got) != 2 || !strings.Contains(text, "does not know it") || !strings.Contains(text, "version 1.4.0 is remembered as promoted last, and it has no journal") {
				t.Errorf("%s: %v", name, got)
			}
			continue
		}
		if c.subject == "" {
			if len(got) != 0 {
				t.Errorf("%s: %+v", name, got)
			}
			continue
		}
		if len(got) != 1 || got[0].Subject != c.subject || !strings.Contains(got[0].What, c.what) || !strings.Contains(got[0].Do, c.do) ||
			got[0].Repair != c.repair || got[0].Means == "" {
			t.Errorf("%s: %+v, want %s: %s, %s, %q", name, got, c.subject, c.what, c.do, c.repair)
		}
	}
}

func TestNothingToFind(t *testing.T) {
	if got := doctor.Examine(healthy()); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if got := doctor.Examine(doctor.Facts{Now: noon()}); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if got := doctor.JSON(nil); got == nil || len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// A lane whose occupant has no journal is told once, and nothing of it is repaired.
func TestUnknownOccupant(t *testing.T) {
	f := healthy()
	f.Lanes["tracer"] = lane.Record{Owner: unknown, Project: "tracer"}
	got := doctor.Examine(f)
	if len(got) != 1 || got[0].Subject != "lane tracer" || got[0].Repair != "" || !strings.Contains(got[0].What, "which has no journal") {
		t.Errorf("%+v", got)
	}
}

// What failed is never looked at again by a retry, whatever is found of it.
func TestWhatFailedIsNotRepaired(t *testing.T) {
	f := healthy()
	for _, id := range []string{soaks, waits, last} {
		change(id, func(s *release.State) {
			s.Phase, s.Reached, s.End.At, s.Policy.PutBack, s.BetaChannel.Touched = release.Failed, false, noon().Add(-time.Hour), true, true
		})(&f)
		asks(journal.Asking{Verb: release.Cancel, Release: id, Seq: 99, At: noon().Add(-time.Hour)})(&f)
	}
	f.Projects[0].Gate.Record.Rolling = last
	got := doctor.Examine(f)
	if len(got) < 6 {
		t.Errorf("only %d findings: %+v", len(got), got)
	}
	for _, g := range got {
		if g.Repair != "" {
			t.Errorf("repaired: %+v", g)
		}
	}
}
