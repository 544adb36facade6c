package judge

import "time"

// Duty is what an instance of the watcher knows when it asks itself whether a release is its to watch.
type Duty struct {
	Me      string // this instance
	Active  bool   // it watches the release already
	Asked   bool   // the shared consumer gave it the release
	Last    string // the instance of the last heartbeat; empty: there is none
	LastAt  time.Time
	From    time.Time // when the soak or the bake began: what beat before it does not count
	Now     time.Time // all times are the broker's
	Between time.Duration
}

// firstBeat is how long a release may be without any heartbeat before whoever knows of it steps in: the instance that was
// given it sends one at once, unless it died with the hint in its hand.
const firstBeat = 5 * time.Second

// Mine tells whether the instance is to watch. One watches and the others stand by: an instance steps in when nobody has sent
// a heartbeat for one and a half intervals. Looking every half interval, it sends its first no later than two intervals
// after the last, if its probes come back within half of one, and a gap of two and a half is still covered (see
// [github.com/sluice-gate/sluice/pkg/release.Watched]).
//
// Two may watch at once after a partition, or when both were started at once. That harms nobody; the one whose name comes
// first stays.
func (d Duty) Mine() bool {
	d = d.since()
	silence := d.Between * 3 / 2
	another := d.Last != "" && d.Last != d.Me && d.Now.Sub(d.LastAt) < silence
	if d.Active {
		return !another || d.Me < d.Last
	}
	if another {
		return false
	}
	if d.Last == "" {
		return d.Asked || d.Now.Sub(d.From) >= min(silence, firstBeat)
	}
	return d.Asked || d.Last == d.Me || d.Now.Sub(d.LastAt) >= silence
}

// Again is when an instance that stands by asks itself again.
func (d Duty) Again() time.Duration {
	if d.since().Last == "" {
		return min(d.Between/2, firstBeat)
	}
	return d.Between / 2
}

// since forgets a heartbeat of the stage before.
func (d Duty) since() Duty {
	if d.LastAt.Before(d.From) {
		d.Last = ""
	}
	return d
}
