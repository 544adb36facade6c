package release

import (
	"slices"
	"time"
)

// Settle decides a claim: it returns the requests that make it ineffective, in the order of the stream, or none when the
// claim is effective. s is the state of a journal that contains the claim, and requests holds (at least) the last message
// of every request subject of the release up to s.Claim.
//
// It is a pure function of the stream up to the claim: whoever settles, and whenever, comes to the same answer.
func (s State) Settle(requests []Request) []Request {
	var stop []Request
	for _, r := range requests {
		if r.Verb.Stops() && r.Invalid == "" && s.Folded < r.Seq && r.Seq < s.Claim {
			stop = append(stop, r)
		}
	}
	slices.SortFunc(stop, func(a, b Request) int { return int(a.Seq) - int(b.Seq) })
	return stop
}

// MinCoverage is how much of the soak must have been watched, in percent.
const MinCoverage = 90

// BeatInterval is how often the watcher sends a heartbeat during a soak of this length: 120 times, but at least every five
// minutes and at most every second.
func BeatInterval(soak time.Duration) time.Duration {
	return min(max(soak/120, time.Second), 5*time.Minute)
}

// Watched is how much of the time between from and to the heartbeats cover. beats are the broker's timestamps, ascending.
// A beat vouches for the time since the beat before it, or since from, if that is no longer than two and a half intervals;
// the last one vouches as far ahead.
func Watched(beats []time.Time, from, to time.Time, interval time.Duration) time.Duration {
	slack := interval * 5 / 2
	var watched time.Duration
	last, any := from, false
	for _, b := range beats {
		if b.Before(from) {
			continue
		}
		if b.After(to) {
			b = to
		}
		any = true
		if gap := b.Sub(last); gap <= slack {
			watched += gap
		}
		last = b
	}
	if any {
		if gap := to.Sub(last); gap <= slack {
			watched += gap
		}
	}
	return watched
}
