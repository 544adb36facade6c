package exhaustive

import "hash/maphash"

// The search knows nothing of releases. It visits every state that can be reached, nearest first, so what it finds is told
// by a shortest path.

// next calls to for every step that is possible in s: the state after it, what was done, and what that broke, nil if nothing.
// It must do so in the same order whenever it is asked about the same state.
type next[S comparable, E any] func(s S, to func(after S, did E, broke error))

// step is one of a path.
type step[S comparable, E any] struct {
	did   E
	after S
}

// report is what a search came to.
type report[S comparable, E any] struct {
	states, transitions, depth int
	complete                   bool         // every state was visited
	path                       []step[S, E] // to the first violation
	broke                      error        // nil: none
}

// fingerprint identifies a state by 128 bits of two independent hashes. Among 10^7 states two would share one with a probability of
// about 10^-25.
type fingerprint struct{ a, b uint64 }

type seeds [2]maphash.Seed

func newSeeds() seeds { return seeds{maphash.MakeSeed(), maphash.MakeSeed()} }

// origin is where a state was reached from: the number of the state before, and of the step among its steps.
type origin struct {
	state   uint32
	ordinal uint32
}

// explore searches until something is broken, everything was visited, or most states were.
func explore[S comparable, E any](start S, next next[S, E], most int) report[S, E] {
	type waiting struct {
		state S
		depth int
	}
	var (
		r       report[S, E]
		prints  = newSeeds()
		seen    = map[fingerprint]struct{}{}
		origins []origin // in the order of discovery, which is the order of the queue
		queue   []waiting
		head    int
	)
	discover := func(s S, depth int, from origin) bool {
		p := fingerprintOf(prints, s)
		if _, ok := seen[p]; ok {
			return false
		}
		seen[p] = struct{}{}
		queue = append(queue, waiting{s, depth})
		origins = append(origins, from)
		return true
	}
	discover(start, 0, origin{})
	for number := uint32(0); head < len(queue) && r.broke == nil; number++ {
		w := queue[head]
		if head++; head > 1<<16 { // what was visited is not needed any more
			queue = append([]waiting(nil), queue[head:]...)
			head = 0
		}
		r.depth = w.depth
		ordinal := uint32(0)
		next(w.state, func(after S, _ E, broke error) {
			if r.broke != nil {
				return
			}
			from := origin{number, ordinal}
			ordinal++
			r.transitions++
			discover(after, w.depth+1, from)
			if broke != nil {
				r.broke, r.path = broke, retrace(start, next, append(trail(origins, number), from.ordinal))
			}
		})
		if len(origins) > most {
			break
		}
	}
	r.states = len(origins)
	r.complete = r.broke == nil && head == len(queue)
	return r
}

func fingerprintOf[S comparable](p seeds, s S) fingerprint {
	return fingerprint{maphash.Comparable(p[0], s), maphash.Comparable(p[1], s)}
}

// trail is which of the possible steps led from the start to a state.
func trail(origins []origin, number uint32) []uint32 {
	if number == 0 {
		return nil
	}
	o := origins[number]
	return append(trail(origins, o.state), o.ordinal)
}

// retrace goes the way again.
func retrace[S comparable, E any](s S, next next[S, E], ordinals []uint32) []step[S, E] {
	var path []step[S, E]
	for _, want := range ordinals {
		var taken step[S, E]
		ordinal := uint32(0)
		next(s, func(after S, did E, _ error) {
			if ordinal == want {
				taken = step[S, E]{did, after}
			}
			ordinal++
		})
		path, s = append(path, taken), taken.after
	}
	return path
}
