package check_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/check"
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

// putBack does what follows an end without promotion.
func (s *story) putBack() *story {
	s.t.Helper()
	for _, w := range []release.Work{release.RestoreStaging, release.RestoreBeta} {
		s.then(begun(w, "a", 1, s.now)).then(release.WasDone{Work: w})
	}
	return s
}

// TestViolations: each broken promise is found under its name.
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
