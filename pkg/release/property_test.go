package release_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
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
		merged = true
		saw[m.event.Name()]++
		switch e := m.event.(type) {
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
			if m.state.Phase == release.Promoting && e.Seq > m.state.Claim {
				saw["late request while promoting"]++
			}
		}
		if prev.Claim != 0 && m.state.Claim == 0 {
			saw["ineffective claim"]++
			ineffective++
		}
		if prev.Phase == release.Promoting && m.state.Phase == release.Promoted {
			saw["effective claim"]++
			if ineffective > 0 {
				saw["claimed again"]++
			}
		}
		prev = m.state
	}
}

// Tests of the test: what is wrong with the agents of these runs must be noticed, by the invariant that it breaks.
func TestFlawsAreNoticed(t *testing.T) {
	const runs = 4000
	for _, c := range []struct {
		flaw flaw
		want []string // one of them, at least
	}{
		{flaw{neverSettles: true}, []string{"I2"}},
		{flaw{believesAnyAnswer: true}, []string{"I2"}},
		{flaw{answersUnsettled: true}, []string{"I7", "I10"}},
		{flaw{answersUnsettled: true, settlesFromNow: true}, []string{"I2"}},
		{flaw{clockIsFast: true}, []string{"I3"}},
		{flaw{ignoresFolded: true}, []string{"I7"}},
		{flaw{answersNewest: true}, []string{"I7"}},
		{flaw{readsLastOnly: true}, []string{"I7"}},
		{flaw{blindAppend: true}, []string{"I0"}},
		{flaw{ignoresWatch: true}, []string{"I4"}},
		{flaw{countsHeldTime: true}, []string{"I4"}},
		{flaw{ignoresOverdue: true}, []string{"I12"}},
		{flaw{ignoresHolds: true}, []string{"I8"}},
		{flaw{takesOverEarly: true}, []string{"I11"}},
		{flaw{actsLate: true}, []string{"I11"}},
	} {
		var name []string
		for i := range reflect.TypeFor[flaw]().NumField() {
			if reflect.ValueOf(c.flaw).Field(i).Bool() {
				name = append(name, reflect.TypeFor[flaw]().Field(i).Name)
			}
		}
		for _, want := range c.want {
			t.Run(strings.Join(name, "+")+"/"+want, func(t *testing.T) {
				for seed := range uint64(runs) {
					if _, found := random(seed, c.flaw); has(found, want) {
						t.Logf("run %d", seed)
						return
					}
				}
				t.Errorf("%d runs, and nobody noticed", runs)
			})
		}
	}
}

func has(found []violation, name string) bool {
	for _, v := range found {
		if v.name == name {
			return true
		}
	}
	return false
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
		fmt.Fprintf(&b, "%s %+v -> %s due %s, folded %d, claim %d\n",
			m.event.Name(), m.event, m.state.Phase, m.state.Due.Format("15:04:05"), int64(m.state.Folded-before), int64(m.state.Claim-before))
	}
	return b.String()
}
