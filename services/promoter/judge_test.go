package promoter_test

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

type verdict struct {
	releases, promoted, cancelled, held, requests, ineffective, links int
	violations                                                        []string
}

// told is a release as its messages tell it, in the order of the stream.
type told struct {
	requests []release.Request
	records  []stored
	raw      []audit.Message
}

type stored struct {
	releasepb.Record
	seq uint64
	at  time.Time
}

// judge reads the whole stream and checks every release against it, and the outside effects and the acknowledgements.
func (r *race) judge() verdict {
	all, subjects, chains := r.read()
	var v verdict
	for id, t := range all {
		if len(t.records) == 0 {
			v.violations = append(v.violations, "requests without a journal: "+id)
			continue
		}
		v.releases++
		v.requests += len(t.requests)
		v.release(id, t)
		promoted := t.records[len(t.records)-1].State.Phase == release.Promoted
		if n := r.effects.done[id]; n > 1 || (n == 1) != promoted {
			v.violations = append(v.violations, fmt.Sprintf("%s took effect %d times, promoted is %t", id, n, promoted))
		}
	}
	for seq, subject := range r.acked {
		if subjects[seq] != subject {
			v.violations = append(v.violations, fmt.Sprintf("%s was acknowledged as %d, where the stream has %q", subject, seq, subjects[seq]))
		}
	}
	v.audit(all, chains)
	return v
}

// audit looks at the hashes: what two promoters appended and linked while the cluster lost its leaders is one chain for each release and
// each project.
func (v *verdict) audit(all map[string]told, chains map[string][]audit.Message) {
	bad := func(format string, args ...any) { v.violations = append(v.violations, fmt.Sprintf(format, args...)) }
	for id, t := range all {
		if told, b := audit.Journal(id, t.raw); b != nil || told.Records != len(t.records) || told.Unchained > 0 {
			bad("the journal of %s: %+v, %v", id, told, b)
		}
	}
	for name, links := range chains {
		c := audit.NewChain(name, audit.Expect{})
		for _, m := range links {
			l, b := c.Add(m)
			if b == nil {
				b = c.Holds(l, all[l.Release].raw)
			}
			if b != nil {
				bad("%v", b)
				break
			}
			v.links++
		}
	}
}

// release checks one release without the code under test: it knows only what the messages mean.
func (v *verdict) release(id string, t told) {
	bad := func(format string, args ...any) {
		v.violations = append(v.violations, fmt.Sprintf(format, args...)+" ("+id+")")
	}
	var claim *stored
	ends := 0
	answered := map[uint64]string{} // by request: the record that answered it
	for i := range t.records {
		rec := &t.records[i]
		switch e := rec.Event.(type) {
		case release.WasBegun:
			if e.Work == release.Promote && e.Attempt.Number == 1 {
				claim = rec
				if rec.at.Before(rec.State.Due) {
					bad("claimed at %s, due at %s", rec.at, rec.State.Due)
				}
			}
		case release.WasHeld:
			answered[e.Seq] = rec.Type
		case release.WasExtended:
			answered[e.Seq] = rec.Type
		case release.WasRefused:
			answered[e.Seq] = rec.Type
		case release.WasCancelled:
			answered[e.Seq] = rec.Type
			ends++
			v.cancelled++
		case release.WasDone:
			if e.Work == release.Promote {
				ends++
				v.promoted++
				v.promotion(bad, t, claim)
			}
		}
	}
	if ends > 1 {
		bad("it ended %d times", ends)
	}
	if t.records[len(t.records)-1].State.Phase == release.Held {
		v.held++
	}
	for _, r := range t.requests {
		switch what := answered[r.Seq]; {
		case what == "":
			bad("%s of sequence %d was never answered", r.Verb, r.Seq)
		case claim != nil && r.Seq < claim.seq && what != "refused":
			v.ineffective++
		}
	}
}

// promotion checks that nothing that was stored before the claim speaks against it. There are no resumes in the race.
func (v *verdict) promotion(bad func(string, ...any), t told, claim *stored) {
	if claim == nil {
		bad("promoted without a claim")
		return
	}
	for _, r := range t.requests {
		if r.Seq > claim.seq {
			continue
		}
		obeyed := false
		for _, rec := range t.records {
			e, ok := rec.Event.(release.WasExtended)
			obeyed = obeyed || (ok && e.Seq == r.Seq && rec.seq < claim.seq)
		}
		if r.Verb != release.Extend || !obeyed {
			bad("promoted although %s was stored at %d, before the claim at %d", r.Verb, r.Seq, claim.seq)
		}
	}
}

// read collects what the stream says of every release, the subject of every sequence, and the audit chain of every project.
func (r *race) read() (map[string]told, map[uint64]string, map[string][]audit.Message) {
	ctx := r.t.Context()
	stream, err := r.js[2].Stream(ctx, topology.StreamSluice)
	if err != nil {
		r.t.Fatal(err)
	}
	info, err := stream.Info(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		r.t.Fatal(err)
	}
	it, err := consumer.Messages()
	if err != nil {
		r.t.Fatal(err)
	}
	defer it.Stop()
	all, subjects, chains := map[string]told{}, map[uint64]string{}, map[string][]audit.Message{}
	for {
		m, err := it.Next()
		if err != nil {
			r.t.Fatal(err)
		}
		meta, err := m.Metadata()
		if err != nil {
			r.t.Fatal(err)
		}
		seq := meta.Sequence.Stream
		subjects[seq] = m.Subject()
		raw := audit.Message{Subject: m.Subject(), Seq: seq, At: meta.Timestamp, Data: m.Data()}
		s, err := topology.ParseSubject(m.Subject())
		if err == nil && s.Kind == topology.KindAudit {
			chains[s.Project] = append(chains[s.Project], raw)
		}
		if err == nil && s.Release != "" {
			t := all[s.Release]
			if s.Kind == topology.KindRequest {
				t.requests = append(t.requests, releasepb.DecodeRequest(release.Verb(s.Verb), s.Actor, seq, meta.Timestamp, m.Data()))
			} else if rec, err := releasepb.DecodeRecord(m.Data()); err == nil {
				t.records, t.raw = append(t.records, stored{rec, seq, meta.Timestamp}), append(t.raw, raw)
			} else {
				r.t.Errorf("sequence %d: %v", seq, err)
			}
			all[s.Release] = t
		}
		if seq >= info.State.LastSeq {
			return all, subjects, chains
		}
	}
}
