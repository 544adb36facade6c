package exhaustive

import (
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/release"
)

// mutants are the guards of the protocol, each left out, and the invariants that break then. For each of these invariants there
// is a search of its own, which looks at nothing else.
type mutant struct {
	name   string
	flaw   flaw
	breaks string
	asks   []release.Verb // that it takes to show it; nil for all
}

func mutants() []mutant {
	resumed := []release.Verb{release.Hold, release.Resume}
	return []mutant{
		{"it does not settle", flaw{neverSettles: true}, "I2 I10", nil},
		{"it settles with an answer that does not contain the claim", flaw{believesAnyAnswer: true}, "I2 I10", nil},
		{"it settles for cancels only", flaw{settlesCancelsOnly: true}, "I2 I10", nil},
		{"it acts on a claim that is not settled", flaw{actsUnsettled: true}, "I2 I10", nil},
		{"it answers requests before it settles", flaw{answersUnsettled: true}, "I7", nil},
		{"it has the broker guard the claim by a wildcard", flaw{guardsByWildcard: true, inFlight: 1}, "I2 I10", nil},

		{"it appends without compare-and-set", flaw{appendsBlindly: true}, "I1 I5 I7 I11", nil},
		{"it does not look again after a conflict", flaw{repeatsAfterConflict: true}, "I2 I5 I7", nil},
		{"it does not know what was answered", flaw{ignoresFolded: true}, "I6 I7", nil},
		{"it answers the newest request first", flaw{answersNewest: true}, "I7", nil},
		{"it reads only the last request on a subject", flaw{readsLastOnly: true}, "I7", nil},
		{"it obeys what comes after the claim", flaw{obeysLateRequests: true}, "I1 I10", nil},
		{"it goes on with what has ended", flaw{wakesTheDead: true}, "I5", nil},

		{"it obeys early alarms", flaw{obeysEarlyAlarms: true}, "I3", nil},
		{"it promotes however late it is", flaw{ignoresOverdue: true}, "I12", nil},
		{"it promotes what nobody watched", flaw{ignoresWatch: true}, "I4", nil},
		{"it does not see holds", flaw{ignoresHolds: true}, "I8", nil},
		{"it takes a person's hold for its own", flaw{overridesHolds: true}, "I8", nil},

		{"it takes over before the deadline", flaw{takesOverEarly: true}, "I11", nil},
		{"its driver writes after the deadline", flaw{actsLate: true}, "I11", nil},
		{"it fails what another has taken over", flaw{failsWhatIsNotItsOwn: true}, "I11", nil},

		{"it acknowledges a hint before it has done anything", flaw{acksFirst: true}, "I13", nil},
		{"it acknowledges an alarm before it arms the next", flaw{acksBeforeArming: true}, "I13", nil},
		{"it acknowledges a hint while another is at the work", flaw{acksWhenBusy: true}, "I13", nil},
		{"it acknowledges an early alarm, and does not arm the next", flaw{forgetsEarlyAlarms: true}, "I13", nil},
		{"it looks for a message where that has not arrived", flaw{hintsBelieveReplicas: true}, "I7 I13", resumed},
		{"it looks for an alarm where what that was armed for has not arrived", flaw{alarmsBelieveReplicas: true}, "I13", resumed},
	}
}

// mostOfMutant bounds the search for what a mutant breaks, which is near.
const mostOfMutant = 500_000

// Every guard is needed: without it an invariant breaks, within the sizes of the model.
func TestEveryGuardIsNeeded(t *testing.T) {
	for _, mutant := range mutants() {
		for _, name := range strings.Fields(mutant.breaks) {
			t.Run(mutant.name+", "+name, func(t *testing.T) {
				s := size{asks: mutant.asks, requests: 2, crashes: 1, blinks: 1, lag: 2, horizon: 3}
				if s.asks == nil {
					s.asks = release.Verbs()
				}
				m := newModel(s, mutant.flaw)
				m.only, m.named = name, true
				r := explore(m.start(), m.steps, mostOfMutant)
				if r.broke == nil {
					t.Fatalf("%s is not broken in %d worlds, all of them: %t", name, r.states, r.complete)
				}
				t.Logf("%v, found among %d worlds:\n%s", r.broke, r.states, m.tell(r.path))
			})
		}
	}
}

// Every flaw that the model knows is looked for.
func TestNoGuardIsForgotten(t *testing.T) {
	known := reflect.TypeFor[flaw]()
	for i := range known.NumField() {
		used := false
		for _, m := range append(mutants(), harmless()...) {
			used = used || !reflect.ValueOf(m.flaw).Field(i).IsZero()
		}
		if !used {
			t.Errorf("nobody looks for %s", known.Field(i).Name)
		}
	}
}

// harmless are flaws that break nothing, which says what a guard is for.
func harmless() []mutant {
	return []mutant{
		// On one node nothing is in flight when the broker checks: such a test does not show that a wildcard is no guard.
		{"the wildcard, when the broker has applied all that it has acknowledged", flaw{guardsByWildcard: true}, "", nil},
		// What was faster is a journal record, and as such a hint of its own: somebody looks again.
		{"after a conflict it takes its hint for done", flaw{givesUpAfterConflict: true}, "", nil},
	}
}

func TestHarmless(t *testing.T) {
	for _, mutant := range harmless() {
		t.Run(mutant.name, func(t *testing.T) {
			m := newModel(size{asks: release.Verbs(), requests: 1, crashes: 1, lag: 2, horizon: 3}, mutant.flaw)
			m.named = true
			r := explore(m.start(), m.steps, most)
			if r.broke != nil {
				t.Fatalf("%v\n%s", r.broke, m.tell(r.path))
			}
			if !r.complete {
				t.Fatalf("more than %d worlds", most)
			}
		})
	}
}
