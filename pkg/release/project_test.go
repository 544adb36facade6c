package release_test

import (
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// What the model knows of the project: what people say about it, and what became of its other releases.

// word is a message about the project: a stop, the end of one, or another release.
type word struct {
	stop  release.StopKind // begins, or is over
	over  bool
	until time.Time         // of a freeze
	other release.Promotion // another release was promoted
}

// the versions of the other releases; this one is 1.4.0.
func others() []release.Promotion {
	back := &release.Said{By: "ana"}
	return []release.Promotion{
		{Release: "o1", Version: "1.3.1"}, {Release: "o2", Version: "1.4.0", RolledBack: back}, {Release: "o3", Version: "1.5.0"},
	}
}

func stopKinds() []release.StopKind {
	return []release.StopKind{release.Pause, release.Freeze, release.RollingStop}
}

// saySomething is a random word about the project. Another release of it can only be promoted while this one does not have the lane.
func (w *world) saySomething() {
	what := w.dice.roll("word", 12)
	switch e, _ := w.journal(len(w.msgs)); {
	case what < 7:
		for _, s := range w.stopsAt(^uint64(0)) {
			w.store(message{project: &word{stop: s.Kind, over: true}})
		}
	case what < 10:
		said := &word{stop: stopKinds()[what%3]}
		if said.stop == release.Freeze && w.dice.roll("end", 2) == 1 {
			said.until = w.now.Add(100 * time.Second)
		}
		w.store(message{project: said})
	case laneless(e.state):
		w.store(message{project: &word{other: others()[w.dice.roll("other", 3)]}})
	}
}

// interrupt is what somebody says just before a promoter writes down what it has decided: there the races are.
func (w *world) interrupt() {
	switch w.dice.roll("just then", 4) {
	case 2:
		w.store(message{project: &word{stop: stopKinds()[w.dice.roll("stop", 3)]}})
	case 3:
		verb := []release.Verb{release.Hold, release.Extend, release.Cancel}[w.dice.roll("what", 3)]
		w.request(release.Request{Verb: verb, Actor: "bob", Reason: "just in time", By: time.Minute})
	}
}

// laneless tells whether another release of the project may have the lane.
func laneless(s release.State) bool {
	switch s.Phase {
	case release.None, release.Merged, release.Publishing, release.Published, release.Queued, release.Failed:
		return true
	}
	return false
}

// stopsAt are the stops among the messages before a sequence that were not ended before it.
func (w *world) stopsAt(seq uint64) []release.Stop {
	last := map[release.StopKind]message{}
	for _, m := range w.msgs {
		if m.project != nil && m.project.stop != "" && m.seq < seq {
			last[m.project.stop] = m
		}
	}
	var stops []release.Stop
	for _, kind := range stopKinds() {
		if m, said := last[kind]; said && !m.project.over {
			stops = append(stops, release.Stop{Kind: kind, Until: m.project.until, Release: "other", Seq: m.seq})
		}
	}
	return stops
}

// record is what became of the other releases among the messages before a sequence.
func (w *world) record(seq uint64) release.Record {
	var r release.Record
	for _, m := range w.msgs {
		if m.project != nil && m.project.other.Release != "" && m.seq < seq {
			r = r.Promote(m.project.other)
		}
	}
	return r
}

// widen chooses what the project asks for.
func (w *world) widen() {
	if w.dice.roll("bake", 3) == 2 {
		w.policy.Bake = 50 * time.Second
	}
	approvals := max(0, w.dice.roll("approvals", 8)-5)
	w.policy.Approvals = approvals
	if w.dice.roll("stages", 5) == 4 {
		w.policy.Stages = []release.StagePolicy{
			{Name: "canary", Delay: w.policy.Delay}, {Name: "staging", Delay: w.policy.Delay / 2, Approvals: approvals},
		}
	}
	if w.dice.roll("limits", 3) == 2 {
		w.policy.MaxPhase, w.policy.MaxHold = 400*time.Second, 1000*time.Second
	}
	if w.dice.roll("gaps", 3) == 2 {
		w.policy.Coverage, w.policy.OnGap = 75, release.ExtendOnGap
	}
}

// settleDown lets everybody finish: nobody asks, nobody dies, replicas have caught up, the watcher watches, nothing stops the
// project, and a person approves and resumes. It tells whether the release ended and everybody has nothing left to do.
func (w *world) settleDown() bool {
	w.dice, w.failing, w.watching = zeros{}, false, true
	for _, a := range w.agents {
		a.naps = false
	}
	for _, kind := range stopKinds() {
		w.store(message{project: &word{stop: kind, over: true}})
	}
	for range 600 {
		quiet := len(w.msgs)
		for range 8 {
			for _, a := range w.agents {
				a.step()
			}
		}
		e, _ := w.journal(len(w.msgs))
		s := e.state
		_, wasRolledBack := w.record(e.seq).WasRolledBack(s)
		switch {
		case s.Phase == release.Held && s.Held.System && wasRolledBack:
			w.request(release.Request{Verb: release.Expedite, Actor: "ops", Reason: "now it is right", Force: true})
			continue
		case s.Phase == release.Held:
			w.request(release.Request{Verb: release.Resume, Actor: "ops"})
			continue // answered at once: what is missing of a soak may be less than a second
		case s.Postponed != nil && s.Approvals().Missing() > 0:
			w.request(release.Request{Verb: release.Approve, Actor: "ops"})
			w.request(release.Request{Verb: release.Approve, Actor: "dev"})
		case s.Phase.Ended() && quiet == len(w.msgs) && !s.Needs(release.RestoreBeta) && !s.Needs(release.RestoreStaging):
			return true
		}
		w.pass(5)
	}
	return false
}
