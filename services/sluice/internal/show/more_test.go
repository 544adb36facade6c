package show_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/outlook"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/pkg/window"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

// staged are the commands that take a release through one stage, up to its soak.
func staged() []release.Command {
	return []release.Command{
		release.Begin{Work: release.Stage, Instance: "up-1", Timeout: time.Hour},
		release.Finish{Work: release.Stage, Value: "1.4.0-beta.0"},
		release.StartSoak{At: base().Add(10 * time.Minute)},
	}
}

func over(g release.Gate) release.Alarm {
	return release.Alarm{
		At: base().Add(48 * time.Hour), Watched: 48 * time.Hour, Instance: "up-1", Timeout: time.Hour, Before: "1.3.0", Gate: g,
	}
}

// The later stories: stages, approvals, stops, bakes, rollbacks and retries.
func laterStories(t *testing.T) map[string][]journal.Record {
	t.Helper()
	first := admit()
	first.Policy.PutBack = false
	begin := upToSoak()[1:4:4]
	plain := append(append([]release.Command{first}, begin...), staged()...)
	baking := first
	baking.Policy.Bake, baking.Policy.MaxPhase = 30*time.Minute, time.Hour
	baked := append(append([]release.Command{baking}, begin...), staged()...)
	baked = append(baked, over(release.Gate{}), release.Finish{Work: release.Promote, Value: "1.4.0"})
	stages := first
	stages.Merge.Delay, stages.Policy.MaxHold = nil, 7*24*time.Hour
	stages.Policy.Needs = []release.Need{{Project: "api", Version: "2.0.0"}}
	stages.Policy.Stages = []release.StagePolicy{{Name: "qa"}, {Name: "canary", Delay: time.Hour, Approvals: 2}, {Name: "eu"}}
	through := append(append([]release.Command{stages}, begin...), staged()...)
	through = append(append(through, over(release.Gate{})), staged()...)
	monday := base().AddDate(0, 0, 7)
	freeze := release.Gate{Stops: []release.Stop{{Kind: release.Freeze, Said: release.Said{By: "lee", Reason: "the fair"}, Until: monday}}}
	forced := ask(release.Expedite, 51, 0)
	forced.Force = true
	approve := func(seq uint64, who string) release.Request {
		r := ask(release.Approve, seq, 0)
		r.Actor, r.Reason = who, "looks good"
		return r
	}
	failed := append(plain[:len(plain):len(plain)], over(release.Gate{}), release.Fail{By: "promoter", Reason: "promote: no room"})
	back := []release.Command{ask(release.Recall, 61, 0), release.Begin{Work: release.Rollback, Instance: "up-1", Timeout: time.Hour}}
	stays := append(upToSoak(), ask(release.Cancel, 41, 0),
		release.Begin{Work: release.RestoreStaging, Instance: "up-1", Timeout: time.Hour},
		release.Finish{Work: release.RestoreStaging, Failed: true, Note: "could not be put back: no room"})
	return map[string][]journal.Record{
		"not put back": tell(t, stays...),
		"stages":       tell(t, append(through, approve(41, "ben"), over(release.Gate{}))...),
		"frozen":       tell(t, append(plain[:len(plain):len(plain)], over(freeze), forced, over(freeze))...),
		"baking":       tell(t, baked...),
		"rolled back":  tell(t, append(baked[:len(baked):len(baked)], append(back, release.Finish{Work: release.Rollback, Value: "1.3.0"})...)...),
		"not rolled back": tell(t, append(baked[:len(baked):len(baked)], append(back,
			release.Fail{By: "promoter", Instance: "up-1", Reason: "the registry refuses it"})...)...),
		"to be retried": tell(t, failed...),
		"retried":       tell(t, append(failed[:len(failed):len(failed)], ask(release.Retry, 61, 0))...),
		"too late":      tell(t, append(failed[:len(failed):len(failed)], ask(release.Cancel, 61, 0), ask(release.Retry, 63, 0))...),
	}
}

func TestLaterGolden(t *testing.T) {
	told := laterStories(t)
	golden(t, "testdata/later.txt", []string{
		"stages", "frozen", "baking", "rolled back", "not rolled back", "to be retried", "retried", "too late", "not put back",
	}, told)
}

