package notice

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// TestSlackGroup: every release of a group has its buttons once, those of its newest notice, as far as Slack takes them; the rest has a link.
func TestSlackGroup(t *testing.T) {
	about := func(n int, phase release.Phase, e release.Event, at time.Time) project.Notice {
		s := with(phase, func(s *release.State) {
			s.Release = fmt.Sprintf("0195573c-5000-7000-8000-%012d", n)
			s.Version = fmt.Sprintf("<1.%d.0>", n)
		})
		told, ok := Of(Record{Record: releasepb.Record{Event: e, State: s}, At: at}, "https://sluice.example.com")
		if !ok {
			t.Fatalf("%T is not told", e)
		}
		return told
	}
	for _, c := range []struct{ releases, more, rows, blocks, links int }{{2, 0, 2, 6, 0}, {23, 0, 23, 48, 0}, {24, 0, 23, 49, 1}, {49, 0, 23, 49, 24}, {30, 3, 23, 49, 7}, {1, 1, 1, 5, 0}} {
		m := Message{Zone: time.UTC, More: c.more}
		// of the first one two things are told, and the older one last
		m.Notices = append(m.Notices, about(0, release.Held, release.WasHeld{Holding: release.Holding{Said: release.Said{By: "ben"}}}, now().Add(time.Minute)))
		m.Notices = append(m.Notices, about(0, release.Soaking, release.WasSoaked{}, now()))
		for n := 1; n < c.releases; n++ {
			m.Notices = append(m.Notices, about(n, release.Soaking, release.WasSoaked{}, now()))
		}
		data, err := Slack(m, true)
		var out slackMessage
		if err != nil || json.Unmarshal(data, &out) != nil || len(data) > 100<<10 {
			t.Fatalf("%d bytes: %v", len(data), err)
		}
		rows, of, all := 0, map[string]bool{}, ""
		for i, b := range out.Blocks {
			if b.Text != nil {
				if len([]rune(b.Text.Text)) > slackText || strings.HasSuffix(b.Text.Text, "…") {
					t.Errorf("a text is cut: %s", b.Text.Text)
				}
				all += b.Text.Text + "\n"
			}
			if b.Type != "actions" {
				continue
			}
			rows++
			id := b.Elements[0].Value
			if of[id] || out.Blocks[i-1].Text == nil || !strings.Contains(out.Blocks[i-1].Text.Text, id) {
				t.Errorf("the buttons of %s are not below it, or there twice", id)
			}
			of[id] = true
		}
		if rows != c.rows || len(out.Blocks) != c.blocks || strings.Count(all, "|open>") != c.links {
			t.Errorf("%d releases: %d rows of %d, %d blocks of %d, %d links of %d", c.releases, rows, c.rows, len(out.Blocks), c.blocks, strings.Count(all, "|open>"), c.links)
		}
		if first := out.Blocks[2]; first.Type != "actions" || first.Elements[0].ActionID != SlackAction+"resume" {
			t.Errorf("the first release is held, and its buttons are %+v", first.Elements)
		}
		if strings.Contains(all, "<1.") || c.more > 0 && !strings.Contains(all, fmt.Sprintf("and %d more", c.more)) || strings.Count(all, "|") != c.links {
			t.Errorf("it reads\n%s", all)
		}
		without, err := Slack(m, false)
		if err != nil || strings.Contains(string(without), `"actions"`) {
			t.Errorf("buttons that nobody answers: %v", err)
		}
	}
}
