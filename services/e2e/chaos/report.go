package main

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/check"
)

// report is what a run came to.
type report struct {
	config
	figures    map[string]check.Figures // by arena
	clients    map[string]int           // requests that the clients of an arena sent
	restarts   map[string]int           // services that ended by themselves
	faults     *injector
	notes      []string
	violations []check.Violation
	stories    map[string][]string // by release that a violation is of
}

// So much is shown of what went wrong.
const (
	mostShown   = 20
	mostStories = 3
)

// write says it to people.
func (r report) write(w io.Writer) {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	p("")
	for _, note := range r.notes {
		p("%s", note)
	}
	if f, ok := r.figures[protocol]; ok {
		p("\nrace, without drivers: %d releases", f.Releases)
		r.arena(p, protocol, f)
	}
	if f, ok := r.figures[full]; ok {
		p("\nfull releases: %d", f.Releases)
		r.arena(p, full, f)
		p("%8d  commands ran outside", f.Effects)
	}
	p("\nfaults: %d", r.faults.total())
	for _, kind := range r.faults.kinds() {
		p("%8d  %s", r.faults.counts[kind], kind)
	}
	p("\nviolations: %d", len(r.violations))
	for _, v := range r.violations[:min(mostShown, len(r.violations))] {
		p("  %s", v)
	}
	if n := len(r.violations) - mostShown; n > 0 {
		p("  and %d more", n)
	}
	r.tell(p)
}

// tell shows what the first releases with violations went through.
func (r report) tell(p func(string, ...any)) {
	told := map[string]bool{}
	for _, v := range r.violations {
		story := r.stories[v.Release]
		if told[v.Release] || len(story) == 0 || len(told) == mostStories {
			continue
		}
		told[v.Release] = true
		p("\nwhat is stored of %s:", v.Release)
		for _, line := range story {
			p("  %s", line)
		}
	}
}

func (r report) arena(p func(string, ...any), name string, f check.Figures) {
	p("%8d  requests stored; clients tried %d times", f.Requests, r.clients[name])
	p("%8d  claims, of which %d were stopped by %d requests before them", f.Claims, f.Stopped, f.Stops)
	p("%8d  requests came too late, after a claim", f.Late)
	p("%8d  retries of what had failed", f.Retries)
	for _, phase := range slices.Sorted(maps.Keys(f.Ends)) {
		p("%8d  %s", f.Ends[phase], phase)
	}
	p("%8d  histories checked for linearizability", f.Histories)
	p("%8d  times a service ended by itself and was started again", r.restarts[name])
}

// nothing tells whether the run shows nothing, because too little happened.
func (r report) nothing() bool {
	idle := !r.Calm && r.faults.total() == 0
	for name, f := range r.figures {
		idle = idle || f.Releases == 0 || f.Ends[release.Promoted] == 0 || f.Ends[release.Cancelled] == 0 || name == protocol && f.Stopped == 0
	}
	return idle || len(r.figures) == 0
}
