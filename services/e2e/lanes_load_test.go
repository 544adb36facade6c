package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// TestQueueOfTwentyWithHolds: whoever is held and whatever is restarted, all of them get through in the order of their merges,
// and a held release keeps the lane. `make test` runs it without the race detector, which makes it five times slower and has
// TestCollisionQueue.
func TestQueueOfTwentyWithHolds(t *testing.T) {
	if raceDetector {
		t.Log("runs in the other run of this package")
		return
	}
	bubble(t, func(w *world) {
		w.apply("tracer", "soak: { delay: 1h, collision: queue }")
		w.start(all()...)
		q := &queueOf{world: w}
		for i := range 20 {
			if i == 10 { // half of them come while nobody lets them in
				w.kill(theStager)
			}
			q.ids = append(q.ids, w.merge("tracer", fmt.Sprintf("1.%d.0", i)))
			time.Sleep(time.Minute)
		}
		w.start(theStager)
		for _, id := range q.ids[1:] {
			w.untilPhase(id, release.Queued)
		}
		w.ask("hold", q.ids[2], "ana", "QA") // before its turn
		w.ask("hold", q.ids[5], "ana", "not on Friday")
		began, held := w.now(), time.Duration(0)
		for i, id := range q.ids {
			switch i {
			case 0: // all at once, in the middle of the first soak
				for _, name := range all() {
					w.kill(name)
				}
				w.start(all()...)
			case 2:
				q.isHeld(i, time.Hour)
				held += q.keepsTheLane(i, 5*time.Hour)
			case 4: // the one behind it is let go before its turn
				w.ask("resume", q.ids[5], "ana", "Monday")
				w.until(q.ids[5], "not held", func(s release.State) bool { return s.Held == nil })
			case 8, 11, 19:
				w.untilPhase(id, release.Soaking)
				time.Sleep(20 * time.Minute)
				w.ask("hold", id, "bob", "the load test")
				q.isHeld(i, 40*time.Minute)
				held += q.keepsTheLane(i, 3*time.Hour)
			case 14: // nobody lets anybody in or out for a while
				w.untilPhase(id, release.Soaking)
				w.drain(theStager)
				w.untilPhase(id, release.Promoted)
				time.Sleep(time.Hour)
				held += time.Hour
				w.start(theStager)
			}
			w.untilPhase(id, release.Promoted)
		}
		q.inOrder()
		w.laneIsFree("tracer")
		took := w.now().Sub(began)
		if most := 20*time.Hour + held + 20*time.Second; took > most {
			w.Errorf("it took %s, want at most %s", took, most)
		}
		w.Logf("20 promoted in %s, %s of it held", took, held)
	})
}

type queueOf struct {
	*world
	ids []string
}

// isHeld waits until the i-th is held, with what is left of its soak.
func (q *queueOf) isHeld(i int, left time.Duration) {
	q.Helper()
	s := q.untilPhase(q.ids[i], release.Held)
	if d := s.Remaining - left; d.Abs() > 15*time.Second {
		q.Errorf("%s of the soak of %s is left, want %s", s.Remaining, s.Version, left)
	}
}

// keepsTheLane checks that the i-th keeps the lane while it is held, and those behind it their places, also over restarts.
func (q *queueOf) keepsTheLane(i int, held time.Duration) time.Duration {
	q.Helper()
	for range 2 {
		time.Sleep(held / 2)
		r, _, err := q.journal.Lane(q.Context(), "tracer")
		if err != nil {
			q.Fatal(err)
		}
		var behind []string
		for _, o := range r.Waiting {
			behind = append(behind, o.Release)
		}
		if r.Owner != q.ids[i] || !slices.Equal(behind, q.ids[i+1:]) {
			q.Errorf("%d is held, the lane is %+v", i, r)
		}
		q.drain(theStager)
		q.kill(thePromoter)
		q.start(theStager, thePromoter)
	}
	q.ask("resume", q.ids[i], "ana", "all is well")
	return held
}

