package dash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/auth"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// Page is what the layout of every page shows.
type Page struct {
	Title, Nav string
	Person     auth.Person
	Acts       bool // the person may act
	Admin      bool // and may stop all projects
	Open       bool // nobody is asked who they are
	Now        int64
	Live       string // the query of what changes; empty: nothing does
	Version    string
	Query      string // what is filtered by
	Data       any

	view View
}

// List is the HTML of a list of the view.
func (p Page) List(id string) template.HTML {
	var b strings.Builder
	for _, l := range p.view.Lists {
		if l.ID == id {
			for _, i := range l.Items {
				b.WriteString(i.HTML)
			}
		}
	}
	return template.HTML(b.String()) //nolint:gosec // it comes from our own templates
}

// Single is the HTML of an item of the view.
func (p Page) Single(id string) template.HTML {
	for _, i := range p.view.Single {
		if i.ID == id {
			return template.HTML(i.HTML) //nolint:gosec // it comes from our own templates
		}
	}
	return ""
}

func (d *Dash) functions() template.FuncMap {
	return template.FuncMap{
		"asset": func(name string) string { return d.files[name].path },
		"ms":    func(t time.Time) int64 { return t.UnixMilli() },
		"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"utc":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
		"left":  story.Left, "short": story.Commit, "value": story.Value,
		"dict": dict, "count": story.Count,
		"first": func(v []release.Verb, n int) []release.Verb { return v[:min(n, len(v))] },
		"label": verbLabel,
	}
}

// render executes a template into a string. An error in one of our templates is ours, and is shown as such.
func (d *Dash) render(name string, data any) (string, error) {
	var b bytes.Buffer
	if err := d.pages.ExecuteTemplate(&b, name, data); err != nil {
		return "", err
	}
	return strings.TrimSpace(b.String()), nil
}

// item renders an item of a view.
func (d *Dash) item(id, name string, data any) (Item, error) {
	html, err := d.render(name, data)
	return Item{ID: id, HTML: html}, err
}

// show answers with a page.
func (d *Dash) show(w http.ResponseWriter, r *http.Request, p auth.Person, name string, page Page) {
	page.Person, page.Acts, page.Admin, page.Open = p, p.May(config.Operator), p.May(config.Admin), d.guard.Open()
	page.Now = d.hub.now().UnixMilli()
	d.write(w, r, http.StatusOK, name, page)
}

func (d *Dash) write(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	html, err := d.render(name, data)
	if err != nil {
		d.log.Error("dashboard: a page can not be written", zap.String("page", name), zap.Error(err))
		http.Error(w, "This page can not be written.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(html)) // if it fails, whoever asked is gone
	}
}

// fail answers with an error, as a page or as JSON.
func (d *Dash) fail(w http.ResponseWriter, r *http.Request, status int, text string) {
	if isAPI(r) || strings.Contains(r.Header.Get("Accept"), "application/json") {
		writeJSON(w, status, apiError{text})
		return
	}
	name := "error"
	if isPart(r) {
		name = "problem"
	}
	d.write(w, r, status, name, Page{Title: http.StatusText(status), Now: time.Now().UnixMilli(), Data: text})
}

// broken answers with what could not be read.
func (d *Dash) broken(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case r.Context().Err() != nil: // whoever asked is gone
	case errors.Is(err, journal.ErrNone):
		d.fail(w, r, http.StatusNotFound, "There is no such release.")
	default:
		d.log.Warn("dashboard: can not answer", zap.String("path", r.URL.Path), zap.Error(err))
		d.fail(w, r, http.StatusServiceUnavailable, "The broker does not answer: try again.")
	}
}

// isPart tells whether our script asks, for a part of a page.
func isPart(r *http.Request) bool { return r.Header.Get("Sluice-Part") != "" }

// views are the views that were made last, so that many who look at the same cost as one.
type views struct {
	mu    sync.Mutex
	known map[string]made
}

type made struct {
	version uint64
	at      time.Time
	view    View
}

// viewsMost bounds how many are kept; a filter is anybody's text.
const viewsMost = 64

// freshFor is how long a view of one version holds: what is overdue is by the clock.
const freshFor = time.Second

// make returns the view of a key, made now unless it was made of this version a moment ago.
func (d *Dash) view(key string, build func(m *Model, now time.Time) (View, error)) (View, string, error) {
	d.views.mu.Lock()
	defer d.views.mu.Unlock()
	var out made
	var err error
	d.hub.read(func(m *Model, now time.Time, version uint64) {
		old, ok := d.views.known[key]
		if ok && old.version == version && time.Since(old.at) < freshFor {
			out = old
			return
		}
		out = made{version: version, at: time.Now()}
		out.view, err = build(m, now)
	})
	if err != nil {
		return View{}, "", err
	}
	if d.views.known == nil || len(d.views.known) >= viewsMost {
		d.views.known = map[string]made{}
	}
	d.views.known[key] = out
	return out.view, fmt.Sprintf("%s-%d", d.boot, out.version), nil
}

// filter is what a page is filtered by: part of a project's name.
func filter(r *http.Request) string {
	q := strings.ToLower(strings.TrimSpace(r.FormValue("q")))
	return q[:min(len(q), 63)]
}

// scene is what of a page may change, and how it is made.
type scene struct {
	release string // only what concerns it changes the page
	make    func(ctx context.Context) (View, string, error)
}

// sceneOf is the scene that a query names, for what the person may do.
func (d *Dash) sceneOf(page, project, id, q string, p auth.Person) (scene, bool) {
	acts := p.May(config.Operator)
	switch page {
	case "board":
		return scene{make: func(context.Context) (View, string, error) { return d.boardView(q, acts) }}, true
	case "projects":
		return scene{make: func(context.Context) (View, string, error) { return d.projectsView(q) }}, true
	case "project":
		if topology.CheckProject(project) != nil {
			return scene{}, false
		}
		return scene{make: func(context.Context) (View, string, error) { return d.projectView(project, acts) }}, true
	case "release":
		if topology.CheckRelease(id) != nil {
			return scene{}, false
		}
		return scene{release: id, make: func(ctx context.Context) (View, string, error) { return d.releaseView(ctx, id, acts) }}, true
	}
	return scene{}, false
}

// top is what stands above every page: what stops projects, and that the broker is away.
func (d *Dash) top(m *Model, project string, now time.Time, acts bool) (List, error) {
	out := List{ID: "notices"}
	add := func(id, name string, data any) error {
		i, err := d.item(id, name, data)
		out.Items = append(out.Items, i)
		return err
	}
	for _, text := range []string{d.hub.away, m.unread} {
		if text != "" {
			id := fmt.Sprintf("notice-%d", len(out.Items))
			if err := add(id, "notice", dict("ID", id, "Text", text)); err != nil {
				return out, err
			}
		}
	}
	for _, s := range m.stops(project, now) {
		if err := add(s.ID, "stopped", dict("Stop", s, "Acts", acts)); err != nil {
			return out, err
		}
	}
	return out, nil
}

func dict(pairs ...any) map[string]any {
	out := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		out[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return out
}
