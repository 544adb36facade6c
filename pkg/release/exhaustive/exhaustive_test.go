package exhaustive

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

func TestTry(t *testing.T) {
	for _, s := range []size{
		{asks: release.Verbs(), requests: 1, crashes: 0, losses: 0, lag: 2, horizon: 4},
		{asks: release.Verbs(), requests: 1, crashes: 1, losses: 0, refusals: 1, blinks: 1, lag: 2, horizon: 4},
		{asks: release.Verbs(), requests: 2, crashes: 0, losses: 0, lag: 2, horizon: 3},
	} {
		m := newModel(s, flaw{})
		at := time.Now()
		r := explore(m.start(), m.steps, 3_000_000)
		t.Logf("%+v: %d states, %d transitions, depth %d, complete %t, streams %d, plans %d, ends %d in %s", s, r.states, r.transitions, r.depth, r.complete, len(m.all), len(m.plans), len(m.ends), time.Since(at))
		if r.broke != nil {
			t.Fatalf("%v\n%s", r.broke, m.tell(r.path))
		}
	}
}
