package notice

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

const id = "0195573c-5000-7000-8000-000000000000"

func now() time.Time { return time.Date(2026, time.March, 2, 15, 0, 0, 0, time.UTC) }

// with is the state after an event.
func with(phase release.Phase, change func(*release.State)) release.State {
	s := release.State{
		Release: id, Project: "tracer", Version: "1.4.0", Beta: "1.4.0-beta.1", Phase: phase, PhaseAt: now(),
		Merge:  release.Merge{Commit: "c0ffee", Actor: "ana", URL: "https://git.example.com/c0ffee"},
		Policy: release.Policy{MaxHold: 168 * time.Hour, MaxPhase: time.Hour},
	}
	if change != nil {
		change(&s)
	}
	return s
}

// every is every event that something is told of, and some of which nothing is.
func every() []Record {
	berlin := release.Said{By: "ana", At: now(), Reason: "login is broken"}
	var out []Record
	add := func(s release.State, e release.Event) {
		out = append(out, Record{
			Record: releasepb.Record{Event: e, Type: e.Name(), State: s}, At: now(), Attention: release.Attention(e),
		})
	}
	due := now().Add(2 * time.Hour)
	add(with(release.Merged, nil), release.WasMerged{})
	add(with(release.Soaking, func(s *release.State) { s.Due = due }), release.WasSoaked{Due: due})
	add(with(release.Soaking, func(s *release.State) {
		s.Due, s.Policy.Approvals = now(), 2
		s.Postponed = &release.Postponement{Obstacle: release.Obstacle{Kind: release.ByApproval, Why: "0 of 2 approvals"}, Since: now()}
	}), release.WasPostponed{Obstacle: release.Obstacle{Kind: release.ByApproval, Why: "0 of 2 approvals"}})
	closed := release.Obstacle{Kind: release.ByWindow, Why: "outside the windows", Until: now().Add(18 * time.Hour)}
	add(with(release.Soaking, func(s *release.State) { s.Postponed = &release.Postponement{Obstacle: closed, Since: now()} }), release.WasPostponed{Obstacle: closed})
	unwatched := release.Holding{Said: release.Said{By: "sluice", At: now(), Reason: "nobody watched it"}, System: true}
	add(with(release.Held, func(s *release.State) { s.Held = &unwatched }), release.WasHeld{Holding: unwatched})
	held := release.Holding{Said: release.Said{By: "ben", At: now(), Reason: "waiting for QA"}}
	add(with(release.Held, func(s *release.State) { s.Held = &held }), release.WasHeld{Holding: held})
	add(with(release.Cancelled, func(s *release.State) { s.Evidence = `{"check":"errors","count":5}` }),
		release.WasCancelled{Said: release.Said{By: "watcher", Reason: "errors: 5, allowed are 0"}})
	add(with(release.Failed, func(s *release.State) { s.FailedIn, s.Reached = release.Promoting, true }),
		release.WasFailed{Said: release.Said{Reason: "the registry answers 403"}})
	add(with(release.Promoted, nil), release.WasDone{Work: release.Promote})
	add(with(release.Baking, func(s *release.State) { s.Policy.Bake, s.Expedited = 30*time.Minute, &berlin }), release.WasBaking{})
	add(with(release.Promoted, func(s *release.State) { s.Policy.Bake = 30 * time.Minute }), release.WasDone{Work: release.Promote})
	add(with(release.RolledBack, func(s *release.State) { s.Recalled, s.Latest.Before = &berlin, "1.3.9" }), release.WasDone{Work: release.Rollback})
	add(with(release.Promoted, nil), release.WasNotRolledBack{Said: release.Said{Reason: "the registry answers 403"}})
	add(with(release.Cancelled, nil), release.WasDone{Work: release.RestoreStaging, Failed: true, Note: "./restore exits with 1"})
	add(with(release.Superseded, nil), release.WasSuperseded{Newer: id})
	add(with(release.Promoted, nil), release.WasRefused{Verb: release.Cancel, Said: release.Said{By: "ana", Reason: "too late: it is promoted"}})
	out = append(out, Record{ // a newer version's
		Record: releasepb.Record{Type: "melted", State: with(release.Held, nil)}, At: now(), Attention: "melted: the reactor is hot",
	})
	return out
}

