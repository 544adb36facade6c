package exhaustive

import (
	"os"
	"runtime/debug"
	"testing"

	"github.com/sluice-gate/sluice/pkg/release"
)

// most bounds a search. It is no result to come to it: the sizes are such that it is not met.
const most = 50_000_000

// memory is from where on the collector of garbage works harder. It is no bound. In the large sizes more than that is in use.
const memory = 700 << 20

// named is a size that the protocol is searched in, and what the search must have met.
type named struct {
	name string
	size
	meets []string
}

func large() bool { return os.Getenv("SLUICE_MODEL") == "large" }

// What the searches are about: soaks and holds; what comes after a failure, or after the promotion; and the project.
func soaking() []release.Verb {
	return []release.Verb{release.Cancel, release.Hold, release.Extend, release.Resume, release.Expedite}
}

func after() []release.Verb {
	return []release.Verb{release.Cancel, release.Hold, release.Retry, release.Recall}
}

func meetsSoaking() []string {
	return []string{
		"an attempt after the first", "a takeover", "a request that came too late", "a claim that was ineffective",
		"promoted", "cancelled", "failed", "held",
	}
}

// sizes are those that every change is tested with, and the large ones of make model.
func sizes() []named {
	if large() {
		return largeSizes()
	}
	return []named{
		{"two requests", size{asks: soaking(), requests: 2, lag: 1, horizon: 2}, meetsSoaking()},
		{"faults", size{
			asks: soaking(), requests: 1, crashes: 1, losses: 1, refusals: 1, blinks: 1, lag: 1, horizon: 2,
		}, meetsSoaking()},
		{"retries and rollbacks", size{asks: after(), requests: 2, refusals: 1, lag: 1, horizon: 2}, []string{
			"retried", "recalled", "rolled-back", "rollback-failed", "cancelled too late", "failed",
		}},
		{"pauses", size{asks: []release.Verb{release.Cancel}, pauses: true, requests: 3, lag: 2, horizon: 2}, []string{
			"postponed", "a claim that was ineffective", "a request that came too late", "promoted",
		}},
		{"deadlines", size{
			asks: []release.Verb{release.Hold, release.Extend}, requests: 2, lag: 1, horizon: 2, maxPhase: 2, maxHold: 1,
		}, []string{"held", "held for too long"}},
		{"a deadline of a rollback", size{
			asks: []release.Verb{release.Recall}, requests: 1, refusals: 1, crashes: 1, lag: 1, horizon: 3, maxPhase: 1,
		}, []string{"rolled-back", "rollback-failed"}},
		{"alarms", size{
			asks: []release.Verb{release.Extend, release.Expedite}, requests: 2, crashes: 1, lag: 4, horizon: 1, bake: 1,
		}, []string{"extended", "baking"}},
		{"a takeover and a retry", size{asks: []release.Verb{release.Hold, release.Retry}, requests: 2, refusals: 1, horizon: 2}, []string{
			"a takeover", "retried", "held",
		}},
		{"bakes and approvals", size{
			asks: []release.Verb{release.Approve, release.Recall, release.Cancel}, requests: 2, lag: 1, horizon: 2, bake: 1, approvals: 1,
		}, []string{"approved", "postponed", "baking", "promoted", "rolled-back"}},
	}
}

func largeSizes() []named {
	return []named{
		{"two requests", size{asks: soaking(), requests: 2, lag: 2, horizon: 3}, meetsSoaking()},
		{"one request and more faults", size{
			asks: soaking(), requests: 1, crashes: 1, losses: 1, refusals: 1, blinks: 1, lag: 2, horizon: 3,
		}, append(meetsSoaking(), "a hold by Sluice")},
	}
}

// Every verb is in the table, and asked in some size.
func TestEveryVerbIsAsked(t *testing.T) {
	asked := map[release.Verb]bool{}
	for _, s := range sizes() {
		for _, i := range newModel(s.size, flaw{}).table {
			asked[asks()[i].verb] = true
		}
	}
	for _, v := range release.Verbs() {
		if !asked[v] && !large() {
			t.Errorf("no size asks to %s", v)
		}
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
			m.visited(t, s.meets)
		})
	}
}

// visited checks that a search has seen what the protocol is about.
func (m *model) visited(t *testing.T, want []string) {
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
			if e.Verb == release.Cancel && msg.state.LateCancel != nil {
				met["cancelled too late"] = true
			}
		case release.WasFailed:
			if e.Said.By == bySluice {
				met["held for too long"] = true
			}
		case release.WasHeld:
			if e.Holding.System {
				met["a hold by Sluice"] = true
			}
		}
		if was != nil && was.Phase == release.Promoting && !msg.state.Phase.Ended() && msg.state.Phase != release.Promoting {
			met["a claim that was ineffective"] = true
		}
		met[msg.event.Name()] = true
	}
	for _, w := range want {
		if !met[w] {
			t.Errorf("the search has not met %s", w)
		}
	}
}
