package check_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/check"
	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/outside"
)

const (
	id     = "01970000-0000-7000-8000-000000000001"
	digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	soak   = 5 * time.Second
)

func noon() time.Time { return time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC) }

// story is a run that is written down as it happens, a second for each thing. Whoever tells it may lie.
type story struct {
	t     *testing.T
	h     check.History
	seq   uint64
	now   time.Time
	state release.State
	claim uint64

	approvals int // that the project asks for
}

func begin(t *testing.T) *story {
	s := &story{t: t, now: noon(), h: check.History{Seen: map[string]time.Time{}, Channels: map[string]check.Channel{}}}
	return s
}

func (s *story) wait(d time.Duration) *story { s.now = s.now.Add(d); return s }

func (s *story) store(subject string, data []byte) uint64 {
	s.seq++
	s.h.Add(check.Message{Seq: s.seq, At: s.now, Subject: subject, Data: data})
	return s.seq
}

// then appends an event to the journal, after changing what it was decided on.
func (s *story) then(ev release.Event, lies ...func(*release.State)) *story {
	s.t.Helper()
	state := release.Evolve(s.state, ev)
	for _, lie := range lies {
		lie(&state)
	}
	data, err := releasepb.EncodeRecord(releasepb.Record{Event: ev, State: state, Service: "promoter@a"})
	if err != nil {
		s.t.Fatal(err)
	}
	seq := s.store(topology.Release(id), data)
	s.state = state.Stamp(seq, s.now)
	return s
}

func (s *story) raw(subject string, r releasepb.Record) {
	s.t.Helper()
	data, err := releasepb.EncodeRecord(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.store(subject, data)
}

// link stores a link of a record, with a hash that it does not have.
func (s *story) link(seq uint64) {
	s.t.Helper()
	data, _, err := audit.Next("p", audit.Message{}, audit.Head{Release: id, Seq: seq, At: s.now}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.store(topology.Audit("p"), data)
}

// ask stores a request of somebody, who knows what a client knows.
func (s *story) ask(verb, body string) uint64 {
	subject := topology.Request(verb, id, "ana")
	asked := check.Asked{ID: body, Release: id, Subject: subject, Sent: s.now, Acked: s.now.Add(time.Millisecond)}
	if _, rest, found := strings.Cut(body, " "); found {
		asked.ID = rest
	}
	asked.Seq = s.store(subject, []byte(body))
	s.h.Asked = append(s.h.Asked, asked)
	return asked.Seq
}

func begun(w release.Work, instance string, number int, at time.Time) release.WasBegun {
	return release.WasBegun{
		Work: w, At: at, Attempt: release.Attempt{Number: number, Instance: instance, Timeout: 6 * time.Second},
		Plan: release.Plan{Version: "1.0.0", Beta: "1.0.0", Digest: digest},
	}
}

// soaking takes the release into its soak.
func (s *story) soaking() *story {
	s.t.Helper()
	s.h.Merged = []check.Merged{{Release: id, Project: "p", Version: "1.0.0", Digest: digest}}
	s.then(release.WasMerged{
		Release: id, Project: "p", At: s.now, Merge: release.Merge{Version: "1.0.0", Seq: 1},
		Policy: release.Policy{Lane: "p", Delay: soak, MaxOverdue: time.Minute, PutBack: true, Approvals: s.approvals},
	})
	return s.publishedAndSoaking()
}

func (s *story) publishedAndSoaking() *story {
	s.t.Helper()
	publishing := begun(release.Publish, "a", 1, s.now)
	publishing.Plan.Before = s.now.String() // whatever the channel points to now
	s.then(publishing).then(release.WasDone{Work: release.Publish})
	s.then(begun(release.Stage, "a", 1, s.now)).then(release.WasDone{Work: release.Stage})
	return s.then(release.WasSoaked{Due: s.state.SoakFrom.Add(soak)})
}

func (s *story) retried() *story {
	s.t.Helper()
	return s.then(release.WasRetried{Said: said(s.now), Seq: s.ask("retry", "again")})
}

// heldFailedRetried soaks again: a hold is not remembered over a retry.
func (s *story) heldFailedRetried() *story {
	s.t.Helper()
	s.soaking()
	hold := s.ask("hold", "q1")
	s.then(release.WasHeld{Holding: release.Holding{Said: said(s.now)}, Seq: hold})
	s.then(release.WasFailed{Said: said(s.now)}).putBack()
	return s.retried().publishedAndSoaking()
}

// beside lets another release be deployed in the lane, and what follows happen to it.
func (s *story) beside(then ...release.Event) *story {
	s.t.Helper()
	const other = "01970000-0000-7000-8000-000000000002"
	var state release.State
	policy := release.Policy{Lane: s.state.Policy.Lane} // nothing is put back
	publishing := begun(release.Publish, "a", 1, s.now)
	publishing.Plan.Version = "0.9.0"
	for _, ev := range append([]release.Event{
		release.WasMerged{Release: other, Project: "p", At: s.now, Merge: release.Merge{Version: "0.9.0", Seq: 2}, Policy: policy},
		publishing, release.WasDone{Work: release.Publish}, begun(release.Stage, "a", 1, s.now),
	}, then...) {
		state = release.Evolve(state, ev)
		data, err := releasepb.EncodeRecord(releasepb.Record{Event: ev, State: state, Service: "stager@a"})
		if err != nil {
			s.t.Fatal(err)
		}
		state = state.Stamp(s.store(topology.Release(other), data), s.now)
	}
	return s
}

// watched lets a time pass under the watcher's eyes.
func (s *story) watched(d time.Duration) *story {
	for ; d > 0; d -= time.Second {
		s.wait(time.Second)
		s.h.Beat(id, s.now)
	}
	return s
}

func (s *story) claims() *story {
	s.t.Helper()
	s.then(begun(release.Promote, "a", 1, s.now))
	s.claim = s.seq
	return s
}

func (s *story) promoted() *story {
	s.t.Helper()
	s.then(release.WasDone{Work: release.Promote})
	s.h.Channels["p"] = check.Channel{Version: "1.0.0", Digest: digest}
	s.h.Seen[id] = s.now.Add(time.Second)
	return s
}

func said(at time.Time) release.Said { return release.Said{By: "ana", At: at} }

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

// putBack does what follows an end without promotion.
func (s *story) putBack() *story {
	s.t.Helper()
	for _, w := range []release.Work{release.RestoreStaging, release.RestoreBeta} {
		s.then(begun(w, "a", 1, s.now)).then(release.WasDone{Work: w})
	}
	return s
}

// TestViolations: each broken promise is found under its name.
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
		"I3 early":        func(s *story) { s.soaking().watched(soak - time.Second).claims().promoted() },
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

// TestStory: whoever looks into a violation finds the requests among the records.
func TestStory(t *testing.T) {
	s := begin(t)
	s.soaking().ask("extend", "1s q1")
	s.then(release.WasExtended{By: time.Second, Said: said(s.now), Seq: s.seq}).watched(soak).claims()
	story := strings.Join(s.h.Story(id), "\n")
	for _, want := range []string{`(?m)^1 12:00:00.000 merged: now merged,`, `(?m)^7 .* extend\? by "ana" .* by 1s$`, `(?m)^8 .* extended: now soaking, .* delay 6s,`} {
		if !regexp.MustCompile(want).MatchString(story) {
			t.Errorf("no %s in\n%s", want, story)
		}
	}
	if lines := s.h.Story("nobody"); lines != nil {
		t.Errorf("of nobody: %q", lines)
	}
}
