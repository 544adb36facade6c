package project

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// windowed is a range of a query of Prometheus, as in rate(errors_total[5m]), or in a subquery
// (https://prometheus.io/docs/prometheus/latest/querying/basics/#range-vector-selectors).
var windowed = regexp.MustCompile(`\[\s*([0-9a-z]+)\s*(?::[^\]]*)?\]`)

// Window is the widest range that the queries of a comparison of numbers look back over. Two looks that are closer see, in part, the
// same, and a test that takes them for two is wrong about chance.
func (c *Compare) Window() time.Duration {
	if !c.Numbers() {
		return 0
	}
	var widest time.Duration
	for _, query := range []string{c.Value, c.Baseline} {
		for _, found := range windowed.FindAllStringSubmatch(query, -1) {
			widest = max(widest, promDuration(found[1]))
		}
	}
	return min(widest, MaxDelay)
}

// promDuration reads a duration of Prometheus, such as 1h30m; 0 if it is none.
func promDuration(text string) time.Duration {
	const day = 24 * time.Hour
	units := map[string]time.Duration{
		"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": day, "w": 7 * day, "y": 365 * day,
	}
	const digits = "0123456789"
	var sum time.Duration
	for rest := text; rest != ""; {
		after := strings.TrimLeft(rest, digits)
		number := rest[:len(rest)-len(after)]
		end := strings.IndexAny(after, digits)
		if end < 0 {
			end = len(after)
		}
		unit := units[after[:end]]
		n, err := strconv.Atoi(number)
		switch {
		case err != nil || unit == 0:
			return 0
		case n > int(MaxDelay/unit):
			return MaxDelay
		}
		sum += unit * time.Duration(n)
		rest = after[end:]
	}
	return sum
}
