package probe_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/awstest"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/services/watcher/internal/probe"
)

// Thousands of releases are watched at once, by CloudWatch too: what each costs is what only it knows.
func TestMemoryOfCloudWatch(t *testing.T) {
	t.Setenv("TEST_CLOUD_KEY", awstest.CloudWatchKey)
	t.Setenv("TEST_CLOUD_SECRET", awstest.CloudWatchSecret)
	c := &awstest.CloudWatch{}
	c.Put(time.Now().Add(-time.Minute), 1, "AWS/Lambda", "Errors", "FunctionName", "tracer")
	check := sources()["cloudwatch"].check("https://monitoring.eu-central-1.amazonaws.com")
	check.Timeout = ample
	tools := probe.Tools{Transport: c, Amazon: &amazon.Lines{}}
	const n = 200
	var looks [n]probe.Probe
	used := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	open := func(i int) {
		looks[i] = tools.Open(check, driver.Facts{}, time.Now().Add(-time.Hour))
		if seen, err := looks[i](t.Context()); err != nil || !seen.OK {
			t.Fatalf("%+v, %v", seen, err)
		}
	}
	open(0)
	before := used()
	for i := range n {
		open(i)
	}
	each := (int64(used()) - int64(before)) / n
	t.Logf("%d bytes each", each)
	if each > 8<<10 {
		t.Errorf("a probe of CloudWatch takes %d bytes", each)
	}
	runtime.KeepAlive(looks)
}
