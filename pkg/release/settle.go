package release

import (
	"cmp"
	"slices"
	"time"
)

// Settle decides a claim: it returns the requests that make it ineffective, in the order of the stream, and the stop that
// does; neither when the claim is effective. s is the state of a journal that contains the claim, at the broker's time of the
// claim's record. requests holds (at least) the last message of every request subject of the release up to s.Claim, and of
// its extensions those that are hidden by a later one; stops are those that were in force up to s.Claim.
//
// It is a pure function of the stream up to the claim: whoever settles, and whenever, comes to the same answer. For that,
// take s from the claim's own record: a later state may have answered a request since. A claim is ineffective exactly if
// one of the requests before it would not be refused, or one of the stops is in force for it.
func (s State) Settle(requests []Request, stops []Stop, at time.Time) Against {
	s.Phase = Promoting // also for whoever asks when all is over
	var against Against
	for _, r := range requests {
		if r.Seq <= s.Folded || r.Seq >= s.Claim {
			continue
		}
		if _, refused := answer(s, r).(WasRefused); !refused {
			against.Requests = append(against.Requests, r)
		}
	}
	slices.SortFunc(against.Requests, func(a, b Request) int { return cmp.Compare(a.Seq, b.Seq) })
	before := slices.DeleteFunc(slices.Clone(stops), func(t Stop) bool { return t.Seq >= s.Claim })
	if o, stopped := Stopped(s, before, at); stopped {
		against.Stop = &o
	}
	return against
}

// Against is what speaks against a claim.
type Against struct {
	Requests []Request
	Stop     *Obstacle
}

// Effective tells whether nothing does.
func (a Against) Effective() bool { return len(a.Requests) == 0 && a.Stop == nil }

// DefaultCoverage is how much of the soak must have been watched unless the project says otherwise, in percent.
const DefaultCoverage = 90

// BeatInterval is how often the watcher sends a heartbeat during a soak of this length: 120 times, but at least every five
// minutes and at most every second.
func BeatInterval(soak time.Duration) time.Duration {
	return min(max(soak/120, time.Second), beatAtLeast)
}

// beatAtLeast is how often the watcher sends a heartbeat at least.
const beatAtLeast = 5 * time.Minute

// BeatEvery is how often the watcher sends a heartbeat for this release now. What waits with its soak behind it, for a weekend
// maybe, is watched on, but no heartbeat counts any more.
func (s State) BeatEvery() time.Duration {
	switch {
	case s.Phase == Baking:
		return BeatInterval(s.Policy.Bake)
	case s.Phase == Soaking && s.Postponed != nil && s.Expedited == nil:
		return beatAtLeast
	}
	return BeatInterval(s.Delay())
}

// Watched is how much of the soak was watched, up to its end at Due. beats are the broker's timestamps of the heartbeats since
// SoakFrom, ascending. Watching goes on while a release is held, but stands in at most for as much of the soak as was over
// when the clock was started last: what has to run since then has to be watched itself.
//
// Of a bake it is how much of it was watched; beats are those since PhaseAt.
func (s State) Watched(beats []time.Time) time.Duration {
	if s.Phase == Baking {
		return Watched(beats, s.PhaseAt, s.bakedAt(), s.BeatEvery())
	}
	interval := BeatInterval(s.Delay())
	before := Watched(beats, s.SoakFrom, s.Due.Add(-s.Remaining), interval)
	tooMuch := max(0, before-max(0, s.Delay()-s.Remaining))
	return max(0, Watched(beats, s.SoakFrom, s.Due, interval)-tooMuch)
}

// Watched is how much of the time between from and to the heartbeats cover. beats are the broker's timestamps, ascending.
// A beat vouches for the time since the beat before it, or since from, if that is no longer than two and a half intervals;
// the last one vouches as far ahead.
func Watched(beats []time.Time, from, to time.Time, interval time.Duration) time.Duration {
	if !from.Before(to) {
		return 0
	}
	slack := interval * 5 / 2
	var watched time.Duration
	last, beaten := from, false
	for _, b := range beats {
		if b.Before(last) { // before the soak, or the broker's clock was set back
			continue
		}
		if gap := b.Sub(last); gap <= slack {
			if b.After(to) {
				return watched + to.Sub(last)
			}
			watched += gap
		}
		if b.After(to) {
			break
		}
		last, beaten = b, true
	}
	if gap := to.Sub(last); beaten && gap <= slack {
		watched += gap
	}
	return watched
}
