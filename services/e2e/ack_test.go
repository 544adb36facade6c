package e2e_test

import (
	"bytes"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/release"
)

// TestKilledAtEveryAck kills each service as it acknowledges a hint, and starts it again five seconds later (a watcher that is
// away for longer is a gap in the watch): what is acknowledged must need nobody's memory any more. The soak is shorter than the time
// after which lost alarms are looked for, so that none can be lost and still come in time.
func TestKilledAtEveryAck(t *testing.T) {
	for _, victim := range all() {
		if raceDetector && victim != theStager {
			continue
		}
		t.Run(victim, func(t *testing.T) {
			for n, killed := 1, true; killed; n++ {
				t.Run(strconv.Itoa(n), func(t *testing.T) {
					bubble(t, func(w *world) { killed = w.killedAtAck(victim, n) })
				})
				if n == 1 && !killed {
					t.Error("it acknowledges nothing")
				}
			}
		})
	}
}

// killedAtAck takes a release to its end and kills a service at its nth acknowledgement on the way, if there are that many.
func (w *world) killedAtAck(victim string, n int) (killed bool) {
	w.Helper()
	w.apply("tracer", "soak: { delay: 2m }")
	w.start(all()...)
	w.untilPhase(w.merge("tracer", "1.3.0"), release.Promoted)
	w.laneIsFree("tracer")

	dead := make(chan struct{})
	w.onAck(victim, n, func() {
		w.services[victim].nc.Close()
		close(dead)
	})
	id := w.merge("tracer", "1.4.0")
	select {
	case <-dead:
		killed = true
		w.kill(victim)
		time.Sleep(5 * time.Second)
		w.start(victim)
	case <-time.After(time.Hour): // it has fewer
	}
	w.endsRight(id, release.Promoted)
	s := w.load(id)
	if late := s.End.At.Sub(s.Due); late > time.Minute {
		w.Errorf("promoted %s after it was due\n%s", late, w.story(id))
	}
	return killed
}

// onAck calls f as a service acknowledges its nth hint from now on.
func (w *world) onAck(service string, n int, f func()) {
	w.Helper()
	var acks atomic.Int64
	_, err := w.js.Conn().Subscribe("$JS.ACK.>", func(m *nats.Msg) {
		consumer := strings.Split(m.Subject, ".")[3]
		if strings.HasPrefix(consumer, service) && string(m.Data) == "+ACK" && acks.Add(1) == int64(n) {
			f()
		}
	})
	if err != nil {
		w.Fatal(err)
	}
}

// TestKilledAtEveryAckCatches is the test of that test: who acknowledges a hint before doing what it leads to takes it along.
func TestKilledAtEveryAckCatches(t *testing.T) {
	if raceDetector {
		t.Log("the flawed build runs without the race detector, in the other run of this package")
		return
	}
	out, err := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-tags=flaw_ack",
		"-run=^TestKilledAtEveryAck$/^stager$", ".").CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("never became promoted")) {
		t.Errorf("without its protection nothing happens: %v\n%s", err, out)
	}
}
