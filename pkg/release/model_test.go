package release_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/release"
)

// The model: one release on a tiny stream in memory, with sequences and the broker's timestamps. Publishers, stagers,
// promoters and a watcher work on it, and people send requests. Everybody may see an old prefix of the stream (a replica that
// lags behind), may pause between reading and writing, and may die. What they did is then judged from the stream alone.

// dice makes the choices of a run: rapid's where a property is tested, a seeded generator's elsewhere. 0 is the tame choice.
type dice interface{ roll(what string, n int) int }

type rapidDice struct{ t *rapid.T }

func (d rapidDice) roll(what string, n int) int { return rapid.IntRange(0, n-1).Draw(d.t, what) }

type seededDice struct{ r *rand.Rand }

func (d seededDice) roll(_ string, n int) int { return d.r.IntN(n) }

// before makes the sequences of a run begin just below the largest int64.
const before = math.MaxInt64 - 20

// message is one stored message: a request, a journal record, or a word about the project.
type message struct {
	seq     uint64
	at      time.Time
	request *release.Request
	project *word
	event   release.Event // of a journal record
	state   release.State // after the event, stamped
}

// effect is something that was done outside.
type effect struct {
	work     release.Work
	instance string
	claim    uint64
	at       time.Time
	known    int // how many messages the stream had
}

// world is the stream and everybody on it.
type world struct {
	dice     dice
	now      time.Time
	msgs     []message
	beats    []time.Time
	effects  []effect
	slips    []violation // what agents noticed themselves
	policy   release.Policy
	delay    *time.Duration
	agents   []*agent
	watching bool
	always   bool // the watcher's heartbeats go on while the release is held
	plans    int  // so that no two plans are equal
	failing  bool // drivers may fail
}

func newWorld(d dice, f flaw) *world {
	w := &world{
		dice: d, now: noon(), watching: true, failing: true,
		policy: release.Policy{
			Revision: "r1", Lane: "l", Collision: release.Newest, Delay: 100 * time.Second, MaxOverdue: 300 * time.Second, PutBack: true,
		},
	}
	for _, name := range []string{"pro-1", "pro-2"} {
		w.agents = append(w.agents, &agent{name: name, world: w, flaw: f, look: (*agent).promoter})
	}
	for _, name := range []string{"work-1", "work-2"} {
		w.agents = append(w.agents, &agent{name: name, world: w, flaw: f, look: (*agent).worker})
	}
	return w
}

// store appends a message to the stream.
func (w *world) store(m message) message {
	m.seq, m.at = before+uint64(len(w.msgs)), w.now
	switch {
	case m.request != nil:
		m.request.Seq, m.request.At = m.seq, m.at
	case m.event != nil:
		m.state = m.state.Stamp(m.seq, m.at)
	}
	w.msgs = append(w.msgs, m)
	return m
}

// journal is the last record of the journal among the first n messages.
func (w *world) journal(n int) (message, bool) {
	for i := n - 1; i >= 0; i-- {
		if w.msgs[i].event != nil {
			return w.msgs[i], true
		}
	}
	return message{}, false
}

// requests are those among the first n messages that have a sequence between from and to, both excluded.
func (w *world) requests(n int, from, to uint64) []release.Request {
	var rs []release.Request
	for _, m := range w.msgs[:n] {
		if m.request != nil && from < m.seq && m.seq < to {
			rs = append(rs, *m.request)
		}
	}
	return rs
}

// lastOnly keeps the last request of every subject, as a multi_last read does.
func lastOnly(rs []release.Request) []release.Request {
	var out []release.Request
	for i, r := range rs {
		hidden := slices.ContainsFunc(rs[i+1:], func(o release.Request) bool { return o.Verb == r.Verb && o.Actor == r.Actor })
		if !hidden {
			out = append(out, r)
		}
	}
	return out
}

// view is how much of the stream a read sees.
func (w *world) view() int { return max(0, len(w.msgs)-w.dice.roll("lag", 6)/2) }

func (w *world) phase() release.Phase {
	e, _ := w.journal(len(w.msgs))
	return e.state.Phase
}

// pass lets time go by. The watcher sends a heartbeat every second of a soak.
func (w *world) pass(seconds int) {
	p := w.phase()
	for range seconds {
		w.now = w.now.Add(time.Second)
		if w.watching && (p == release.Soaking || p == release.Baking || p == release.Held && w.always) {
			w.beats = append(w.beats, w.now)
		}
	}
}

