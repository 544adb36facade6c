package expr_test

import (
	"runtime"
	"testing"

	"github.com/sluice-gate/sluice/pkg/expr"
)

// A watcher of ten thousand releases has ten thousand conditions.
func TestAConditionIsSmall(t *testing.T) {
	const n, most = 300, 8 << 10
	used := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var conditions [n]*expr.Condition
	var before int64
	for i := range n {
		var err error
		if conditions[i], err = expr.ParseCondition(expr.Value, "value < 1"); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			before = used()
		}
	}
	if each := (used() - before) / (n - 1); each > most {
		t.Errorf("a condition takes %d bytes", each)
	} else {
		t.Logf("%d bytes each", each)
	}
	runtime.KeepAlive(&conditions)
}

func BenchmarkParseCondition(b *testing.B) {
	for b.Loop() {
		if _, err := expr.ParseCondition(expr.Value, "value < 1"); err != nil {
			b.Fatal(err)
		}
	}
}
