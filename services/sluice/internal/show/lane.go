package show

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/story"
)

// waitsFor says what a queued release waits for.
func waitsFor(row board.Row) story.Text {
	if row.Ahead == nil {
		return story.Behind(row.State, 0, release.State{})
	}
	return story.Behind(row.State, row.Ahead.Place, row.Ahead.Occupant)
}

// Lanes is a line for each lane that several projects share: who occupies it, and who waits, in order.
func Lanes(lanes []board.Lane, now time.Time, st Style) string {
	const most = 5 // of those that wait
	var b strings.Builder
	for _, l := range lanes {
		text := "free"
		if l.Occupant.Release != "" {
			text = story.Title(l.Occupant) + " " + string(l.Occupant.Phase)
		}
		if l.Occupant.Held != nil {
			text = st.Yellow(story.Title(l.Occupant) + " " + story.Holding(l.Occupant).In(clockAt(now)))
		}
		var then []string
		for _, s := range l.Waiting[:min(most, len(l.Waiting))] {
			then = append(then, story.Title(s))
		}
		if more := len(l.Waiting) - most; more > 0 {
			then = append(then, fmt.Sprintf("%d more", more))
		}
		if len(then) > 0 {
			text += "; then " + strings.Join(then, ", ")
		}
		fmt.Fprintf(&b, "lane %s: %s\n", l.Name, text)
	}
	return b.String()
}
