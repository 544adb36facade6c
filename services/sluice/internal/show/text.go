package show

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluice-gate/sluice/pkg/story"
)

// Clock is a time in the zone of now, which is the reader's, as short as now allows.
func Clock(t, now time.Time) string {
	t = t.In(now.Location())
	switch {
	case t.Year() < 1971: // no time
		return "-"
	case t.Year() == now.Year() && t.YearDay() == now.YearDay():
		return t.Format("15:04:05")
	case t.Sub(now).Abs() < 6*24*time.Hour:
		return t.Format("Mon 15:04")
	case t.Year() == now.Year():
		return t.Format("Jan 2 15:04")
	}
	return t.Format("2006-01-02 15:04")
}

// date is a time in the zone of now, in full.
func date(t, now time.Time) string { return t.In(now.Location()).Format("2006-01-02 15:04:05 MST") }

// Short returns the beginnings of ids that tell them apart: of an id of version 7, at least the time that it begins with.
func Short(ids []string) map[string]string {
	out := make(map[string]string, len(ids))
	for _, id := range ids {
		n := len(First(id))
		for _, other := range ids {
			for other != id && n < len(id) && strings.HasPrefix(other, id[:n]) {
				n++
			}
		}
		out[id] = id[:n]
	}
	return out
}

// First is the beginning of one id, with nothing to tell it apart from.
func First(id string) string { return story.Short(id) }

// Cell is one field of a table.
type Cell struct {
	Text  string
	Style func(string) string // nil: as it is
}

// Table lines cells up. With width, the last column is cut to fit.
func Table(rows [][]Cell, width int) string {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.Text))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		used := 0
		for i, c := range row {
			text, pad := c.Text, 0
			if i < len(row)-1 {
				pad = widths[i] - utf8.RuneCountInString(text) + 2
			} else if width > 0 {
				text = Cut(text, width-used)
			}
			used += widths[i] + 2
			if c.Style != nil {
				text = c.Style(text)
			}
			b.WriteString(text)
			b.WriteString(strings.Repeat(" ", pad))
		}
		b.WriteByte('\n')
	}
	return trimLines(b.String())
}

// Cut shortens text to so many characters, but leaves enough to recognize it.
func Cut(text string, most int) string {
	most = max(most, 16)
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

// Redraw is text for a terminal, in the place of what was written there before, without flicker.
func Redraw(text string) string {
	const home, restOfLine, restOfScreen = "\x1b[H", "\x1b[K", "\x1b[J"
	return home + strings.ReplaceAll(text, "\n", restOfLine+"\n") + restOfScreen
}

func trimLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}
