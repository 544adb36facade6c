package check

import (
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/outside"
)

// Message is a stored message.
type Message struct {
	Seq     uint64
	At      time.Time // broker's timestamp
	Subject string
	Data    []byte
}

// Asked is what a client knows of a request that it sent.
type Asked struct {
	ID      string // in the request's reason: the request is found by it
	Release string
	Subject string
	Sent    time.Time
	Acked   time.Time // zero when the broker's acknowledgement did not come: it may be stored all the same
	Seq     uint64    // as acknowledged
}

// Merged is what a client knows of a merge that the broker acknowledged.
type Merged struct {
	Release, Project, Version, Digest string
}

// Channel is what a project's users get at the end.
type Channel struct{ Version, Digest string }

// History is all that a run left. Its zero value is that of no run; messages are added in the order of the stream.
type History struct {
	Asked    []Asked
	Merged   []Merged
	Seen     map[string]time.Time // by release: when a client read that it has ended
	Effects  []outside.Effect
	Channels map[string]Channel // by project: the channel of those that promote files
	// Waits says that a release may be held at the end, or soak for a time to come. Otherwise all must have ended, and be put back.
	Waits bool

	releases map[string]*told
	order    []string
	subjects map[uint64]string
	chains   map[string][]audit.Message // by project
	stops    []stop
	beats    map[string][]time.Time
	refused  map[string]bool // merges, by the release that they named
	lanes    map[string]string
	staging  map[string]string // by lane: the release that is deployed there and has not ended
	last     time.Time         // of the last message
	found    []Violation
}

// told is a release as its messages tell it, in the order of the stream.
type told struct {
	id       string
	requests []release.Request
	records  []record
	stored   []audit.Message // the journal as it is
}

type record struct {
	releasepb.Record // its state is stamped
	seq              uint64
	at               time.Time
}

// Violation is a broken promise: its name in the comment of package release, or ack for an acknowledgement, audit for hashes
// that do not follow one another, linear for the order that clients saw, stream for what can not be read, lane for two releases in one
// lane.
type Violation struct{ Name, Release, Text string }

func (v Violation) String() string {
	return fmt.Sprintf("violation: %s: %s (%s)", v.Name, v.Text, v.Release)
}

func (h *History) say(name, id, format string, args ...any) {
	h.found = append(h.found, Violation{name, id, fmt.Sprintf(format, args...)})
}

// Add adds a message of SLUICE.
func (h *History) Add(m Message) {
	if h.releases == nil {
		h.releases, h.subjects = map[string]*told{}, map[uint64]string{}
		h.chains = map[string][]audit.Message{}
		h.refused, h.lanes, h.staging = map[string]bool{}, map[string]string{}, map[string]string{}
	}
	at := m.At.UTC()
	h.last = at
	raw := audit.Message{Subject: m.Subject, Seq: m.Seq, At: m.At, Data: m.Data}
	s, err := topology.ParseStored(m.Subject)
	if err != nil {
		return // of a newer version
	}
	switch s.Kind { //nolint:exhaustive // the rest is told by the journals
	case topology.KindRequest:
		h.subjects[m.Seq] = m.Subject
		t := h.release(s.Release)
		t.requests = append(t.requests, releasepb.DecodeRequest(release.Verb(s.Verb), s.Actor, m.Seq, at, m.Data))
	case topology.KindStop:
		h.stops = append(h.stops, stop{project: s.Project, verb: s.Verb, seq: m.Seq, at: at})
	case topology.KindRelease:
		rec, err := releasepb.DecodeRecord(m.Data)
		if err != nil {
			h.say("stream", s.Release, "sequence %d: %v", m.Seq, err)
			return
		}
		rec.State, rec.Cause, rec.Unknown = rec.State.Stamp(m.Seq, at), "", nil
		t := h.release(s.Release)
		t.stored = append(t.stored, raw)
		h.occupied(t, rec.State, m.Seq)
		t.records = append(t.records, record{rec, m.Seq, at})
	case topology.KindAudit:
		h.chains[s.Project] = append(h.chains[s.Project], raw)
	case topology.KindDead:
		if letter, err := releasepb.DecodeDeadLetter(m.Data); err == nil {
			if merge, err := releasepb.DecodeMergeEvent(letter.Body); err == nil {
				h.refused[merge.ID] = true
			}
		}
	case topology.KindLane:
		if lane, err := releasepb.DecodeLane(m.Data); err == nil {
			h.lanes[s.Lane] = lane.Owner
		}
	}
}

// Beat adds a heartbeat.
func (h *History) Beat(id string, at time.Time) {
	if h.beats == nil {
		h.beats = map[string][]time.Time{}
	}
	h.beats[id] = append(h.beats[id], at)
}

func (h *History) release(id string) *told {
	t := h.releases[id]
	if t == nil {
		t = &told{id: id}
		h.releases[id] = t
		h.order = append(h.order, id)
	}
	return t
}