// TestTexts holds what people read, of every event, to testdata/texts.txt.
func TestTexts(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	group := Message{Zone: berlin, More: 2}
	for _, r := range every() {
		n, ok := Of(r, "https://sluice.example.com")
		if !ok {
			got.WriteString("# " + r.Type + ": nothing is told\n\n")
			continue
		}
		attention := ""
		if n.Attention {
			attention = ", attention"
		}
		got.WriteString("# " + r.Type + ": " + string(n.Event) + attention + "\n" + Text(Message{Notices: []project.Notice{n}, Zone: berlin}) + "\n\n")
		if len(group.Notices) < 3 {
			group.Notices = append(group.Notices, n)
		}
	}
	got.WriteString("# a group\n" + Text(group) + "\n")
	file := filepath.Join("testdata", "texts.txt")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s: -want +got (UPDATE=1 writes it anew)\n%s", file, diff)
	}
}

// TestEverythingIsTold: every word of `on` has an event.
func TestEverythingIsTold(t *testing.T) {
	told := map[project.Tell]bool{}
	for _, r := range every() {
		if n, ok := Of(r, ""); ok {
			told[n.Event] = true
			if project.Wants([]project.Tell{project.TellAttention}, n) != (r.Attention != "") {
				t.Errorf("%s: attention is %t", r.Type, n.Attention)
			}
		}
	}
	for _, word := range project.Tells() {
		if !told[word] {
			t.Errorf("nothing is %s", word)
		}
	}
}

// TestHostile: whatever somebody wrote, each target gets valid JSON within its bounds, in which nobody is mentioned.
func TestHostile(t *testing.T) {
	for _, text := range []string{
		"<!channel> <@U1> <https://evil.example|click>", "@everyone @here <@1> [x](https://evil.example)", "\x00\xff\u202e\r\n\r\nBcc: x",
		strings.Repeat("<", 10<<20), strings.Repeat("`*_~", 1<<20), "{{.Commands}} $(id) `id`",
	} {
		s := with(release.Failed, func(s *release.State) { s.Merge.Actor, s.Merge.URL, s.Evidence, s.Version = text, text, text, text })
		n, ok := Of(Record{Record: releasepb.Record{Event: release.WasFailed{Said: release.Said{By: text, Reason: text}}, State: s}, At: now(), Attention: text}, "")
		if !ok {
			t.Fatal("nothing is told")
		}
		m := Message{Notices: []project.Notice{n}, Zone: time.UTC, Key: "k"}
		for name, body := range map[string]func() ([]byte, error){
			"slack": func() ([]byte, error) { return Slack(m, true) }, "teams": func() ([]byte, error) { return Teams(m) },
			"discord": func() ([]byte, error) { return Discord(m) }, "json": func() ([]byte, error) { return JSON(m) },
		} {
			data, err := body()
			if err != nil || !json.Valid(data) || len(data) > 40<<10 {
				t.Errorf("%s: %d bytes, %v", name, len(data), err)
			}
			if name == "slack" {
				var out slackMessage
				if err := json.Unmarshal(data, &out); err != nil {
					t.Fatal(err)
				}
				for _, b := range out.Blocks {
					if b.Text != nil && (strings.ContainsAny(b.Text.Text, "<>") || len([]rune(b.Text.Text)) > slackText) {
						t.Errorf("slack: %d characters: %.200s", len(b.Text.Text), b.Text.Text)
					}
				}
				if strings.ContainsAny(out.Text, "<>") {
					t.Errorf("slack: %.200s", out.Text)
				}
			}
		}
		mail, err := Mail(m, project.Email{From: "a@b.c", To: []string{"d@e.f"}}, now())
		head, _, found := strings.Cut(string(mail), "\r\n\r\n")
		if err != nil || !found || strings.Contains(head, "\nBcc") || strings.Count(head, "Subject:") != 1 {
			t.Errorf("%v: %.500s", err, mail)
		}
		for line := range strings.SplitSeq(string(mail), "\r\n") {
			if len(line) > 998 {
				t.Errorf("a line of the mail has %d bytes", len(line))
			}
		}
		if text := Text(m); strings.Count(text, "\n") > 12 || len(text) > 8<<10 {
			t.Errorf("%d lines, %d bytes", strings.Count(text, "\n"), len(text))
		}
	}
}

// TestActs: what people are told to type is taken as it stands, but for the name: the dashboard shows the same.
func TestActs(t *testing.T) {
	for _, v := range release.Verbs() {
		said := strings.SplitN(Act(v, id).NATS, " ", 5)
		s, err := topology.ParseSubject(said[3])
		if err != nil || s.Verb != string(v) || s.Release != id || s.Actor == "" && !v.Stops() {
			t.Errorf("%s: %q, %v", v, said, err)
		}
		r := releasepb.DecodeRequest(v, s.Actor, 1, now(), []byte(strings.Trim(said[4], `"`)))
		if r.Invalid != "" || r.Reason != "WHY" {
			t.Errorf("%s: %q is taken for %+v", v, said, r)
		}
	}
}
