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

// policies are those under which all phases are reached: a plain one, with a bake, and with two stages that need approvals.
// What is put back doubles the states often enough, so only one does it.
func policies() []release.Policy {
	plain := policy()
	plain.MaxPhase, plain.MaxHold = time.Hour, 24*time.Hour
	bake, stages := plain, plain
	plain.PutBack, stages.PutBack = false, false
	bake.Bake = time.Hour
	stages.Stages = []release.StagePolicy{{Name: "canary", Delay: 2 * time.Hour, Approvals: 1}, {Name: "staging", Delay: 2 * time.Hour, Approvals: 1}}
	return []release.Policy{plain, bake, stages}
}

// explore goes through everything that can happen to a release, by a small alphabet of commands, and collects the steps and
// what causes them. Times, sequences and attempt numbers are kept from growing, so there are finitely many states.
func explore(t *testing.T) map[step]map[string]bool {
	t.Helper()
	steps := map[step]map[string]bool{}
	for _, p := range policies() {
		exploreUnder(t, p, steps)
	}
	return steps
}

// manyStates is when something grows that should not.
const manyStates = 40_000

func exploreUnder(t *testing.T, p release.Policy, steps map[step]map[string]bool) {
	t.Helper()
	seen := map[string]bool{}
	for todo := []release.State{{}}; len(todo) > 0; todo = todo[1:] {
		s := todo[0]
		if len(seen) > manyStates {
			t.Fatalf("more than %d states, the last is %s", manyStates, key(s))
		}
		for _, l := range alphabet(s, p) {
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
}

// small brings what only grows back to where it was: as if every step were taken at noon.
func small(s release.State) release.State {
	s = s.Stamp(100, noon())
	s.Folded, s.Extra, s.Remaining, s.Failures = 0, 0, 0, 0
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
	s.Policy, s.Merge = release.Policy{}, release.Merge{} // the same in all of them
	return fmt.Sprintf("%+v %+v %t %t %t %+v", s, held, expedited, late, recalled, waits)
}

type letter struct {
	cause   string
	command release.Command
}

// alphabet is what may be said to a release in a state, of everything one or two kinds.
func alphabet(s release.State, p release.Policy) []letter {
	now := noon()
	letters := []letter{
		{"admit", release.Admit{Release: "r", Project: "p", Merge: release.Merge{Version: "1.4.0"}, Policy: p, At: now}},
		{"fail", release.Fail{At: now}},
		{"wait", release.Wait{Behind: "other", At: now}},
		{"displace", release.Displace{Newer: "newer", At: now}},
		{"start soak", release.StartSoak{At: now}},
		{"a stop before the claim", release.Postpone{Claim: s.Claim, Obstacle: release.Obstacle{Kind: release.ByPause}, At: now}},
		{"expire", release.Expire{At: s.PhaseAt.Add(1000 * time.Hour)}},
	}
	for _, w := range works() {
		letters = append(letters, letter{"finish", release.Finish{Work: w, At: now}},
			letter{"begin", release.Begin{Work: w, Instance: "one", Plan: release.Plan{Version: "1.4.0"}, At: now}})
	}
	for _, v := range release.Verbs() {
		r := release.Request{Verb: v, Actor: "ana", Seq: 99, Settled: s.Claim, By: time.Minute, At: now}
		if s.Phase != release.Promoting {
			letters = append(letters, letter{string(v), r})
			continue
		}
		letters = append(letters, letter{string(v) + " before the claim", r})
		r.Seq = 101
		letters = append(letters, letter{string(v) + " too late", r})
	}
	return append(letters, alarms(s)...)
}

// works are all kinds of work.
func works() []release.Work {
	return []release.Work{release.Publish, release.Stage, release.Promote, release.RestoreBeta, release.RestoreStaging, release.Rollback}
}

// alarms are the looks at a release whose time has come.
func alarms(s release.State) []letter {
	due := release.Alarm{At: s.Due, Clean: s.Due, Watched: time.Hour * 24, Instance: "one"}
	if s.Phase == release.Baking {
		due.At = s.PhaseAt.Add(s.Policy.Bake)
		return []letter{{"alarm when baked", due}}
	}
	overtaken, stopped, before := due, due, due
	overtaken.TooNew = "2.0.0"
	stopped.Gate.Stops = []release.Stop{{Kind: release.Pause}}
	before.Gate.Record = release.Record{}.Promote(release.Promotion{Version: "1.4.0"}).RollBack("", release.Said{})
	letters := []letter{{"alarm when overtaken", overtaken}}
	if s.LastStage() {
		letters = append(letters, letter{"alarm when stopped", stopped}, letter{"alarm when rolled back before", before})
	}
	if s.Expedited != nil {
		unseen := due
		unseen.At, unseen.Clean = due.At.Add(24*time.Hour), time.Time{}
		return append(letters, letter{"alarm when expedited", due}, letter{"alarm when expedited and not seen", unseen})
	}
	overdue, unwatched := due, due
	overdue.At, unwatched.Watched = due.At.Add(24*time.Hour), 0
	overdue.Gate.Opened = due.At
	return append(letters, letter{"alarm when due", due}, letter{"alarm when overdue", overdue}, letter{"alarm when unwatched", unwatched})
}

// The markers in doc.go between which the diagram stands.
const (
	diagramBegins = "// Everything that changes the phase of a release (written by go test -run Diagram -update):\n//\n"
	diagramEnds   = "//\n// That is all that changes it."
)

// The state diagram in the package comment is what Decide and Evolve do, all of it; and nothing in it is a dead end (I13).
func TestDiagram(t *testing.T) {
	steps := explore(t)
	order := append([]release.Phase{release.None}, release.Phases()...)
	var diagram, still strings.Builder
	fmt.Fprintf(&diagram, "//\t%-12s %-15s %-12s %s\n", "from", "event", "to", "because of")
	stays := map[string][]string{}
	for _, from := range order {
		for _, to := range order {
			for _, e := range slices.Sorted(maps.Keys(eventsBetween(steps, from, to))) {
				if from == to {
					stays[e] = append(stays[e], string(from))
					continue
				}
				line := fmt.Sprintf("//\t%-12s %-15s %-12s", phase(from), e, to)
				diagram.WriteString(inLines(line, slices.Sorted(maps.Keys(steps[step{from, to, e}]))))
			}
		}
	}
	fmt.Fprintf(&still, "//\n//\t%-15s %s\n", "event", "stays in the phase")
	for _, e := range slices.Sorted(maps.Keys(stays)) {
		still.WriteString(inLines(fmt.Sprintf("//\t%-15s", e), stays[e]))
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
	noDeadEnds(t, steps)
}

// inLines lists words after a title, in as many lines as it takes.
func inLines(title string, words []string) string {
	var b strings.Builder
	line := title
	for i, w := range words {
		if i < len(words)-1 {
			w += ","
		}
		if len(line)+len(w) > 120 {
			b.WriteString(line + "\n")
			line = "//\t" + strings.Repeat(" ", len(title)-len("//\t"))
		}
		line += " " + w
	}
	b.WriteString(line + "\n")
	return b.String()
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

// asked are the causes by which a person, or the bake's watcher, takes up again what has ended.
func asked(cause string) bool {
	return cause == string(release.Retry) || cause == string(release.Recall)
}

// noDeadEnds: every phase can be reached. An end can be reached from every phase, also if nobody retries or rolls back, and a promotion
// from every phase before an end. What has ended is only left because somebody asked.
func noDeadEnds(t *testing.T, steps map[step]map[string]bool) {
	t.Helper()
	next, unasked := map[release.Phase][]release.Phase{}, map[release.Phase][]release.Phase{}
	for k, causes := range steps {
		next[k.from] = append(next[k.from], k.to)
		for cause := range causes {
			if asked(cause) {
				continue
			}
			unasked[k.from] = append(unasked[k.from], k.to)
			if k.from.Ended() && k.to != k.from {
				t.Errorf("%s is left for %s because of %s", k.from, k.to, cause)
			}
		}
	}
	for _, p := range release.Phases() {
		if !reach(next, release.None)[p] {
			t.Errorf("%s can not be reached", p)
		}
		ends := slices.ContainsFunc(slices.Collect(maps.Keys(reach(unasked, p))), release.Phase.Ended)
		if !ends {
			t.Errorf("%s never ends unless somebody asks", p)
		}
		if !p.Ended() && !reach(unasked, p)[release.Promoted] {
			t.Errorf("%s never leads to a promotion", p)
		}
	}
}

// reach are the phases that are reached from one.
func reach(next map[release.Phase][]release.Phase, from release.Phase) map[release.Phase]bool {
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
