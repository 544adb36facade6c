// Package board collects what `sluice status` shows: every live release, and of each project what ended last.
//
// # What it costs
//
// It never reads all releases; there may be a million. The lanes say who occupies staging, who waits, and which release of
// each project was promoted last. What is on its way to a lane, or ended without promotion, was merged since about then: so
// each project's merges are read from a day before the merge of its last promoted release on. That is, for P projects with
// R releases in all since their last promotions:
//
//	1 read for the names of the projects, 1 for the lanes, 1 for the broker's time
//	1 read for every 512 releases that occupy, wait, or were promoted last, those included that others wait behind
//	P reads of merges, each a record of about 150 bytes for every merge
//	1 read for every 512 of the R releases, and 1 for the heartbeats of those that soak
//
// What it can miss: a release that was merged more than a day before the one promoted last, and neither occupies a lane nor
// waits for one: one whose publishing takes longer than that.
package board

import (
	"cmp"
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/release"
)

// Reader reads the broker.
type Reader struct {
	Journal *journal.Journal
	Catalog *catalog.Catalog
}

// Board is what is to be seen at one time.
type Board struct {
	Now  time.Time // the broker's, in the zone of this machine
	Rows []Row     // by project; live ones first, then what ended, newest first
	Idle []string  // projects that never had a release
	// Shared is the lanes in which releases of several projects are or were, by name.
	Shared []Lane
}

// Row is one release.
type Row struct {
	State release.State
	Beat  time.Time // the last heartbeat of the watcher, of a release that soaks; zero for none
	Ahead *Ahead    // of a release that waits for its lane, as far as the lane knows it; else nil
}

const (
	lookBack  = 24 * time.Hour
	mergeMost = 200 // of one project's merges, the newest
	readers   = 8
)

// All collects the board of all projects, with one ended release of each.
func (r *Reader) All(ctx context.Context) (Board, error) {
	names, err := r.Catalog.Names(ctx)
	if err != nil {
		return Board{}, err
	}
	return r.collect(ctx, names, 1)
}

// Project collects the board of one project, with that many ended releases.
func (r *Reader) Project(ctx context.Context, name string, ended int) (Board, error) {
	return r.collect(ctx, []string{name}, ended)
}

// Release is the row of one release. It costs a read of the broker's time and, of one that soaks, of its heartbeats, or, of one
// that may wait, of its lane and of the occupant.
func (r *Reader) Release(ctx context.Context, s release.State) (Row, time.Time, error) {
	rows := []Row{{State: s}}
	if err := r.beats(ctx, rows); err != nil {
		return Row{}, time.Time{}, err
	}
	if err := r.ahead(ctx, &rows[0]); err != nil {
		return Row{}, time.Time{}, err
	}
	now, err := r.Journal.Now(ctx)
	return rows[0], now.Local(), err
}

func (r *Reader) collect(ctx context.Context, names []string, ended int) (Board, error) {
	lanes, err := r.Journal.Lanes(ctx)
	if err != nil {
		return Board{}, err
	}
	now, err := r.Journal.Now(ctx)
	if err != nil {
		return Board{}, err
	}
	all, err := r.Journal.LoadAll(ctx, inLanes(lanes, names))
	if err != nil {
		return Board{}, err
	}
	merged, err := r.merged(ctx, names, promoted(lanes, all))
	if err != nil {
		return Board{}, err
	}
	merged = slices.DeleteFunc(merged, func(id string) bool { return all[id].Seq != 0 })
	more, err := r.Journal.LoadAll(ctx, merged)
	if err != nil {
		return Board{}, err
	}
	for id, e := range more {
		all[id] = e
	}
	b := Board{Now: now.Local(), Shared: shared(lanes, names, all)}
	for _, name := range names {
		rows := pick(all, name, ended)
		if len(rows) == 0 {
			b.Idle = append(b.Idle, name)
		}
		b.Rows = append(b.Rows, rows...)
	}
	for i := range b.Rows {
		row := &b.Rows[i]
		row.Ahead = aheadOf(row.State, lanes[row.State.Policy.Lane], all)
	}
	return b, r.beats(ctx, b.Rows)
}

// promoted is, by project, when the release that was promoted last was merged.
func promoted(lanes map[string]lane.Record, all map[string]journal.Entry) map[string]time.Time {
	out := map[string]time.Time{}
	for _, l := range lanes {
		for project, id := range l.Promoted {
			if at := all[id].State.MergedAt; at.After(out[project]) { // a project may have moved to another lane
				out[project] = at
			}
		}
	}
	return out
}

// merged are the releases of the newest merges of these projects.
func (r *Reader) merged(ctx context.Context, names []string, since map[string]time.Time) ([]string, error) {
	byProject := make([][]string, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, name := range names {
		group.Go(func() error {
			from := journal.From{At: since[name].Add(-lookBack)}
			return r.Journal.Admitted(ctx, name, from, func(m journal.Identity) bool {
				if len(byProject[i]) == mergeMost {
					byProject[i] = byProject[i][1:]
				}
				byProject[i] = append(byProject[i], m.Release)
				return true
			})
		})
	}
	err := group.Wait()
	return slices.Concat(byProject...), err
}

// pick takes the releases of a project that are to be shown, in order.
func pick(all map[string]journal.Entry, project string, ended int) []Row {
	var rows []Row
	for _, e := range all {
		if e.State.Project == project {
			rows = append(rows, Row{State: e.State})
		}
	}
	slices.SortFunc(rows, compare)
	live := slices.IndexFunc(rows, func(r Row) bool { return r.State.Phase.Ended() })
	if live >= 0 {
		rows = rows[:min(len(rows), live+ended)]
	}
	return rows
}

func compare(a, b Row) int {
	x, y := a.State, b.State
	if c := cmp.Compare(rank(x.Phase), rank(y.Phase)); c != 0 {
		return c
	}
	if x.Phase.Ended() {
		return cmp.Or(y.End.At.Compare(x.End.At), cmp.Compare(y.Release, x.Release))
	}
	return cmp.Or(cmp.Compare(x.Merge.Seq, y.Merge.Seq), cmp.Compare(x.Release, y.Release))
}

// The ranks of phases.
const (
	rankStaging = iota
	rankQueued
	rankComing
	rankEnded
)

// rank orders phases: who has staging, who comes next, who is done.
func rank(p release.Phase) int {
	switch p {
	case release.Staging, release.Staged, release.Soaking, release.Held, release.Promoting:
		return rankStaging
	case release.Queued:
		return rankQueued
	case release.Published, release.Publishing, release.Merged, release.None:
		return rankComing
	case release.Promoted, release.Cancelled, release.Failed, release.Superseded:
	}
	return rankEnded
}

// beats fills in the heartbeats of the rows that soak.
func (r *Reader) beats(ctx context.Context, rows []Row) error {
	var ids []string
	for _, row := range rows {
		if row.State.Phase == release.Soaking {
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
		rows[i].Beat = beats[rows[i].State.Release]
	}
	return nil
}
