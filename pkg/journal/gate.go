package journal

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// Gate reads what stops the promotion of the entry's project and what became of its releases, not from before a sequence of
// the stream. What the project's windows say, and what the release needs, is for the caller to add. When no answer had the
// entry for ten seconds, the error wraps ErrStale.
func (j *Journal) Gate(ctx context.Context, e Entry, least uint64) (release.Gate, error) {
	for n := again(0); ; {
		g, has, err := j.gate(ctx, e, 0, max(least, e.Seq))
		if err != nil {
			return release.Gate{}, err
		}
		if has >= e.Seq {
			return g, nil
		}
		if err := n.pause(ctx); err != nil { // a replica that has nothing yet says that nothing stops
			return release.Gate{}, fmt.Errorf("read what stops %s: %w", e.State.Project, stale(err))
		}
	}
}

// gate is Gate as of a sequence of the stream, unless upTo is 0. has is the sequence of the journal's record in the answer,
// 0 for none.
func (j *Journal) gate(ctx context.Context, e Entry, upTo, least uint64) (g release.Gate, has uint64, err error) {
	project, journal := e.State.Project, topology.Release(e.State.Release)
	stops := topology.StopFilters(project)
	if stops == nil || journal == "" {
		return g, 0, fmt.Errorf("release %q of project %q: an unsafe name: %w", e.State.Release, project, ErrNone)
	}
	filters := append([]string{journal, topology.Project(project)}, stops...)
	msgs, err := j.multiLast(ctx, filters, upTo, least)
	if errors.Is(err, errTooMany) || errors.Is(err, errHidden) {
		msgs, err = j.walk(ctx, path{consumer: stopsConsumer, filters: filters, mine: func(subject string) bool {
			_, ok := stopOf(project, subject)
			return ok || subject == journal || subject == topology.Project(project)
		}}, upTo)
	}
	if err == nil {
		g, has, err = gateOf(msgs, project, journal)
	}
	if err != nil {
		return g, 0, fmt.Errorf("read what stops %s: %w", project, err)
	}
	return g, has, nil
}

// gateOf is what messages in the order of the stream say of a project, and the sequence of the journal's last record.
func gateOf(msgs []stored, project, journal string) (g release.Gate, has uint64, err error) {
	newest := map[topology.Subject]stored{} // by verb and scope
	var record stored
	for _, m := range msgs {
		if s, ok := stopOf(project, m.Subject); ok {
			newest[s] = m
			continue
		}
		switch m.Subject {
		case journal:
			has = m.Seq
		case topology.Project(project):
			record = m
		}
	}
	if record.Seq != 0 {
		if g.Record, err = releasepb.DecodeProject(record.Data); err != nil {
			return g, 0, fmt.Errorf("%s sequence %d: %w", record.Subject, record.Seq, err)
		}
		if id := g.Record.Rolling; id != "" {
			g.Stops = append(g.Stops, release.Stop{Kind: release.RollingStop, Release: id, Seq: record.Seq})
		}
	}
	for _, scope := range []string{project, topology.AllProjects} {
		stops(&g, newest, scope, release.Pause, topology.StopPause, topology.StopUnpause)
		stops(&g, newest, scope, release.Freeze, topology.StopFreeze, topology.StopUnfreeze)
	}
	return g, has, nil
}

// stopOf takes apart the subject of a stop that concerns the project, whoever sent it: without the actor.
func stopOf(project, subject string) (topology.Subject, bool) {
	s, err := topology.ParseStored(subject)
	s.Actor = ""
	return s, err == nil && s.Kind == topology.KindStop && (s.Project == project || s.Project == topology.AllProjects)
}

// stops adds a scope's stop of one kind if the newest word on it is that it begins.
func stops(g *release.Gate, newest map[topology.Subject]stored, scope string, kind release.StopKind, on, off string) {
	begun, ok := newest[topology.Subject{Kind: topology.KindStop, Verb: on, Project: scope}]
	ended := newest[topology.Subject{Kind: topology.KindStop, Verb: off, Project: scope}]
	if ended.Seq > begun.Seq {
		if ended.At.After(g.Opened) {
			g.Opened = ended.At
		}
		return
	}
	if !ok {
		return
	}
	actor := ""
	if s, err := topology.ParseStored(begun.Subject); err == nil {
		actor = releasepb.Line(s.Actor, maxActor)
	}
	stop := releasepb.DecodeStop(kind, actor, begun.Seq, begun.At, begun.Data)
	stop.All = scope == topology.AllProjects
	g.Stops = append(g.Stops, stop)
}

// Project reads what became of a project's releases; nothing, at sequence 0, when none was promoted yet. On a replicated
// stream the answer may be a little behind.
func (j *Journal) Project(ctx context.Context, name string) (release.Record, uint64, error) {
	return j.project(ctx, name, false)
}

// project is Project, from the leader of the stream if it must be sure.
func (j *Journal) project(ctx context.Context, name string, sure bool) (release.Record, uint64, error) {
	subject := topology.Project(name)
	if subject == "" {
		return release.Record{}, 0, fmt.Errorf("project %q: an unsafe name: %w", name, ErrNone)
	}
	read := j.last
	if sure {
		read = func(ctx context.Context, subject string) (stored, error) {
			return j.leaderLast(ctx, topology.StreamSluice, subject)
		}
	}
	m, err := read(ctx, subject)
	if errors.Is(err, ErrNone) {
		return release.Record{}, 0, nil
	}
	if err != nil {
		return release.Record{}, 0, err
	}
	r, err := releasepb.DecodeProject(m.Data)
	if err != nil {
		return release.Record{}, 0, fmt.Errorf("%s sequence %d: %w", subject, m.Seq, err)
	}
	return r, m.Seq, nil
}

// ChangeProject changes what is remembered of a project, by compare-and-set. change is called again when somebody else was
// faster; what it returns is stored unless it is what was there. It returns the sequence of what is stored then.
//
// That there is nothing to change, or that change refuses, is concluded only from what the leader of the stream has: a
// rollback that is over would otherwise stop the project for good, because a replica has not heard of its beginning.
func (j *Journal) ChangeProject(ctx context.Context, name string, change func(release.Record) (release.Record, error)) (uint64, error) {
	sure := false
	for n := again(0); ; {
		before, seq, err := j.project(ctx, name, sure)
		if err != nil {
			return 0, err
		}
		after, err := change(before)
		if nothing := err != nil || after.Equal(before); nothing && sure {
			return seq, err
		} else if nothing {
			sure = true
			continue
		}
		data, err := releasepb.EncodeProject(after)
		if err != nil {
			return 0, fmt.Errorf("project %s: %w", name, err)
		}
		stored, err := j.setRecord(ctx, topology.Project(name), data, seq)
		if !errors.Is(err, ErrConflict) {
			return stored, err
		}
		if err := n.pause(ctx); err != nil {
			return 0, fmt.Errorf("project %s: %w: %w", name, ErrConflict, err)
		}
		sure = true // what was read was behind
	}
}