// The choices of verbs and times; earlier ones are tamer.
func verbs() []release.Verb {
	return []release.Verb{
		release.Resume, release.Hold, release.Extend, release.Resume, release.Expedite, release.Resume, release.Hold, release.Resume,
		release.Extend, release.Resume, release.Cancel, release.Resume, "unheard-of", release.Approve, release.Approve, release.Retry,
		release.Retry, release.Recall, release.Expedite,
	}
}

func seconds() []int { return []int{0, 1, 1, 5, 20, 50, 100, 130, 250, 700} }

// request sends one.
func (w *world) request(r release.Request) { w.store(message{request: &r}) }

// act is one random thing that happens.
func (w *world) act(what string) {
	switch what {
	case "request":
		r := release.Request{
			Verb:   verbs()[w.dice.roll("verb", len(verbs()))],
			Actor:  []string{"", "ana", "watcher"}[w.dice.roll("actor", 3)],
			Reason: "because",
		}
		if r.Verb == release.Extend {
			r.By = []time.Duration{20 * time.Second, time.Second, -time.Hour, release.MaxExtend + 1}[w.dice.roll("by", 4)]
		}
		if r.Verb == release.Expedite {
			r.Force = w.dice.roll("force", 3) == 2
		}
		if w.dice.roll("unreadable", 8) == 7 {
			r.Invalid = "it can not be read"
		}
		w.request(r)
	case "project":
		w.saySomething()
	case "time":
		w.pass(seconds()[w.dice.roll("seconds", len(seconds()))])
	case "watcher":
		w.watching = !w.watching
	case "nap":
		a := w.agents[w.dice.roll("who", len(w.agents))]
		a.naps = !a.naps
	case "crash":
		a := w.agents[w.dice.roll("who", len(w.agents))]
		a.next, a.run = nil, nil
	default:
		for _, a := range w.agents {
			if a.name == what {
				a.step()
			}
		}
	}
}

// actions are the names that act knows. Some are listed twice, to happen more often.
func actions() []string {
	return []string{"pro-1", "pro-2", "pro-1", "pro-2", "pro-1", "pro-2", "work-1", "work-2", "request", "request", "time", "watcher", "crash", "project", "nap"}
}

// begin brings the release somewhere between nothing and its soak.
func (w *world) begin() {
	w.always = w.dice.roll("always", 2) == 1
	switch w.dice.roll("delay", 4) {
	case 0, 1:
	case 2:
		d := 130 * time.Second
		w.delay = &d
	case 3:
		w.policy.Delay = 0
	}
	w.widen()
	phases := []release.Phase{
		release.Soaking, release.Soaking, release.Soaking, release.Staged, release.Published, release.Merged, release.Merged, release.None,
		release.Soaking, release.Soaking, release.Soaking, release.Failed, release.Failed, release.Promoted,
	}
	w.bringTo(phases[w.dice.roll("from", len(phases))])
	if w.phase() == release.Soaking { // often it is nearly over: there the races are
		w.pass([]int{0, 98, 100, 60, 99, 97, 100}[w.dice.roll("soaked", 7)])
	}
}

// bringTo brings the release to a phase, with nobody in its way. The failure is one of its promotion; of a release that bakes,
// the bake is as good as the promotion.
func (w *world) bringTo(until release.Phase) {
	tame := w.dice
	w.dice, w.failing = zeros{}, false
	for range 200 { // whoever has a flaw may never come there
		if w.phase() == until || until == release.Promoted && w.phase() == release.Baking {
			break
		}
		w.agents[2].step()
		if w.phase() != until {
			w.agents[0].step()
		}
		e, _ := w.journal(len(w.msgs))
		switch {
		case until != release.Failed && until != release.Promoted:
		case e.state.Phase == release.Promoting && until == release.Failed:
			w.dice, w.failing = fixed{"outcome": 4}, true
		case len(w.requests(len(w.msgs), e.state.Folded, ^uint64(0))) > 0: // one after the other
		case e.state.Postponed != nil && e.state.Approvals().Missing() > 0:
			w.request(release.Request{Verb: release.Approve, Actor: "ops"})
			w.request(release.Request{Verb: release.Approve, Actor: "dev"})
		case e.state.Phase == release.Soaking:
			w.pass(5)
		}
	}
	w.dice, w.failing = tame, true
}

// zeros always make the tame choice.
type zeros struct{}

func (zeros) roll(string, int) int { return 0 }
