package show

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/mask"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/story"
)

// PrintedJSON is what the drivers of a release printed, for programs.
type PrintedJSON struct {
	Release string       `json:"release"`
	Project string       `json:"project"`
	Version string       `json:"version"`
	Phase   string       `json:"phase"`
	Outputs []OutputJSON `json:"outputs"` // the oldest attempt first
	Unread  int          `json:"unread,omitempty"`
}

// OutputJSON is what a driver printed during one attempt.
type OutputJSON struct {
	Sequence uint64    `json:"sequence"` // in the stream SLUICE_EVIDENCE
	Step     string    `json:"step"`     // publish, stage, promote, restore-beta, restore-staging, rollback
	Stage    string    `json:"stage,omitempty"`
	Attempt  int       `json:"attempt"` // at this step, from 1
	Try      int       `json:"try"`     // from 1, after each failure of the release one more
	Service  string    `json:"service"`
	Instance string    `json:"instance"`
	Began    time.Time `json:"began"` // by the broker's clock
	Took     float64   `json:"took"`  // seconds
	Ended    string    `json:"ended"` // done, refused, failed, cancelled, interrupted
	Reason   string    `json:"reason,omitempty"`
	Text     string    `json:"text"` // without secrets and control characters
	Bytes    int       `json:"bytes"`
	LeftOut  int       `json:"left_out,omitempty"` // bytes that are not in the text
}

// PrintedOf is what was printed, for programs.
func PrintedOf(s release.State, outputs []journal.Output, unread int) PrintedJSON {
	out := PrintedJSON{
		Release: s.Release, Project: s.Project, Version: s.Version, Phase: string(s.Phase), Outputs: []OutputJSON{}, Unread: unread,
	}
	for _, o := range outputs {
		out.Outputs = append(out.Outputs, OutputJSON{
			Sequence: o.Seq, Step: string(o.Work), Stage: o.Stage, Attempt: o.Attempt, Try: o.Try, Service: o.Service, Instance: o.Instance,
			Began: o.Began.UTC(), Took: o.Took.Seconds(), Ended: o.Ended, Reason: o.Reason, Text: mask.Show(o.Text),
			Bytes: o.Bytes, LeftOut: o.Left,
		})
	}
	return out
}

// Printed is what was printed, for people, in the zone of now. What was printed is indented: no line of it looks like one of ours.
func Printed(s release.State, outputs []journal.Output, unread int, now time.Time, st Style) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s  %s\n", st.Bold(s.Project), s.Version, st.Phase(s.Phase, string(s.Phase)))
	if len(outputs) == 0 {
		b.WriteString(st.Dim("nothing that its drivers printed is stored\n"))
	}
	for _, o := range outputs {
		b.WriteString("\n" + attemptLine(o, now, st) + "\n")
		for line := range strings.Lines(mask.Show(o.Text)) {
			b.WriteString("  " + strings.TrimRight(line, "\n") + "\n")
		}
	}
	if unread > 0 {
		b.WriteString(st.Yellow(fmt.Sprintf("\n%d of the messages can not be read\n", unread)))
	}
	return b.String()
}

// attemptLine says which attempt it was, and how it ended.
func attemptLine(o journal.Output, now time.Time, st Style) string {
	line := func(text string) string { return strings.Join(strings.Fields(mask.Show(text)), " ") }
	ended, reason := st.Red(line(o.Ended)), line(o.Reason)
	if o.Ended == "done" {
		ended = st.Green(o.Ended)
	}
	if reason != "" {
		reason = ": " + reason
	}
	took := o.Took.Round(time.Millisecond)
	return fmt.Sprintf("%s  %s, took %s, %s%s  %s", st.Bold(story.AttemptOf(o.Output)), Clock(o.Began, now), took, ended, reason,
		st.Dim("["+line(o.Service+" "+o.Instance)+"]"))
}
