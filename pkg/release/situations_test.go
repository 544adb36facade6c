package release_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// situation is a release somewhere on its way.
type situation struct {
	name  string
	about string
	make  func(*testing.T) *story
}

// until is a release that has come to a phase under a policy, and on which something more was done. Everybody's own attempts
// began when it came there, by "one", for ten minutes.
func until(p release.Policy, phase release.Phase, more ...func(*story)) func(*testing.T) *story {
	return func(t *testing.T) *story {
		st := newStory(t)
		if phase != release.None {
			st.mergeUnder(p)
		}
		steps := []struct {
			phase release.Phase
			do    func()
		}{
			{release.Publishing, func() { st.do(st.begin(release.Publish, "one")) }},
			{release.Published, func() { st.do(release.Finish{Work: release.Publish, Value: "1.4.0-beta.0", At: st.now}) }},
			{release.Queued, func() { st.do(release.Wait{Behind: "other", At: st.now}) }},
			{release.Staging, func() { st.do(st.begin(release.Stage, "one")) }},
			{release.Staged, func() { st.do(release.Finish{Work: release.Stage, Value: "1.4.0-beta.0", At: st.now}) }},
			{release.Soaking, func() { st.do(release.StartSoak{At: st.now}); st.after(time.Hour) }},
		}
		for _, s := range steps {
			if st.s.Phase == phase || phase == release.None {
				break
			}
			s.do()
		}
		for _, f := range more {
			f(st)
		}
		return st
	}
}

// What more may have been done.
func ask(v release.Verb) func(*story) {
	return func(st *story) { st.do(st.settled(st.ask(v, "ana"))) }
}

func force(st *story) {
	r := st.ask(release.Expedite, "ana")
	r.Force = true
	st.do(r)
}

func claim(st *story) {
	st.after(time.Hour)
	st.seq += 3 // room for requests that were stored before the claim
	a := st.alarm()
	a.Instance = "one"
	st.do(a)
}

func promote(st *story) { st.do(release.Finish{Work: release.Promote, Value: "1.4.0", At: st.now}) }

func refuse(st *story) {
	st.do(release.Fail{By: "promoter", Instance: "one", Reason: "refused", At: st.now})
}

func lookAtDue(with func(*release.Alarm)) func(*story) {
	return func(st *story) {
		st.after(max(0, st.s.Due.Sub(st.now)))
		a := st.alarm()
		with(&a)
		st.do(a)
	}
}

func unseen(a *release.Alarm) { a.Watched = 0 }

func outsideOfWindow(a *release.Alarm) {
	a.Gate.Window = release.Window{Closed: true, Until: hours(69), Why: "outside of Mon-Fri 09:00-17:00"}
}

func restore(st *story) {
	for _, w := range []release.Work{release.RestoreStaging, release.RestoreBeta} {
		st.do(st.begin(w, "one"))
		st.do(release.Finish{Work: w, At: st.now})
	}
}

// situations are all phases, some more than once.
func situations() []situation {
	plain, bake, approved := policy(), policy(), policy()
	plain.MaxPhase, plain.MaxHold = time.Hour, 24*time.Hour
	bake.Bake = time.Hour
	approved.Approvals = 2
	at := func(phase release.Phase, more ...func(*story)) func(*testing.T) *story {
		return until(plain, phase, more...)
	}
	return []situation{
		{"none", "there is no journal", at(release.None)},
		{"merged", "", at(release.Merged)},
		{"merged, held", "a person held it before the soak", at(release.Merged, ask(release.Hold))},
		{"merged, expedited", "", at(release.Merged, ask(release.Expedite))},
		{"publishing", "an attempt of one runs", at(release.Publishing)},
		{"published", "", at(release.Published)},
		{"passed", "the canary is over, staging is next", until(twoStages(), release.Soaking, lookAtDue(func(*release.Alarm) {}))},
		{"queued", "behind other", at(release.Queued)},
		{"queued again", "retried after its promotion failed", at(release.Soaking, claim, refuse, ask(release.Retry))},
		{"staging", "an attempt of one runs", at(release.Staging)},
		{"staged", "", at(release.Staged)},
		{"soaking", "half of the soak is over", at(release.Soaking)},
		{"soaking, expedited", "", at(release.Soaking, ask(release.Expedite))},
		{"soaking, expedited with force", "", at(release.Soaking, force)},
		{"soaking, one approval of two", "", until(approved, release.Soaking, ask(release.Approve))},
		{"soaking, postponed", "its soak is over, and the window is closed", at(release.Soaking, lookAtDue(outsideOfWindow))},
		{"held", "by a person", at(release.Soaking, ask(release.Hold))},
		{"held by Sluice", "because nobody watched", at(release.Soaking, lookAtDue(unseen))},
		{"promoting", "claimed by one", at(release.Soaking, claim)},
		{"baking", "for an hour", until(bake, release.Soaking, claim, promote)},
		{"rolling back", "while it baked; an attempt of one runs", until(bake, release.Soaking, claim, promote, ask(release.Recall), func(st *story) {
			st.do(st.begin(release.Rollback, "one"))
		})},
		{"promoted", "", at(release.Soaking, claim, promote)},
		{"cancelled", "staging and the beta are not put back yet", at(release.Soaking, ask(release.Cancel))},
		{"failed", "the promotion failed", at(release.Soaking, claim, refuse)},
		{"failed, cancelled too late", "the promotion failed", at(release.Soaking, claim, refuse, ask(release.Cancel))},
		{"failed, put back", "in its soak", at(release.Soaking, func(st *story) {
			st.do(release.Fail{By: "promoter", Reason: "refused", At: st.now})
		}, restore)},
		{"superseded", "in the queue", at(release.Queued, func(st *story) { st.do(release.Displace{Newer: "newer", At: st.now}) })},
		{"rolled back", "while it baked", until(bake, release.Soaking, claim, promote, ask(release.Recall), func(st *story) {
			st.do(st.begin(release.Rollback, "one"))
			st.do(release.Finish{Work: release.Rollback, Note: "1.3.0 again", At: st.now})
		})},
	}
}
