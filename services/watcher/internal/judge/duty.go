package judge

import (
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// Duty is what an instance of the watcher knows when it asks itself whether a release is its to watch.
type Duty struct {
	Me      string // this instance
	Active  bool   // it watches the release already
	Asked   bool   // the shared consumer gave it the release
	Last    string // the instance of the last heartbeat; empty: there is none
	LastAt  time.Time
	SoakAt  time.Time // when the soak began
	Now     time.Time // all times are the broker's
	Between time.Duration
}

// firstBeat is how long a release may be without any heartbeat before whoever knows of it steps in: the instance that was
// given it sends one at once, unless it died with the hint in its hand.
const firstBeat = 5 * time.Second

// Mine tells whether the instance is to watch. One watches and the others stand by: an instance steps in when nobody has sent
// a heartbeat for one and a half intervals. Looking every half interval, it sends its first no later than two intervals
// after the last, and a gap of two and a half is still covered (see [release.Watched]).
//
// Two may watch at once after a partition, or when both were started at once. That harms nobody; the one whose name comes
// first stays.
func (d Duty) Mine() bool {
	silence := d.Between * 3 / 2
	another := d.Last != "" && d.Last != d.Me && d.Now.Sub(d.LastAt) < silence
	if d.Active {
		return !another || d.Me < d.Last
	}
	if another {
		return false
	}
	if d.Last == "" {
		return d.Asked || d.Now.Sub(d.SoakAt) >= min(silence, firstBeat)
	}
	return d.Asked || d.Last == d.Me || d.Now.Sub(d.LastAt) >= silence
}

// Again is when an instance that stands by asks itself again.
func (d Duty) Again() time.Duration {
	if d.Last == "" {
		return min(d.Between/2, firstBeat)
	}
	return d.Between / 2
}

// Watchable tells whether a release is to be watched. From staged on the beta runs in staging and the soak counts, also
// when the promoter takes its time to start the clock. While a release is held the judging goes on.
func Watchable(s release.State) bool {
	return s.Phase == release.Staged || s.Phase == release.Soaking || s.Phase == release.Held
}
