package check

import (
	"github.com/sluice-gate/sluice/pkg/audit"
)

// audit: the hashes of every journal follow one another, and so do those of every project's chain, each of whose links is of a record that
// is there as it was linked.
func (h *History) audit() {
	for id, t := range h.releases {
		if _, b := audit.Journal(id, t.stored); b != nil {
			h.say("audit", id, "%s", b.What)
		}
	}
	for project, links := range h.chains {
		c := audit.NewChain(project, audit.Expect{})
		for _, m := range links {
			l, b := c.Add(m)
			if b == nil {
				b = c.Holds(l, h.release(l.Release).stored)
			}
			if b != nil {
				h.say("audit", l.Release, "%v", b)
				break
			}
		}
	}
}