// Every event has a sentence: the stories have each of them.
func TestEveryEventIsTold(t *testing.T) {
	seen := map[string]bool{}
	for _, told := range []map[string][]journal.Record{stories(t), laterStories(t)} {
		for _, records := range told {
			for _, r := range records {
				seen[fmt.Sprintf("%T", r.Event)] = true
				if show.RecordJSONOf(r).Text == "" {
					t.Errorf("%T is told without a word", r.Event)
				}
			}
		}
	}
	const events = 20
	if len(seen) != events {
		t.Errorf("%d of %d events are told: %v", len(seen), events, seen)
	}
}

// What a release waits for, and until when, before its soak is over.
func TestWhatIsAhead(t *testing.T) {
	records := tell(t, upToSoak()...)
	s := records[len(records)-1].State
	berlin, err := window.Zone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	night, err := window.Weekly("night", "Mon 16:00 - Tue 09:00") // of Berlin: from an hour before the due time
	if err != nil {
		t.Fatal(err)
	}
	pause := release.Stop{Kind: release.Pause, Said: release.Said{By: "lee", Reason: "the fair"}}
	now := s.SoakFrom.Add(time.Minute)
	shut := outlook.Around{Read: true, Beat: now, Windows: window.Schedule{Zone: berlin, Freeze: []window.Range{night}}}
	for name, c := range map[string]struct {
		around outlook.Around
		when   string
		why    string
		more   string
	}{
		"a window": {shut, "promotes Tue 08:00", `freeze "night"`,
			"waits for freeze \"night\", until 2026-11-24 08:00:00 UTC (Tue 09:00 Europe/Berlin)\n  promotes  2026-11-24 08:00:00 UTC\n"},
		"a pause": {outlook.Around{Read: true, Beat: now, Stops: []release.Stop{pause}}, "not before 15:37:00", "the project is paused by lee: the fair",
			"waits for the project is paused by lee: the fair\n  promotes  when that is over, not before 2026-11-23 15:37:00 UTC\n"},
		"another": {outlook.Around{Read: true, Beat: now, Unmet: "needs api@2.0.0, promoted is 1.9.0"}, "not before 15:37:00", "needs api@2.0.0, promoted is 1.9.0", "waits for needs api@2.0.0"},
	} {
		l := show.LineOf(board.Row{State: s, Around: c.around}, now)
		if l.When != c.when || l.Why != c.why || l.Warn {
			t.Errorf("%s: %q %q %t, want %q %q", name, l.When, l.Why, l.Warn, c.when, c.why)
		}
		if got := show.Details(board.Row{State: s, Around: c.around}, now, show.Style{}); !strings.Contains(got, c.more) {
			t.Errorf("%s: %q is not in\n%s", name, c.more, got)
		}
	}
	j := show.JSONOf(board.Row{State: s, Around: shut}, now)
	if want := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC); j.LeavesAt == nil || !j.LeavesAt.Equal(want) || len(j.Waits) != 1 {
		t.Errorf("%+v", j)
	}
}

// golden compares what people read of some stories with a file.
func golden(t *testing.T, file string, names []string, told map[string][]journal.Record) {
	t.Helper()
	var b strings.Builder
	zone := time.FixedZone("CET", 3600)
	for _, name := range names {
		records := told[name]
		last := records[len(records)-1]
		now := last.At.In(zone).Add(30 * time.Second)
		fmt.Fprintf(&b, "### %s\n\n", name)
		b.WriteString(show.Details(board.Row{State: last.State, Around: outlook.Around{Beat: now.Add(-5 * time.Second)}}, now, show.Style{}))
		b.WriteString(show.Timeline(records, show.Style{Zone: zone}))
		b.WriteString("\nas lines:\n")
		for _, r := range records {
			l := show.LineOf(board.Row{State: r.State, Around: outlook.Around{Beat: r.At}}, r.At.In(zone))
			fmt.Fprintf(&b, "  %-10s | %-7s | %-15s | %-9s | %s", story.Phase(r.State), l.Left, l.When, l.By, l.Why)
			if l.Warn {
				b.WriteString(" (!)")
			}
			fmt.Fprintln(&b)
		}
		b.WriteString("\n")
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || b.String() != string(want) {
		t.Errorf("not as in %s (%v); go test ./internal/show -update writes it:\n%s", file, err, b.String())
	}
}
