package exhaustive

import (
	"cmp"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// tick is the model's unit of time.
const tick = time.Minute

// moment is a number of ticks since the model's beginning, by the broker's clock.
type moment int8

const never moment = -1

func (m moment) time() time.Time {
	return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC).Add(time.Duration(m) * tick)
}

// momentOf is the first tick that is not before t.
func momentOf(t time.Time) moment { return moment((t.Sub(moment(0).time()) + tick - 1) / tick) }

// ticks is the time that so many ticks take.
func (m moment) ticks() time.Duration { return time.Duration(m) * tick }

// ask is one kind of message that people may store: a request, or a word for the whole project. A further one is a further line
// of the table.
type ask struct {
	verb release.Verb
	by   time.Duration
	word word // of the project; the verb is empty
	// stops says in words of the model's own whether it makes a claim ineffective that it was stored before.
	stops bool
}

// word is what is said to the whole project, on a subject of its own. No journal record answers it.
type word uint8

const (
	noWord word = iota
	pauses
	unpauses
)

func (w word) String() string { return [...]string{"nothing", "pause", "unpause"}[w] }

func asks() []ask {
	return []ask{
		{verb: release.Cancel, stops: true},
		{verb: release.Hold, stops: true},
		{verb: release.Extend, by: tick, stops: true},
		{verb: release.Resume},
		{verb: release.Expedite},
		{verb: release.Approve}, // counts only before the claim, and only where the project asks for it
		{verb: release.Retry},   // takes up what failed; whoever cancelled too late forbids it
		{verb: release.Recall},  // takes back what was promoted
		{word: pauses},          // stops a claim, and whoever waits goes on after
		{word: unpauses},
	}
}

// stops tells whether a request stops a claim that it was stored before.
func stops(r release.Request) bool {
	return slices.ContainsFunc(asks(), func(a ask) bool { return a.verb == r.Verb && a.stops })
}

// message is one stored message, together with all before it: the stream as it was when this was its last. Streams that
// differ nowhere are the same message, so a world needs only its number.
type message struct {
	before  uint32 // the number of the stream without it
	seq     uint8
	at      moment
	request *release.Request // nil: it is a journal record
	event   release.Event
	state   *release.State // of the last record up to here
	word    word           // for the project
	paused  uint8          // the sequence of the pause that is in force; 0: none is
	opened  moment         // when the last pause ended, or never
	reached bool           // an attempt to promote failed: some of it may be outside
	record  uint32         // the number of that record's stream
	key     extension
	first   string // the promoter that is named first; empty: none is
	broke   error  // what it broke, judged from the stream alone
}

// streams are all streams that were ever met.
type streams struct {
	all    []message
	known  map[extension]uint32
	events []release.Event
	names  map[any]uint16
}

// extension identifies a stream by the one before and what was added.
type extension struct {
	before uint32
	base   uint8  // the record that the event was decided on; 0 for a request
	what   uint16 // the event's number, or the request's in the table
	at     moment
}

func newStreams() *streams {
	return &streams{all: []message{{opened: never}}, known: map[extension]uint32{}, names: map[any]uint16{}}
}

// number names an event.
func (s *streams) number(e release.Event) uint16 {
	var key any = e
	if _, first := e.(release.WasMerged); first { // there is one, and it can not be compared
		key = "merged"
	}
	n, ok := s.names[key]
	if !ok {
		n = uint16(len(s.events))
		s.names[key] = n
		s.events = append(s.events, e)
	}
	return n
}

// ask stores a request.
func (s *streams) ask(on uint32, what int, at moment) uint32 {
	key := extension{before: on, what: uint16(what), at: at}
	return s.extend(key, func(m *message) {
		m.state, m.record = s.all[on].state, s.all[on].record
		a := asks()[what]
		switch m.word = a.word; m.word {
		case pauses:
			m.paused = m.seq
			return
		case unpauses:
			m.paused, m.opened = 0, at
			return
		case noWord:
		}
		m.request = &release.Request{Verb: a.verb, By: a.by, Seq: uint64(m.seq), Actor: "ana", At: at.time()}
	})
}

// append stores an event that was decided on the record of sequence base.
func (s *streams) append(on uint32, base uint8, event uint16, at moment) uint32 {
	key := extension{before: on, base: base, what: event, at: at}
	return s.extend(key, func(m *message) {
		var was release.State
		if r := s.upTo(on, base); s.all[r].state != nil {
			was = *s.all[r].state
		}
		m.event = s.events[event]
		m.first = cmp.Or(m.first, names(m.event))
		if _, failed := m.event.(release.WasFailed); failed {
			m.reached = m.reached || was.Phase == release.Promoting
		}
		state := release.Evolve(was, m.event).Stamp(uint64(m.seq), at.time())
		m.state, m.record = &state, uint32(len(s.all))
	})
}

func (s *streams) extend(key extension, fill func(*message)) uint32 {
	if n, ok := s.known[key]; ok {
		return n
	}
	n := uint32(len(s.all))
	was := s.all[key.before]
	m := message{
		key: key, before: key.before, seq: was.seq + 1, at: key.at,
		first: was.first, paused: was.paused, opened: was.opened, reached: was.reached,
	}
	fill(&m)
	s.all = append(s.all, m)
	s.known[key] = n
	if m.event != nil {
		s.all[n].broke = s.judge(n)
	}
	return n
}

// upTo is the stream as it was when seq was its last sequence.
func (s *streams) upTo(n uint32, seq uint8) uint32 {
	for s.all[n].seq > seq {
		n = s.all[n].before
	}
	return n
}

// record is the last journal record of a stream.
func (s *streams) record(n uint32) *message { return &s.all[s.all[n].record] }

// requests are those with a sequence after from, in order.
func (s *streams) requests(n uint32, from uint64) []release.Request {
	var out []release.Request
	for ; uint64(s.all[n].seq) > from; n = s.all[n].before {
		if r := s.all[n].request; r != nil {
			out = append(out, *r)
		}
	}
	slices.Reverse(out)
	return out
}

// records are all of the journal, in order.
func (s *streams) records(n uint32) []message {
	var out []message
	for ; n != 0; n = s.all[n].before {
		if s.all[n].event != nil {
			out = append(out, s.all[n])
		}
	}
	slices.Reverse(out)
	return out
}

// lastOnly keeps the last request of every subject, as a multi_last read does.
func lastOnly(rs []release.Request) []release.Request {
	var out []release.Request
	for i, r := range rs {
		if !slices.ContainsFunc(rs[i+1:], func(o release.Request) bool { return o.Verb == r.Verb && o.Actor == r.Actor }) {
			out = append(out, r)
		}
	}
	return out
}

// pause is what stops the project.
func pause(paused uint8) []release.Stop {
	if paused == 0 {
		return nil
	}
	return []release.Stop{{Kind: release.Pause, Said: release.Said{By: "ana"}, Seq: uint64(paused)}}
}

// settle is the one place that asks the domain whether a claim is effective: it returns what speaks against it.
func settle(claim release.State, before []release.Request, stops []release.Stop) release.Against {
	return claim.Settle(before, stops, claim.PhaseAt)
}
