package release_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// noon is when every story of these tests begins.
func noon() time.Time { return time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC) }

// story is one release whose journal is kept in memory: a state, the next sequence of its stream, and the broker's time.
type story struct {
	t   *testing.T
	s   release.State
	seq uint64
	now time.Time
}

func newStory(t *testing.T) *story {
	t.Helper()
	return &story{t: t, now: noon()}
}

// policy is the project's that stories use: two hours, held when six hours overdue, put back after a cancel.
func policy() release.Policy {
	return release.Policy{
		Revision: "r1", Lane: "tracer", Collision: release.Newest, Delay: 2 * time.Hour, MaxOverdue: 6 * time.Hour, PutBack: true,
	}
}

func (st *story) merge(delay time.Duration) {
	st.t.Helper()
	p := policy()
	p.Delay = delay
	st.mergeUnder(p)
}

// mergeUnder is a merge under a policy of its own.
func (st *story) mergeUnder(p release.Policy) {
	st.t.Helper()
	st.do(release.Admit{
		Release: "r", Project: "tracer", Merge: release.Merge{Commit: "c0ffee", Version: "1.4.0", Attempt: 1, Seq: 1}, Policy: p, At: st.now,
	})
}

func plan() release.Plan {
	return release.Plan{Version: "1.4.0", Beta: "1.4.0-beta.0", Digest: "sha256:d1", Before: "1.3.0-beta.2"}
}

func (st *story) publish() {
	st.t.Helper()
	st.do(st.begin(release.Publish, "pub-1"))
	st.do(release.Finish{Work: release.Publish, Value: "1.4.0-beta.0", At: st.now})
}

func (st *story) begin(w release.Work, instance string) release.Begin {
	b := release.Begin{Work: w, Instance: instance, Timeout: 10 * time.Minute, At: st.now}
	if w == release.Publish {
		b.Plan = plan()
	}
	return b
}

func (st *story) stage() {
	st.t.Helper()
	st.do(st.begin(release.Stage, "stage-1"))
	st.do(release.Finish{Work: release.Stage, Value: "1.4.0-beta.0", At: st.now})
}

// soaking is a release whose soak of the given length begins now.
func soaking(t *testing.T, delay time.Duration) *story {
	t.Helper()
	st := newStory(t)
	st.merge(delay)
	st.publish()
	st.stage()
	st.do(release.StartSoak{At: st.now})
	return st
}

// alarm is what a promoter says when it looks now; the whole soak was watched.
func (st *story) alarm() release.Alarm {
	return release.Alarm{At: st.now, Clean: st.now, Watched: 1000 * time.Hour, Instance: "pro-1", Timeout: 10 * time.Minute, Before: "1.3.0"}
}

// claimed is a release whose soak is over and whose promotion is claimed, not settled.
func claimed(t *testing.T, delay time.Duration) *story {
	t.Helper()
	st := soaking(t, delay)
	st.after(delay)
	st.do(st.alarm())
	st.in(release.Promoting)
	return st
}

// soakingUnder is a release under a policy of its own whose soak begins now.
func soakingUnder(t *testing.T, p release.Policy) *story {
	t.Helper()
	st := newStory(t)
	st.mergeUnder(p)
	st.publish()
	st.stage()
	st.do(release.StartSoak{At: st.now})
	return st
}

// claimNow claims when the delay is over.
func (st *story) claimNow() {
	st.t.Helper()
	st.after(max(0, st.s.Due.Sub(st.now)))
	st.do(st.alarm())
	st.in(release.Promoting)
}

// failed is a release whose promotion failed.
func failed(t *testing.T) *story {
	t.Helper()
	st := claimed(t, 2*time.Hour)
	st.do(release.Fail{By: "promoter", Instance: "pro-1", Reason: "refused", At: st.now})
	st.in(release.Failed)
	return st
}

func (st *story) after(d time.Duration) { st.now = st.now.Add(d) }

// ask stores a request in the stream. Nobody has answered it yet.
func (st *story) ask(v release.Verb, actor string) release.Request {
	st.seq++
	r := release.Request{Verb: v, Seq: st.seq, Actor: actor, Reason: "because", At: st.now}
	if v == release.Extend {
		r.By = 30 * time.Minute
	}
	return r
}

// try decides, journals and folds. It returns the events, or the error.
func (st *story) try(c release.Command) ([]release.Event, error) {
	events, err := release.Decide(st.s, c)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		st.journal(e)
	}
	return events, nil
}

// journal stores an event and the state after it, as the journal does.
func (st *story) journal(e release.Event) {
	st.seq++
	st.s = release.Evolve(st.s, e).Stamp(st.seq, st.now)
}

// do is try for what must cause exactly one event.
func (st *story) do(c release.Command) release.Event {
	st.t.Helper()
	events, err := st.try(c)
	if err != nil || len(events) != 1 {
		st.t.Fatalf("%s: %T caused %d events, error %v; want one event", phase(st.s.Phase), c, len(events), err)
	}
	return events[0]
}

// settled is the request as a promoter asks it of a claim that it has settled.
func (st *story) settled(r release.Request) release.Request {
	r.Settled = st.s.Claim
	return r
}

// answer is do for a request.
func (st *story) answer(r release.Request, want string) release.Event {
	st.t.Helper()
	e := st.do(st.settled(r))
	if e.Name() != want {
		st.t.Fatalf("%s of sequence %d was answered by %s %+v, want %s", r.Verb, r.Seq, e.Name(), e, want)
	}
	return e
}

func (st *story) in(p release.Phase) {
	st.t.Helper()
	if st.s.Phase != p {
		st.t.Fatalf("the release is %s, want %s; state %+v", phase(st.s.Phase), p, st.s)
	}
}

func (st *story) due(want time.Time) {
	st.t.Helper()
	if !st.s.Due.Equal(want) {
		st.t.Fatalf("due at %s, want %s", st.s.Due.Format(time.TimeOnly), want.Format(time.TimeOnly))
	}
}

// fails is for a command that must be an error of that kind.
func (st *story) fails(c release.Command, want error) {
	st.t.Helper()
	before := st.s
	if events, err := st.try(c); !errors.Is(err, want) {
		st.t.Fatalf("%s: %T caused %d events, error %v; want %v", phase(before.Phase), c, len(events), err, want)
	}
}

// nothing is for a command that must have nothing left to do.
func (st *story) nothing(c release.Command) {
	st.t.Helper()
	if events, err := st.try(c); err != nil || len(events) > 0 {
		st.t.Fatalf("%s: %T caused %v, error %v; want nothing", phase(st.s.Phase), c, events, err)
	}
}

func (st *story) busy(c release.Command) {
	st.t.Helper()
	var busy *release.BusyError
	if events, err := st.try(c); !errors.As(err, &busy) {
		st.t.Fatalf("%s: %T caused %v, error %v; want a BusyError", phase(st.s.Phase), c, events, err)
	}
}

func phase(p release.Phase) string {
	if p == release.None {
		return "none"
	}
	return string(p)
}
