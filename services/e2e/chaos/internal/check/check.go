package check

import (
	"cmp"
	"slices"

	"github.com/sluice-gate/sluice/pkg/release"
)

// Figures is what a run came to.
type Figures struct {
	Releases  int
	Ends      map[release.Phase]int // how the releases ended, and how many are held
	Requests  int                   // stored
	Claims    int
	Stopped   int // claims that a request before them made ineffective
	Stops     int // requests that stopped a claim
	Retries   int // of what had failed
	Late      int // requests that came after an effective claim
	Histories int // that were checked for linearizability
	Effects   int
}

// Judge looks for violations in everything that was added.
func (h *History) Judge() (Figures, []Violation) {
	f := Figures{Ends: map[release.Phase]int{}, Effects: len(h.Effects)}
	for _, id := range h.order {
		t := h.releases[id]
		f.Requests += len(t.requests)
		if len(t.records) == 0 {
			if !h.refused[id] {
				h.say("I7", id, "%d requests and no journal", len(t.requests))
			}
			continue
		}
		j := &judgement{History: h, told: t, figures: &f, answers: map[uint64]record{}}
		j.judge()
	}
	h.acknowledged()
	h.audit()
	h.forward()
	h.outside(&f)
	h.linear(&f)
	slices.SortStableFunc(h.found, func(a, b Violation) int { return cmp.Compare(a.Name, b.Name) })
	return f, h.found
}

// judgement is that of one release.
type judgement struct {
	*History
	*told
	figures *Figures
	answers map[uint64]record // the record that answered a request
}

func (j *judgement) bad(name, format string, args ...any) { j.say(name, j.id, format, args...) }

func (j *judgement) judge() {
	j.figures.Releases++
	once := map[string]int{}
	for i, r := range j.records {
		was := record{}
		if i > 0 {
			was = j.records[i-1]
		}
		j.step(was, r)
		if r.Type == retried {
			j.figures.Retries++
			j.once(once)
			clear(once)
		}
		once[r.Type]++
	}
	j.once(once)
	for i := range j.records {
		if isClaim(j.records, i) {
			j.claim(i)
		}
	}
	j.answered()
	j.ended()
}

// retried is the event that begins a failed release anew.
const retried = "retried"

// once: what happens once happened once, to a release that was not retried meanwhile.
func (j *judgement) once(times map[string]int) {
	for _, name := range []string{"merged", "published", "staged", "soaking", "promoted", "cancelled", "failed", "superseded"} {
		if times[name] > 1 {
			j.bad("I6", "it was %s %d times", name, times[name])
		}
	}
}

// answered: every request has exactly one answer.
func (j *judgement) answered() {
	for _, r := range j.requests {
		if _, ok := j.answers[r.Seq]; !ok {
			j.bad("I7", "the %s %d was never answered", r.Verb, r.Seq)
		}
	}
}

// ended: it ended once, and nothing is left to do.
func (j *judgement) ended() {
	ends, last := 0, j.records[len(j.records)-1].State
	for i, r := range j.records {
		if r.State.Phase.Ended() && (i == 0 || !j.records[i-1].State.Phase.Ended()) {
			ends++
		}
		if r.Type == retried {
			ends = 0
		}
	}
	j.figures.Ends[last.Phase]++
	switch {
	case ends > 1:
		j.bad("I1", "it ended %d times", ends)
	case !last.Phase.Ended() && !(j.Waits && j.waits(last)):
		j.bad("I13", "it is stuck: %s since %s, due %s", last.Phase, j.records[len(j.records)-1].at, last.Due)
	case !j.Waits && (last.Needs(release.RestoreBeta) || last.Needs(release.RestoreStaging)):
		j.bad("I13", "it is %s and was not put back", last.Phase)
	case !j.Waits && j.lanes[last.Policy.Lane] == j.id:
		j.bad("I13", "it is %s and still occupies lane %s", last.Phase, last.Policy.Lane)
	}
}

// waits tells whether a release may stay as it is: a person has to say something, its time has not come, or it was expedited and
// no watcher has seen its checks pass.
func (j *judgement) waits(s release.State) bool {
	switch {
	case s.Phase == release.Held:
		return true
	case s.Phase != release.Soaking:
		return false
	case s.Expedited != nil:
		return s.Delay() > 0 && len(j.beats[j.id]) == 0
	}
	return s.Due.After(j.last)
}

// acknowledged: what the broker acknowledged is stored.
func (h *History) acknowledged() {
	for _, a := range h.Asked {
		if !a.Acked.IsZero() && h.subjects[a.Seq] != a.Subject {
			h.say("ack", a.Release, "%s was acknowledged as %d, where the stream has %q", a.Subject, a.Seq, h.subjects[a.Seq])
		}
	}
	for _, m := range h.Merged {
		if t := h.releases[m.Release]; (t == nil || len(t.records) == 0) && !h.refused[m.Release] {
			h.say("ack", m.Release, "the merge of %s %s was acknowledged, and is no release", m.Project, m.Version)
		}
	}
}
