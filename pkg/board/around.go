package board

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/outlook"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
)

// What is around the releases that soak or bake.

// Surround fills in what is around the rows; what stops projects that are not in gates is not known.
func (r *Reader) Surround(ctx context.Context, rows []Row, gates map[string]release.Gate) error {
	if err := r.beats(ctx, rows); err != nil {
		return err
	}
	for i, row := range rows {
		if row.State.Phase != release.Soaking {
			continue
		}
		around := &rows[i].Around
		if _, read := gates[row.State.Project]; !read {
			continue
		}
		around.Read, around.Stops, around.Unmet = true, gates[row.State.Project].Stops, unmet(row.State, gates)
		p, err := r.Catalog.At(ctx, row.State.Project, row.State.Policy.Revision)
		var wrong project.Errors
		switch {
		case err == nil:
			around.Windows = p.Windows
		case errors.Is(err, catalog.ErrUnknownProject), errors.As(err, &wrong): // `sluice doctor` tells of it
		default:
			return err
		}
	}
	return nil
}

// beats fills in the heartbeats of the rows that soak or bake, and what the last one of every row said to be inconclusive.
func (r *Reader) beats(ctx context.Context, rows []Row) error {
	var ids []string
	for _, row := range rows {
		if !row.State.StagedAt.IsZero() {
			ids = append(ids, row.State.Release)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	beats, err := r.Journal.LastBeats(ctx, ids)
	if err != nil {
		return err
	}
	for i := range rows {
		last := beats[rows[i].State.Release]
		rows[i].Around = outlook.Around{Doubts: last.Inconclusive}
		if phase := rows[i].State.Phase; phase == release.Soaking || phase == release.Baking {
			rows[i].Around.Beat = last.At
		}
	}
	return nil
}

// needed are the projects that the releases need something of.
func needed(rows []Row) []string {
	var out []string
	for _, row := range rows {
		for _, n := range row.State.AllNeeds() {
			out = append(out, n.Project)
		}
	}
	return out
}

// unmet says what a release needs and is not promoted, as the promoter does.
func unmet(s release.State, gates map[string]release.Gate) string {
	var missing []string
	for _, n := range s.AllNeeds() {
		record := gates[n.Project].Record
		if n.Met(record) {
			continue
		}
		at := "nothing of it is promoted"
		if now, ok := record.Current(); ok {
			at = "promoted is " + now.Version
		}
		missing = append(missing, fmt.Sprintf("needs %s, %s", n, at))
	}
	return strings.Join(missing, "; ")
}

// Stops lists what stops these projects, what stops all of them first. A freeze that is over is left out.
func Stops(gates map[string]release.Gate, names []string, now time.Time) []Stopped {
	var all, out []Stopped
	for _, name := range names {
		for _, s := range gates[name].Stops {
			switch {
			case s.Kind == release.RollingStop, !s.Until.IsZero() && !now.Before(s.Until):
			case !s.All:
				out = append(out, Stopped{name, s})
			case !slices.ContainsFunc(all, func(o Stopped) bool { return o.Seq == s.Seq }):
				all = append(all, Stopped{"", s})
			}
		}
	}
	return append(all, out...)
}