// inOrder checks that one after the other was staged and promoted.
func (q *queueOf) inOrder() {
	q.Helper()
	var last release.State
	for _, id := range q.ids {
		s := q.untilPhase(id, release.Promoted)
		if !last.End.At.IsZero() && s.StagedAt.Before(last.End.At) {
			q.Errorf("%s was staged at %s, before %s ended at %s", s.Version, s.StagedAt, last.Version, last.End.At)
		}
		last = s
	}
	q.equal("latest", q.channel("tracer", "latest"), last.Version)
}

// now is the bubble's time.
func (w *world) now() time.Time { return time.Now() }

const (
	stormMerges = 200 // in an hour
	stormSoak   = 20 * time.Minute
)

// TestSupersedeStorm: 200 merges in an hour, with a soak of 20 minutes. Without the bound nothing would be promoted before the
// storm is over.
func TestSupersedeStorm(t *testing.T) {
	bubble(t, func(w *world) {
		got := w.storm(func(int) {})
		if got.longest != lane.DefaultSupersedeLimit {
			w.Errorf("%d in a row gave way, want %d", got.longest, lane.DefaultSupersedeLimit)
		}
		// A row of limit occupants comes as fast as merges do; whoever follows it is let finish.
		rowTakes := (lane.DefaultSupersedeLimit + 1) * time.Hour / stormMerges
		if want := int(time.Hour / (stormSoak + rowTakes)); got.during < want {
			w.Errorf("%d promotions in an hour, want at least %d", got.during, want)
		}
		if most := stormSoak + rowTakes + 10*time.Second; got.apart > most {
			w.Errorf("%s between two promotions, want at most %s", got.apart, most)
		}
	})
}

// TestSupersedeStormWithCrashes: the row is counted right, though the stager is killed whenever it has written the lane's record,
// or has asked somebody to give way, before it can do anything more. `make test` runs it without the race detector, which makes it
// five times slower and has TestSupersedeStorm.
func TestSupersedeStormWithCrashes(t *testing.T) {
	if raceDetector {
		t.Log("runs in the other run of this package")
		return
	}
	for _, step := range []string{topology.Lane("tracer"), "sluice.cancel.*." + theStager} {
		t.Run(step, func(t *testing.T) {
			bubble(t, func(w *world) {
				got, kills := w.stormOfKills(step)
				if kills < got.gaveWay {
					w.Errorf("killed %d times, and %d gave way", kills, got.gaveWay)
				}
				if got.longest > lane.DefaultSupersedeLimit {
					w.Errorf("%d in a row gave way, want at most %d", got.longest, lane.DefaultSupersedeLimit)
				}
				if got.during < 2 {
					w.Errorf("%d promotions in an hour, want at least 2", got.during)
				}
			})
		})
	}
}

// stormOfKills is a storm in which the stager is killed at each message on a subject, and started again at the next merge.
func (w *world) stormOfKills(subject string) (got stormed, kills int) {
	w.Helper()
	stored := make(chan struct{}, 10*stormMerges)
	var victim atomic.Pointer[nats.Conn]
	_, err := w.js.Conn().Subscribe(subject, func(*nats.Msg) {
		if nc := victim.Load(); nc != nil {
			nc.Close()
			stored <- struct{}{}
		}
	})
	if err != nil {
		w.Fatal(err)
	}
	got = w.storm(func(i int) {
		time.Sleep(time.Second)
		if len(stored) > 0 {
			w.kill(theStager)
			w.start(theStager)
			kills += len(stored)
			for len(stored) > 0 {
				<-stored
			}
		}
		victim.Store(w.services[theStager].nc)
		if i == stormMerges-1 {
			victim.Store(nil) // it is over: let them end
		}
	})
	return got, kills
}

// stormed is what became of a storm.
type stormed struct {
	promoted, during            int // in all, and before the last merge
	gaveWay, longest, displaced int // in staging, and at most in a row; in the queue
	apart                       time.Duration
}

