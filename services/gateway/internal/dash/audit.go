package dash

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/auth"
)

const (
	auditReleases = 200 // whose journals are read, the newest, and as many that were merged before
	auditMost     = 500 // transitions that are listed
	auditReaders  = 8
)

// Query is what the audit is filtered by.
type Query struct {
	Project string
	Actor   string
	Event   string
	Since   string // a duration such as 7d; empty: a day
}

// Entry is a transition of a release.
type Entry struct {
	Moment
	Release, Project, Version string
}

// Audit is who did what, when and why, the newest first.
type Audit struct {
	Query   Query
	Entries []Entry
	Read    int  // journals that were read
	More    bool // there are releases that were merged before those, or transitions that are not listed
	Wrong   string
	Events  []string
}

// auditOf reads the journals of the newest releases that were merged since then.
func (d *Dash) auditOf(ctx context.Context, q Query) (Audit, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	out := Audit{Query: q, Events: events()}
	since, err := project.ParseDuration(cmp.Or(q.Since, "1d"))
	if err != nil || since <= 0 {
		out.Wrong = "since when? a duration such as 12h, 7d or 30d"
		return out, nil
	}
	if q.Project != "" && topology.CheckProject(q.Project) != nil {
		out.Wrong = "no project can have that name"
		return out, nil
	}
	from := d.hub.now().Add(-since)
	var ids []string
	// A release that was merged before may have been decided since: a soak and what waits for people take their time.
	err = d.journal.Admitted(ctx, q.Project, journal.From{At: from.Add(-since)}, func(i journal.Identity) bool {
		if ids = append(ids, i.Release); len(ids) > auditReleases {
			ids, out.More = ids[1:], true
		}
		return true
	})
	if err != nil {
		return out, err
	}
	// One that was merged long before may have been held, and cancelled, or rolled back, just now.
	known := map[string]bool{}
	for _, id := range ids {
		known[id] = true
	}
	d.hub.read(func(m *Model, _ time.Time, _ uint64) {
		for _, id := range m.decided(q.Project, from) {
			switch {
			case known[id]:
			case len(ids) < 2*auditReleases:
				ids = append(ids, id)
			default:
				out.More = true
			}
		}
	})
	all := make([][]Entry, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(auditReaders)
	for i, id := range ids {
		group.Go(func() error {
			records, err := d.journal.Records(ctx, id, 0)
			if errors.Is(err, journal.ErrNone) { // admitted just now
				return nil
			}
			for _, r := range records {
				if e := entryOf(r); !r.At.Before(from) && q.has(e) {
					all[i] = append(all[i], e)
				}
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return out, err
	}
	out.Read, out.Entries = len(ids), slices.Concat(all...)
	slices.SortFunc(out.Entries, func(a, b Entry) int { return cmp.Compare(b.Seq, a.Seq) })
	if len(out.Entries) > auditMost {
		out.Entries, out.More = out.Entries[:auditMost], true
	}
	return out, nil
}

// decided are the releases of a project, or of all, that are on their way or ended after that.
func (m *Model) decided(project string, from time.Time) []string {
	var out []string
	for id, r := range m.rows {
		if s := r.State; (project == "" || s.Project == project) && (!s.Phase.Ended() || !s.End.At.Before(from)) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	slices.Reverse(out) // the newest first: ids begin with their time
	return out
}

func entryOf(r journal.Record) Entry {
	return Entry{Moment: moment(r), Release: r.State.Release, Project: r.State.Project, Version: r.State.Version}
}

func (q Query) has(e Entry) bool {
	return (q.Actor == "" || e.By == q.Actor) && (q.Event == "" || e.Word == q.Event)
}

// events are the words of journals that the audit may be filtered by.
func events() []string {
	return []string{
		"merged", "publishing", "published", "queued", "staging", "staged", "soaking", "held", "resumed", "extended", "expedited", "approved",
		"postponed", "passed", "promoting", "baking", "promoted", "cancelled", "failed", "retried", "recalled", "rolling-back", "rolled-back",
		"rollback-failed", "superseded", "refused", "restoring", "restored",
	}
}

func queryOf(r *http.Request) Query {
	text := func(name string) string {
		v := strings.TrimSpace(r.FormValue(name))
		return v[:min(len(v), 64)]
	}
	return Query{Project: text("project"), Actor: text("actor"), Event: text("event"), Since: text("since")}
}

func (d *Dash) auditPage(w http.ResponseWriter, r *http.Request, p auth.Person) {
	d.loaded(r.Context())
	a, err := d.auditOf(r.Context(), queryOf(r))
	if err != nil {
		d.broken(w, r, err)
		return
	}
	d.show(w, r, p, "audit", Page{Title: "Audit", Nav: "audit", Data: a})
}
