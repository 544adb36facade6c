package check_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/check"
	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/outside"
)

// TestNoViolation: what may happen is let pass.
func TestNoViolation(t *testing.T) {
	for name, tell := range map[string]func(s *story){
		"promoted": func(s *story) { s.soaking().watched(soak).claims().promoted() },
		"too late": func(s *story) {
			s.soaking().watched(soak).claims().wait(time.Second)
			cancel := s.ask("cancel", "q1")
			s.then(release.WasRefused{Verb: release.Cancel, Seq: cancel, Said: said(s.now)}).promoted()
		},
		"cancelled in time": func(s *story) {
			s.soaking().watched(soak)
			cancel := s.ask("cancel", "q1")
			s.claims().then(release.WasCancelled{Said: said(s.now), Seq: cancel})
			s.putBack()
		},
		"held, resumed, promoted": func(s *story) {
			s.soaking()
			hold := s.ask("hold", "q1")
			s.then(release.WasHeld{Holding: release.Holding{Said: said(s.now)}, Seq: hold}).wait(time.Hour)
			resume := s.ask("resume", "q2")
			s.then(release.WasResumed{Said: said(s.now), Seq: resume, Due: s.now.Add(soak)}).watched(soak).claims().promoted()
		},
		"expedited": func(s *story) {
			s.soaking()
			expedite := s.ask("expedite", "q1")
			s.then(release.WasExpedited{Said: said(s.now), Seq: expedite}).watched(time.Second).claims().promoted()
		},
		"failed after an effective claim": func(s *story) {
			s.soaking().watched(soak).claims().wait(time.Second)
			cancel := s.ask("cancel", "q1")
			s.then(release.WasRefused{Verb: release.Cancel, Seq: cancel, Said: said(s.now)})
			s.then(release.WasFailed{Said: said(s.now)})
		},
		"superseded before an acknowledged cancel is answered": func(s *story) {
			s.soaking()
			cancel := s.ask("cancel", "q1")
			s.wait(time.Second).then(release.WasSuperseded{Newer: "x", At: s.now})
			s.then(release.WasRefused{Verb: release.Cancel, Seq: cancel, Said: said(s.now)}).putBack()
		},
		"soaks for long": func(s *story) {
			s.h.Waits = true
			s.soaking()
		},
		"failed, retried, promoted": func(s *story) {
			s.soaking().then(release.WasFailed{Said: said(s.now)}).putBack()
			s.beside(release.WasFailed{})
			s.retried().publishedAndSoaking().watched(soak).claims().promoted()
		},
		"held, failed before its soak, retried, promoted": func(s *story) {
			s.heldFailedRetried().watched(soak).claims().promoted()
		},
		"failed after an effective claim, retried, promoted": func(s *story) {
			s.soaking().watched(soak).claims().wait(time.Second).then(release.WasFailed{Said: said(s.now)})
			s.retried().then(release.WasSoaked{Due: s.now, At: s.now}).claims().promoted()
		},
		"paused, and unpaused": func(s *story) {
			s.soaking().watched(soak).store(topology.Stop(topology.StopPause, "p", "ana"), nil)
			s.claims().then(release.WasPostponed{Obstacle: release.Obstacle{Kind: release.ByPause}, At: s.now})
			s.store(topology.Stop(topology.StopUnpause, "p", "ana"), nil)
			s.claims().promoted()
		},
		"paused for long": func(s *story) {
			s.soaking().watched(soak).store(topology.Stop(topology.StopPause, "p", "ana"), nil)
			s.then(release.WasPostponed{Obstacle: release.Obstacle{Kind: release.ByPause}, At: s.now}).wait(2 * time.Minute)
			s.store(topology.Stop(topology.StopUnpause, "p", "ana"), nil)
			s.claims().promoted()
		},
		"taken over after the deadline": func(s *story) {
			s.soaking().watched(soak).claims().wait(7 * time.Second).then(begun(release.Promote, "b", 2, s.now)).promoted()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t)
			tell(s)
			if _, found := s.h.Judge(); len(found) > 0 {
				t.Error(found)
			}
		})
	}
}

