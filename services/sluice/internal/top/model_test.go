package top

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/outlook"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

var update = flag.Bool("update", false, "write the golden files") //nolint:gochecknoglobals // a flag of the tests

// begun is the broker's time of all boards here, in the zone of the reader. The clock of the machine is an hour off: it decides nothing.
func begun() time.Time { return time.Date(2026, 11, 23, 15, 0, 0, 0, time.FixedZone("CET", 3600)) }

func clock() time.Time { return begun().Add(time.Hour) }

func id(n int) string { return fmt.Sprintf("01970000-0000-7000-8000-%012d", n) }

// lanes are releases in every phase that the screen draws.
func lanes() board.Board {
	now := begun()
	soak := release.State{
		Release: id(1), Project: "tracer", Version: "1.4.0", Phase: release.Soaking, StagedAt: now.Add(-90 * time.Minute),
		SoakFrom: now.Add(-90 * time.Minute), Due: now.Add(30 * time.Minute), MergedAt: now.Add(-2 * time.Hour),
		Merge: release.Merge{Actor: "ana", Ref: "main"}, Policy: release.Policy{Delay: 2 * time.Hour, Lane: "eu", PutBack: true},
	}
	held := soak
	held.Release, held.Project, held.Phase, held.Remaining = id(2), "router", release.Held, 90*time.Minute
	held.Held = &release.Holding{Said: release.Said{By: "lee", Reason: "waiting for QA", At: now.Add(-time.Minute)}}
	queued := soak
	queued.Release, queued.Project, queued.Phase, queued.StagedAt = id(3), "zebra", release.Queued, time.Time{}
	queued.Behind = id(2)
	baking := soak
	baking.Release, baking.Project, baking.Phase, baking.PhaseAt = id(4), "api", release.Baking, now.Add(-6*time.Minute)
	baking.Policy.Bake = 30 * time.Minute
	return board.Board{
		Now: now,
		Rows: []board.Row{
			{State: baking, Around: outlook.Around{Beat: now.Add(-3 * time.Second), Doubts: []string{"latency: no data"}}},
			{State: held, Around: outlook.Around{Beat: now}}, {State: soak, Around: outlook.Around{Beat: now.Add(-3 * time.Second)}}, {State: queued},
		},
		Stopped: []board.Stopped{{Project: "zebra", Stop: release.Stop{Kind: release.Pause, Said: release.Said{By: "ana", Reason: "an incident", At: now}}}},
	}
}

// stage is a screen that a test drives.
type stage struct {
	*testing.T
	m     Model
	asked []string
	last  tea.Cmd
}

func setup(t *testing.T) *stage {
	t.Helper()
	s := &stage{T: t}
	s.m = New(func(id string, verb release.Verb, reason string) (string, error) {
		s.asked = append(s.asked, fmt.Sprintf("%s %s %q", verb, id, reason))
		if verb == release.Approve {
			return "", errors.New("approve of tracer 1.4.0 is refused: ana approved already")
		}
		return "tracer 1.4.0: cancelled by ana", nil
	}, show.Style{Zone: begun().Location()})
	return s
}

func (s *stage) send(msgs ...tea.Msg) {
	s.Helper()
	for _, msg := range msgs {
		next, cmd := s.m.Update(msg)
		s.m, s.last = next.(Model), cmd
	}
}

// press presses keys: those of one character, and named ones.
func (s *stage) press(keys ...string) {
	s.Helper()
	named := map[string]tea.KeyPressMsg{
		"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown},
		"home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd}, "backspace": {Code: tea.KeyBackspace}, "ctrl+c": {Code: 'c', Mod: tea.ModCtrl},
		"ctrl+u": {Code: 'u', Mod: tea.ModCtrl},
	}
	for _, key := range keys {
		msg, ok := named[key]
		if !ok {
			msg = tea.KeyPressMsg{Code: []rune(key)[0], Text: key}
		}
		s.send(msg)
	}
}

// types types a text.
func (s *stage) types(text string) {
	s.Helper()
	s.press(strings.Split(text, "")...)
}

// shows compares the screen with a golden file.
func (s *stage) shows(name string) {
	s.Helper()
	file := "testdata/" + name + ".txt"
	got := trim(s.m.text()) + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			s.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || got != string(want) {
		s.Errorf("not as in %s (%v); go test ./internal/top -update writes it:\n%s", file, err, got)
	}
}

