package exhaustive

import (
	"errors"
	"slices"

	"github.com/sluice-gate/sluice/pkg/release"
)

// size bounds a search.
type size struct {
	asks     []release.Verb // which requests people may store
	pauses   bool           // they may also pause the project, and end that
	requests int            // how many of all that
	crashes  int            // of promoters
	losses   int            // acknowledgements that get lost, of something that was stored
	refusals int            // by the driver
	blinks   int            // of the watcher
	lag      int            // how many messages a replica may lag behind
	horizon  moment         // until when faults and requests happen

	approvals               int    // that the project wants
	bake, maxPhase, maxHold moment // of the project
}

// The release's own times, in ticks.
const (
	soak     = 1
	overdue  = 1
	patience = 1 // one attempt's time
)

// promoters are the instances of the one service that decides.
func promoters() [2]string { return [2]string{"A", "B"} }

// world is everything: the broker and the services. It is small and comparable.
type world struct {
	stream uint32 // the number of the stream
	now    moment

	// The broker's timer: when the alarm is due, or never.
	alarm moment
	// rang: an alarm rang, and its hint is not acknowledged yet.
	rang bool
	// hinted: the hint of the stream's last message is not acknowledged yet. Hints of earlier messages need not be known: a
	// look for the last one sees all that they are about.
	hinted bool
	// told: the hint of the last word for the project is not acknowledged yet.
	told bool
	// older: a hint of an earlier message is not acknowledged, because who had it in hand died after it had armed the alarm.
	older bool
	// unwatched: the watcher missed some of the soak, and nobody has added it.
	unwatched bool
	wrote     bool // everybody gets it

	asked, crashes, losses, refusals, blinks uint8 // how often

	promoters [2]promoter
}

// promoter is what an instance has in its memory, between two steps that others can tell apart. See the package comment for
// why most of a look is one step.
type promoter struct {
	doing activity
	hint  hint   // arming: what is acknowledged after that
	base  uint8  // the record that it is at, or went by
	event uint16 // claiming: what it is about to append
	until moment // arming: when
}

// hint is what makes a promoter look.
type hint uint8

const (
	noHint   hint = iota // one that comes again, an older alarm, or none
	aMessage             // the last message about the release
	anAlarm              // the last that rang
	anOlder              // an earlier message about the release
	aWord                // the last for the project
)

type activity uint8

const (
	idle      activity = iota
	claiming           // it decided that it is time, and is about to append that
	acting             // it is about to write outside
	reporting          // it wrote, and is about to append that
	arming             // it is about to arm the alarm: only one who has acknowledged before
	verifying          // it armed the alarm by a record that was not the last, and has not looked for that yet
)

// model is the protocol: a size, what is wrong with it if anything, and what it has met.
type model struct {
	size
	*streams
	flaw
	named bool   // A and B are told apart, for a story
	only  string // the invariant that is looked at; empty for all
	table []int  // the requests of the size, by their places in asks
	plans map[glance]plan
	ends  map[fingerprint]struct{} // worlds that come to an end when faults stop
	seeds seeds
}

func newModel(s size, f flaw) *model {
	m := &model{size: s, streams: newStreams(), flaw: f, plans: map[glance]plan{}, ends: map[fingerprint]struct{}{}, seeds: newSeeds()}
	for i, a := range asks() {
		for _, v := range s.asks {
			if a.verb == v && a.word == noWord {
				m.table = append(m.table, i)
			}
		}
		if s.pauses && a.word != noWord {
			m.table = append(m.table, i)
		}
	}
	return m
}

// start is a release whose soak has begun.
func (m *model) start() world {
	day := moment(0).time()
	var stream uint32
	s := release.State{}
	for _, c := range []release.Command{
		release.Admit{
			Release: "r", Project: "p", Merge: release.Merge{Seq: 1, Version: "1.4.0"}, At: day,
			Policy: release.Policy{
				Revision: "r1", Lane: "l", Delay: soak * tick, MaxOverdue: overdue * tick, Approvals: m.approvals,
				Bake: m.bake.ticks(), MaxPhase: m.maxPhase.ticks(), MaxHold: m.maxHold.ticks(),
			},
		},
		release.Begin{
			Work: release.Publish, Instance: "publisher", Timeout: patience * tick, At: day,
			Plan: release.Plan{Version: "1.4.0", Beta: "1.4.0-beta.1", Digest: "sha256:d", Before: "1.3.0"},
		},
		release.Finish{Work: release.Publish, Value: "1.4.0-beta.1", At: day},
		release.Begin{Work: release.Stage, Instance: "stager", Timeout: patience * tick, At: day},
		release.Finish{Work: release.Stage, Value: "1.4.0-beta.1", At: day},
		release.StartSoak{At: day},
	} {
		events, err := release.Decide(s, c)
		if err != nil || len(events) != 1 {
			panic("the model's release does not get to its soak")
		}
		stream = m.append(stream, m.all[stream].seq, m.number(events[0]), 0)
		s = *m.record(stream).state
	}
	w := world{stream: stream, alarm: never, hinted: true}
	if m.maxPhase > 0 { // who was told of the merge armed for its deadline
		w.alarm = m.maxPhase
	}
	return w
}

