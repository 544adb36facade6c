package dash

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/auth"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

func (d *Dash) boardPage(w http.ResponseWriter, r *http.Request, p auth.Person) {
	d.loaded(r.Context())
	q := filter(r)
	view, version, err := d.boardView(q, p.May(config.Operator))
	if err != nil {
		d.broken(w, r, err)
		return
	}
	d.show(w, r, p, "board", Page{
		Title: "Board", Nav: "board", Query: q, Live: liveQuery("page", "board", "q", q), Version: version, view: view, Data: columns(),
	})
}

// liveQuery is the query by which a page's changes are asked for.
func liveQuery(pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v.Encode()
}

func (d *Dash) boardView(q string, acts bool) (View, string, error) {
	return d.view(fmt.Sprint("board ", acts, " ", q), func(m *Model, now time.Time) (View, error) {
		top, err := d.top(m, "", now, acts)
		if err != nil {
			return View{}, err
		}
		v := View{Lists: []List{top}}
		for _, c := range m.Board(q, now) {
			count, err := d.item("n-"+c.ID, "count", c)
			if err != nil {
				return View{}, err
			}
			v.Single = append(v.Single, count)
			l := List{ID: "c-" + c.ID}
			for _, card := range c.Cards {
				i, err := d.item(card.ID, "card", dict("Card", card, "Acts", acts))
				if err != nil {
					return View{}, err
				}
				l.Items = append(l.Items, i)
			}
			if rest := c.All - len(c.Cards); rest > 0 || c.All == 0 {
				i, err := d.item("rest-"+c.ID, "rest", dict("Column", c, "Rest", rest))
				if err != nil {
					return View{}, err
				}
				l.Items = append(l.Items, i)
			}
			v.Lists = append(v.Lists, l)
		}
		return v, nil
	})
}

func (d *Dash) projectsPage(w http.ResponseWriter, r *http.Request, p auth.Person) {
	d.loaded(r.Context())
	q := filter(r)
	view, version, err := d.projectsView(q)
	if err != nil {
		d.broken(w, r, err)
		return
	}
	d.show(w, r, p, "projects", Page{
		Title: "Projects", Nav: "projects", Query: q, Live: liveQuery("page", "projects", "q", q), Version: version, view: view,
	})
}

// projectsMost is how many projects the list of all shows.
const projectsMost = 100

func (d *Dash) projectsView(q string) (View, string, error) {
	return d.view("projects "+q, func(m *Model, now time.Time) (View, error) {
		top, err := d.top(m, "", now, false)
		if err != nil {
			return View{}, err
		}
		all := m.projects(q, now)
		l := List{ID: "all-projects"}
		for _, p := range all[:min(len(all), projectsMost)] {
			i, err := d.item(p.ID, "project-row", p)
			if err != nil {
				return View{}, err
			}
			l.Items = append(l.Items, i)
		}
		more, err := d.item("more-projects", "more-projects", max(0, len(all)-projectsMost))
		return View{Single: []Item{more}, Lists: []List{top, l}}, err
	})
}

// Project is what a project's page shows beside what changes.
type Project struct {
	Name     string
	Revision string
	File     string // the project file
	Wrong    string // why there is none
	History  []Card
	More     bool // there is more history
	Acts     bool
}

// historyMost is how many releases a project's page lists.
const historyMost = 50

func (d *Dash) projectPage(w http.ResponseWriter, r *http.Request, p auth.Person) {
	d.loaded(r.Context())
	name := r.PathValue("project")
	data, err := d.project(r.Context(), name)
	switch {
	case errors.Is(err, catalog.ErrUnknownProject):
		d.fail(w, r, http.StatusNotFound, "There is no project of that name.")
		return
	case err != nil:
		d.broken(w, r, err)
		return
	}
	data.Acts = p.May(config.Operator)
	view, version, err := d.projectView(name, data.Acts)
	if err != nil {
		d.broken(w, r, err)
		return
	}
	d.show(w, r, p, "project", Page{
		Title: name, Nav: "projects", Live: liveQuery("page", "project", "project", name), Version: version, view: view, Data: data,
	})
}