// storm merges one after the other under supersede and waits until all have ended. disturb is called after each merge.
func (w *world) storm(disturb func(i int)) stormed {
	w.Helper()
	w.apply("tracer", "soak: { delay: 20m, collision: supersede }")
	w.start(all()...)
	last := w.now()
	var ids []string
	for i := range stormMerges {
		ids = append(ids, w.merge("tracer", fmt.Sprintf("1.%d.0", i)))
		disturb(i)
		time.Sleep(time.Hour / stormMerges)
	}
	over := w.now()
	w.untilPhase(ids[stormMerges-1], release.Promoted)
	w.laneIsFree("tracer")
	w.equal("latest", w.channel("tracer", "latest"), fmt.Sprintf("1.%d.0", stormMerges-1))

	var got stormed
	row := 0
	for _, id := range ids {
		s := w.until(id, "done with", putBack)
		switch {
		case s.Phase == release.Promoted:
			got.promoted++
			row = 0
			got.apart = max(got.apart, s.End.At.Sub(last))
			if last = s.End.At; last.Before(over) {
				got.during++
			}
		case s.Phase == release.Superseded && !s.Staging.Touched:
			got.displaced++
		case s.Phase == release.Cancelled && s.End.By == "stager":
			got.gaveWay++
			row++
			got.longest = max(got.longest, row)
		default:
			w.Errorf("%s is %s by %s: %s", s.Version, s.Phase, s.End.By, s.End.Reason)
		}
	}
	w.Logf("%d merges in an hour: %d promoted (%d during the storm), %d in staging gave way (at most %d in a row), %d were displaced in the queue; "+
		"at most %s between two promotions", stormMerges, got.promoted, got.during, got.gaveWay, got.longest, got.displaced, got.apart)
	return got
}

// TestSupersedeMaxWait: a merge every 11 hours never lets a soak of 12 hours end, until the first superseded one is a day old.
func TestSupersedeMaxWait(t *testing.T) {
	if tooSlow(t) {
		return
	}
	bubble(t, func(w *world) {
		w.apply("tracer", "soak: { delay: 1h, collision: supersede, max_wait: 2h }")
		w.start(all()...)
		var ids []string
		for i := range 4 {
			ids = append(ids, w.merge("tracer", fmt.Sprintf("1.%d.0", i)))
			time.Sleep(55 * time.Minute)
		}
		for i, want := range []release.Phase{release.Cancelled, release.Cancelled, release.Promoted, release.Promoted} {
			w.untilPhase(ids[i], want)
		}
		w.laneIsFree("tracer")
	})
}

// TestHoldIsNotSuperseded: a person's hold keeps the lane against a newer merge, too.
func TestHoldIsNotSuperseded(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "soak: { delay: 1h, collision: supersede }")
		w.start(all()...)
		first := w.merge("tracer", "1.0.0")
		w.untilPhase(first, release.Soaking)
		w.ask("hold", first, "ana", "QA looks at it")
		w.untilPhase(first, release.Held)
		second := w.merge("tracer", "1.1.0")
		s := w.untilPhase(second, release.Queued)
		w.equal("behind", s.Behind, first)
		time.Sleep(2 * time.Hour)
		w.untilPhase(first, release.Held)
		w.ask("cancel", first, "ana", "QA says no")
		w.untilPhase(second, release.Promoted)
		if s := w.untilPhase(first, release.Cancelled); s.End.By != "ana" || !strings.Contains(s.End.Reason, "QA says no") {
			w.Errorf("cancelled by %s: %s", s.End.By, s.End.Reason)
		}
		w.laneIsFree("tracer")
	})
}

// TestExpeditedIsNotDisplaced: what somebody expedited while it waits is promoted, though a newer merge comes.
func TestExpeditedIsNotDisplaced(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "soak: { delay: 1h, collision: newest }")
		w.start(all()...)
		first := w.merge("tracer", "1.0.0")
		w.untilPhase(first, release.Soaking)
		urgent := w.merge("tracer", "1.1.0")
		w.untilPhase(urgent, release.Queued)
		w.ask("expedite", urgent, "ana", "fixes the login")
		w.until(urgent, "expedited", func(s release.State) bool { return s.Expedited != nil })
		time.Sleep(time.Minute)
		newer := w.merge("tracer", "1.2.0")
		w.untilPhase(newer, release.Queued)
		w.ask("cancel", first, "bob", "it breaks the login")
		w.untilPhase(urgent, release.Promoted)
		w.untilPhase(newer, release.Promoted)
		w.laneIsFree("tracer")
	})
}
