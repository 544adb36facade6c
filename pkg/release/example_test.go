package release_test

import (
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// Decide says what a command causes, Evolve folds it, Stamp adds what only the broker knows of the record. A command that is
// repeated causes nothing.
func ExampleDecide() {
	merged := release.Admit{
		Release: "0197…", Project: "tracer", Merge: release.Merge{Commit: "c0ffee", Seq: 7}, Policy: release.Policy{Delay: 2 * time.Hour},
	}
	var s release.State
	for range 2 {
		events, err := release.Decide(s, merged)
		fmt.Println(len(events), err)
		for _, e := range events {
			s = release.Evolve(s, e).Stamp(8, time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC))
		}
	}
	fmt.Println(s.Phase)
	// Output:
	// 1 <nil>
	// 0 <nil>
	// merged
}

// How a promoter goes on with a claim: it settles it, with the requests that were stored before it; then it answers all that
// nobody has answered; and only if the claim is effective it promotes.
func ExampleState_Settle() {
	claimed := release.State{Release: "0197…", Phase: release.Promoting, Folded: 11, Claim: 20}
	requests := []release.Request{ // what is stored, in the order of the stream
		{Seq: 11, Verb: release.Hold, Actor: "bob"},      // answered long ago, and resumed
		{Seq: 19, Verb: release.Cancel, Actor: "ana"},    // in time
		{Seq: 21, Verb: release.Expedite, Actor: "carl"}, // after the claim
	}
	stop := claimed.Settle(requests, nil, claimed.PhaseAt).Requests
	fmt.Printf("effective: %t\n", len(stop) == 0)
	for _, r := range requests {
		r.Settled = claimed.Claim
		events, err := release.Decide(claimed, r)
		for _, e := range events {
			fmt.Printf("%s by %s: %s %v\n", r.Verb, r.Actor, e.Name(), err)
			claimed = release.Evolve(claimed, e)
		}
	}
	// Output:
	// effective: false
	// cancel by ana: cancelled <nil>
	// expedite by carl: refused <nil>
}
