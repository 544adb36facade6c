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
//	1 read for every 512 of the R releases, and 1 for the heartbeats of those that soak or bake
//	1 read for every 32 projects for what stops them, and 1 for each project file that a soaking release pinned
//
// What it can miss: a release that was merged more than a day before the one promoted last, and neither occupies a lane nor
// waits for one: one whose publishing takes longer than that.
package board

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/outlook"
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
	// Stopped is what stops a project, or with All set every project: pauses and freezes, also those that begin later. What
	// stops all is there once.
	Stopped []Stopped
	Unread  error // why what stops the projects can not be told; nil: it is
	// Shared is the lanes in which releases of several projects are or were, by name.
	Shared []Lane
}

// Row is one release.
type Row struct {
	State  release.State
	Around outlook.Around // of a release that soaks or bakes
	Ahead  *Ahead         // of a release that waits for its lane, as far as the lane knows it; else nil
}

// Stopped is a pause or a freeze.
type Stopped struct {
	Project string // empty: all projects
	release.Stop
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

// Release is the row of one release. It costs a read of the broker's time, one of what stops its project and, of one that soaks
// or bakes, of its heartbeats and of its project file, or, of one that may wait, of its lane and of the occupant.
func (r *Reader) Release(ctx context.Context, s release.State) (Row, time.Time, error) {
	now, err := r.Journal.Now(ctx)
	if err != nil {
		return Row{}, time.Time{}, err
	}
	rows := []Row{{State: s}}
	gates, _ := r.Journal.Gates(ctx, append(needed(rows), s.Project), 0) // without them the journal's own word stands
	if err = r.Surround(ctx, rows, gates); err == nil {
		err = r.ahead(ctx, &rows[0])
	}
	return rows[0], now.Local(), err
}

func (r *Reader) collect(ctx context.Context, names []string, ended int) (Board, error) {
	seen, err := r.See(ctx, names)
	if err != nil {
		return Board{}, err
	}
	b := Board{Now: seen.Now.Local(), Shared: shared(seen.Lanes, names, seen.Releases)}
	for _, name := range names {
		rows := pick(seen.Releases, name, ended)
		if len(rows) == 0 {
			b.Idle = append(b.Idle, name)
		}
		b.Rows = append(b.Rows, rows...)
	}
	for i := range b.Rows {
		row := &b.Rows[i]
		row.Ahead = aheadOf(row.State, seen.Lanes[row.State.Policy.Lane], seen.Releases)
	}
	wanted := append(needed(b.Rows), names...)
	slices.Sort(wanted)
	gates, err := r.Journal.Gates(ctx, slices.Compact(wanted), 0)
	if ctx.Err() != nil {
		return Board{}, err
	}
	b.Stopped, b.Unread = Stops(gates, names, b.Now), err
	return b, r.Surround(ctx, b.Rows, gates)
}

// Seen is what is known of all releases that matter now.
type Seen struct {
	Now      time.Time // the broker's
	Lanes    map[string]lane.Record
	Merged   []journal.Identity       // the newest merges of each project
	Releases map[string]journal.Entry // that the lanes or the merges name, and that have a journal
}

// See reads all releases of these projects that matter now, at the cost that the package comment states.
func (r *Reader) See(ctx context.Context, names []string) (Seen, error) {
	lanes, err := r.Journal.Lanes(ctx)
	if err != nil {
		return Seen{}, err
	}
	now, err := r.Journal.Now(ctx)
	if err != nil {
		return Seen{}, err
	}
	all, err := r.Journal.LoadAll(ctx, inLanes(lanes, names))
	if err != nil {
		return Seen{}, err
	}
	merged, err := r.merged(ctx, names, promoted(lanes, all))
	if err != nil {
		return Seen{}, err
	}
	var missing []string
	for _, m := range merged {
		if all[m.Release].Seq == 0 {
			missing = append(missing, m.Release)
		}
	}
	more, err := r.Journal.LoadAll(ctx, missing)
	maps.Copy(all, more)
	return Seen{Now: now, Lanes: lanes, Merged: merged, Releases: all}, err
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

// merged are the newest merges of these projects.
func (r *Reader) merged(ctx context.Context, names []string, since map[string]time.Time) ([]journal.Identity, error) {
	byProject := make([][]journal.Identity, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, name := range names {
		group.Go(func() error {
			from := journal.From{At: since[name].Add(-lookBack)}
			return r.Journal.Admitted(ctx, name, from, func(m journal.Identity) bool {
				if len(byProject[i]) == mergeMost {
					byProject[i] = byProject[i][1:]
				}
				byProject[i] = append(byProject[i], m)
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
	case release.Passed, release.Staging, release.Staged, release.Soaking, release.Held, release.Promoting, release.Baking,
		release.RollingBack:
		return rankStaging
	case release.Queued:
		return rankQueued
	case release.Published, release.Publishing, release.Merged, release.None:
		return rankComing
	case release.Promoted, release.Cancelled, release.Failed, release.Superseded, release.RolledBack:
	}
	return rankEnded
}
