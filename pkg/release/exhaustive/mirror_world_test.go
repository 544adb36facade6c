package exhaustive

import (
	"testing"

	"github.com/sluice-gate/sluice/pkg/release"
)

// Leaving out the worlds in which A and B are exchanged leaves out no other: what is visited without that is visited with it,
// after the exchange, and nothing else.
func TestExchangeLosesNothing(t *testing.T) {
	s := size{asks: release.Verbs(), requests: 1, crashes: 1, lag: 1, horizon: 2}
	all, half := newModel(s, flaw{}), newModel(s, flaw{})
	all.named = true
	distinct := map[world]struct{}{}
	whole := explore(all.start(), func(w world, to func(world, act, error)) {
		distinct[all.mirrored(w)] = struct{}{}
		all.steps(w, to)
	}, most)
	r := explore(half.start(), half.steps, most)
	if !whole.complete || !r.complete || r.states != len(distinct) || whole.states <= r.states {
		t.Errorf("%d worlds are %d when A and B are alike, and %d were visited", whole.states, len(distinct), r.states)
	}
}
