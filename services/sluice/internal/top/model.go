// Package top is the live screen of `sluice top`: every release on its way, with what is left of its soak and what failed, and keys that
// stop or hasten it.
//
// The [Model] is pure: messages come in, the next model and a screen come out, and it asks no clock and no broker; so tests need no
// terminal. What it shows is fed by one follower ([feed]), which looks at the board when a record was stored, and now and then, as
// `sluice status --watch` does. A request goes out only after somebody gave a reason, or none, and said yes to what will happen; it is
// for the release that was chosen when the key was pressed, whatever moves on the screen meanwhile.
package top

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

// The messages that come in beside those of the terminal.
type (
	// boardMsg is what was seen, and when, by the clock of this machine.
	boardMsg struct {
		board board.Board
		at    time.Time
	}
	// failedMsg is why nothing was seen.
	failedMsg struct{ err error }
	// errorsMsg is how many looks of a release failed, over time.
	errorsMsg struct {
		id     string
		counts []int
	}
	// answerMsg is what became of a request.
	answerMsg struct {
		text string
		err  error
	}
	// tickMsg is the time, by the clock of this machine.
	tickMsg time.Time
)

// Ask asks something of a release, and answers in a line.
type Ask func(id string, verb release.Verb, reason string) (string, error)

// Model is what is on the screen.
type Model struct {
	ask   Ask
	style show.Style

	width, height int
	board         board.Board
	looked        time.Time // when the board was seen, by the clock of this machine
	clock         time.Time // the same clock, now
	seen          bool
	trouble       error // why nothing was seen lately
	errors        map[string][]int

	chosen string // the id of the release that the keys are for
	prompt *prompt
	asking string // the request that is not answered yet
	said   string // the last answer
	failed bool   // it was an error
}

// prompt is a request that somebody is about to make.
type prompt struct {
	verb    release.Verb
	state   release.State // of the release when the key was pressed
	reason  []rune
	confirm bool // the reason is given
}

// New is a screen before anything is seen.
func New(ask Ask, style show.Style) Model {
	return Model{ask: ask, style: style, width: defaultWidth, height: defaultHeight, errors: map[string][]int{}}
}

// What a terminal has that does not say.
const (
	defaultWidth  = 80
	defaultHeight = 24
)

// Init starts the clock.
func (m Model) Init() tea.Cmd { return tick() }

func tick() tea.Cmd { return tea.Tick(time.Second, func(t time.Time) tea.Msg { return tickMsg(t) }) }

// Update takes a message in.
func (m Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		if msg.Width > 0 && msg.Height > 0 {
			m.width, m.height = msg.Width, msg.Height
		}
	case tickMsg:
		m.clock = time.Time(msg)
		return m, tick()
	case boardMsg:
		return m.see(msg), nil
	case failedMsg:
		m.trouble = msg.err
	case errorsMsg:
		m.errors = maps.Clone(m.errors)
		m.errors[msg.id] = msg.counts
	case answerMsg:
		m.asking, m.said, m.failed = "", msg.text, msg.err != nil
		if msg.err != nil {
			m.said = msg.err.Error()
		}
	case tea.PasteMsg:
		if m.prompt != nil && !m.prompt.confirm {
			m.prompt = m.prompt.typed(msg.Content)
		}
	case tea.KeyPressMsg:
		return m.key(msg)
	}
	return m, nil
}

// see takes a board in, and keeps what was chosen.
func (m Model) see(msg boardMsg) Model {
	at := m.at()
	m.board, m.looked, m.seen, m.trouble = msg.board, msg.at, true, nil
	if m.clock.Before(msg.at) {
		m.clock = msg.at
	}
	rows := m.board.Rows
	m.errors = maps.Clone(m.errors)
	for id := range m.errors {
		if !slices.ContainsFunc(rows, func(r board.Row) bool { return r.State.Release == id }) {
			delete(m.errors, id)
		}
	}
	if m.at() < 0 && len(rows) > 0 { // it is gone, or nothing was chosen yet
		m.chosen = rows[max(0, min(at, len(rows)-1))].State.Release
	}
	return m
}

// now is the broker's time, in the zone of this machine.
func (m Model) now() time.Time { return m.board.Now.Add(max(0, m.clock.Sub(m.looked))) }

// at is the index of the row that is chosen; -1 for none.
func (m Model) at() int {
	return slices.IndexFunc(m.board.Rows, func(r board.Row) bool { return r.State.Release == m.chosen })
}

// verbs are the requests, by their key.
func verbs() []struct {
	key  string
	verb release.Verb
} {
	return []struct {
		key  string
		verb release.Verb
	}{
		{"c", release.Cancel}, {"h", release.Hold}, {"r", release.Resume}, {"e", release.Expedite}, {"a", release.Approve},
	}
}

func (m Model) key(msg tea.KeyPressMsg) (tea.Model, tea.Cmd) {
	if msg.String() == "ctrl+c" {
		return m, tea.Quit
	}
	if m.prompt != nil {
		return m.promptKey(msg)
	}
	at, last := m.at(), len(m.board.Rows)-1
	switch msg.String() {
	case "q", "esc":
		return m, tea.Quit
	case "up", "k":
		return m.choose(at - 1), nil
	case "down", "j":
		return m.choose(at + 1), nil
	case "home", "g":
		return m.choose(0), nil
	case "end", "G":
		return m.choose(last), nil
	}
	for _, v := range verbs() {
		if msg.String() == v.key && at >= 0 {
			m.said, m.failed = "", false
			m.prompt = &prompt{verb: v.verb, state: m.board.Rows[at].State}
		}
	}
	return m, nil
}

// choose is the screen with another row chosen, the first or the last when there is none there.
func (m Model) choose(i int) Model {
	if rows := m.board.Rows; len(rows) > 0 {
		m.chosen = rows[max(0, min(i, len(rows)-1))].State.Release
	}
	return m
}

// promptKey is a key while a reason is given, or confirmed.
func (m Model) promptKey(msg tea.KeyPressMsg) (tea.Model, tea.Cmd) {
	p := *m.prompt
	switch key := msg.String(); {
	case key == "esc", p.confirm && (key == "n" || key == "N"):
		m.prompt, m.said = nil, "nothing was asked"
		return m, nil
	case p.confirm && (key == "y" || key == "Y"):
		m.prompt, m.asking = nil, string(p.verb)+" of "+story.Title(p.state)
		ask, reason := m.ask, strings.TrimSpace(string(p.reason))
		return m, func() tea.Msg {
			text, err := ask(p.state.Release, p.verb, reason)
			return answerMsg{text, err}
		}
	case p.confirm:
		return m, nil
	case key == "enter":
		p.confirm = true
	case key == "backspace":
		p.reason = p.reason[:max(0, len(p.reason)-1)]
	case key == "ctrl+u":
		p.reason = nil
	default:
		m.prompt = p.typed(msg.Text)
		return m, nil
	}
	m.prompt = &p
	return m, nil
}

// mostReason bounds a reason, in characters.
const mostReason = 1000

// typed is the prompt with more of the reason. It has no control characters: they would be the terminal's.
func (p prompt) typed(text string) *prompt {
	reason := slices.Clone(p.reason)
	for _, r := range text {
		switch {
		case len(reason) == mostReason:
		case r == '\n' || r == '\t':
			reason = append(reason, ' ')
		case unicode.IsPrint(r):
			reason = append(reason, r)
		}
	}
	p.reason = reason
	return &p
}
