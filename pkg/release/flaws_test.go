package release_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/release"
)

// flaw is what is wrong with the agents of a run. The checks must notice each of them.
type flaw struct {
	neverSettles      bool // takes every claim for effective
	believesAnyAnswer bool // settles with an answer that does not contain the claim
	answersUnsettled  bool // answers requests before it has settled, from a read of last messages
	settlesFromNow    bool // settles from the state as it is now, not from the claim's own record
	clockIsFast       bool // believes its own clock, which is fast
	ignoresFolded     bool // looks at all requests again and again
	answersNewest     bool // answers only the newest request
	readsLastOnly     bool // does not read what is hidden by a later message on the same subject
	blindAppend       bool // appends without compare-and-set
	ignoresWatch      bool // takes every soak for watched
	countsHeldTime    bool // takes what was watched while held for soak
	ignoresOverdue    bool // claims however late it is
	ignoresHolds      bool // takes a held release for a soaking one
	takesOverEarly    bool // does not wait for the deadline of another's attempt
	actsLate          bool // does not look at its own deadline before it writes

	ignoresStops            bool // settles without what stops the project
	answersBeforePostponing bool // tells people that they are too late for a claim that a stop made ineffective
	actsOnOldClaim          bool // goes on with a claim that was taken back
	ignoresApprovals        bool // does not wait for people
	ignoresRecord           bool // does not look at what was promoted and rolled back before
	ignoresChecks           bool // takes all checks for passed
	retriesLateCancels      bool // forgets who cancelled too late
	rollsBackUnasked        bool // puts back what somebody else promoted
	cutsBakes               bool // ends a bake before its time
	expiresEarly            bool // gives up before the deadline
}

// seen is what a flawed agent takes a state for.
func (f flaw) seen(s release.State) release.State {
	if f.ignoresFolded {
		s.Folded = 0
	}
	if f.ignoresOverdue {
		s.Policy.MaxOverdue = 0
	}
	if f.ignoresApprovals {
		s.Policy.Approvals = 0
		s.Policy.Stages = slices.Clone(s.Policy.Stages)
		for i := range s.Policy.Stages {
			s.Policy.Stages[i].Approvals = 0
		}
	}
	if f.retriesLateCancels {
		s.LateCancel = nil
	}
	if f.expiresEarly {
		s.Policy.MaxPhase = min(s.Policy.MaxPhase, 1)
	}
	if f.ignoresHolds && s.Phase == release.Held {
		s.Phase, s.Held = release.Soaking, nil
	}
	return s
}

func (f flaw) folded(s release.State) uint64 {
	if f.ignoresFolded {
		return 0
	}
	return s.Folded
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
		{flaw{ignoresStops: true}, []string{"I2", "I10"}},
		{flaw{answersBeforePostponing: true}, []string{"I10"}},
		{flaw{actsOnOldClaim: true}, []string{"I2"}},
		{flaw{ignoresApprovals: true}, []string{"I14"}},
		{flaw{ignoresRecord: true}, []string{"I15"}},
		{flaw{ignoresChecks: true}, []string{"I19"}},
		{flaw{retriesLateCancels: true}, []string{"I16"}},
		{flaw{rollsBackUnasked: true}, []string{"I11"}},
		{flaw{cutsBakes: true}, []string{"I18"}},
		{flaw{expiresEarly: true}, []string{"I13"}},
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
