package journal

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// What people read: whole journals, many releases at once, the merges of a project. Nothing here lists all releases, and
// nothing is decided on it. All of it works from the account OPS.

// Record is one record of a journal as it is stored.
type Record struct {
	releasepb.Record           // its State is stamped
	Seq              uint64    // stream sequence
	At               time.Time // broker's timestamp
}

// Records reads the journal of a release from a sequence of the stream on, in order, up to what the leader of the stream
// has; 0 for all of it. ErrNone when it has no journal. It costs one read of the leader and one for every 10,000 records.
func (j *Journal) Records(ctx context.Context, id string, from uint64) ([]Record, error) {
	subject := topology.Release(id)
	if subject == "" {
		return nil, fmt.Errorf("release %q: an unsafe name: %w", id, ErrNone)
	}
	last, err := j.leaderLast(ctx, topology.StreamSluice, subject)
	if err != nil {
		return nil, err
	}
	if last.Seq < from {
		return nil, nil
	}
	msgs, err := j.between(ctx, topology.StreamSluice, subject, max(from, 1), nil, last.Seq)
	if err != nil {
		return nil, err
	}
	out := make([]Record, 0, len(msgs))
	for _, m := range msgs {
		rec, err := releasepb.DecodeRecord(m.Data)
		if err != nil {
			return nil, fmt.Errorf("%s sequence %d: %w", m.Subject, m.Seq, err)
		}
		rec.State = rec.State.Stamp(m.Seq, m.At)
		out = append(out, Record{Record: rec, Seq: m.Seq, At: m.At})
	}
	return out, nil
}

// atOnce is how many subjects one multi_last names; the broker answers at most 1,024.
const atOnce = 512

// LoadAll reads several releases, by id; those without a journal are left out. It costs one read for every 512.
func (j *Journal) LoadAll(ctx context.Context, ids []string) (map[string]Entry, error) {
	out := make(map[string]Entry, len(ids))
	for chunk := range slices.Chunk(ids, atOnce) {
		var subjects []string
		for _, id := range chunk {
			if subject := topology.Release(id); subject != "" {
				subjects = append(subjects, subject)
			}
		}
		if len(subjects) == 0 {
			continue
		}
		msgs, err := j.multiLast(ctx, subjects, 0, 0)
		if err != nil {
			return nil, fmt.Errorf("read %d releases: %w", len(subjects), err)
		}
		for _, m := range msgs {
			e, err := entry(m)
			if err != nil {
				return nil, err
			}
			out[e.State.Release] = e
		}
	}
	return out, nil
}

// Lanes reads all lane records, by name, in one read. It is refused when there are more than 1,024 lanes.
func (j *Journal) Lanes(ctx context.Context) (map[string]lane.Record, error) {
	msgs, err := j.multiLast(ctx, []string{"sluice.lane.*"}, 0, 0)
	if errors.Is(err, errTooMany) {
		return nil, errors.New("there are more than 1,024 lanes, too many to list")
	}
	if err != nil {
		return nil, fmt.Errorf("lanes: %w", err)
	}
	out := make(map[string]lane.Record, len(msgs))
	for _, m := range msgs {
		s, err := topology.ParseSubject(m.Subject)
		if err != nil {
			return nil, err
		}
		if out[s.Lane], err = releasepb.DecodeLane(m.Data); err != nil {
			return nil, fmt.Errorf("lane %s: %w", s.Lane, err)
		}
	}
	return out, nil
}

// Identity is a stored identity of a merge (see [Journal.Commit]), with the project and the commit that it is of.
type Identity struct {
	Project, Commit string
	releasepb.CommitRecord
	Seq uint64
	At  time.Time // broker's timestamp: when the merge was admitted
}

// Newest is the merge of a project that was admitted last. ErrNone when there is none.
func (j *Journal) Newest(ctx context.Context, project string) (Identity, error) {
	if err := topology.CheckProject(project); err != nil {
		return Identity{}, err
	}
	m, err := j.leaderLast(ctx, topology.StreamSluice, "sluice.commit."+project+".*")
	if err != nil {
		return Identity{}, err
	}
	return identity(m)
}

// From is where a reading begins: at a sequence of the stream, or, when that is 0, at a time.
type From struct {
	Seq uint64
	At  time.Time // between 1970 and 2262; anything else is that end
}

func (f From) get(subject string) get {
	if f.Seq != 0 {
		return get{Next: subject, Seq: f.Seq}
	}
	at := f.At
	if first := time.Unix(0, 0); at.Before(first) {
		at = first
	}
	if last := time.Unix(0, math.MaxInt64); at.After(last) {
		at = last
	}
	return get{Next: subject, StartTime: &at}
}

