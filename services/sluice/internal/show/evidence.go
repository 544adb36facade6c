package show

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/evidence"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/story"
)

// pictureWidth is how many characters a picture of a span has.
const pictureWidth = 30

// Word colours a verdict.
func (s Style) Word(w judge.Word, text string) string {
	switch w {
	case judge.Pass:
		return s.wrap("32", text)
	case judge.Fail:
		return s.wrap("31", text)
	case judge.Inconclusive:
	}
	return s.wrap("33", text)
}

// Evidence is what was measured of a release: of each span a table of its checks, and what was not watched. p is the project file
// that the release pinned.
func Evidence(r evidence.Release, p *project.Project, now time.Time, st Style, width int) string {
	var b strings.Builder
	s := r.State
	fmt.Fprintf(&b, "%s  %s\n", st.Bold(story.Title(s)), st.Phase(s.Phase, story.Phase(s)))
	if len(r.Spans) == 0 {
		b.WriteString("it was never to be watched: it did not get to a soak\n")
	}
	for _, span := range r.Spans {
		b.WriteByte('\n')
		b.WriteString(spanHead(r, span, now, st))
		checks, err := span.Stretch.Checks(p)
		if err != nil {
			fmt.Fprintf(&b, "%s\n", st.Yellow(err.Error()))
			continue
		}
		b.WriteString(spanTable(span, checks, now, st, width))
	}
	if r.Unread > 0 {
		fmt.Fprintf(&b, "\n%s\n", st.Yellow(story.Count(r.Unread, "message")+" of measurements can not be read"))
	}
	return b.String()
}

// spanName is what a span is called.
func spanName(r evidence.Release, s evidence.Span) string {
	switch {
	case s.Bake:
		return "bake"
	case len(r.State.Policy.Stages) > 1:
		return "soak in stage " + s.Name
	}
	return "soak"
}

func spanHead(r evidence.Release, s evidence.Span, now time.Time, st Style) string {
	var b strings.Builder
	until := Clock(s.To, now)
	if s.Live {
		until = "now"
	}
	watched := fmt.Sprintf("watched %.0f%%", math.Floor(100*s.Coverage()))
	if len(s.Gaps) > 0 {
		watched = st.Yellow(watched)
	}
	fmt.Fprintf(&b, "%s  %s to %s (%s), %s in %d heartbeats\n",
		st.Bold(spanName(r, s)), Clock(s.From, now), until, story.Left(s.Length()), watched, s.Beats)
	for _, g := range s.Gaps {
		text := fmt.Sprintf("nobody watched from %s to %s (%s)", Clock(g.From, now), Clock(g.To, now), story.Left(g.To.Sub(g.From)))
		fmt.Fprintf(&b, "%s\n", st.Yellow(text))
	}
	if s.Lost > 0 {
		fmt.Fprintf(&b, "%s\n", st.Yellow(fmt.Sprintf("%d looks could not be stored", s.Lost)))
	}
	return b.String()
}

func spanTable(s evidence.Span, checks []project.Check, now time.Time, st Style, width int) string {
	if len(checks) == 0 {
		return "it has no checks: nothing can fail\n"
	}
	rows := [][]Cell{}
	for _, name := range []string{"CHECK", "VERDICT", "LOOKS", "FAILED", "NO DATA", "GAPS", "LAST", "MIN", "MEDIAN", "MAX", "OVER TIME"} {
		if len(rows) == 0 {
			rows = append(rows, nil)
		}
		rows[0] = append(rows[0], Cell{Text: name, Style: st.Dim})
	}
	var notes strings.Builder
	for _, c := range checks {
		j := s.Judge(c)
		f := j.Figures(s)
		verdict := string(j.Word)
		if j.Word == judge.Fail {
			verdict += " at " + Clock(j.At, now)
		}
		row := []Cell{{Text: c.Name}, {Text: verdict, Style: func(text string) string { return st.Word(j.Word, text) }}}
		for _, n := range []int{f.Looks, f.Failed, f.NoData, f.Gaps} {
			row = append(row, Cell{Text: strconv.Itoa(n)})
		}
		for _, v := range []float64{f.Last, f.Min, f.Median, f.Max} {
			row = append(row, Cell{Text: figure(v)})
		}
		rows = append(rows, append(row, Cell{Text: Spark(j.Picture(s, pictureWidth))}))
		if j.Why != "" {
			line := j.Why
			if j.Word != judge.Fail { // a reason names its check
				line = fmt.Sprintf("check %s: %s", c.Name, j.Why)
			}
			fmt.Fprintf(&notes, "%s\n", st.Word(j.Word, line))
		}
	}
	return Table(rows, width) + notes.String()
}

// figure is a number as short as it can be told.
func figure(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// Spark draws a picture in one line. Where nobody looked is a blank, and where there was nothing to see a dot.
func Spark(cells []evidence.Cell) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, c := range cells {
		switch {
		case c.Looks == 0:
			b.WriteByte(' ')
		case math.IsNaN(c.Height):
			b.WriteRune('·')
		default:
			b.WriteRune(bars[min(int(c.Height*float64(len(bars))), len(bars)-1)])
		}
	}
	return b.String()
}
