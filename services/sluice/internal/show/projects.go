package show

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/story"
)

// ProjectJSON is a project, for programs. Fields are only ever added.
type ProjectJSON struct {
	Project   string        `json:"project"`
	Revision  string        `json:"revision,omitempty"` // of its file: what the next merge uses
	Error     string        `json:"error,omitempty"`    // why the file can not be used
	Lane      string        `json:"lane,omitempty"`
	Collision string        `json:"collision,omitempty"`
	Reasons   bool          `json:"reasons_required,omitempty"`
	Stages    []StageJSON   `json:"stages"`
	Promoted  *PromotedJSON `json:"promoted,omitempty"` // what everybody has
	Live      int           `json:"live"`               // releases on their way
	Stopped   []string      `json:"stopped,omitempty"`  // pauses and freezes
}

// StageJSON is a stage of a project.
type StageJSON struct {
	Name      string   `json:"name"`
	Soak      float64  `json:"soak_seconds"`
	Approvals int      `json:"approvals,omitempty"`
	Checks    []string `json:"checks"`
}

// PromotedJSON is the release that everybody has.
type PromotedJSON struct {
	Release string    `json:"release"`
	Version string    `json:"version"`
	At      time.Time `json:"at"`
}

// Projects is a table of projects.
func Projects(all []ProjectJSON, st Style, width int) string {
	if len(all) == 0 {
		return "no projects yet: sluice apply -f sluice.yaml\n"
	}
	var head []Cell
	for _, name := range []string{"PROJECT", "EVERYBODY HAS", "LIVE", "LANE", "REVISION", "STAGES"} {
		head = append(head, Cell{Text: name, Style: st.Dim})
	}
	rows := [][]Cell{head}
	for _, p := range all {
		has := "-"
		if p.Promoted != nil {
			has = p.Promoted.Version
		}
		last := Cell{Text: stagesOf(p.Stages)}
		if p.Error != "" {
			last = Cell{Text: p.Error, Style: st.Red}
		}
		if len(p.Stopped) > 0 {
			last = Cell{Text: last.Text + "; " + strings.Join(p.Stopped, "; "), Style: st.Yellow}
		}
		rows = append(rows, []Cell{
			{Text: p.Project}, {Text: has}, {Text: strconv.Itoa(p.Live)}, {Text: cmp.Or(p.Lane, "-")},
			{Text: cmp.Or(p.Revision, "-"), Style: st.Dim}, last,
		})
	}
	return Table(rows, width)
}

// stagesOf says what a release of a project goes through.
func stagesOf(stages []StageJSON) string {
	var out []string
	for _, s := range stages {
		text := s.Name + " " + story.Left(time.Duration(s.Soak*float64(time.Second)))
		if s.Approvals > 0 {
			text += ", " + story.Count(s.Approvals, "approval")
		}
		if n := len(s.Checks); n > 0 {
			text += ", " + story.Count(n, "check")
		}
		out = append(out, text)
	}
	return strings.Join(out, " → ")
}