func TestViolations(t *testing.T) {
	for name, tell := range map[string]func(s *story){
		"I0 appended to another record": func(s *story) {
			s.soaking().watched(soak).then(begun(release.Promote, "a", 1, s.now), func(st *release.State) { st.Digest = "" })
		},
		"I1 ended twice": func(s *story) {
			s.soaking().watched(soak).claims().promoted().then(release.WasQueued{}).then(release.WasFailed{})
		},
		"I1 users get something else": func(s *story) {
			s.soaking().watched(soak).claims().promoted()
			s.h.Channels["p"] = check.Channel{Version: "0.9.0"}
		},
		"I1 promoted outside and cancelled": func(s *story) {
			s.soaking().watched(soak).claims()
			s.h.Effects = append(s.h.Effects, outside.Effect{Action: "promote", Release: id, Attempt: 1, At: s.now.Add(time.Second)})
			s.then(release.WasCancelled{Said: said(s.now)})
		},
		"I2 cancel before the claim": func(s *story) {
			s.soaking().watched(soak).ask("cancel", "q1")
			s.claims().promoted()
		},
		"I2 extend before the claim": func(s *story) {
			s.soaking().watched(soak).ask("extend", "1s q1")
			s.claims().promoted()
		},
		"I3 early": func(s *story) { s.soaking().watched(soak - time.Second).claims().promoted() },
		"I3 early after a retry": func(s *story) {
			s.heldFailedRetried().watched(soak - time.Second).claims().promoted()
		},
		"I4 unwatched":    func(s *story) { s.soaking().wait(soak).claims().promoted() },
		"I5 after an end": func(s *story) { s.soaking().watched(soak).claims().promoted().then(release.WasFailed{}) },
		"I6 twice":        func(s *story) { s.soaking().then(release.WasSoaked{Due: s.now.Add(soak)}) },
		"I7 never answered": func(s *story) {
			s.soaking().watched(soak).claims().promoted().ask("cancel", "q1")
		},
		"I7 answered twice": func(s *story) {
			s.soaking()
			seq := s.ask("resume", "q1")
			for range 2 {
				s.then(release.WasRefused{Verb: release.Resume, Seq: seq, Said: said(s.now)})
			}
		},
		"I8 a hold is forgotten": func(s *story) {
			s.soaking()
			seq := s.ask("hold", "q1")
			s.then(release.WasHeld{Holding: release.Holding{Said: said(s.now)}, Seq: seq})
			s.then(release.WasExpedited{Said: said(s.now)})
		},
		"I9 another artifact": func(s *story) {
			s.soaking().then(release.WasExtended{By: time.Second, Said: said(s.now)}, func(st *release.State) { st.Digest = "sha256:0" })
		},
		"I10 an effective claim is taken back": func(s *story) {
			s.soaking().watched(soak).claims().then(release.WasExtended{By: time.Second, Said: said(s.now)})
		},
		"I10 an ineffective claim is acted on": func(s *story) {
			s.soaking().watched(soak).ask("hold", "q1")
			s.claims().then(release.WasFailed{Said: said(s.now)})
		},
		"I11 two at once": func(s *story) {
			s.soaking().watched(soak).claims().wait(time.Second).then(begun(release.Promote, "b", 2, s.now)).promoted()
		},
		"I11 done too late": func(s *story) {
			s.soaking().watched(soak).claims().wait(7 * time.Second).promoted()
			s.h.Effects = append(s.h.Effects, outside.Effect{Action: "promote", Release: id, Attempt: 1, At: s.now})
		},
		"I11 not announced": func(s *story) {
			s.soaking()
			s.h.Effects = append(s.h.Effects, outside.Effect{Action: "promote", Release: id, Attempt: 1, At: s.now})
		},
		"I12 overdue": func(s *story) { s.soaking().watched(soak).wait(2 * time.Minute).claims().promoted() },
		"I12 overdue after a pause": func(s *story) {
			s.soaking().watched(soak).store(topology.Stop(topology.StopPause, "p", "ana"), nil)
			s.then(release.WasPostponed{Obstacle: release.Obstacle{Kind: release.ByPause}, At: s.now})
			s.store(topology.Stop(topology.StopUnpause, "p", "ana"), nil)
			s.wait(2 * time.Minute).claims().promoted()
		},
		"I13 stuck": func(s *story) { s.soaking() },
		"I13 expedited and forgotten": func(s *story) {
			s.h.Waits = true
			s.soaking().watched(time.Second)
			s.then(release.WasExpedited{Said: said(s.now), Seq: s.ask("expedite", "q1")})
		},
		"I13 overdue and forgotten": func(s *story) {
			s.h.Waits = true
			s.soaking().wait(time.Hour).ask("resume", "q1")
		},
		"I13 not put back": func(s *story) {
			s.soaking().then(release.WasCancelled{Said: said(s.now), Seq: s.ask("cancel", "q1")})
		},
		"I5 retried when it was cancelled": func(s *story) {
			s.soaking().then(release.WasCancelled{Said: said(s.now), Seq: s.ask("cancel", "q1")}).putBack()
			s.retried()
		},
		"I6 twice after a retry": func(s *story) {
			s.soaking().then(release.WasFailed{Said: said(s.now)}).putBack()
			s.retried().publishedAndSoaking().then(release.WasSoaked{Due: s.now.Add(soak)})
		},
		"I14 paused": func(s *story) {
			s.soaking().watched(soak).store(topology.Stop(topology.StopPause, "p", "ana"), nil)
			s.claims().promoted()
		},
		"audit a record does not follow": func(s *story) {
			s.soaking().watched(soak).claims().promoted()
			s.raw(topology.Release(id), releasepb.Record{Event: release.WasRefused{}, State: s.state, Prev: []byte("another")})
		},
		"audit a linked record was changed": func(s *story) { s.soaking().watched(soak).claims().promoted().link(s.seq) },
		"I14 not approved": func(s *story) {
			s.approvals = 1
			s.soaking().watched(soak).claims().promoted()
		},
		"I15 backwards": func(s *story) {
			s.soaking().watched(soak).claims().promoted()
			at := s.now
			s.beside(release.WasDone{Work: release.Stage}, release.WasSoaked{Due: at}, begun(release.Promote, "a", 1, at), release.WasDone{Work: release.Promote})
		},
		"I16 retried though it was cancelled": func(s *story) {
			s.soaking().watched(soak).claims().wait(time.Second)
			cancel := s.ask("cancel", "q1")
			s.then(release.WasRefused{Verb: release.Cancel, Seq: cancel, Said: said(s.now)}).then(release.WasFailed{Said: said(s.now)}).retried()
			s.then(release.WasSoaked{Due: s.now, At: s.now}).claims().promoted()
		},
		"I17 retried without its lane": func(s *story) {
			s.soaking().watched(soak).claims().wait(time.Second).then(release.WasFailed{Said: said(s.now)})
			s.retried().claims().promoted()
		},
		"I18 a bake that fails": func(s *story) {
			s.soaking().watched(soak).claims().then(release.WasBaking{At: s.now}).then(release.WasFailed{Said: said(s.now)})
		},
		"I18 lost by a rollback that failed": func(s *story) {
			s.soaking().watched(soak).claims().promoted().then(release.WasRecalled{Said: said(s.now), Seq: s.ask("rollback", "q1")})
			s.then(release.WasNotRolledBack{Said: said(s.now)}, func(st *release.State) { st.Phase = release.Failed })
		},
		"I19 expedited and not looked at": func(s *story) {
			s.soaking().watched(time.Second)
			s.then(release.WasExpedited{Said: said(s.now.Add(time.Millisecond)), Seq: s.ask("expedite", "q1")}).wait(time.Second).claims().promoted()
		},
		"lane deployed while another is": func(s *story) {
			s.soaking().beside(release.WasFailed{})
			s.watched(soak).claims().promoted()
		},
		"lane soaks again while another is deployed": func(s *story) {
			s.soaking().watched(soak).claims().wait(time.Second).then(release.WasFailed{Said: said(s.now)})
			s.retried().beside().then(release.WasSoaked{Due: s.now, At: s.now}).claims().promoted()
		},
		"ack lost request": func(s *story) {
			s.soaking().watched(soak).claims().promoted()
			s.h.Asked = append(s.h.Asked, check.Asked{Release: id, Subject: topology.Request("cancel", id, ""), Seq: 77, Acked: s.now})
		},
		"ack lost merge": func(s *story) {
			s.h.Merged = append(s.h.Merged, check.Merged{Release: "01970000-0000-7000-8000-000000000009"})
		},
		"linear the cancel was acknowledged before the claim was stored": func(s *story) {
			s.soaking().watched(soak)
			sent := s.now
			s.claims().wait(time.Second)
			seq := s.ask("cancel", "q1") // stored after the claim, by its sequence
			s.h.Asked[0].Sent, s.h.Asked[0].Acked = sent.Add(-time.Second), sent.Add(-time.Millisecond)
			s.then(release.WasRefused{Verb: release.Cancel, Seq: seq, Said: said(s.now)}).promoted()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t)
			tell(s)
			_, found := s.h.Judge()
			want, _, _ := strings.Cut(name, " ")
			if !slices.ContainsFunc(found, func(v check.Violation) bool { return v.Name == want }) {
				t.Errorf("not found; only %v", found)
			}
		})
	}
}

// TestNewerVersions: what a newer version writes is no violation.
func TestNewerVersions(t *testing.T) {
	s := begin(t)
	s.soaking().watched(soak).claims().promoted()
	data, err := releasepb.EncodeRecord(releasepb.Record{Event: release.WasDone{Work: "bake"}, State: s.state})
	if err != nil {
		t.Fatal(err)
	}
	s.store(topology.Release(id), []byte(strings.Replace(string(data), `"done"`, `"baked"`, 1)))
	s.store("sluice.applaud."+id+".ana", []byte("fine"))
	if _, found := s.h.Judge(); len(found) > 0 {
		t.Error(found)
	}
}
