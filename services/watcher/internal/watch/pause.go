package watch

import (
	"hash/fnv"
	"strconv"
	"time"
)

// A source that has no number is asked less and less often: each pause is twice the one before, up to eight intervals, or a minute where
// that is less, and never less than an interval. Whatever comes later than that would cost the soak its coverage.
const (
	mostIntervals = 8
	mostBackoff   = time.Minute
)

// backoff is the pause from the beginning of a look to the next, after so many looks in a row without a number. Two and more are spread
// by share, from 0 to 1, over half of it, so that the watches of many releases do not ask at the same moment.
func backoff(every time.Duration, missed int, share float64) time.Duration {
	if missed < 2 {
		return every
	}
	grown := every
	for range min(missed, mostIntervals) - 1 {
		grown *= 2
	}
	grown = min(grown, mostIntervals*every, max(mostBackoff, every))
	return max(every, grown*3/4+time.Duration(share*float64(grown)/2))
}

// share is a number from 0 to 1 that is a release's, a check's and a look's own.
func share(release string, check, look int) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(release + " " + strconv.Itoa(check) + " " + strconv.Itoa(look))) // it never fails
	return float64(h.Sum64()>>11) / (1 << 53)
}
