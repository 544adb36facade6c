package show

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/release"
)

// waitsFor says what a queued release waits for: its turn, or the occupant of its lane and whoever is ahead of it in the queue.
func waitsFor(row board.Row, now time.Time) string {
	if row.Ahead == nil { // it is about to leave the queue, or its lane did not know it yet
		if row.State.Behind == "" {
			return "its turn is next"
		}
		return "behind " + First(row.State.Behind)
	}
	o, text := row.Ahead.Occupant, "behind "
	if others := row.Ahead.Place - 1; others > 0 {
		text += fmt.Sprintf("%d waiting and ", others)
	}
	text += First(o.Release)
	if o.Held != nil {
		text += ", which " + holding(o, now)
	}
	return text
}

// holding says that a release is held, or will be as soon as it soaks: "is held by ana since 14:03:00: wait for QA".
func holding(s release.State, now time.Time) string {
	who := cmp.Or(s.Held.By, "somebody")
	if s.Phase != release.Held {
		return reason("will be held by "+who, s.Held.Reason)
	}
	return reason(fmt.Sprintf("is held by %s since %s", who, Clock(s.Held.At, now)), s.Held.Reason)
}

// Lanes is a line for each lane that several projects share: who occupies it, and who waits, in order.
func Lanes(lanes []board.Lane, now time.Time, st Style) string {
	const most = 5 // of those that wait
	var b strings.Builder
	for _, l := range lanes {
		text := "free"
		if l.Occupant.Release != "" {
			text = Title(l.Occupant) + " " + string(l.Occupant.Phase)
		}
		if l.Occupant.Held != nil {
			text = st.Yellow(Title(l.Occupant) + " " + holding(l.Occupant, now))
		}
		var then []string
		for _, s := range l.Waiting[:min(most, len(l.Waiting))] {
			then = append(then, Title(s))
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
