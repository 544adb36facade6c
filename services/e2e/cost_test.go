package e2e_test

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// TestCostOfARelease counts what one undisturbed release with a soak of two hours stores. Every stored message is one fsync on a
// single node (sync_interval: always), except where the stream may persist later. Its drivers print nothing: TestCostOfOutput.
func TestCostOfARelease(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "")
		w.start(all()...)
		before := w.stored()
		idle := goroutines()
		id := w.merge("tracer", "1.4.0")
		w.untilPhase(id, release.Soaking)
		time.Sleep(time.Minute)
		if n := goroutines() - idle; n > 4 {
			w.Errorf("%d goroutines for a soaking release, want at most 4", n)
		}
		w.untilPhase(id, release.Promoted)
		w.laneIsFree("tracer")
		synctest.Wait() // the link of its end, too
		after := w.stored()
		for stream, want := range map[string]uint64{
			// the merge, whose it is, whose the version is, 8 journal records, the lane taken and freed, the project's record, the
			// link in its audit chain
			topology.StreamSluice: 1 + 1 + 1 + 8 + 2 + 1 + 1,
			// the deadline of the merge, the delay that replaces it, and the due message that comes of that
			topology.StreamTimers: 3,
			// a heartbeat at the beginning and one for each of the 120 intervals, the last of which may meet the end
			topology.StreamEvidence: 120,
			// the artifact as it was handed in and as it is kept, each with its description
			topology.StreamArtifacts: 2 * 2,
		} {
			got := after[stream] - before[stream]
			if got > want+1 || (stream != topology.StreamEvidence && got != want) {
				w.Errorf("%s: %d messages for a release, want %d", stream, got, want)
			}
		}
	})
}

// TestCostOfWhatIsMeasured counts what the watcher stores of a release with a soak of two hours and two probes every ten seconds:
// the heartbeats, one message of measurements for each, and what the checks came to at the end.
func TestCostOfWhatIsMeasured(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", `watch:
  - { name: errors, signal: { max: 0 } }
  - { name: one, http: { url: "http://one.test/" } }
  - { name: two, http: { url: "http://two.test/" } }`)
		w.start(all()...)
		id := w.merge("tracer", "1.4.0")
		w.untilPhase(id, release.Promoted)
		w.laneIsFree("tracer")
		messages, bytes := w.sizes(topology.StreamEvidence)
		for subject, want := range map[string]struct{ messages, bytes int }{
			topology.Heartbeat(id): {121, 150}, topology.Measured(id): {121, 500}, topology.Evidence(id): {3, 500},
		} {
			n := messages[subject]
			if n > want.messages+1 || n < want.messages-2 || bytes[subject] > n*want.bytes {
				w.Errorf("%s: %d messages of %d bytes, want %d of at most %d", subject, n, bytes[subject]/max(n, 1), want.messages, want.bytes)
			}
			w.Logf("%s: %d messages, %d bytes", subject, n, bytes[subject])
		}
	})
}

// sizes are how many messages each subject of a stream has, and how many bytes their bodies.
func (w *world) sizes(stream string) (messages, bytes map[string]int) {
	w.Helper()
	s, err := w.js.Stream(w.Context(), stream)
	if err != nil {
		w.Fatal(err)
	}
	messages, bytes = map[string]int{}, map[string]int{}
	for seq := range s.CachedInfo().State.LastSeq {
		m, err := s.GetMsg(w.Context(), seq+1)
		if err != nil {
			w.Fatal(err)
		}
		messages[m.Subject]++
		bytes[m.Subject] += len(m.Data)
	}
	return messages, bytes
}

// stored is how many messages each stream has ever had.
func (w *world) stored() map[string]uint64 {
	w.Helper()
	out := map[string]uint64{}
	for _, c := range topology.Streams(topology.Options{}) {
		s, err := w.js.Stream(w.Context(), c.Name)
		if err != nil {
			w.Fatal(err)
		}
		out[c.Name] = s.CachedInfo().State.LastSeq
	}
	return out
}

// goroutines counts all of them when nothing is under way.
func goroutines() int {
	synctest.Wait()
	return runtime.NumGoroutine()
}

// TestCostOfOutput counts what is stored of what drivers print: a message for each attempt, and nothing beside what a release costs.
func TestCostOfOutput(t *testing.T) {
	bubble(t, func(w *world) {
		w.prints = func(o *driver.Output, _ string, _ driver.Facts) error {
			for range 100_000 {
				_, _ = o.Write([]byte("a line of a build\n"))
			}
			return nil
		}
		w.apply("tracer", "")
		w.start(all()...)
		before := w.stored()
		id := w.merge("tracer", "1.4.0")
		w.untilPhase(id, release.Promoted)
		time.Sleep(service.AsideWithin)
		messages, bytes := w.sizes(topology.StreamEvidence)
		const works = 3 // it is published, deployed, promoted
		n, size := messages[topology.Output(id)], bytes[topology.Output(id)]
		if n != works || size > works*72<<10 || size < works*56<<10 {
			w.Errorf("%d messages of %d bytes, want %d of about 66 KiB", n, size, works)
		}
		if got := w.stored()[topology.StreamEvidence] - before[topology.StreamEvidence]; got > 121+works {
			w.Errorf("%d messages in %s, want at most %d", got, topology.StreamEvidence, 121+works)
		}
		w.Logf("%s: %d messages, %d bytes", topology.Output(id), n, size)
	})
}
