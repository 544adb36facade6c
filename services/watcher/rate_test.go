package watcher_test

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// durable is a world in real time and on TCP, whose broker syncs each message to the disk, as in production.
func durable(t testing.TB) *world {
	t.Helper()
	emptyPools()
	server := natstest.One(t, natstest.SyncAlways(), natstest.Listen())
	w := newWorldOn(t, server, func() (*nats.Conn, error) { return nats.Connect(server.URL()) }, topology.Options{})
	t.Cleanup(w.end)
	return w
}

// fromSignalToTombstone is how long it took from the first bad signal of a release to its tombstone: by the broker's timestamps, and until
// everything was acknowledged, from before the signal was published to the verdict that is published after the tombstone is on the disk.
func (w *world) fromSignalToTombstone(i int) (stamped, acked time.Duration) {
	w.Helper()
	judged := listen(w, "sluice.judged.*")
	s := w.soak(fmt.Sprintf("p%d", i), time.Hour, newErrors)
	for len(s.beats()) == 0 {
		<-time.After(time.Millisecond)
	}
	began := time.Now()
	w.signal(s.project, s.id, `{"level":"error","msg":"can not charge order 17"}`)
	judged()
	acked = time.Since(began)
	signals := w.stored(topology.StreamSignals, topology.Signal(s.project, s.id))
	return s.tombstone().At.Sub(signals[0].Time), acked
}

// mostToTombstone is generous: two slow cores may build and test at once.
const mostToTombstone = time.Second

func TestFromSignalToTombstone(t *testing.T) {
	w := durable(t)
	w.start("w")
	var all []time.Duration
	for i := range 20 {
		_, acked := w.fromSignalToTombstone(i)
		all = append(all, acked)
	}
	slices.Sort(all)
	if p50 := all[len(all)/2]; p50 > mostToTombstone {
		t.Errorf("half of the tombstones took %s and more", p50)
	}
}

// go test -run '^$' -bench FromSignalToTombstone -benchtime 500x ./services/watcher
func BenchmarkFromSignalToTombstone(b *testing.B) {
	w := durable(b)
	w.start("w")
	var stamped, acked []time.Duration
	for i := 0; b.Loop(); i++ {
		s, a := w.fromSignalToTombstone(i)
		stamped, acked = append(stamped, s), append(acked, a)
	}
	at := func(all []time.Duration, p float64) float64 {
		slices.Sort(all)
		return all[int(p*float64(len(all)-1))].Seconds() * 1000
	}
	b.ReportMetric(at(stamped, 0.5), "p50-ms")
	b.ReportMetric(at(stamped, 0.99), "p99-ms")
	b.ReportMetric(at(acked, 0.5), "p50-ms-acked")
	b.ReportMetric(at(acked, 0.99), "p99-ms-acked")
}

// A flood of signals that do not count goes through the watcher as fast as it comes, in bounded memory; or what was dropped unread is
// said, and there is no pass. What counts is found in it at once.
//
//	go test -run '^$' -bench Flood -benchtime 1x ./services/watcher
func BenchmarkFlood(b *testing.B) {
	for _, c := range []struct {
		name  string
		batch int
	}{{"a signal a message", 1}, {"100 signals a message", 100}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				w := durable(b)
				w.start("w")
				rate, heap, gap := w.flood(500_000, 50_000, c.batch)
				b.ReportMetric(rate, "signals/s")
				b.ReportMetric(heap, "peak-MiB")
				b.ReportMetric(gap, "gaps")
			}
		})
	}
}

// flood publishes so many signals at a rate, in batches, while a release soaks that must not mind them, and one error at the end. It
// returns how many a second were read, the most memory that was in use above that at the beginning, in MiB, and whether there was a gap.
func (w *world) flood(n, rate, batch int) (perSecond, heap, gap float64) {
	w.Helper()
	s := w.soak("flood", time.Hour, `watch: [ { name: errors, signal: { level: error, max: 0, ignore: ["^known"] } } ]`)
	for len(s.beats()) == 0 {
		<-time.After(time.Millisecond)
	}
	line := `{"level":"error","ts":1795453949.1,"msg":"known: can not charge","error":"dial tcp 10.0.0.7:5432: i/o timeout","order":%d}` + "\n"
	defer debug.SetGCPercent(debug.SetGCPercent(100)) // whoever runs this may have set GOGC
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	most := before.HeapAlloc
	began := time.Now()
	var last jetstream.PubAckFuture
	var text strings.Builder
	for i := 0; i < n; i += batch {
		text.Reset()
		for j := range batch {
			fmt.Fprintf(&text, line, i+j)
		}
		var err error
		if last, err = w.js.PublishAsync(topology.Signal("flood", s.id), []byte(text.String())); err != nil {
			w.Fatal(err)
		}
		if i/batch%1000 == 0 {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
		if ahead := time.Duration(float64(i) / float64(rate) * float64(time.Second)); ahead > time.Since(began) {
			<-time.After(ahead - time.Since(began))
		}
	}
	<-last.Ok()
	<-w.js.PublishAsyncComplete()
	judged := listen(w, "sluice.judged.*")
	w.signal("flood", s.id, `{"level":"error","msg":"new"}`)
	judged()
	perSecond = float64(n) / time.Since(began).Seconds()
	contains(w, s.tombstone().Reason, "new")
	gap = float64(len(s.requests(release.Hold)))
	if read := s.templates().Soaks[0].Templates[0].Count; read != n && gap == 0 {
		w.Errorf("%d signals were read, %d published, and no gap was said", read, n)
	}
	return perSecond, float64(most-before.HeapAlloc) / (1 << 20), gap
}

// TestAFloodIsReadInBoundedMemory is the flood, short.
func TestAFloodIsReadInBoundedMemory(t *testing.T) {
	if raceDetector { // a hundred thousand signals, for the other run
		return
	}
	w := durable(t)
	w.start("w")
	_, heap, gap := w.flood(100_000, 50_000, 100)
	if gap != 0 || heap > 256 {
		t.Errorf("gaps %.0f, %.0f MiB", gap, heap)
	}
}

// manySoaks is how many releases BenchmarkWatched watches at once: 10,000, or as many as SLUICE_WATCHED says.
func manySoaks(b *testing.B) int {
	b.Helper()
	text := os.Getenv("SLUICE_WATCHED")
	if text == "" {
		return 10_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// go test -run '^$' -bench Watched -benchtime 1x ./services/watcher
func BenchmarkWatched(b *testing.B) {
	n := manySoaks(b)
	for b.Loop() {
		emptyPools()
		server := natstest.One(b)
		w := newWorldOn(b, server, func() (*nats.Conn, error) { return server.Connect() }, topology.Options{})
		var last *soaking
		for i := range n {
			last = w.soak(fmt.Sprintf("p%d", i), 2*time.Hour, newErrors)
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		goroutines := runtime.NumGoroutine()
		beats := listen(w, "sluice.heartbeat.*")
		began := time.Now()
		w.start("w")
		seen := map[string]bool{}
		for len(seen) < n {
			seen[beats().Subject] = true
		}
		b.ReportMetric(time.Since(began).Seconds(), "s-until-all-beat")
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n)/1024, "heap-KiB/release")
		b.ReportMetric(float64(after.StackInuse-before.StackInuse)/float64(n)/1024, "stack-KiB/release")
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/float64(n), "goroutines/release")
		judged := listen(w, "sluice.judged.*")
		w.signal(last.project, last.id, "ERROR boom")
		judged()
		last.tombstone()
		w.end()
	}
}
