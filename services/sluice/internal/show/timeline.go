package show

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/story"
)

// tell says what a record says, in the zone of its time: the sentence, and further lines.
func tell(r journal.Record) (text string, more []string) {
	t := story.Tell(r.Record)
	more = t.Notes
	if t.Evidence != "" { // what the watcher saw, and where to look
		more = append(more, t.Evidence)
		for _, link := range judge.LinksIn(t.Evidence) {
			more = append(more, "see "+link)
		}
	}
	return t.Text.In(clockAt(r.At)), more
}

// Timeline is a journal, a line or two for each record.
func Timeline(records []journal.Record, st Style) string {
	var b strings.Builder
	last := ""
	for _, r := range records {
		if day := r.At.In(st.zone()).Format("Mon 2006-01-02 MST"); day != last {
			last = day
			b.WriteString(st.Dim(day) + "\n")
		}
		b.WriteString(Moment(r, st))
	}
	return b.String()
}

// Moment is one record of a timeline.
func Moment(r journal.Record, st Style) string {
	r.At = r.At.In(st.zone())
	text, more := tell(r)
	var b strings.Builder
	word := fmt.Sprintf("%-10s", r.Type)
	if release.Phase(r.Type) == r.State.Phase {
		word = st.Phase(r.State.Phase, word)
	}
	fmt.Fprintf(&b, "  %s  %s  %s  %s\n", r.At.Format("15:04:05.000"), word, text, st.Dim(cause(r)))
	indent := strings.Repeat(" ", 2+len("15:04:05.000")+2+10+2)
	for _, line := range more {
		fmt.Fprintf(&b, "%s%s\n", indent, line)
	}
	return b.String()
}

// Transition is one transition on one line, with further lines for notes and evidence.
func Transition(t journal.Transition, st Style) string {
	r := t.Record
	r.At = r.At.In(st.zone())
	text, more := tell(r)
	line := strings.Join([]string{
		r.At.Format("2006-01-02 15:04:05.000"), story.Title(r.State), st.Dim(First(r.State.Release)), st.Phase(r.State.Phase, r.Type), text,
		st.Dim(cause(r)),
	}, "  ") + "\n"
	for _, one := range more {
		line += "    " + one + "\n"
	}
	return line
}

// cause says which record this is, who stored it, and after what: "[#15 promoter, after #14]".
func cause(r journal.Record) string {
	after := story.Cause(r.Record)
	if after != "" {
		after = ", after " + after
	}
	return fmt.Sprintf("[#%d %s%s]", r.Seq, story.Service(r.Record), after)
}

// clockAt is Clock, at a time.
func clockAt(now time.Time) func(time.Time) string {
	return func(t time.Time) string { return Clock(t, now) }
}