// Admitted calls see for every merge of a project that was admitted since then, in order, until it returns false; an
// empty project is all projects. It costs one read for every 10,000 merges.
func (j *Journal) Admitted(ctx context.Context, project string, from From, see func(Identity) bool) error {
	filter := "sluice.commit.*.*"
	if project != "" {
		if err := topology.CheckProject(project); err != nil {
			return err
		}
		filter = "sluice.commit." + project + ".*"
	}
	return j.scan(ctx, from.get(filter), func(m stored) (bool, error) {
		i, err := identity(m)
		return err == nil && see(i), err
	})
}

func identity(m stored) (Identity, error) {
	s, err := topology.ParseSubject(m.Subject)
	if err != nil {
		return Identity{}, err
	}
	c, err := releasepb.DecodeCommit(m.Data)
	if err != nil {
		return Identity{}, fmt.Errorf("commit %s of %s: %w", s.Commit, s.Project, err)
	}
	return Identity{Project: s.Project, Commit: s.Commit, CommitRecord: c, Seq: m.Seq, At: m.At}, nil
}

// Merge is a stored merge event that can be understood.
type Merge struct {
	Project string
	releasepb.MergeEvent
	Seq uint64
	At  time.Time
}

// Merges calls see for every merge event of a project since then, in order, until it returns false; an empty project is all
// projects. Malformed events are left out.
func (j *Journal) Merges(ctx context.Context, project string, from From, see func(Merge) bool) error {
	filter := "sluice.merge.*"
	if project != "" {
		if filter = topology.Merge(project); filter == "" {
			return topology.CheckProject(project)
		}
	}
	return j.scan(ctx, from.get(filter), func(m stored) (bool, error) {
		s, err := topology.ParseSubject(m.Subject)
		if err != nil {
			return true, nil //nolint:nilerr // left out
		}
		event, err := releasepb.DecodeMergeEvent(m.Data)
		if err != nil {
			return true, nil //nolint:nilerr // left out
		}
		return see(Merge{Project: s.Project, MergeEvent: event, Seq: m.Seq, At: m.At}), nil
	})
}

// Buried calls see for every refused merge of a project from a sequence on, in order, until it returns false.
func (j *Journal) Buried(ctx context.Context, project string, from uint64, see func(releasepb.DeadLetter) bool) error {
	subject := topology.Dead("merge", project)
	if subject == "" {
		return topology.CheckProject(project)
	}
	return j.scan(ctx, get{Next: subject, Seq: max(from, 1)}, func(m stored) (bool, error) {
		d, err := releasepb.DecodeDeadLetter(m.Data)
		if err != nil {
			return false, fmt.Errorf("%s sequence %d: %w", m.Subject, m.Seq, err)
		}
		return see(d), nil
	})
}

// LastBeats is the last heartbeat of each of these releases; those without one are left out. It costs one read for every 512.
func (j *Journal) LastBeats(ctx context.Context, ids []string) (map[string]Beat, error) {
	out := make(map[string]Beat, len(ids))
	for chunk := range slices.Chunk(ids, atOnce) {
		var subjects []string
		for _, id := range chunk {
			if subject := topology.Heartbeat(id); subject != "" {
				subjects = append(subjects, subject)
			}
		}
		if len(subjects) == 0 {
			continue
		}
		a, err := j.ask(ctx, topology.StreamEvidence, get{MultiLast: subjects})
		if err != nil {
			return nil, fmt.Errorf("heartbeats: %w", err)
		}
		for _, m := range a.msgs {
			if s, err := topology.ParseSubject(m.Subject); err == nil {
				out[s.Release] = beat(m)
			}
		}
	}
	return out, nil
}

// scan calls see for the messages of SLUICE that g asks for, until it returns false. It ends where the replica that answers
// ends, which may be a little behind.
func (j *Journal) scan(ctx context.Context, g get, see func(stored) (bool, error)) error {
	g.Batch = batch
	for {
		a, err := j.ask(ctx, topology.StreamSluice, g)
		if err != nil {
			return fmt.Errorf("read %s: %w", g.Next, err)
		}
		for _, m := range a.msgs {
			if more, err := see(m); err != nil || !more {
				return err
			}
		}
		if a.pending == 0 {
			return nil
		}
		g.Seq, g.StartTime = a.msgs[len(a.msgs)-1].Seq+1, nil
	}
}
