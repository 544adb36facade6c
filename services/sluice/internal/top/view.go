package top

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

// View is the screen.
func (m Model) View() tea.View {
	v := tea.NewView(m.text())
	v.AltScreen = true
	v.WindowTitle = "sluice top"
	return v
}

// text is the screen's text: what is stopped, the releases, and at the bottom the prompt and the keys. What does not fit is left out, the
// chosen release never.
func (m Model) text() string {
	head, foot := m.head(), m.foot()
	room := m.height - len(head) - len(foot)
	rows := strings.Split(strings.TrimSuffix(m.table(max(1, room-1)), "\n"), "\n")
	lines := slices.Concat(head, rows)
	for len(lines) < m.height-len(foot) {
		lines = append(lines, "")
	}
	return strings.Join(append(lines, foot...), "\n")
}

func (m Model) head() []string {
	if !m.seen {
		return []string{m.style.Bold("sluice top"), ""}
	}
	live := 0
	for _, row := range m.board.Rows {
		if !row.State.Phase.Ended() {
			live++
		}
	}
	out := []string{fmt.Sprintf("%s  %s, %d on their way", m.style.Bold("sluice top"), m.now().Format("15:04:05 MST"), live)}
	if m.clock.Sub(m.looked) > stale {
		out[0] += m.style.Yellow(", as it was at " + m.board.Now.Format("15:04:05"))
	}
	for _, s := range m.board.Stopped {
		out = append(out, m.style.Yellow(m.cut(show.Stopped(s.Project, s.Stop, m.now()))))
	}
	if m.board.Unread != nil {
		out = append(out, m.style.Yellow(m.cut(fmt.Sprintf("what is paused or frozen can not be told: %v", m.board.Unread))))
	}
	return append(out, "")
}

func (m Model) foot() []string {
	out := []string{""}
	switch {
	case m.prompt != nil:
		out = append(out, m.asked()...)
	case m.asking != "":
		out = append(out, m.style.Yellow(m.asking+" …"))
	case m.trouble != nil:
		out = append(out, m.style.Red(m.cut("can not look: "+m.trouble.Error())))
	case m.failed:
		out = append(out, m.style.Red(m.cut(m.said)))
	default:
		out = append(out, m.cut(m.said))
	}
	keys := "↑↓ choose  "
	for _, v := range verbs() {
		keys += v.key + " " + string(v.verb) + "  "
	}
	return append(out, m.style.Dim(m.cut(keys+"q leave")))
}

// asked is what somebody is asked.
func (m Model) asked() []string {
	p := m.prompt
	will := m.cut(story.Will(p.verb, p.state, false, m.now()))
	reason := string(p.reason)
	if !p.confirm {
		return []string{m.style.Yellow(will), m.tail(string(p.verb) + ", why? " + reason + "█"), m.style.Dim("Enter goes on, Esc leaves it")}
	}
	if reason = strings.TrimSpace(reason); reason == "" {
		reason = "no reason"
	}
	return []string{
		m.style.Yellow(will), m.cut(string(p.verb) + ", because: " + reason), m.style.Bold("do it? y, or n"),
	}
}

// stale is from when on what is on the screen is told to be old.
const stale = 3 * unheard

// cut is a line that fits.
func (m Model) cut(text string) string { return show.Cut(text, m.width) }

// tail is the end of a line that is being written.
func (m Model) tail(text string) string {
	if runes := []rune(text); len(runes) > m.width {
		return "…" + string(runes[len(runes)-m.width+1:])
	}
	return text
}

// Wide is from when on bars are long.
const wide = 120

// bars is how many characters a bar and the errors have.
func (m Model) bars() int {
	if m.width < wide {
		return 10
	}
	return 20
}

// table is the releases, no more of them than there is room for.
func (m Model) table(room int) string {
	if len(m.board.Rows) == 0 {
		if !m.seen {
			return "looking …"
		}
		return "nothing is on its way"
	}
	from := max(0, min(m.at()-room/2, len(m.board.Rows)-room))
	rows := [][]show.Cell{{}}
	for _, name := range []string{"  PROJECT", "VERSION", "PHASE", "LEFT", "SOAK", "ERRORS", "VERDICT", "WHEN", "BY", "WHY"} {
		rows[0] = append(rows[0], show.Cell{Text: name, Style: m.style.Dim})
	}
	for i := from; i < min(from+room, len(m.board.Rows)); i++ {
		rows = append(rows, m.row(m.board.Rows[i]))
	}
	return show.Table(rows, m.width)
}

func (m Model) row(row board.Row) []show.Cell {
	s, now := row.State, m.now()
	line := show.LineOf(row, now)
	name := show.Cell{Text: "  " + s.Project}
	if s.Release == m.chosen {
		name = show.Cell{Text: "> " + s.Project, Style: m.style.Bold}
	}
	why := show.Cell{Text: line.Why}
	if line.Warn {
		why.Style = m.style.Yellow
	}
	verdict := show.VerdictOf(row)
	version := s.Version
	if version == "" {
		version = "?"
	}
	return []show.Cell{
		name, {Text: version},
		{Text: story.Phase(s), Style: func(text string) string { return m.style.Phase(s.Phase, text) }},
		{Text: line.Left}, {Text: bar(elapsed(s, now), m.bars())}, m.spark(s.Release),
		{Text: string(verdict), Style: func(text string) string { return m.style.Word(verdict, text) }},
		{Text: line.When}, {Text: line.By}, why,
	}
}

// spark draws the errors of a release, red when there are any.
func (m Model) spark(id string) show.Cell {
	counts := m.errors[id]
	if len(counts) > m.bars() {
		counts = halved(counts)
	}
	cell := show.Cell{Text: show.ErrorSpark(counts), Style: m.style.Green}
	if slices.ContainsFunc(counts, func(n int) bool { return n > 0 }) {
		cell.Style = m.style.Red
	}
	if len(counts) > 0 { // trailing blanks are what is to come
		cell.Text += strings.Repeat(" ", max(0, m.bars()-utf8.RuneCountInString(cell.Text)))
	}
	return cell
}

// halved is the same errors in half as many parts.
func halved(counts []int) []int {
	var out []int
	for pair := range slices.Chunk(counts, 2) {
		n := show.Unseen
		for _, one := range pair {
			switch {
			case one == show.Unseen:
			case n == show.Unseen:
				n = one
			default:
				n += one
			}
		}
		out = append(out, n)
	}
	return out
}

// elapsed is how much of its soak, or its bake, a release has behind it, from 0 to 1; negative for a release that has neither.
func elapsed(s release.State, now time.Time) float64 {
	var done, all time.Duration
	switch s.Phase { //nolint:exhaustive // the others have no clock
	case release.Soaking:
		done, all = now.Sub(s.SoakFrom), s.Due.Sub(s.SoakFrom)
	case release.Held:
		all = s.Delay() + s.Extra
		done = all - s.Remaining
	case release.Baking:
		done, all = now.Sub(s.PhaseAt), s.Policy.Bake
	default:
		return -1
	}
	if all <= 0 {
		return 1
	}
	return max(0, min(1, done.Seconds()/all.Seconds()))
}

// bar fills from the left.
func bar(part float64, width int) string {
	if part < 0 {
		return ""
	}
	full := int(part * float64(width))
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}
