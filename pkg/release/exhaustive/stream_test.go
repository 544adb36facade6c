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

func momentOf(t time.Time) moment { return moment(t.Sub(moment(0).time()) / tick) }

// ask is one kind of request that people may store. A further verb is a further line of the table.
type ask struct {
	verb release.Verb
	by   time.Duration
	// stops says in words of the model's own whether it makes a claim ineffective that it was stored before.
	stops bool
}

func asks() []ask {
	return []ask{
		{verb: release.Cancel, stops: true},
		{verb: release.Hold, stops: true},
		{verb: release.Extend, by: tick, stops: true},
		{verb: release.Resume},
		{verb: release.Expedite},
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
	return &streams{all: []message{{}}, known: map[extension]uint32{}, names: map[any]uint16{}}
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
		a := asks()[what]
		m.request = &release.Request{Verb: a.verb, By: a.by, Seq: uint64(m.seq), Actor: "ana", At: at.time()}
		m.state, m.record = s.all[on].state, s.all[on].record
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
		state := release.Evolve(was, m.event).Stamp(uint64(m.seq), at.time())
		m.state, m.record = &state, uint32(len(s.all))
	})
}

func (s *streams) extend(key extension, fill func(*message)) uint32 {
	if n, ok := s.known[key]; ok {
		return n
	}
	n := uint32(len(s.all))
	m := message{key: key, before: key.before, seq: s.all[key.before].seq + 1, at: key.at, first: s.all[key.before].first}
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

// settle is the one place that asks the domain whether a claim is effective: it returns what speaks against it.
func settle(claim release.State, before []release.Request) []release.Request {
	return claim.Settle(before, nil, claim.PhaseAt).Requests
}
