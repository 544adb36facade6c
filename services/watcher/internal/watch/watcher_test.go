package watch

import (
	"context"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/watcher/internal/probe"
)

const id = "01890a5d-ac96-774b-bcce-b302099a8057"

// idle is a watcher whose watches do not run.
func idle() (w *Watcher, spawned *int) {
	spawned = new(int)
	return New(service.Env{Log: zap.NewNop()}, probe.Tools{}, func(func(context.Context)) { *spawned++ }), spawned
}

// A watch that was woken after it looked for the last time looks again: the release may be on again.
func TestAWatchThatWasWokenDoesNotLeave(t *testing.T) {
	w, _ := idle()
	w.watch(id, false)
	r := w.live[id]
	<-r.wake
	w.poke(id, false)
	if w.leave(r) || w.live[id] != r {
		t.Fatal("it left")
	}
	<-r.wake
	if !w.leave(r) || w.live[id] != nil {
		t.Fatal("it stayed")
	}
	w.watch(id, true)
	if w.live[id] == nil || w.live[id] == r {
		t.Fatal("there is no new watch")
	}
}

func TestAClosedWatcherBeginsNothing(t *testing.T) {
	w, spawned := idle()
	w.Close()
	w.watch(id, true)
	if *spawned != 0 || len(w.live) != 0 {
		t.Fatal("it began a watch")
	}
}

// Only what can make a release watchable begins a watch; anything else wakes the one that is there.
func TestWhatIsHeard(t *testing.T) {
	for event, begins := range map[string]bool{
		"staged": true, "soaking": true, "held": true, "extended": true, "postponed": true, "baking": true,
		"merged": false, "publishing": false, "staging": false, "promoted": false, "cancelled": false, "": false,
	} {
		w, spawned := idle()
		m := nats.NewMsg(topology.Release(id))
		m.Header.Set(journal.HeaderEvent, event)
		w.heardJournal(m)
		if (*spawned == 1) != begins {
			t.Errorf("%q: %d watches", event, *spawned)
		}
	}
	w, spawned := idle()
	w.heardJournal(nats.NewMsg("sluice.release.nonsense"))
	w.heardSignal(nats.NewMsg("sluice.signal"))
	if *spawned != 0 {
		t.Error("nonsense began a watch")
	}
}

// A signal wakes the watches of its project, or of its release only.
func TestWhoHearsASignal(t *testing.T) {
	const other = "01890a5d-ac96-774b-bcce-b302099a8058"
	for subject, want := range map[string][2]bool{
		topology.Signal("tracer", ""):    {true, true},
		topology.Signal("tracer", id):    {true, false},
		topology.Signal("tracer", other): {false, true},
		topology.Signal("else", ""):      {false, false},
	} {
		w, _ := idle()
		var rs [2]*watch
		for i, release := range []string{id, other} {
			w.watch(release, true)
			rs[i] = w.live[release]
			<-rs[i].wake
			w.attend("tracer", rs[i], true)
		}
		w.heardSignal(nats.NewMsg(subject))
		for i, r := range rs {
			if got := len(r.wake) == 1; got != want[i] || r.heard.Load() != want[i] {
				t.Errorf("%s: watch %d woken: %t", subject, i, got)
			}
			w.attend("tracer", r, false)
		}
		if len(w.projects) != 0 {
			t.Error("somebody still attends")
		}
	}
}

// A publish whose acknowledgement does not count is not taken for done.
func TestAcknowledgementsThatDoNotCount(t *testing.T) {
	for name, ack := range map[string]jetstream.PubAck{
		"another stream": {Stream: "ELSEWHERE", Sequence: 1},
		"no sequence":    {Stream: topology.StreamSluice},
		"a duplicate":    {Stream: topology.StreamSluice, Sequence: 1, Duplicate: true},
	} {
		r := newWatch(&Watcher{env: service.Env{Log: zap.NewNop(), JS: acker{ack: ack}}}, id)
		if err := r.publish(t.Context(), topology.StreamSluice, nats.NewMsg("sluice.cancel")); err == nil {
			t.Errorf("%s counted", name)
		}
	}
}

// acker acknowledges every publish in one way.
type acker struct {
	jetstream.JetStream
	ack jetstream.PubAck
}

func (a acker) PublishMsg(context.Context, *nats.Msg, ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	return &a.ack, nil
}