// project reads a project's file and its history.
func (d *Dash) project(ctx context.Context, name string) (Project, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	out := Project{Name: name}
	if topology.CheckProject(name) != nil {
		return out, catalog.ErrUnknownProject
	}
	src, revision, err := d.catalog.Source(ctx, name)
	if err != nil {
		return out, err
	}
	out.File, out.Revision = string(src), revision
	entries, more, err := d.history(ctx, name)
	if err != nil {
		return out, err
	}
	out.More = more
	d.hub.read(func(m *Model, now time.Time, _ uint64) {
		for _, e := range entries {
			row := Row{State: e.State, Seq: e.Seq}
			if known, ok := m.Row(e.State.Release); ok {
				row.Around = known.Around
			}
			out.History = append(out.History, m.card(row, now))
		}
	})
	return out, nil
}

// history is the newest releases of a project, the newest merge first.
func (d *Dash) history(ctx context.Context, name string) ([]journal.Entry, bool, error) {
	var ids []string
	more := false
	err := d.journal.Admitted(ctx, name, journal.From{}, func(i journal.Identity) bool {
		if ids = append(ids, i.Release); len(ids) > historyMost {
			ids, more = ids[1:], true
		}
		return true
	})
	if err != nil {
		return nil, false, err
	}
	all, err := d.journal.LoadAll(ctx, ids)
	if err != nil {
		return nil, false, err
	}
	var out []journal.Entry
	for _, id := range ids {
		if e, ok := all[id]; ok {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b journal.Entry) int { return cmp.Compare(b.State.Merge.Seq, a.State.Merge.Seq) })
	return out, more, nil
}

func (d *Dash) projectView(name string, acts bool) (View, string, error) {
	return d.view(fmt.Sprint("project ", acts, " ", name), func(m *Model, now time.Time) (View, error) {
		top, err := d.top(m, name, now, acts)
		if err != nil {
			return View{}, err
		}
		live, ended := List{ID: "live"}, List{ID: "lately"}
		for _, r := range m.ofProject(name) {
			card := m.card(r, now)
			i, err := d.item(card.ID, "card", dict("Card", card, "Acts", acts))
			if err != nil {
				return View{}, err
			}
			if r.State.Phase.Ended() {
				ended.Items = append(ended.Items, i)
			} else if len(live.Items) < columnMost {
				live.Items = append(live.Items, i)
			}
		}
		channels, err := d.item("channels", "channels", dict("Promotions", promotions(m.gates[name].Record), "Beta", m.beta(name)))
		return View{Single: []Item{channels}, Lists: []List{top, live, ended}}, err
	})
}

// promotionsMost is how many promotions a project's page lists.
const promotionsMost = 8

// promotions are the newest ones, newest first.
func promotions(r release.Record) []release.Promotion {
	all := slices.Clone(r.Promotions)
	slices.Reverse(all)
	return all[:min(len(all), promotionsMost)]
}

// beta is what users of the beta channel of a project get now, as far as the model knows.
func (m *Model) beta(name string) release.Channel {
	var newest release.State
	for _, r := range m.ofProject(name) {
		s := r.State
		if s.BetaChannel.Touched && !s.BetaChannel.Restored && s.Merge.Seq >= newest.Merge.Seq {
			newest = s
		}
	}
	c := newest.BetaChannel
	if c.Value == "" {
		c.Value = newest.Beta
	}
	return c
}

// rowOf is a release with what is around it, and the records of its journal.
func (d *Dash) rowOf(ctx context.Context, id string) (Row, []journal.Record, error) {
	records, err := d.journal.Records(ctx, id, 0)
	if err != nil {
		return Row{}, nil, err
	}
	last := records[len(records)-1]
	row := Row{State: last.State, Seq: last.Seq}
	known := false
	d.hub.read(func(m *Model, _ time.Time, _ uint64) {
		if r, ok := m.Row(id); ok {
			row.Around, known = r.Around, true
		}
	})
	if !known && !last.State.Phase.Ended() { // it was heard of just now
		r, _, err := (&board.Reader{Journal: d.journal, Catalog: d.catalog}).Release(ctx, last.State)
		if err != nil {
			return Row{}, nil, err
		}
		row.Around = r.Around
	}
	return row, records, nil
}
