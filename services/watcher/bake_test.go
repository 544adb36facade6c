package watcher_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

const bakeFile = `soak: { delay: 10m }
watch: [ { name: staging, http: { url: "http://staging.test/staging" }, interval: 10s } ]
bake: { for: 30m, watch: [
  { name: production, http: { url: "http://staging.test/production" }, interval: 10s, failures: 2 },
  { name: errors, signal: { max: 1 } } ] }`

// baking makes a release that was promoted after its soak, and bakes for half an hour.
func (w *world) baking() *soaking {
	w.Helper()
	s := w.merged("tracer", release.Policy{
		Revision: w.apply("tracer", bakeFile), Delay: 10 * time.Minute, Bake: 30 * time.Minute,
	})
	s.staged()
	sleep(5 * time.Minute)
	w.signal("tracer", "", "in the soak")
	sleep(5*time.Minute + 3*time.Second)
	s.do(release.WasBegun{Work: release.Promote})
	sleep(time.Minute)
	s.do(release.WasBaking{At: time.Now()})
	sleep(0)
	return s
}

// rollback is the only request of the watcher.
func (s *soaking) rollback() release.Request {
	s.Helper()
	all := s.requests(release.Recall)
	if len(all) != 1 || len(s.tombstones()) != 0 {
		s.Fatalf("rollbacks %+v and tombstones %+v, want one rollback", all, s.tombstones())
	}
	return all[0]
}

func TestABakeIsWatched(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.baking()
		soaked := w.staging.of("/staging")
		sleep(30 * time.Minute)
		if got := s.entry.State.Watched(s.beats()); got < 30*time.Minute {
			t.Errorf("watched for %s", got)
		}
		if n := len(s.beats()); n < 119 || n > 123 {
			t.Errorf("%d heartbeats, want about 120", n)
		}
		if n := w.staging.of("/staging") - soaked; n != 0 {
			t.Errorf("%d probes of staging in the bake", n)
		}
		s.do(release.WasDone{Work: release.Promote, At: time.Now()})
		sleep(time.Second)
		asked := w.staging.count()
		w.staging.set("/production", http.StatusInternalServerError)
		sleep(time.Hour)
		if n := w.staging.count() - asked; n != 0 {
			t.Errorf("%d probes after the bake", n)
		}
		if all := s.requests(release.Recall); len(all) != 0 {
			t.Errorf("rollbacks: %+v", all)
		}
		if n := len(s.judgements(topology.Evidence(s.id))); n != 3 {
			t.Errorf("%d judgements of the soak's one check and the bake's two", n)
		}
	})
}

func TestABakeThatFailsIsRolledBack(t *testing.T) {
	for name, instances := range map[string][]string{"one instance": {"a"}, "two": {"a", "b"}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				for _, i := range instances {
					w.start(i)
				}
				s := w.baking()
				sleep(10*time.Minute + 5*time.Second)
				failed := time.Now()
				w.staging.set("/production", http.StatusInternalServerError)
				sleep(30 * time.Second)
				r := s.rollback()
				contains(t, r.Reason, "check production of the bake failed 2 times in a row", "answered 500")
				contains(t, r.Evidence, `"bake":true`, `"count":2`)
				if clean, _ := s.clean(failed.Add(5 * time.Second)); len(clean) != 0 {
					t.Errorf("heartbeats that saw nothing: %v", clean)
				}
				asked := w.staging.count()
				for range 3 { // the promoter is down
					for _, i := range instances {
						w.kill(i)
						w.start(i)
					}
					sleep(time.Minute)
				}
				if n := w.staging.count() - asked; n != 0 {
					t.Errorf("%d probes after the request", n)
				}
				s.do(release.WasRecalled{Said: release.Said{By: "watcher", At: time.Now()}, Seq: r.Seq})
				s.do(release.WasDone{Work: release.Rollback, At: time.Now()})
				sleep(time.Hour)
				s.rollback()
				if n := len(s.judgements(topology.Judged(s.id))); n != 1 {
					t.Errorf("%d verdicts", n)
				}
			})
		})
	}
}

// Both find at once that all of them failed, and store one request each.
func TestTwoInstancesAskForOneRollback(t *testing.T) {
	bubble(t, func(w *world) {
		w.staging.set("/production", http.StatusInternalServerError)
		var all []*soaking
		for i := range 20 {
			project := fmt.Sprintf("p%d", i)
			s := w.merged(project, release.Policy{Revision: w.apply(project, bakeFile), Delay: 10 * time.Minute, Bake: 30 * time.Minute})
			s.staged()
			s.do(release.WasBegun{Work: release.Promote})
			s.do(release.WasBaking{At: time.Now()})
			w.signal(project, "", "boom")
			w.signal(project, "", "and again")
			all = append(all, s)
		}
		sleep(2 * time.Minute)
		w.start("a")
		w.start("b")
		sleep(15 * time.Second)
		for _, s := range all {
			contains(t, s.rollback().Reason, "of the bake")
			if n := len(s.judgements(topology.Judged(s.id))); n != 1 {
				t.Errorf("%s: %d verdicts", s.project, n)
			}
		}
	})
}

// Signals of the soak do not count in the bake, and the roll call finds a release that bakes.
func TestARestartMidBake(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.baking()
		sleep(10 * time.Minute)
		w.signal("tracer", "", "one is allowed")
		w.kill("w")
		sleep(10 * time.Second) // a heartbeat every 15
		w.start("w")
		sleep(20*time.Minute - 10*time.Second)
		if got := s.entry.State.Watched(s.beats()); got < 30*time.Minute {
			t.Errorf("watched for %s", got)
		}
		w.signal("tracer", "", "boom")
		sleep(10 * time.Millisecond)
		contains(t, s.rollback().Reason, "2 signals")
	})
}

// The watcher was cut off when production began to fail, and the bake was over before it was back.
func TestAFailureInTheLastMinutesOfABake(t *testing.T) {
	for name, c := range map[string]struct {
		fails time.Duration // before the end of the bake
		want  int
	}{"within it": {time.Minute, 1}, "after it": {-time.Minute, 0}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.start("w")
				s := w.baking()
				sleep(28 * time.Minute)
				w.server.Stop()
				sleep(2*time.Minute - c.fails)
				w.staging.set("/production", http.StatusInternalServerError)
				sleep(c.fails + 2*time.Minute)
				w.server.Start(t)
				defer s.first()()
				s.do(release.WasDone{Work: release.Promote, At: time.Now()})
				sleep(10 * time.Second)
				if all := s.requests(release.Recall); len(all) != c.want {
					t.Errorf("rollbacks: %+v", all)
				}
			})
		})
	}
}