// phase is the release's, as the stream's leader has it.
func (m *model) phase(w world) release.Phase { return m.record(w.stream).state.Phase }

// act is one step of the model: who did what.
type act struct {
	what what
	who  uint8 // which promoter
	hint hint  // why it looked
	seen uint8 // the sequence up to which it read

	untold bool // it was stored, and the acknowledgement was lost
	race   bool // the alarm before rang while it was replaced, and took the replacement away
}

type what uint8

const (
	timePasses what = iota
	somebodyAsks
	theWatcherBlinks
	theAlarmRings
	crashes
	looks
	appends
	arms
	acts
	isRefused
	givesUp
	reports
	verifies
	theStagerStages
	everybodyIsWell
	nothingIsLeft
)

// steps calls to for every step that is possible in w.
func (m *model) steps(w world, to func(world, act, error)) {
	if path := m.calm(w); path != nil {
		to(w, act{what: everybodyIsWell}, path[len(path)-1].broke)
	}
	emit := func(after world, did act, broke error) {
		broke = m.judged(w, after, broke)
		if after = m.simplify(after); !m.named {
			after = m.mirrored(after)
		}
		to(after, did, broke)
	}
	m.environment(w, emit)
	for who := range w.promoters {
		m.promoter(w, uint8(who), emit)
	}
}

// environment is what happens without a promoter.
func (m *model) environment(w world, emit func(world, act, error)) {
	phase := m.phase(w)
	if w.now < m.horizon && !phase.Ended() {
		after := w
		after.now++
		emit(after, act{what: timePasses}, nil)
	}
	if int(w.asked) < m.size.requests {
		for _, what := range m.table {
			if asks()[what].word == unpauses && m.all[w.stream].paused == 0 {
				continue
			}
			after := w
			after.asked++
			emit(m.asked(after, what), act{what: somebodyAsks}, nil)
		}
	}
	if after, ok := m.stages(w); ok {
		emit(after, act{what: theStagerStages}, nil)
	}
	if int(w.blinks) < m.blinks && phase == release.Soaking && !w.unwatched {
		after := w
		after.blinks++
		after.unwatched = true
		emit(after, act{what: theWatcherBlinks}, nil)
	}
	if w.alarm != never && w.alarm <= w.now {
		emit(w.ring(), act{what: theAlarmRings}, nil)
	}
}

// asked is the world after somebody stored a message.
func (m *model) asked(w world, what int) world {
	stream := m.ask(w.stream, what, w.now)
	if asks()[what].word == noWord {
		return w.stored(stream)
	}
	w.stream, w.told = stream, true
	return w.outdate(aWord)
}

// stages is what the stager does, in one step: the lane is free, so a release that was retried gets it, and is staged if need be.
func (m *model) stages(w world) (after world, staged bool) {
	at := w.now.time()
	do := func(c release.Command) {
		record := m.record(w.stream)
		if pl := m.decide(record, *record.state, c, w.now); pl.do == doAppend {
			w, staged = m.store(w, pl.base, pl.event), true
		}
	}
	switch s := m.record(w.stream).state; {
	case s.Phase == release.Queued && s.Soaked:
		do(release.StartSoak{At: at})
	case s.Phase == release.Published:
		do(release.Begin{Work: release.Stage, Instance: "stager", Timeout: patience * tick, At: at})
		do(release.Finish{Work: release.Stage, Value: "1.4.0-beta.1", At: at})
	}
	return w, staged
}

// ring delivers an alarm's hint. The broker delivers it until it is acknowledged. Whoever is at work for one that rang before
// does not acknowledge this one.
func (w world) ring() world {
	w.alarm, w.rang = never, true
	return w.outdate(anAlarm)
}

// outdate tells promoters that what they are at work for is not the last of its kind any more.
func (w world) outdate(h hint) world {
	for i := range w.promoters {
		if p := &w.promoters[i]; p.hint == h {
			p.hint = noHint
			if h == aMessage {
				p.hint = anOlder
			}
		}
	}
	return w
}

// acknowledge ends the delivery of a hint.
func (w world) acknowledge(h hint) world {
	switch h {
	case noHint:
	case aMessage:
		w.hinted = false
	case anAlarm:
		w.rang = false
	case anOlder:
		w.older = false
	case aWord:
		w.told = false
	}
	return w
}

