package exhaustive

import (
	"errors"
	"slices"
	"testing"
)

// The search visits every state once, and tells the shortest way to what is broken.
func TestExplore(t *testing.T) {
	numbers := func(broken int) next[int, string] {
		return func(n int, to func(int, string, error)) {
			for _, s := range []step[int, string]{{"add", n + 1}, {"double", 2 * n}} {
				switch {
				case s.after == broken:
					to(s.after, s.did, errors.New("broken"))
				case s.after < 100:
					to(s.after, s.did, nil)
				}
			}
		}
	}
	if r := explore(1, numbers(-1), 1000); r.states != 99 || r.transitions != 98+49 || !r.complete || r.broke != nil {
		t.Errorf("all numbers up to 99 are %d, over %d steps, complete %t, %v", r.states, r.transitions, r.complete, r.broke)
	}
	if r := explore(1, numbers(-1), 10); r.complete {
		t.Errorf("complete with %d of 99 states", r.states)
	}
	r := explore(1, numbers(50), 1000)
	var way []int
	for _, s := range r.path {
		way = append(way, s.after)
	}
	if want := []int{2, 3, 6, 12, 24, 25, 50}; r.broke == nil || !slices.Equal(way, want) {
		t.Errorf("to 50 over %v, %v; the shortest way is %v", way, r.broke, want)
	}
}
