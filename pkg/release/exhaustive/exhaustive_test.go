package exhaustive

import (
	"os"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/sluice-gate/sluice/pkg/release"
)

// most bounds a search. It is no result to come to it: the sizes are such that it is not met.
const most = 50_000_000

// memory is from where on the collector of garbage works harder. It is no bound. In the large sizes more than that is in use.
const memory = 700 << 20

// named is a size that the protocol is searched in.
type named struct {
	name string
	size
}

func large() bool { return os.Getenv("SLUICE_MODEL") == "large" }

// sizes are those that every change is tested with, and the large ones of make model. The race detector makes a search many
// times slower, and has nothing to find in one goroutine.
func sizes() []named {
	switch {
	case raceDetector:
		return []named{{"one request", size{asks: release.Verbs(), requests: 1, lag: 2, horizon: 3}}}
	case large():
		return []named{
			{"two requests and a crash", size{asks: release.Verbs(), requests: 2, crashes: 1, lag: 3, horizon: 3}},
			{"two requests, a lost acknowledgement, no watcher", size{
				asks: release.Verbs(), requests: 2, losses: 1, blinks: 1, lag: 3, horizon: 3,
			}},
			{"one request and more faults", size{
				asks: release.Verbs(), requests: 1, crashes: 2, losses: 1, refusals: 1, blinks: 1, lag: 4, horizon: 4,
			}},
			{"three requests", size{asks: release.Verbs(), requests: 3, lag: 3, horizon: 2}},
		}
	}
	return []named{
		{"two requests", size{asks: release.Verbs(), requests: 2, lag: 2, horizon: 3}},
		{"one request and faults", size{
			asks: release.Verbs(), requests: 1, crashes: 1, losses: 1, refusals: 1, blinks: 1, lag: 2, horizon: 3,
		}},
		{"three stops and goes", size{asks: []release.Verb{release.Cancel, release.Hold, release.Resume}, requests: 3, lag: 2, horizon: 2}},
	}
}

// Every world that can be reached keeps all invariants, and gets to an end.
func TestProtocol(t *testing.T) {
	for _, s := range sizes() {
		t.Run(s.name, func(t *testing.T) {
			if !large() {
				defer debug.SetMemoryLimit(debug.SetMemoryLimit(memory))
			}
			m := newModel(s.size, flaw{})
			r := explore(m.start(), m.steps, most)
			if r.broke != nil { // again, for a story in which A stays A
				m = newModel(s.size, flaw{})
				m.named = true
				r = explore(m.start(), m.steps, most)
				t.Fatalf("%v\n%s", r.broke, m.tell(r.path))
			}
			if !r.complete {
				t.Fatalf("more than %d worlds", most)
			}
			t.Logf("%d worlds, %d steps between them, the farthest %d steps away; %d streams", r.states, r.transitions, r.depth, len(m.all))
			m.visited(t)
		})
	}
}

// visited checks that a search has seen what the protocol is about.
func (m *model) visited(t *testing.T) {
	t.Helper()
	met := map[string]bool{}
	for n := range m.all {
		msg := m.all[n]
		if msg.event == nil {
			continue
		}
		was := m.record(msg.before).state
		switch e := msg.event.(type) {
		case release.WasBegun:
			if e.Work == release.Promote && was.Phase == release.Promoting {
				met["an attempt after the first"] = true
				if was.Attempts[release.Promote].Instance != e.Attempt.Instance {
					met["a takeover"] = true
				}
			}
		case release.WasRefused:
			if was.Phase == release.Promoting && e.Seq > was.Claim {
				met["a request that came too late"] = true
			}
		case release.WasHeld:
			if e.Holding.System {
				met["a hold by Sluice"] = true
			}
		}
		if was != nil && was.Phase == release.Promoting && !msg.state.Phase.Ended() && msg.state.Phase != release.Promoting {
			met["a claim that was ineffective"] = true
		}
		met[string(msg.state.Phase)] = true
	}
	for _, want := range []string{
		"an attempt after the first", "a takeover", "a request that came too late", "a hold by Sluice",
		"a claim that was ineffective", "promoted", "cancelled", "failed", "held",
	} {
		if !met[want] && (want != "a hold by Sluice" || m.horizon > overdue+soak) {
			t.Errorf("the search has not met %s", want)
		}
	}
	if len(m.table) != len(m.size.asks) || slices.Contains(m.table, -1) {
		t.Errorf("%d of %d verbs are in the table of requests", len(m.table), len(m.size.asks))
	}
}