// store appends an event for a promoter.
func (m *model) store(w world, base uint8, event uint16) world {
	was := m.all[m.upTo(w.stream, base)].state
	w = w.stored(m.append(w.stream, base, event, w.now))
	if e, resumed := m.events[event].(release.WasResumed); resumed && was.Held != nil && was.Held.Unwatched > 0 {
		// Is the soak added that nobody watched?
		w.unwatched = w.unwatched && m.record(w.stream).state.Due.Sub(e.Said.At) < was.Held.Unwatched
	}
	for i := range w.promoters { // all other appends will be refused: they are as good as not begun
		if p := &w.promoters[i]; p.doing == claiming && !m.keepsStale() {
			*p = promoter{}
		}
	}
	return w
}

// stored gives the stream a last message.
func (w world) stored(stream uint32) world {
	w.stream, w.hinted = stream, true
	return w.outdate(aMessage)
}

// simplify leaves out of the world of an ended release what can make no difference any more. Requests still come.
func (m *model) simplify(w world) world {
	if m.phase(w).Ended() && !m.wakesTheDead && !m.appendsBlindly && !m.mayGoOn(w) {
		w.alarm, w.rang, w.told, w.older, w.unwatched = never, false, false, false, false
		w.crashes, w.losses, w.refusals, w.blinks = uint8(m.crashes), uint8(m.losses), uint8(m.refusals), uint8(m.blinks)
		w = w.outdate(anAlarm).outdate(aWord)
		for i := range w.promoters {
			if p := &w.promoters[i]; p.doing == verifying {
				*p = promoter{}
			}
		}
	}
	return w
}

// mayGoOn tells whether an ended release may be retried or rolled back yet.
func (m *model) mayGoOn(w world) bool {
	goes := slices.Contains(m.size.asks, release.Retry) && m.phase(w) == release.Failed ||
		slices.Contains(m.size.asks, release.Recall) && m.phase(w) != release.RolledBack
	return goes && (int(w.asked) < m.size.requests || len(m.streams.requests(w.stream, m.record(w.stream).state.Folded)) > 0)
}

// judged is what a step broke, of what the search is for.
func (m *model) judged(before, after world, broke error) error {
	if broke = m.wanted(broke); broke == nil {
		broke = m.wanted(m.check(before, after))
	}
	return broke
}

func (m *model) wanted(broke error) error {
	var v violation
	if m.only != "" && errors.As(broke, &v) && v.name != m.only {
		return nil
	}
	return broke
}

// check judges a step by what must hold in every world.
func (m *model) check(before, w world) error {
	if w.stream != before.stream {
		if err := m.all[w.stream].broke; err != nil {
			return err
		}
	}
	s := m.record(w.stream).state
	switch {
	case w.wrote && (s.Phase == release.Cancelled || s.Phase == release.Superseded) && !m.all[w.stream].reached:
		return broke("I1", "promoted outside, and %s", s.Phase)
	case w.wrote && s.Phase == release.RolledBack:
		return broke("I18", "rolled back, and everybody still gets it")
	case !w.wrote && (s.Phase == release.Promoted || s.Phase == release.Baking) && s.Recalled == nil:
		return broke("I1", "%s, and nobody gets it", s.Phase)
	}
	// Nobody promises anything who may die. So there must be a hint, or an alarm in time if all that is missing is time.
	looked := w.hinted || w.rang || w.older || slices.ContainsFunc(w.promoters[:], func(p promoter) bool { return p.doing == verifying })
	at, waits := s.Wake(w.now.time())
	switch {
	case looked:
	case waits && w.alarm == never:
		return broke("I13", "the release is %s, and there is neither an alarm nor a hint", s.Phase)
	case waits && w.alarm > max(momentOf(at), w.now+1):
		return broke("I13", "the release is %s, and the alarm rings at tick %d, not at %d", s.Phase, w.alarm, momentOf(at))
	case s.Phase == release.Soaking && s.Postponed != nil && !w.told && (w.alarm == never || w.alarm > w.now) && !m.isPostponed(w):
		return broke("I13", "the release waits for what is over, and there is no hint")
	case s.Phase == release.Staged, s.Phase == release.Promoting, s.Phase == release.RollingBack:
		return broke("I13", "the release is %s, and there is no hint", s.Phase)
	case len(m.streams.requests(w.stream, s.Folded)) > 0:
		return broke("I7", "a request is not answered, and there is no hint")
	}
	return nil
}

// isPostponed tells whether what a release waits for is still to come.
func (m *model) isPostponed(w world) bool {
	s := m.record(w.stream).state
	switch s.Postponed.Kind {
	case release.ByPause:
		return m.all[w.stream].paused > 0
	case release.ByApproval:
		return s.Approvals().Missing() > 0
	}
	return false
}
