package dash

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/story"
)

// columnMost is how many cards a column shows; how many more there are is said.
const columnMost = 40

// Column is one part of the board.
type Column struct {
	ID    string // of the element
	Name  string
	Says  string // what stands in it when it is empty
	Cards []Card
	All   int // how many releases there are in it
}

// columns are the parts of the board, in the order in which a release goes through them.
func columns() []Column {
	return []Column{
		{ID: "coming", Name: "Coming", Says: "Nothing has been merged."},
		{ID: "staging", Name: "Staging", Says: "Nothing is being deployed."},
		{ID: "soaking", Name: "Soaking", Says: "Nothing soaks."},
		{ID: "promoting", Name: "Promoting", Says: "Nothing is being promoted."},
		{ID: "ended", Name: "Ended", Says: "Nothing has ended yet."},
	}
}

// columnOf is the index of the column that a phase is in.
func columnOf(p release.Phase) int {
	switch p {
	case release.None, release.Merged, release.Publishing, release.Published, release.Passed, release.Queued:
		return 0
	case release.Staging, release.Staged:
		return 1
	case release.Soaking, release.Held:
		return 2
	case release.Promoting, release.Baking, release.RollingBack:
		return 3
	case release.Promoted, release.Cancelled, release.Failed, release.Superseded, release.RolledBack:
	}
	return 4
}

// Board is the columns at the broker's time now, of the projects whose name has filter in it.
func (m *Model) Board(filter string, now time.Time) []Column {
	out := columns()
	rows := make([][]Row, len(out))
	for _, r := range m.rows {
		if strings.Contains(r.State.Project, filter) {
			i := columnOf(r.State.Phase)
			rows[i] = append(rows[i], r)
		}
	}
	for i := range out {
		out[i].All = len(rows[i])
		slices.SortFunc(rows[i], inColumn)
		for _, r := range rows[i][:min(columnMost, len(rows[i]))] {
			out[i].Cards = append(out[i].Cards, m.card(r, now))
		}
	}
	return out
}

// inColumn is the order in a column: what is held, and what waits although it is due, first; then what is due next; what waits in the
// order of the merges; what ended, the newest first.
func inColumn(a, b Row) int {
	x, y := a.State, b.State
	switch columnOf(x.Phase) {
	case 2:
		if c := cmp.Compare(urgency(x), urgency(y)); c != 0 {
			return c
		}
		return cmp.Or(x.Due.Compare(y.Due), cmp.Compare(x.Release, y.Release))
	case 4:
		return cmp.Or(y.End.At.Compare(x.End.At), cmp.Compare(y.Release, x.Release))
	}
	return cmp.Or(cmp.Compare(x.Merge.Seq, y.Merge.Seq), cmp.Compare(x.Release, y.Release))
}

func urgency(s release.State) int {
	if s.Held != nil || s.Postponed != nil {
		return 0
	}
	return 1
}

// ProjectRow is a project in the list of all.
type ProjectRow struct {
	ID, Name string
	Current  string // the version that everybody gets
	Since    time.Time
	Live     []Card
	Last     *Card // what ended last
	Stopped  []string
}

// Projects are the projects whose name has filter in it.
func (m *Model) projects(filter string, now time.Time) []ProjectRow {
	byProject := map[string][]Row{}
	for _, r := range m.rows {
		if name := r.State.Project; strings.Contains(name, filter) {
			byProject[name] = append(byProject[name], r)
		}
	}
	var out []ProjectRow
	for _, name := range m.names {
		if !strings.Contains(name, filter) {
			continue
		}
		p := ProjectRow{ID: "p-" + name, Name: name}
		if at, ok := m.gates[name].Record.Current(); ok {
			p.Current, p.Since = at.Version, at.At
		}
		slices.SortFunc(byProject[name], func(a, b Row) int {
			return cmp.Or(cmp.Compare(rank(a.State.Phase), rank(b.State.Phase)), inColumn(a, b))
		})
		for _, r := range byProject[name] {
			if r.State.Phase.Ended() {
				c := m.card(r, now)
				p.Last = &c
				break
			}
			if len(p.Live) < liveMost {
				p.Live = append(p.Live, m.card(r, now))
			}
		}
		for _, s := range m.stopped {
			if s.Project == name {
				p.Stopped = append(p.Stopped, string(s.Kind))
			}
		}
		out = append(out, p)
	}
	return out
}

// liveMost is how many live releases of a project are shown in the list of all projects.
const liveMost = 3

// Stopped is what stops a project, or all, for people.
type Stopped struct {
	ID      string
	Project string // empty: all
	Kind    release.StopKind
	Text    Text
}

// Stops are the stops of a project and those of all; of all projects when project is empty.
func (m *Model) stops(project string, now time.Time) []Stopped {
	var out []Stopped
	for _, s := range m.stopped {
		if project != "" && s.Project != project && s.Project != "" {
			continue
		}
		text := story.Stopped(s.Project, s.Stop, now)
		if s.Project == "" {
			text = text.Sentence()
		}
		out = append(out, Stopped{ID: "stop-" + cmp.Or(s.Project, "_all") + "-" + string(s.Kind), Project: s.Project, Kind: s.Kind, Text: text})
	}
	return out
}
