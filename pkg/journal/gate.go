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
// the stream. What the project's windows say, and what the release needs, is for the caller to add.
func (j *Journal) Gate(ctx context.Context, e Entry, least uint64) (release.Gate, error) {
	g, _, err := j.gate(ctx, e, 0, max(least, e.Seq))
	return g, err
}

// gate is Gate as of a sequence of the stream, unless upTo is 0. has is the sequence of the journal's record in the answer,
// 0 for none.
func (j *Journal) gate(ctx context.Context, e Entry, upTo, least uint64) (g release.Gate, has uint64, err error) {
	project, journal := e.State.Project, topology.Release(e.State.Release)
	filters := topology.StopFilters(project)
	if filters == nil || journal == "" {
		return g, 0, fmt.Errorf("release %q of project %q: an unsafe name: %w", e.State.Release, project, ErrNone)
	}
	msgs, err := j.multiLast(ctx, append(filters, topology.Project(project), journal), upTo, least)
	if err != nil {
		return g, 0, fmt.Errorf("read what stops %s: %w", project, err)
	}
	return fold(msgs, project, journal)
}

// fold is what the messages say of a project. has is the sequence of the one on the subject journal, 0 for none.
func fold(msgs []stored, project, journal string) (g release.Gate, has uint64, err error) {
	record := topology.Project(project)
	newest := map[topology.Subject]stored{} // by verb and scope
	for _, m := range msgs {
		switch m.Subject {
		case journal:
			has = m.Seq
			continue
		case record:
			if g.Record, err = releasepb.DecodeProject(m.Data); err != nil {
				return g, 0, fmt.Errorf("%s sequence %d: %w", m.Subject, m.Seq, err)
			}
			if id := g.Record.Rolling; id != "" {
				g.Stops = append(g.Stops, release.Stop{Kind: release.RollingStop, Release: id, Seq: m.Seq})
			}
			continue
		}
		s, err := topology.ParseStored(m.Subject)
		if err != nil || s.Kind != topology.KindStop {
			continue
		}
		s.Actor = ""
		newest[s] = m // they come in the order of the stream
	}
	for _, scope := range []string{project, topology.AllProjects} {
		stops(&g, newest, scope, release.Pause, topology.StopPause, topology.StopUnpause)
		stops(&g, newest, scope, release.Freeze, topology.StopFreeze, topology.StopUnfreeze)
	}
	return g, has, nil
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

// Project reads what became of a project's releases; nothing, at sequence 0, when none was promoted yet.
func (j *Journal) Project(ctx context.Context, name string) (release.Record, uint64, error) {
	data, seq, err := j.record(ctx, topology.Project(name))
	if err != nil || seq == 0 {
		return release.Record{}, 0, err
	}
	r, err := releasepb.DecodeProject(data)
	if err != nil {
		return release.Record{}, 0, fmt.Errorf("project %s: %w", name, err)
	}
	return r, seq, nil
}

// ChangeProject changes what is remembered of a project, by compare-and-set. change is called again when somebody else was
// faster; what it returns is stored unless it is what was there. It returns the sequence of what is stored then.
func (j *Journal) ChangeProject(ctx context.Context, name string, change func(release.Record) (release.Record, error)) (uint64, error) {
	var n again
	for {
		before, seq, err := j.Project(ctx, name)
		if err != nil {
			return 0, err
		}
		after, err := change(before)
		if err != nil || after.Equal(before) {
			return seq, err
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
			return 0, fmt.Errorf("project %s: %w", name, stale(err))
		}
	}
}
