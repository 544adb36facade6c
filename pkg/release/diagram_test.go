package release_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// step is one line of the state diagram.
type step struct {
	from, to release.Phase
	event    string
}

// explore goes through everything that can happen to a release, by a small alphabet of commands, and collects the steps and
// what causes them. Times, sequences and attempt numbers are kept from growing, so there are finitely many states.
func explore(t *testing.T) map[step]map[string]bool {
	t.Helper()
	steps := map[step]map[string]bool{}
	seen := map[string]bool{}
	for todo := []release.State{{}}; len(todo) > 0; todo = todo[1:] {
		s := todo[0]
		for _, l := range alphabet(s) {
			events, err := release.Decide(s, l.command)
			if err != nil {
				continue
			}
			for _, e := range events {
				next := release.Evolve(s, e)
				k := step{s.Phase, next.Phase, e.Name()}
				if steps[k] == nil {
					steps[k] = map[string]bool{}
				}
				steps[k][l.cause] = true
				next = small(next)
				if key := key(next); !seen[key] {
					seen[key] = true
					todo = append(todo, next)
				}
			}
		}
	}
	t.Logf("%d states, %d steps", len(seen), len(steps))
	return steps
}

// small brings what only grows back to where it was: as if every step were taken at noon.
func small(s release.State) release.State {
	s = s.Stamp(100, noon())
	s.Folded, s.Extra, s.Remaining = 0, 0, 0
	if !s.Due.IsZero() {
		s.Due = noon().Add(2 * time.Hour)
	}
	if s.Claim != 0 {
		s.Claim = 100
	}
	s.Attempts = maps.Clone(s.Attempts)
	for w, a := range s.Attempts {
		s.Attempts[w] = release.Attempt{Number: min(a.Number, 1), Instance: "one", Started: noon()}
	}
	if s.Held != nil {
		s.Held = &release.Holding{System: s.Held.System, Unwatched: min(s.Held.Unwatched, 1)}
	}
	if s.Expedited != nil {
		s.Expedited = &release.Said{}
	}
	s.End, s.Evidence, s.Behind, s.PhaseAt = release.Said{At: noon()}, "", "", noon()
	if s.Postponed != nil {
		s.Postponed = &release.Postponement{Obstacle: release.Obstacle{Kind: s.Postponed.Kind}}
	}
	s.Approved = slices.Clone(s.Approved)
	for i := range s.Approved {
		s.Approved[i] = release.Said{By: s.Approved[i].By}
	}
	for _, c := range []*release.Channel{&s.BetaChannel, &s.Staging, &s.Latest} {
		c.Note = ""
	}
	s.Passed = slices.Clone(s.Passed)
	for i := range s.Passed {
		s.Passed[i].Note = ""
	}
	return s
}

// key tells states apart.
func key(s release.State) string {
	held, expedited, late, recalled, waits := s.Held, s.Expedited != nil, s.LateCancel != nil, s.Recalled != nil, s.Postponed
	s.Held, s.Expedited, s.LateCancel, s.Recalled, s.Postponed = nil, nil, nil, nil, nil
	return fmt.Sprintf("%+v %+v %t %t %t %+v", s, held, expedited, late, recalled, waits)
}

type letter struct {
	cause   string
	command release.Command
}

