package exhaustive

import (
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/release"
)

// mutant is a guard of the protocol that is left out, and the invariants that break then. For each of these invariants there
// is a search of its own, which looks at nothing else.
type mutant struct {
	name   string
	flaw   flaw
	breaks string
	in     size // that it takes to show it; none for the usual one
}

func mutants() []mutant {
	resumed := size{asks: []release.Verb{release.Hold, release.Resume}, requests: 2, crashes: 1, lag: 2, horizon: 3}
	paused := size{asks: []release.Verb{release.Cancel}, pauses: true, requests: 2, lag: 2, horizon: 2}
	retried := size{asks: []release.Verb{release.Cancel, release.Hold, release.Retry}, requests: 2, refusals: 1, lag: 1, horizon: 2}
	takenOver := size{asks: []release.Verb{release.Hold, release.Retry}, requests: 2, refusals: 1, horizon: 2}
	recalled := size{asks: []release.Verb{release.Recall}, requests: 1, lag: 1, horizon: 2}
	approved := size{asks: []release.Verb{release.Approve}, requests: 1, lag: 1, horizon: 2, approvals: 1}
	held := size{asks: []release.Verb{release.Hold, release.Extend}, requests: 2, lag: 1, horizon: 2, maxHold: 1}
	baked := size{asks: []release.Verb{release.Extend, release.Expedite}, requests: 2, crashes: 1, lag: 4, horizon: 1, bake: 1}
	return []mutant{
		{"it does not settle", flaw{neverSettles: true}, "I2 I10", size{}},
		{"it settles with an answer that does not contain the claim", flaw{believesAnyAnswer: true}, "I2 I10", size{}},
		{"it settles for cancels only", flaw{settlesCancelsOnly: true}, "I2 I10", size{}},
		{"it acts on a claim that is not settled", flaw{actsUnsettled: true}, "I2 I10", size{}},
		{"it answers requests before it settles", flaw{answersUnsettled: true}, "I7", size{}},
		{"it has the broker guard the claim by a wildcard", flaw{guardsByWildcard: true, inFlight: 1}, "I2 I10", size{}},

		{"it appends without compare-and-set", flaw{appendsBlindly: true}, "I1 I5 I7 I11", size{}},
		{"it does not look again after a conflict", flaw{repeatsAfterConflict: true}, "I2 I5 I7", size{}},
		{"it takes its hint for done after a conflict", flaw{givesUpAfterConflict: true}, "I13", size{}},
		{"it does not know what was answered", flaw{ignoresFolded: true}, "I6 I7", size{}},
		{"it answers the newest request first", flaw{answersNewest: true}, "I7", size{}},
		{"it reads only the last request on a subject", flaw{readsLastOnly: true}, "I7", size{}},
		{"it obeys what comes after the claim", flaw{obeysLateRequests: true}, "I1 I10", size{}},
		{"it goes on with what has ended", flaw{wakesTheDead: true}, "I5", size{}},

		{"it does not see pauses when it settles", flaw{settlesWithoutStops: true}, "I10 I14", paused},
		{"it answers requests before it takes back a claim that a pause stops", flaw{answersBeforePostponing: true}, "I10", paused},
		{"it promotes though the project is paused", flaw{ignoresStops: true}, "I13", paused},
		{"it does not wake who waits when a pause is over", flaw{ignoresWords: true}, "I13", paused},
		{"it takes a replica's word that the project is still paused", flaw{gateBelievesReplicas: true}, "I13", paused},
		{"it promotes what is not approved", flaw{ignoresApprovals: true}, "I14", approved},
		{"it retries what was cancelled too late", flaw{ignoresLateCancels: true}, "I16", retried},
		{"it does not settle the claim after a retry", flaw{settlesOnce: true}, "I2 I10", retried},
		{"it rolls back, and no attempt says so", flaw{rollsBackUnannounced: true}, "I11", recalled},
		{"it reports the end of an attempt that was taken over", flaw{finishesWhatIsNotItsOwn: true}, "I2", takenOver},

		{"it obeys early alarms", flaw{obeysEarlyAlarms: true}, "I3", size{}},
		{"it promotes however late it is", flaw{ignoresOverdue: true}, "I12", size{}},
		{"it promotes what nobody watched", flaw{ignoresWatch: true}, "I4", size{}},
		{"it does not see holds", flaw{ignoresHolds: true}, "I8", size{}},
		{"it takes a person's hold for its own", flaw{overridesHolds: true}, "I8", size{}},

		{"it takes over before the deadline", flaw{takesOverEarly: true}, "I11", size{}},
		{"its driver writes after the deadline", flaw{actsLate: true}, "I11", size{}},
		{"it fails what another has taken over", flaw{failsWhatIsNotItsOwn: true}, "I11", size{}},

		{"it acknowledges a hint before it has done anything", flaw{acksFirst: true}, "I13", size{}},
		{"it acknowledges an alarm before it arms the next", flaw{acksBeforeArming: true}, "I13", size{}},
		{"it acknowledges a hint while another is at the work", flaw{acksWhenBusy: true}, "I13", size{}},
		{"it acknowledges an early alarm, and does not arm the next", flaw{forgetsEarlyAlarms: true}, "I13", size{}},
		{"it looks for a message where that has not arrived", flaw{hintsBelieveReplicas: true}, "I7 I13", resumed},
		{"it looks for an alarm where what that was armed for has not arrived", flaw{alarmsBelieveReplicas: true}, "I13", resumed},
		{"it arms, and does not look whether that was by the last record", flaw{armsBlindly: true}, "I13", baked},
		{"it does not arm for the deadline of a hold", flaw{armsForNoHold: true}, "I13", held},
		{"it takes a hint that comes again for done, when there is a later record", flaw{armsForTheLastOnly: true}, "I13", baked},
	}
}

// mostOfMutant bounds the search for what a mutant breaks, which is near.
const mostOfMutant = 500_000

// Every guard is needed: without it an invariant breaks, within the sizes of the model.
func TestEveryGuardIsNeeded(t *testing.T) {
	for _, mutant := range mutants() {
		for _, name := range strings.Fields(mutant.breaks) {
			t.Run(mutant.name+", "+name, func(t *testing.T) {
				s := mutant.in
				if s.horizon == 0 {
					s = size{asks: soaking(), requests: 2, crashes: 1, blinks: 1, lag: 2, horizon: 3}
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
		{"the wildcard, when the broker has applied all that it has acknowledged", flaw{guardsByWildcard: true}, "", size{}},
	}
}

func TestHarmless(t *testing.T) {
	for _, mutant := range harmless() {
		t.Run(mutant.name, func(t *testing.T) {
			m := newModel(size{asks: soaking(), requests: 1, crashes: 1, lag: 1, horizon: 2}, mutant.flaw)
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
