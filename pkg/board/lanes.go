package board

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/release"
)

// Ahead is what a release waits for.
type Ahead struct {
	Place    int           // in the queue of its lane; 1 is the next
	Occupant release.State // who occupies the lane
}

// Lane is a lane that several projects share.
type Lane struct {
	Name     string
	Occupant release.State   // the zero State: it is free
	Waiting  []release.State // in order
}

// inLanes are the releases of these projects that the lanes name, and the occupants of the lanes that they share or wait for.
func inLanes(lanes map[string]lane.Record, names []string) []string {
	var ids []string
	for _, l := range lanes {
		ours := func(project string) bool { return slices.Contains(names, project) }
		if !slices.ContainsFunc(projects(l), ours) {
			continue
		}
		ids = append(ids, l.Owner)
		several := len(projects(l)) > 1
		for _, w := range l.Waiting {
			if several || ours(w.Project) {
				ids = append(ids, w.Release)
			}
		}
		for project, id := range l.Promoted {
			if ours(project) {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return slices.DeleteFunc(ids, func(id string) bool { return id == "" })
}

// projects are those whose releases a lane knows of, each once.
func projects(l lane.Record) []string {
	seen := slices.Collect(maps.Keys(l.Promoted))
	if l.Owner != "" {
		seen = append(seen, l.Project)
	}
	for _, w := range l.Waiting {
		seen = append(seen, w.Project)
	}
	slices.Sort(seen)
	return slices.Compact(seen)
}

// shared are the lanes that one of these projects shares with another.
func shared(lanes map[string]lane.Record, names []string, all map[string]journal.Entry) []Lane {
	var out []Lane
	for name, l := range lanes {
		in := projects(l)
		if len(in) < 2 || !slices.ContainsFunc(in, func(p string) bool { return slices.Contains(names, p) }) {
			continue
		}
		seen := Lane{Name: name, Occupant: occupant(l, all)}
		for _, w := range l.Waiting {
			seen.Waiting = append(seen.Waiting, all[w.Release].State)
		}
		out = append(out, seen)
	}
	slices.SortFunc(out, func(a, b Lane) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// aheadOf finds a release in the queue of its lane.
func aheadOf(s release.State, l lane.Record, all map[string]journal.Entry) *Ahead {
	i := slices.IndexFunc(l.Waiting, func(w lane.Waiting) bool { return w.Release == s.Release })
	if i < 0 {
		return nil
	}
	return &Ahead{Place: i + 1, Occupant: occupant(l, all)}
}

// occupant is who occupies a lane; of one without a journal, no more than its id and its project.
func occupant(l lane.Record, all map[string]journal.Entry) release.State {
	if e, ok := all[l.Owner]; ok {
		return e.State
	}
	return release.State{Release: l.Owner, Project: l.Project}
}

// ahead fills in what a release waits for, if it may wait.
func (r *Reader) ahead(ctx context.Context, row *Row) error {
	if p := rank(row.State.Phase); p == rankStaging || p == rankEnded {
		return nil
	}
	l, _, err := r.Journal.Lane(ctx, row.State.Policy.Lane)
	if err != nil || l.Owner == "" {
		return err
	}
	all, err := r.Journal.LoadAll(ctx, []string{l.Owner})
	if err != nil {
		return err
	}
	row.Ahead = aheadOf(row.State, l, all)
	return nil
}
