package journal

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// message is what of a stored message is hashed.
func message(m stored) audit.Message {
	return audit.Message{Subject: m.Subject, Seq: m.Seq, At: m.At, Data: m.Data}
}

// chained is what the record after the entry carries: its hash, or, for the first record, that of the journal's subject. It is empty
// after an entry that nobody read from the stream.
func (e Entry) chained(subject string) []byte {
	hash := e.hash
	if e.Seq == 0 {
		hash = audit.First(subject)
	}
	if hash.IsZero() {
		return nil
	}
	return hash[:]
}

// Link adds the entry, which is the last record of an ended release's journal, to the audit chain of its project, signed by s unless that
// is nil. It does nothing, and returns false, when the entry or a later record of the journal is in the chain already: whoever calls
// it twice, late, or at the same time as somebody else adds one link. It returns the checkpoint that the new link is.
//
// It costs a read and the append, and another read when the chain has grown since the entry was stored.
func (j *Journal) Link(ctx context.Context, e Entry, s *audit.Signer) (audit.Checkpoint, bool, error) {
	subject := topology.Audit(e.State.Project)
	head := audit.Head{Release: e.State.Release, Seq: e.Seq, At: e.At, Hash: e.hash}
	if subject == "" || e.hash.IsZero() {
		return audit.Checkpoint{}, false, fmt.Errorf("audit chain of %q: release %q was not read: %w", e.State.Project, e.State.Release, ErrNone)
	}
	sure := false
	for n := again(0); ; {
		last, err := j.chainEnd(ctx, subject, sure)
		if err != nil {
			return audit.Checkpoint{}, false, err
		}
		if last.Seq > e.Seq {
			if linked, err := j.linked(ctx, subject, e, last.Seq); err != nil || linked {
				return audit.Checkpoint{}, false, err
			}
		}
		data, c, err := audit.Next(e.State.Project, message(last), head, s)
		if err != nil {
			return audit.Checkpoint{}, false, fmt.Errorf("audit chain of %s: %w", e.State.Project, err)
		}
		_, err = j.setRecord(ctx, subject, data, last.Seq)
		if !errors.Is(err, ErrConflict) {
			return c, err == nil, err
		}
		if err := n.pause(ctx); err != nil {
			return audit.Checkpoint{}, false, fmt.Errorf("audit chain of %s: %w: %w", e.State.Project, ErrConflict, err)
		}
		sure = true // what was read was behind
	}
}

// chainEnd is the last link of a chain, from the leader of the stream if it must be sure; zero for none.
func (j *Journal) chainEnd(ctx context.Context, subject string, sure bool) (m stored, err error) {
	if sure {
		m, err = j.leaderLast(ctx, topology.StreamSluice, subject)
	} else {
		m, err = j.last(ctx, subject)
	}
	if errors.Is(err, ErrNone) {
		return stored{}, nil
	}
	return m, err
}

// linked tells whether the chain has the entry, or a later record of its journal. Its link can only stand after the entry itself, so no
// more of the chain is read than what was added since.
func (j *Journal) linked(ctx context.Context, subject string, e Entry, last uint64) (bool, error) {
	links, err := j.between(ctx, topology.StreamSluice, subject, e.Seq+1, nil, last)
	if err != nil {
		return false, err
	}
	for _, m := range links {
		l, err := releasepb.DecodeLink(m.Data)
		if err != nil {
			return false, fmt.Errorf("%s sequence %d: %w", m.Subject, m.Seq, err)
		}
		if l.Release == e.State.Release && l.Seq >= e.Seq {
			return true, nil
		}
	}
	return false, nil
}

// Checkpoint is what the last link of a project's audit chain is; false when there is none, or when nobody signed it.
func (j *Journal) Checkpoint(ctx context.Context, project string) (audit.Checkpoint, bool, error) {
	if err := topology.CheckProject(project); err != nil {
		return audit.Checkpoint{}, false, err
	}
	m, err := j.leaderLast(ctx, topology.StreamSluice, topology.Audit(project))
	if errors.Is(err, ErrNone) {
		return audit.Checkpoint{}, false, nil
	}
	if err != nil {
		return audit.Checkpoint{}, false, err
	}
	c, err := audit.CheckpointOf(project, m.Data)
	if err != nil {
		return audit.Checkpoint{}, false, fmt.Errorf("%s sequence %d: %w", m.Subject, m.Seq, err)
	}
	return c, c.Key != "", nil
}

// Audited are the projects that have an audit chain. It costs one request of the leader for every 100,000.
func (j *Journal) Audited(ctx context.Context) ([]string, error) {
	var out []string
	for {
		var info struct {
			Total int `json:"total"`
			State struct {
				Subjects map[string]uint64 `json:"subjects"`
			} `json:"state"`
		}
		err := j.call(ctx, "STREAM.INFO."+topology.StreamSluice, struct {
			Filter string `json:"subjects_filter"`
			Offset int    `json:"offset"`
		}{topology.AllAudits, len(out)}, &info)
		if err != nil {
			return nil, fmt.Errorf("list the audit chains: %w", err)
		}
		for subject := range info.State.Subjects {
			s, err := topology.ParseSubject(subject)
			if err != nil {
				return nil, err
			}
			out = append(out, s.Project)
		}
		if len(info.State.Subjects) == 0 || len(out) >= info.Total {
			return out, nil
		}
	}
}

// Transition is a journal record for an auditor.
type Transition struct {
	Record
	Hash audit.Hash
}

// Transitions calls see for every record of all journals, or of one release's unless id is empty, since then, in the order of the stream,
// until it returns false. What can not be read is told to odd, and left out. It costs one read for every 10,000 records, or 4 MiB.
func (j *Journal) Transitions(ctx context.Context, from From, id string, see func(Transition) bool, odd func(seq uint64, err error)) error {
	filter := topology.AllJournals
	if id != "" {
		if filter = topology.Release(id); filter == "" {
			return topology.CheckRelease(id)
		}
	}
	return j.scan(ctx, from.get(filter), func(m stored) (bool, error) {
		t, err := transition(m)
		if err != nil {
			odd(m.Seq, err)
			return true, nil
		}
		return see(t), nil
	})
}

func transition(m stored) (Transition, error) {
	rec, err := releasepb.DecodeRecord(m.Data)
	rec.State = rec.State.Stamp(m.Seq, m.At)
	return Transition{Record{Record: rec, Seq: m.Seq, At: m.At}, audit.Of(message(m))}, err
}
