package release_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/release"
)

// play is one run of the model: whatever happens first, then all settles down. It returns what is wrong.
func play(d dice, f flaw, happen func(*world)) (*world, []violation) {
	w := newWorld(d, f)
	w.begin()
	happen(w)
	found := w.judge(false)
	if w.settleDown() {
		return w, append(found, w.judge(true)...)
	}
	if f == (flaw{}) {
		found = append(found, violation{"I13", fmt.Sprintf("it is stuck: %s", w.phase())})
	}
	return w, found
}

// The invariants I1 to I13 hold for whatever two promoters, two workers, a watcher and several people do.
func modelProperty(t *rapid.T) {
	w, found := play(rapidDice{t}, flaw{}, func(w *world) {
		do := map[string]func(*rapid.T){}
		for i, name := range actions() {
			do[fmt.Sprintf("%s/%d", name, i)] = func(*rapid.T) { w.act(name) }
		}
		for range 3 {
			t.Repeat(do)
		}
	})
	if len(found) > 0 {
		t.Fatalf("%s\n%s", describe(found), w.transcript())
	}
}

func TestInvariants(t *testing.T) { rapid.Check(t, modelProperty) }

func FuzzInvariants(f *testing.F) { f.Fuzz(rapid.MakeFuzz(modelProperty)) }

// random is a run of a length that a seed decides.
func random(seed uint64, f flaw) (*world, []violation) {
	d := seededDice{rand.New(rand.NewPCG(seed, 2))}
	return play(d, f, func(w *world) {
		for range 20 + d.roll("steps", 150) {
			w.act(actions()[d.roll("action", len(actions()))])
		}
	})
}

// The same with plain random numbers, many more and longer runs. It counts what came to pass: a model in which nothing is
// ever promoted, stopped in time or taken over would prove nothing.
func TestInvariantsInManyRuns(t *testing.T) {
	const runs = 1000
	saw := map[string]int{}
	for seed := range uint64(runs) {
		w, found := random(seed, flaw{})
		if len(found) > 0 {
			t.Fatalf("seed %d: %s\n%s", seed, describe(found), w.transcript())
		}
		w.count(saw)
	}
	for what, atLeast := range map[string]int{
		"promoted": runs / 5, "cancelled": runs / 10, "failed": runs / 200, "superseded": runs / 200, "refused": runs,
		"effective claim": runs / 5, "ineffective claim": runs / 50, "claimed again": runs / 200, "promotion taken over": runs / 100,
		"held by a person": runs / 5, "held unwatched": runs / 100, "held overdue": runs / 100, "expedited": runs / 10,
		"passed": runs / 20, "postponed": runs / 20, "approved": runs / 10, "retried": runs / 20, "recalled": runs / 20,
		"rolled-back": runs / 40, "rollback-failed": runs / 200, "baking": runs / 20, "promoted after a retry": runs / 100,
		"stopped by the project": runs / 100, "given up": runs / 100, "refused a retry": runs / 100, "forced": runs / 50,
		"request before the merge": runs / 100, "restored": runs / 50, "late request while promoting": runs / 100,
	} {
		if saw[what] < atLeast {
			t.Errorf("%s: %d times in %d runs, want at least %d", what, saw[what], runs, atLeast)
		}
	}
	t.Log(saw)
}

// I13: when nobody says no and staging is watched, the release is promoted, once, whoever is slow.
func TestHealthyReleaseIsPromoted(t *testing.T) {
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 3))
		w := newWorld(zeros{}, flaw{})
		w.failing = false
		for range 2000 {
			w.dice = zeros{}
			if r.IntN(3) == 0 { // a lagging replica; nothing worse
				w.dice = fixed{"lag": r.IntN(6)}
			}
			w.act([]string{"pro-1", "pro-2", "work-1", "work-2"}[r.IntN(4)])
			if r.IntN(4) == 0 {
				w.pass(1)
			}
		}
		if found := w.judge(true); w.phase() != release.Promoted || len(found) > 0 {
			t.Fatalf("seed %d: %s\n%s\n%s", seed, w.phase(), describe(found), w.transcript())
		}
		promotions := 0
		for _, e := range w.effects {
			if e.work == release.Promote {
				promotions++
			}
		}
		if promotions != 1 {
			t.Fatalf("seed %d: promoted outside %d times\n%s", seed, promotions, w.transcript())
		}
	}
}

// fixed makes chosen choices, and the tame one otherwise.
type fixed map[string]int

func (f fixed) roll(what string, _ int) int { return f[what] }

// count says what came to pass in a run.
func (w *world) count(saw map[string]int) {
	var prev release.State
	merged, ineffective := false, 0
	for _, m := range w.msgs {
		if m.request != nil {
			if !merged {
				saw["request before the merge"]++
			}
			continue
		}
		if m.project != nil {
			continue
		}
		merged = true
		saw[m.event.Name()]++
		switch e := m.event.(type) {
		case release.WasPostponed:
			if prev.Claim != 0 {
				saw["stopped by the project"]++
			}
		case release.WasFailed:
			if e.Said.By == "sluice" {
				saw["given up"]++
			}
		case release.WasExpedited:
			if e.Force {
				saw["forced"]++
			}
		case release.WasHeld:
			switch {
			case !e.Holding.System:
				saw["held by a person"]++
			case e.Holding.Unwatched > 0:
				saw["held unwatched"]++
			default:
				saw["held overdue"]++
			}
		case release.WasBegun:
			if e.Work == release.Promote && e.Attempt.Number > 1 {
				saw["promotion taken over"]++
			}
		case release.WasRefused:
			if e.Verb == release.Retry && m.state.Phase == release.Failed {
				saw["refused a retry"]++
			}
			if m.state.Phase == release.Promoting && e.Seq > m.state.Claim {
				saw["late request while promoting"]++
			}
		}
		if prev.Claim != 0 && m.state.Claim == 0 {
			saw["ineffective claim"]++
			ineffective++
		}
		if prev.Phase == release.Promoting && m.state.Phase.Out() {
			saw["effective claim"]++
			if prev.Reached {
				saw["promoted after a retry"]++
			}
			if ineffective > 0 {
				saw["claimed again"]++
			}
		}
		prev = m.state
	}
}

func describe(found []violation) string {
	var b strings.Builder
	for _, v := range found {
		fmt.Fprintf(&b, "%s: %s\n", v.name, v.text)
	}
	return b.String()
}

// transcript is the stream, for whoever has to find out what happened.
func (w *world) transcript() string {
	var b strings.Builder
	for _, m := range w.msgs {
		fmt.Fprintf(&b, "%d %s ", m.seq-before, m.at.Format("15:04:05"))
		if r := m.request; r != nil {
			fmt.Fprintf(&b, "    %s.%s by %s %s\n", r.Verb, r.Actor, r.By, r.Invalid)
			continue
		}
		if m.project != nil {
			fmt.Fprintf(&b, "    %s, over: %t, until %s, promoted: %s\n", m.project.stop, m.project.over,
				m.project.until.Format("15:04:05"), m.project.other.Version)
			continue
		}
		fmt.Fprintf(&b, "%s %s -> %s due %s, folded %d, claim %d\n", m.event.Name(), detail(m.event), phase(m.state.Phase),
			m.state.Due.Format("15:04:05"), int64(m.state.Folded-before), int64(m.state.Claim-before))
	}
	return b.String()
}