func trim(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// What people see, word for word.
func TestScreens(t *testing.T) {
	s := setup(t)
	s.shows("before")
	s.send(tea.WindowSizeMsg{Width: 160, Height: 14}, boardMsg{lanes(), clock()},
		errorsMsg{id(1), []int{0, 0, 0, 1, 0, 0, 3, 0, 0, 0, 0, 0, 2, 0, 0, show.Unseen, show.Unseen, show.Unseen, show.Unseen, show.Unseen}},
		errorsMsg{id(4), []int{0, 0, 0, 0}})
	s.shows("board")
	s.send(tickMsg(clock().Add(10 * time.Minute))) // nothing is asked of the broker, and time passes all the same
	s.shows("later")
	s.press("down", "down", "c")
	s.types("login is broken")
	s.shows("reason")
	s.press("enter")
	s.shows("confirm")
	s.send(failedMsg{errors.New("no NATS server answers at nats://127.0.0.1:4222")})
	s.press("n")
	s.shows("trouble")
	s.send(tea.WindowSizeMsg{Width: 60, Height: 8})
	s.shows("small")
	s.send(boardMsg{board.Board{Now: begun()}, clock()})
	s.shows("empty")
}

// A request goes out only after a reason, or none, and a yes; and it is for the release that was chosen when the key was pressed.
func TestAsk(t *testing.T) {
	s := setup(t)
	s.send(boardMsg{lanes(), clock()})
	s.press("end", "up", "c") // tracer
	s.types("login is brokenn")
	s.press("backspace", "enter")
	if len(s.asked) != 0 || s.last != nil {
		t.Fatalf("asked without a yes: %v", s.asked)
	}
	moved := lanes()
	moved.Rows = moved.Rows[:2] // it is gone from the screen
	s.send(boardMsg{moved, clock()})
	s.press("x", "y")
	if s.m.prompt != nil || s.m.asking != "cancel of tracer 1.4.0" {
		t.Fatalf("%+v", s.m)
	}
	answer := s.last()
	if want := `cancel ` + id(1) + ` "login is broken"`; len(s.asked) != 1 || s.asked[0] != want {
		t.Fatalf("asked %v, want %s", s.asked, want)
	}
	s.send(answer)
	if s.m.said != "tracer 1.4.0: cancelled by ana" || s.m.failed || s.m.asking != "" {
		t.Errorf("%+v", s.m)
	}
	s.press("a", "enter", "y")
	s.send(s.last())
	if !s.m.failed || s.m.said != "approve of tracer 1.4.0 is refused: ana approved already" || !strings.HasSuffix(s.asked[1], ` ""`) {
		t.Errorf("%+v %v", s.m, s.asked)
	}
}

// Esc and n leave it, and nothing is asked.
func TestNothingIsAsked(t *testing.T) {
	for name, keys := range map[string][]string{
		"esc at the reason": {"e", "x", "esc"}, "esc at the question": {"e", "enter", "esc"}, "n": {"h", "enter", "n"},
		"enter is no yes": {"h", "enter", "enter", "enter"}, "q is a letter of the reason": {"r", "q", "y", "esc"},
	} {
		s := setup(t)
		s.send(boardMsg{lanes(), clock()})
		s.press(keys...)
		if len(s.asked) != 0 || s.last != nil {
			t.Errorf("%s: asked %v", name, s.asked)
		}
	}
	s := setup(t) // there is nothing to ask
	s.press("c")
	if s.m.prompt != nil {
		t.Error("a prompt without a release")
	}
}

// What is pasted is a reason, and no key, nor anything that the terminal obeys.
func TestPaste(t *testing.T) {
	s := setup(t)
	s.send(boardMsg{lanes(), clock()}, tea.PasteMsg{Content: "c"})
	if s.m.prompt != nil {
		t.Fatal("a paste is a key")
	}
	s.press("c")
	s.send(tea.PasteMsg{Content: "two\nlines\x1b[2J\x00 $(x)" + strings.Repeat("é", 2*mostReason)})
	got := string(s.m.prompt.reason)
	if !strings.HasPrefix(got, "two lines[2J $(x)éé") || len(s.m.prompt.reason) != mostReason {
		t.Errorf("%q", got)
	}
	s.press("ctrl+u")
	if len(s.m.prompt.reason) != 0 {
		t.Errorf("%q", string(s.m.prompt.reason))
	}
}

// The chosen release stays chosen when others come and go, and when it goes the one in its place is.
func TestChosen(t *testing.T) {
	s := setup(t)
	s.press("down")
	s.send(boardMsg{lanes(), clock()})
	chosen := func(want int) {
		t.Helper()
		if s.m.chosen != id(want) {
			t.Errorf("%s is chosen, want %s", s.m.chosen, id(want))
		}
	}
	chosen(4)
	s.press("up")
	chosen(4)
	s.press("j", "j")
	chosen(1)
	b := lanes()
	b.Rows = b.Rows[1:]
	s.send(boardMsg{b, clock()})
	chosen(1)
	b.Rows = append(b.Rows[:1:1], b.Rows[2:]...)
	s.send(boardMsg{b, clock()})
	chosen(3)
	s.press("G", "down")
	chosen(3)
	s.press("g")
	chosen(2)
	if len(s.m.errors) != 0 {
		t.Error("what is not shown is remembered")
	}
}

func TestLeave(t *testing.T) {
	for _, keys := range [][]string{{"q"}, {"esc"}, {"ctrl+c"}, {"c", "ctrl+c"}} {
		s := setup(t)
		s.send(boardMsg{lanes(), clock()})
		s.press(keys...)
		if s.last == nil {
			t.Fatalf("%v: it goes on", keys)
		}
		if _, ok := s.last().(tea.QuitMsg); !ok {
			t.Errorf("%v: it goes on", keys)
		}
	}
	s := setup(t)
	if s.m.Init() == nil || !s.m.View().AltScreen {
		t.Error("no clock, or not the whole screen")
	}
}

// However many releases there are, the chosen one and the keys are on the screen.
func TestManyReleases(t *testing.T) {
	s := setup(t)
	b := lanes()
	for i := range 500 {
		row := b.Rows[2]
		row.State.Release, row.State.Project = id(100+i), fmt.Sprintf("project-%d", i)
		b.Rows = append(b.Rows, row)
	}
	s.send(tea.WindowSizeMsg{Width: 120, Height: 20}, boardMsg{b, clock()})
	for _, key := range []string{"end", "up", "home"} {
		s.press(key)
		text := s.m.text()
		if n := strings.Count(text, "\n") + 1; n != 20 {
			t.Errorf("%s: %d lines", key, n)
		}
		if !strings.Contains(text, "\n> ") || !strings.Contains(text, "q leave") {
			t.Errorf("%s:\n%s", key, text)
		}
	}
}
