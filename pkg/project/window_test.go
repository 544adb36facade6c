package project_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/project"
)

// What a query looks back over, the widest of it.
func TestWindow(t *testing.T) {
	for query, want := range map[string]time.Duration{
		`latency`:     0,
		`rate(a[5m])`: 5 * time.Minute,
		`histogram_quantile(0.9, sum(rate(a[ 90s ])))`: 90 * time.Second,
		`max_over_time(rate(a[1m])[1h30m:10s])`:        90 * time.Minute,
		`a{code=~"[45].."}`:                            0,
		`a[99999999999999999999h]`:                     0,
		`a[1y]`:                                        30 * 24 * time.Hour,
		`a[1w2d]`:                                      9 * 24 * time.Hour,
		`a[5]`:                                         0,
		`a[m]`:                                         0,
	} {
		if got := (&project.Compare{Value: query, Baseline: "b[1ms]"}).Window(); got != max(want, time.Millisecond) {
			t.Errorf("%s: %s", query, got)
		}
	}
	if got := (&project.Compare{Errors: "rate(a[5m])"}).Window(); got != 0 {
		t.Errorf("of counters: %s", got)
	}
}