func alphabet(s release.State) []letter {
	now := noon()
	letters := []letter{
		{"admit", release.Admit{Release: "r", Project: "p", Policy: policy(), At: now}},
		{"finish", release.Finish{Work: release.Publish, At: now}},
		{"finish", release.Finish{Work: release.Stage, At: now}},
		{"finish", release.Finish{Work: release.Promote, At: now}},
		{"finish", release.Finish{Work: release.RestoreBeta, At: now}},
		{"finish", release.Finish{Work: release.RestoreStaging, At: now}},
		{"fail", release.Fail{At: now}},
		{"wait", release.Wait{Behind: "other", At: now}},
		{"displace", release.Displace{Newer: "newer", At: now}},
		{"start soak", release.StartSoak{At: now}},
	}
	for _, w := range []release.Work{release.Publish, release.Stage, release.Promote, release.RestoreBeta, release.RestoreStaging} {
		letters = append(letters, letter{"begin", release.Begin{Work: w, Instance: "one", At: now}})
	}
	for _, v := range release.Verbs() {
		r := release.Request{Verb: v, Seq: 99, Settled: s.Claim, By: time.Minute, At: now}
		if s.Phase != release.Promoting {
			letters = append(letters, letter{string(v), r})
			continue
		}
		letters = append(letters, letter{string(v) + " before the claim", r})
		r.Seq = 101
		letters = append(letters, letter{string(v) + " too late", r})
	}
	alarm := release.Alarm{At: s.Due, Clean: s.Due, Watched: time.Hour * 24, Instance: "one"}
	overtaken := alarm
	overtaken.TooNew = "2.0.0"
	letters = append(letters, letter{"alarm when overtaken", overtaken})
	if s.Expedited != nil {
		return append(letters, letter{"alarm when expedited", alarm})
	}
	overdue, unwatched := alarm, alarm
	overdue.At, unwatched.Watched = alarm.At.Add(24*time.Hour), 0
	return append(letters, letter{"alarm when due", alarm}, letter{"alarm when overdue", overdue}, letter{"alarm when unwatched", unwatched})
}

// The markers in doc.go between which the diagram stands.
const (
	diagramBegins = "// Everything that changes the phase of a release (written by go test -run Diagram -update):\n//\n"
	diagramEnds   = "//\n// That is all that changes it."
)

// The state diagram in the package comment is what Decide and Evolve do, all of it.
func TestDiagram(t *testing.T) {
	steps := explore(t)
	order := append([]release.Phase{release.None}, release.Phases()...)
	var diagram, still strings.Builder
	fmt.Fprintf(&diagram, "//\t%-11s %-11s %-11s %s\n", "from", "event", "to", "because of")
	stays := map[string][]string{}
	for _, from := range order {
		for _, to := range order {
			for _, e := range slices.Sorted(maps.Keys(eventsBetween(steps, from, to))) {
				if from == to {
					stays[e] = append(stays[e], string(from))
					continue
				}
				causes := strings.Join(slices.Sorted(maps.Keys(steps[step{from, to, e}])), ", ")
				fmt.Fprintf(&diagram, "//\t%-11s %-11s %-11s %s\n", phase(from), e, to, causes)
			}
		}
	}
	fmt.Fprintf(&still, "//\n//\t%-11s %s\n", "event", "stays in the phase")
	for _, e := range slices.Sorted(maps.Keys(stays)) {
		fmt.Fprintf(&still, "//\t%-11s %s\n", e, strings.Join(stays[e], ", "))
	}
	data, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(data), diagramBegins)
	_, tail, ok2 := strings.Cut(rest, diagramEnds)
	if !ok || !ok2 {
		t.Fatalf("doc.go has lost the lines around the diagram: %q and %q", diagramBegins, diagramEnds)
	}
	golden(t, "doc.go", head+diagramBegins+diagram.String()+still.String()+diagramEnds+tail)
}

func eventsBetween(steps map[step]map[string]bool, from, to release.Phase) map[string]bool {
	events := map[string]bool{}
	for k := range steps {
		if k.from == from && k.to == to {
			events[k.event] = true
		}
	}
	return events
}

// Every phase can be reached, and an end can be reached from every phase: nothing is a dead end.
func TestNoDeadEnds(t *testing.T) {
	next := map[release.Phase][]release.Phase{}
	for k := range explore(t) {
		next[k.from] = append(next[k.from], k.to)
	}
	reach := func(from release.Phase) map[release.Phase]bool {
		seen := map[release.Phase]bool{from: true}
		for todo := []release.Phase{from}; len(todo) > 0; todo = todo[1:] {
			for _, p := range next[todo[0]] {
				if !seen[p] {
					seen[p] = true
					todo = append(todo, p)
				}
			}
		}
		return seen
	}
	for _, p := range release.Phases() {
		if !reach(release.None)[p] {
			t.Errorf("%s can not be reached", p)
		}
		if p.Ended() != (len(reach(p)) == 1) {
			t.Errorf("%s: ended is %t, and it leads to %v", p, p.Ended(), reach(p))
		}
		if !p.Ended() && !reach(p)[release.Promoted] {
			t.Errorf("%s never leads to a promotion", p)
		}
	}
}
