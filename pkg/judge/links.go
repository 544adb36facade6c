package judge

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/sluice-gate/sluice/pkg/mask"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// Links are where to look: what the project file says of the check (link), where it reads (source) and the merge.
type Links struct {
	Check  string `json:"check,omitempty"`
	Source string `json:"source,omitempty"`
	Merge  string `json:"merge,omitempty"`
}

// LinksOf are the links of a check of a release. What is no address of the web, or too long to be told, is left out; of a source's address
// the query, which may hold a secret, is.
func LinksOf(c project.Check, s release.State) Links {
	source := ""
	switch m := c.Metric; {
	case c.HTTP != nil:
		source = c.HTTP.URL
	case m != nil && m.Prometheus != nil:
		source = m.Prometheus.URL
	case m != nil && m.JSON != nil:
		source = m.JSON.URL
	}
	if u, err := url.Parse(source); err == nil && source != "" {
		u.RawQuery, u.Fragment, u.User = "", "", nil
		source = mask.Text(u.String())
	}
	return Links{Check: link(c.Link), Source: link(source), Merge: link(s.Merge.URL)}
}

// link is an address that can be told; empty for any other text.
func link(text string) string {
	web := strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://")
	if !web || len(text) > maxLink || text != releasepb.Line(text, maxLink) {
		return ""
	}
	return text
}

// LinksIn are the links in a verdict's evidence, as [Verdict.Evidence] makes it: each once, that of the check first.
func LinksIn(evidence string) []string {
	var in struct {
		Links Links `json:"links"`
	}
	if json.Unmarshal([]byte(evidence), &in) != nil {
		return nil
	}
	var out []string
	for _, text := range []string{in.Links.Check, in.Links.Source, in.Links.Merge} {
		if text = link(text); text != "" && !slices.Contains(out, text) { // evidence is a request's, which anybody may have written
			out = append(out, text)
		}
	}
	return out
}

// BaselineOf says in words what a check compares with, if it does; previous names the release before, where it is that.
func BaselineOf(c project.Check, previous string) string {
	const most = 300
	text := ""
	if s := scoring(c); s != nil && len(s.Metrics) > 0 {
		return fmt.Sprintf("%d queries, as %s", len(s.Metrics), releasepb.Line(mask.Text(s.Metrics[0].Baseline), most))
	}
	switch p := comparing(c); {
	case c.Signal != nil && c.Signal.Baseline != "":
		text = "the signals of project " + c.Signal.Baseline
	case p == nil:
	case p.Previous && previous == "":
		text = "no earlier release"
	case p.Previous:
		text = previous
	case p.Numbers():
		text = p.Baseline
	default:
		text = p.BaselineErrors + " of " + p.BaselineRequests
	}
	return releasepb.Line(mask.Text(text), most)
}
